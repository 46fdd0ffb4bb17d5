//! `tandem runs`: what sync runs did.

mod issues;

use std::fmt::Write;
use std::path::Path;

use clap::Args;
use tandem_app::config::Environment;
use tandem_app::store::RunTable;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::runs::{RunEnd, RunLog, RunStore};
use tandem_core::sync::operations::listing::OperationQuery;

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::operations;
use crate::output::Output;

/// How many runs are looked through for one.
const MOST: usize = 200;

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
}

/// Runs the command.
pub async fn runs(
    command: &Runs,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let store = RunTable::new(installation.foundation.table.clone());
    let limit = if command.id.is_some() { MOST } else { command.limit.clamp(1, MOST) };
    let listed = store.runs(&Scope::default_mautic(), limit).await?;
    match &command.id {
        None => output.result(&listed, table(&listed)),
        Some(id) => {
            let found = listed.iter().find(|run| run.id == *id);
            let run =
                found.ok_or_else(|| CommandError::Undone("there is no such run: see `tandem runs`".to_owned()))?;
            if command.operations {
                let query = OperationQuery { run: Some(run.id.clone()), ..OperationQuery::default() };
                operations::show(&installation.foundation.table_desk()?, &query, command.limit, output).await?;
            } else if command.csv || command.issue.is_some() {
                let rows = issues::rows(&installation.foundation, &store, &run.id, command.issue.as_deref()).await?;
                let text = if command.csv { issues::csv(&rows)? } else { issues::table(&rows) };
                output.result(&rows, text);
            } else {
                output.result(run, detail(run));
            }
        }
    }
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
    }
}
