//! `mautic_sync_logs`: a row a run, its continuations included.

use tandem_core::error::Result;
use tandem_core::ports::runs::{RunEnd, RunLog};
use uuid::Uuid;

use super::Supabase;
use super::convert::{storable, uuid, uuid_of};
use super::upsert::{Known, Upsert};
use super::wire::{Problem, Run, RunDetails};

const RUNS: Upsert = Upsert { table: "mautic_sync_logs", key: "id", known: Known::Merged };

impl Supabase {
    pub(super) async fn write_run(&self, run: &RunLog) -> Result<()> {
        let row = storable(&row(run))?;
        self.if_there(RUNS.table, self.upsert(RUNS, &[row])).await?;
        Ok(())
    }
}

fn row(run: &RunLog) -> Run<'_> {
    Run {
        id: id(run),
        run_started_at: run.started_at,
        run_finished_at: run.finished_at,
        contacts_synced: counted(run.created.saturating_add(run.updated)),
        contacts_failed: counted(run.failed),
        segments_synced: counted(run.segments),
        error_details: details(run),
    }
}

fn id(run: &RunLog) -> Uuid {
    uuid(&run.id).unwrap_or_else(|| uuid_of(&format!("run/{}", run.id)))
}

/// What was wrong; `None` when nothing was.
fn details(run: &RunLog) -> Option<RunDetails<'_>> {
    let ended_well = matches!(run.end, RunEnd::Running | RunEnd::Finished | RunEnd::Incomplete | RunEnd::Paused)
        && run.error.is_none();
    let nothing_else = run.issues.is_empty() && run.problems.is_empty() && run.rejected == 0 && run.conflicts == 0;
    if ended_well && nothing_else {
        return None;
    }
    Some(RunDetails {
        end: run.end,
        error: run.error.as_deref(),
        rejected: run.rejected,
        conflicts: run.conflicts,
        issues: &run.issues,
        problems: run.problems.iter().map(|problem| Problem { id: &problem.id, issue: &problem.issue }).collect(),
    })
}

/// The columns are `integer`.
fn counted(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
