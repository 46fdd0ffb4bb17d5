//! `tandem issues`: what needs a person, folded by cause, and what people decided of it.

use std::collections::BTreeSet;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tandem_app::api::issues::{IssueView, OneIssue, Replayed};
use tandem_core::domain::scope::TenantId;
use tandem_core::sync::issues::IssueKind;

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
use crate::output::Output;

/// The most issues that a list shows.
const MOST: usize = 1_000;

/// What to do with issues.
#[derive(Subcommand)]
pub enum Issues {
    /// List what needs a person, the last seen first.
    List {
        /// Those of this state, in the place of those that are open or acknowledged.
        #[arg(long)]
        state: Option<State>,
    },
    /// Show one.
    Show {
        /// The first characters of its id.
        id: String,
    },
    /// Say that somebody sees to it.
    Acknowledge(Deciding),
    /// Say that it was seen to; seen again, it is open again.
    Resolve(Deciding),
    /// Be told of it no more.
    Ignore(Deciding),
    /// Have it be open again.
    Reopen(Deciding),
    /// Put its jobs on the queue again, once their cause is gone.
    Replay {
        /// The first characters of its id.
        id: String,
    },
}

/// What was decided of an issue.
#[derive(Clone, Copy, ValueEnum)]
pub enum State {
    /// Nothing.
    Open,
    /// Somebody sees to it.
    Acknowledged,
    /// It was seen to.
    Resolved,
    /// It is told of no more.
    Ignored,
}

/// An issue, and what is to be noted with the decision.
#[derive(Args)]
pub struct Deciding {
    /// The first characters of its id.
    id: String,
    /// What others should know about it.
    #[arg(long)]
    note: Option<String>,
}

/// Runs the command.
pub async fn issues(command: &Issues, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    match command {
        Issues::List { state } => {
            let listed = list(&api, state.map(word)).await?;
            output.result(&listed, table(&listed));
            Ok(())
        }
        Issues::Show { id } => {
            let issue = find(&api, id).await?;
            output.result(&issue, format!("{}\n{:#}", line(&issue), json!(issue)));
            Ok(())
        }
        Issues::Acknowledge(deciding) => decide(&api, deciding, word(State::Acknowledged), output).await,
        Issues::Resolve(deciding) => decide(&api, deciding, word(State::Resolved), output).await,
        Issues::Ignore(deciding) => decide(&api, deciding, word(State::Ignored), output).await,
        Issues::Reopen(deciding) => decide(&api, deciding, word(State::Open), output).await,
        Issues::Replay { id } => replay(&api, id, output).await,
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Acknowledged => "acknowledged",
        State::Resolved => "resolved",
        State::Ignored => "ignored",
    }
}

async fn list(api: &Api, state: Option<&str>) -> Result<Vec<IssueView>, CommandError> {
    api.all_as("issues", MOST, || Ask::get(&["issues"]).with("state", state)).await
}

/// The issue whose id begins so, whatever was decided of it.
async fn find(api: &Api, wanted: &str) -> Result<IssueView, CommandError> {
    let mut matching = Vec::new();
    for state in [None, Some("resolved"), Some("ignored")] {
        matching.extend(list(api, state).await?.into_iter().filter(|issue| issue.issue.id.starts_with(wanted)));
    }
    match (matching.pop(), matching.pop()) {
        (Some(issue), None) => Ok(issue),
        (None, _) => {
            Err(CommandError::Undone("no issue has an id that begins so: see `tandem issues list`".to_owned()))
        }
        (Some(_), Some(_)) => {
            Err(CommandError::Undone("several issues have an id that begins so: give more of it".to_owned()))
        }
    }
}

async fn decide(api: &Api, deciding: &Deciding, state: &str, output: &Output) -> Result<(), CommandError> {
    let issue = find(api, &deciding.id).await?;
    let mut wish = json!({"state": state});
    if let Some(note) = &deciding.note {
        wish["note"] = json!(note);
    }
    let OneIssue { issue } = api.ask_as(Ask::patch(&["issues", &issue.issue.id], wish)).await?;
    output.result(&issue, line(&issue));
    Ok(())
}

/// As many calls as it takes: each does a hundred jobs. What is parked again while this goes on comes last, and ends it.
async fn replay(api: &Api, id: &str, output: &Output) -> Result<(), CommandError> {
    let issue = find(api, id).await?;
    let mut all = BTreeSet::new();
    loop {
        let replay = Ask::post(&["issues", &issue.issue.id, "replay"], json!({}));
        let Some(answer) = api.find(replay).await? else { break };
        let Replayed { replayed, more } = api.read(answer)?;
        let known = all.len();
        let count = replayed.len();
        all.extend(replayed);
        if !more || all.len() < known + count {
            break;
        }
    }
    output.result(&json!({"replayed": all}), format!("{} jobs are on the queue again", all.len()));
    Ok(())
}

fn table(issues: &[IssueView]) -> String {
    if issues.is_empty() {
        return "nothing needs a person".to_owned();
    }
    issues.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(view: &IssueView) -> String {
    let issue = &view.issue;
    let id = issue.id.get(..12).unwrap_or(&issue.id);
    let kind = match issue.kind {
        IssueKind::ParkedJobs => "parked jobs",
        IssueKind::HaltedRun => "halted run",
        IssueKind::FailedRun => "failed run",
        IssueKind::MissingField => "missing field",
        IssueKind::RefusedField => "refused field",
    };
    let state = match json!(view.state) {
        Value::String(state) => state,
        _ => String::new(),
    };
    let by = view.decided_by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
    let note = view.note.as_deref().map(|note| format!("\n    {note}")).unwrap_or_default();
    let seen = issue.last_seen.strftime("%Y-%m-%d %H:%M:%S");
    format!(
        "{id}  {seen}  {kind:<13}  {} times  {state}{by}  {}\n    {}{note}",
        issue.count, issue.message, issue.advice
    )
}
