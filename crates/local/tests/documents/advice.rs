//! What the programs advise is held against the command line, too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::commands::{ours, unsound};
use crate::markdown::project;

/// Flags of other programs that texts mention.
const OF_OTHERS: &[&str] = &["--env", "--queue-url"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "toml" || kind == "sql") {
            found.push(path);
        }
    }
}

/// The files whose texts people see.
fn texts() -> Vec<(String, String)> {
    let project = project();
    let mut paths =
        vec![project.join("template.yaml"), project.join("docs/openapi.yaml"), project.join("docs/supabase.sql")];
    for part in ["core", "connectors", "app", "local"] {
        sources(&project.join("crates").join(part).join("src"), &mut paths);
    }
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&project).unwrap().display().to_string();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_advice_is_a_command_that_exists() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (name, text) in texts() {
        // A text may go on in the next line of the source.
        let text = text.replace("\\\n", " ").replace("\n///", " ").replace("\n//!", " ");
        for span in text.split('`').filter(|span| ours(span).is_some() && span.len() < 120) {
            let span = span.split_whitespace().collect::<Vec<_>>().join(" ");
            // What is filled in stands in braces.
            let filled =
                span.split(['{', '}']).enumerate().map(|(index, part)| if index % 2 == 1 { "x" } else { part });
            let filled: String = filled.collect();
            count += 1;
            wrong.extend(unsound(&filled).map(|problem| format!("{name}: {span}: {problem}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 20, "advice was found: {count}");
}

#[test]
fn every_flag_that_a_text_names_exists() {
    let mut known = BTreeSet::from(["--help".to_owned(), "--version".to_owned()]);
    flags(&tandem_local::command_line(), &mut known);
    let mut wrong = Vec::new();
    for (name, text) in texts().into_iter().filter(|(name, _)| name.ends_with(".rs")) {
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for (index, _) in code.match_indices("--") {
            let rest = &code[index..];
            let end =
                rest.char_indices().skip(2).find(|(_, c)| !c.is_ascii_lowercase() && *c != '-').map(|(end, _)| end);
            let flag = rest[..end.unwrap_or(rest.len())].trim_end_matches('-');
            let is_word = flag.len() > 4 && !code[..index].ends_with(|c: char| c.is_alphanumeric() || c == '-');
            if is_word && !known.contains(flag) && !OF_OTHERS.contains(&flag) {
                wrong.push(format!("{name}: {flag}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn flags(command: &clap::Command, known: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        let aliases = argument.get_visible_aliases().unwrap_or_default();
        known.extend(argument.get_long().into_iter().chain(aliases).map(|name| format!("--{name}")));
    }
    command.get_subcommands().for_each(|command| flags(command, known));
}
