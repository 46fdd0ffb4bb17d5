//! Pages and their code blocks.

use std::path::{Path, PathBuf};

/// What stands before a block that has a terminal to itself: it serves until the page ends.
const OWN_TERMINAL: &str = "<!-- in a terminal of its own -->";
/// What stands before a block that is only read, with the reason after it.
const NOT_RUN: &str = "<!-- not run: ";

/// How a shell block is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is run to its end.
    Run,
    /// It goes on while the others run.
    Serve,
    /// It is only held against the command line, for this reason.
    Read(String),
}

/// A fenced block of shell commands.
#[derive(Clone, Debug)]
pub struct ShellBlock {
    pub line: usize,
    pub treatment: Treatment,
    pub text: String,
}

/// A page of the documentation.
pub struct Page {
    /// Its path from the top of the project.
    pub name: String,
    pub text: String,
}

/// The top of the project.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/local lies in the project").to_owned()
}

/// The README, then the pages of `docs` by name.
pub fn pages() -> Vec<Page> {
    let project = project();
    let docs = std::fs::read_dir(project.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    paths.sort();
    paths.insert(0, project.join("README.md"));
    let page = |path: PathBuf| Page {
        name: path.strip_prefix(&project).unwrap().display().to_string(),
        text: std::fs::read_to_string(&path).unwrap(),
    };
    paths.into_iter().map(page).collect()
}

impl Page {
    /// Its blocks that are marked as `sh`.
    pub fn shell_blocks(&self) -> Vec<ShellBlock> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        let mut before = "";
        while let Some((index, line)) = lines.next() {
            if line.trim_start() == "```sh" {
                let indent = line.len() - line.trim_start().len();
                let body = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim_start() != "```");
                let text: String = body.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect();
                blocks.push(ShellBlock { line: index + 1, treatment: treatment(before), text });
            }
            if !line.trim().is_empty() {
                before = line.trim();
            }
        }
        blocks
    }

    /// Lines that stand in no fenced block, with their numbers.
    pub fn unfenced_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut fenced = false;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            let is_fence = line.trim_start().starts_with("```");
            fenced ^= is_fence;
            (!fenced && !is_fence).then_some((index + 1, line))
        })
    }

    /// What stands between backticks in its prose and tables.
    pub fn inline_code(&self) -> Vec<(usize, String)> {
        let spans = |(number, line): (usize, &str)| {
            let spans: Vec<_> = line.split('`').skip(1).step_by(2).map(|span| (number, span.to_owned())).collect();
            spans
        };
        self.unfenced_lines().flat_map(spans).collect()
    }
}

fn treatment(before: &str) -> Treatment {
    match before.strip_prefix(NOT_RUN) {
        Some(reason) => Treatment::Read(reason.trim_end_matches("-->").trim().to_owned()),
        None if before == OWN_TERMINAL => Treatment::Serve,
        None => Treatment::Run,
    }
}

impl ShellBlock {
    /// Its commands, a line each: continued lines are put together, and what is fed to a command is left out.
    pub fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        let joined = self.text.replace("\\\n", " ");
        let mut lines = joined.lines();
        while let Some(line) = lines.next() {
            if let Some((command, end)) = line.split_once("<<") {
                let end = end.trim_matches(|c: char| c == '\'' || c == '"' || c.is_whitespace());
                lines.by_ref().take_while(|line| *line != end).for_each(drop);
                commands.push(command.to_owned());
            } else if !line.trim().is_empty() {
                commands.push(line.to_owned());
            }
        }
        commands
    }
}

/// Where the links of a page lead that are no addresses of the web.
fn local_links(page: &Page) -> Vec<String> {
    let links = page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.filter(|link| !link.contains("://")).map(str::to_owned).collect()
}

/// The names of a page's headings in links.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_somewhere() {
    let project = project();
    let mut lost = Vec::new();
    for page in pages() {
        let folder = project.join(&page.name).parent().unwrap().to_owned();
        for link in local_links(&page) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { project.join(&page.name) } else { folder.join(file) };
            let is_there = target.exists();
            let is_named = anchor.is_empty()
                || target.extension().is_none_or(|kind| kind != "md")
                || std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(&anchor.to_owned()));
            if !(is_there && is_named) {
                lost.push(format!("{}: {link}", page.name));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:?}");
}
