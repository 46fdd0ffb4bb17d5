//! Command lines of the documents, held against the command line as it is understood.

use clap::error::ErrorKind;

use crate::markdown::{Page, Treatment, pages, project};

/// Why a command line is not understood.
pub fn unsound(line: &str) -> Option<String> {
    // Documents write optional parts in brackets, alternatives with bars, and what there may be more of with dots.
    let line = line.replace(['[', ']', '…'], "");
    let line = line.split(" # ").next().unwrap_or_default();
    let Some(words) = shlex::split(line) else { return Some("its quotation marks do not match".to_owned()) };
    let is_end =
        |word: &&String| word.starts_with(['>', '#']) || matches!(word.as_str(), "|" | "&&" | ";" | "&" | "2>");
    let ours = words.iter().skip_while(|word| word.contains('=') && !word.starts_with('-'));
    let words: Vec<String> = ours.take_while(|word| !is_end(word)).map(|word| chosen(word)).collect();
    let error = tandem_local::command_line().try_get_matches_from(words).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        // A command that is only named.
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => None,
        // An option that is only named.
        ErrorKind::InvalidValue if error.to_string().contains("a value is required") => None,
        _ => Some(error.to_string()),
    }
}

/// The first of several alternatives; a number where one is meant.
fn chosen(word: &str) -> String {
    let first = word.split('|').next().unwrap_or(word);
    first.to_owned()
}

/// The command line without the way to the program.
pub fn ours(command: &str) -> Option<&str> {
    let command = command.trim();
    let command = command.strip_prefix("target/debug/").unwrap_or(command);
    (command == "tandem" || command.starts_with("tandem ")).then_some(command)
}

#[test]
fn every_command_line_of_the_documents_is_understood() {
    let mut wrong = Vec::new();
    for page in pages() {
        let inline = page.inline_code();
        let blocks = page.shell_blocks();
        let of_blocks = blocks.iter().flat_map(|block| block.commands().into_iter().map(|line| (block.line, line)));
        for (number, line) in inline.into_iter().chain(of_blocks) {
            for part in line.split("$(") {
                let part = part.split(')').next().unwrap_or_default();
                if let Some(problem) = ours(part).and_then(unsound) {
                    wrong.push(format!("{}:{number}: {part}: {problem}", page.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_stand_in_blocks_that_are_run() {
    let begins = ["tandem ", "target/debug/tandem", "curl ", "make ", "aws ", "export ", "cargo ", "npm "];
    let stray = |page: &Page| {
        let lines = page.unfenced_lines().filter(|(_, line)| line.starts_with("    "));
        let lines = lines.filter(|(_, line)| begins.iter().any(|begin| line.trim_start().starts_with(begin)));
        lines.map(|(number, line)| format!("{}:{number}: {}", page.name, line.trim())).collect::<Vec<_>>()
    };
    let stray: Vec<String> = pages().iter().flat_map(stray).collect();
    assert!(stray.is_empty(), "put these into blocks that begin with ```sh:\n{}", stray.join("\n"));
}

#[test]
fn tasks_that_the_documents_name_are_in_the_makefile() {
    let makefile = std::fs::read_to_string(project().join("Makefile")).unwrap();
    let scenarios = std::fs::read_to_string(project().join("tests/src/scenarios/mod.rs")).unwrap();
    let exists = |task: &str| {
        let is_scenario = |name: &str| scenarios.contains(&format!("\"{name}\""));
        makefile.contains(&format!("\n{task}:")) || task.strip_prefix("prove-").is_some_and(is_scenario)
    };
    let mut unknown = Vec::new();
    for page in pages() {
        let of_blocks: Vec<String> = page.shell_blocks().iter().flat_map(|block| block.commands()).collect();
        let named = page.inline_code().into_iter().map(|(_, span)| span).chain(of_blocks);
        for line in named {
            let Some(rest) = line.trim().strip_prefix("make ") else { continue };
            let tasks =
                rest.split(" #").next().unwrap_or_default().split_whitespace().filter(|word| !word.contains('='));
            unknown.extend(tasks.filter(|task| !exists(task)).map(|task| format!("{}: make {task}", page.name)));
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn what_is_not_run_has_one_of_these_reasons() {
    let reasons = [
        "needs AWS",
        "needs a real Mautic",
        "needs a conflict",
        "builds the project",
        "needs the tools of the project",
        "needs a payment provider",
        "belongs to your application",
        "takes the person away",
    ];
    for page in pages() {
        for block in page.shell_blocks() {
            if let Treatment::Read(reason) = &block.treatment {
                assert!(reasons.contains(&reason.as_str()), "{}:{}: {reason}", page.name, block.line);
            }
        }
    }
}
