//! `tandem rules explain`: what events would do, by the rules alone. No call of the platform, no write.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use tandem_app::config::Environment;
use tandem_app::rules_explained::{self, ExplainedEvents, Unexplained};
use tandem_app::system::SystemClock;
use tandem_core::domain::issue::FieldIssue;
use tandem_core::ports::Clock;

use super::{Text, field_rules};
use crate::failure::CommandError;
use crate::output::Output;

/// Options of `tandem rules explain`.
#[derive(Args)]
pub struct Explain {
    /// An event as `POST /events` takes it, or several of one user; `-` reads standard input.
    pub(super) event: PathBuf,
    /// The rules; without it those that the configuration names, else the built-in ones. Over HTTP those that count.
    #[arg(long)]
    pub(super) file: Option<PathBuf>,
    /// What happened to the user before: a list of events. Without it nothing is known of the user.
    #[arg(long)]
    pub(super) history: Option<PathBuf>,
}

/// Runs the command.
pub fn explain(options: &Explain, environment: &Environment, output: &Output) -> Result<(), CommandError> {
    let rules = Text::given(options.file.as_deref(), environment)?;
    let fields = field_rules()?;
    let book = match rules.book(environment, &fields) {
        Ok(book) => book,
        Err(problems) => return super::refused(&rules.from, &problems, output),
    };
    let history = options.history.as_deref().map(document).transpose()?;
    let given = (document(&options.event)?, history);
    let explained = rules_explained::explained(&book, &fields, SystemClock.now(), given);
    told(&explained.map_err(|unexplained| unfit(options, unexplained))?, output);
    Ok(())
}

/// What was found, for people and programs.
pub(super) fn told(explained: &ExplainedEvents, output: &Output) {
    output.result(&explained.events, explained.text());
}

/// The JSON of a file.
pub(super) fn document(path: &Path) -> Result<Value, CommandError> {
    serde_json::from_str(&contents(path)?)
        .map_err(|error| CommandError::Undone(format!("{}: no JSON: {error}", path.display())))
}

fn contents(path: &Path) -> Result<String, CommandError> {
    let text =
        if path == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    text.map_err(CommandError::file(path))
}

fn unfit(options: &Explain, unexplained: Unexplained) -> CommandError {
    let issues = match unexplained {
        Unexplained::Unfit(issues) => issues,
        Unexplained::Failed(failure) => return failure.into(),
    };
    let is_of_history = |issue: &FieldIssue| issue.field.starts_with("history");
    let file = options.history.as_ref().filter(|_| issues.iter().any(is_of_history)).unwrap_or(&options.event);
    let told: Vec<String> = issues.iter().map(|issue| format!("{}: {}", issue.field, issue.message)).collect();
    CommandError::Undone(format!("{}: {}", file.display(), told.join("; ")))
}
