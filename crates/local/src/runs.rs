//! `tandem runs`: what sync runs did, and stopping one.

mod rows;

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};
use tandem_app::api::runs::{OneRun, RunRow, StoppedRun};
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::runs::{RunEnd, RunLog};

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
use crate::operations::{self, Wanted};
use crate::output::Output;
use crate::sync;

/// The most rows of a run, or changes of a plan, that are shown.
const MOST: usize = 1_000_000;

/// Options of `tandem runs`.
#[derive(Args)]
pub struct Runs {
    /// One run in detail, with the rows that were rejected or failed.
    id: Option<String>,
    /// How many runs, or operations, to list.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// The rows of which a value of this field could not be taken, with the address and the value that the source has now:
    /// personal data.
    #[arg(long, value_name = "FIELD", requires = "id")]
    issue: Option<String>,
    /// The rows as CSV: those of `--issue`, or of all issues.
    #[arg(long, requires = "id")]
    csv: bool,
    /// What the run wrote to the platform, thing by thing, the newest first; at most so many as --limit.
    #[arg(long, requires = "id", conflicts_with_all = ["issue", "csv"])]
    operations: bool,
    /// What a dry run found that was ordered from afar, change by change: personal data.
    #[arg(long, requires = "id", conflicts_with_all = ["issue", "csv", "operations"])]
    plan: bool,
    /// Stop the run, when its next step is done. What is left waits for the next one.
    #[arg(long, requires = "id", conflicts_with_all = ["issue", "csv", "operations", "plan"])]
    stop: bool,
}

/// Runs the command.
pub async fn runs(command: &Runs, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    let Some(id) = &command.id else {
        let listed: Vec<RunLog> = api.all_as("runs", command.limit.max(1), || Ask::get(&["runs"])).await?;
        output.result(&listed, table(&listed));
        return Ok(());
    };
    if command.stop {
        return stop(&api, id, output).await;
    }
    let unknown = || CommandError::Undone("there is no such run: see `tandem runs`".to_owned());
    let found = api.find(Ask::get(&["runs", id])).await?.ok_or_else(unknown)?;
    let OneRun { run, .. } = api.read(found)?;
    if command.operations {
        let wanted = Wanted { run: Some(run.id), ..Wanted::default() };
        operations::show(&api, &wanted, command.limit, output).await?;
    } else if command.csv || command.issue.is_some() {
        let issue = command.issue.as_deref();
        let found: Vec<RunRow> =
            api.all_as("rows", MOST, || Ask::get(&["runs", id, "rows"]).with("issue", issue)).await?;
        let text = if command.csv { rows::csv(&found)? } else { rows::table(&found) };
        output.result(&found, text);
    } else if command.plan {
        let changes: Vec<Value> = api.all_as("changes", MOST, || Ask::get(&["runs", id, "plan"])).await?;
        let text = changes.iter().map(sync::change_text).collect::<Vec<_>>().join("\n");
        output.result(&json!({"plan": run.plan, "changes": changes}), text);
    } else {
        output.result(&run, detail(&run));
    }
    Ok(())
}

async fn stop(api: &Api, id: &str, output: &Output) -> Result<(), CommandError> {
    let stopped: StoppedRun = api.ask_as(Ask::post(&["runs", id, "stop"], json!({}))).await?;
    let text = if stopped.stopped {
        "stopped: what is left waits for the next run"
    } else {
        "asked to stop: it does when the call that is under way has ended, a minute at most"
    };
    output.result(&stopped, text);
    Ok(())
}

fn table(runs: &[RunLog]) -> String {
    if runs.is_empty() {
        return "no run yet".to_owned();
    }
    let line = |run: &RunLog| {
        format!(
            "{}  {}  {:<8}  rows {}  created {}  updated {}  failed {}  rejected {}  calls {}  {:.1} s",
            run.id,
            run.started_at.strftime("%Y-%m-%d %H:%M:%S"),
            end(run.end),
            run.rows,
            run.created,
            run.updated,
            run.failed,
            run.rejected,
            run.calls,
            run.busy_ms as f64 / 1000.0
        )
    };
    runs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn detail(run: &RunLog) -> String {
    let mut text = summary(run);
    for problem in &run.problems {
        // Writing to a string can't fail.
        let _infallible = writeln!(text, "  {}  {}: {}", problem.id, problem.issue.field, problem.issue.message);
    }
    text
}

/// A run's counts, a line each.
pub fn summary(run: &RunLog) -> String {
    let mut text = String::new();
    let rows = [
        ("unchanged", run.unchanged),
        ("stale", run.stale),
        ("taken", run.taken),
        ("rejected", run.rejected),
        ("skipped", run.skipped),
        ("deleted", run.deleted),
        ("left for later", run.put_off),
    ];
    let counts = [
        ("shared", run.shared),
        ("left out", run.left_out),
        ("gone", run.gone),
        ("created", run.created),
        ("updated", run.updated),
        ("failed", run.failed),
        ("memberships", run.memberships),
        ("pulled", run.pulled),
        ("appeared", run.appeared),
        ("conflicts", run.conflicts),
        ("waiting", run.waiting),
        ("Mautic calls", run.calls),
        ("bytes", run.bytes),
        ("milliseconds", run.busy_ms),
    ];
    // Writing to a string can't fail, here and below.
    let _infallible = writeln!(text, "run {} {}", run.id, end(run.end));
    if run.rows > 0 {
        let rows = rows.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} {name}"));
        let _infallible =
            writeln!(text, "  {:<14}{} = {}", "rows read", run.rows, rows.collect::<Vec<_>>().join(" + "));
    }
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        let _infallible = writeln!(text, "  {name:<14}{count}");
    }
    for (issue, count) in &run.issues {
        let _infallible = writeln!(text, "    {count:>6}  {issue}");
    }
    if !run.issues.is_empty() {
        let _infallible = writeln!(text, "  whose they are: `tandem runs {} --issue FIELD`", run.id);
    }
    if let Some(error) = &run.error {
        let _infallible = writeln!(text, "  {error}");
    }
    text
}

fn end(end: RunEnd) -> &'static str {
    match end {
        RunEnd::Running => "running",
        RunEnd::Finished => "finished",
        RunEnd::Incomplete => "incomplete",
        RunEnd::Paused => "paused",
        RunEnd::Halted => "halted",
        RunEnd::Failed => "failed",
        RunEnd::Stopped => "stopped",
        RunEnd::Planned => "planned",
        RunEnd::Queued => "queued",
    }
}
