//! A run of an installation that is called over HTTP: ordered there, and looked at until it has ended.

use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::{Value, json};
use tandem_app::api::runs::{OneRun, OrderedRun};
use tandem_core::ports::runs::{PlanLog, RunEnd, RunLog};
use tandem_core::sync::run::dry_run::DryRun;

use super::{Sync, change_text, incomplete, planned, progress_line, stopped};
use crate::api::{Api, Ask};
use crate::failure::CommandError;
use crate::output::Output;
use crate::runs::summary;

/// How often is looked how far the run came.
const PAUSE: Duration = Duration::from_secs(1);
/// How many looks a run may take to begin: other jobs go before it.
const BEGINNING: u32 = 600;
/// How many looks in a row may find an installation that takes no calls.
const SILENT: u32 = 60;

/// Orders the run and waits for its end.
pub(super) async fn sync(command: &Sync, api: &Api, output: &Output) -> Result<(), CommandError> {
    let Sync { dry_run, full, pull, accept_losses, .. } = command;
    let order = json!({"dryRun": dry_run, "full": full, "pull": pull, "acceptLosses": accept_losses});
    let ordered: OrderedRun = api.ask_as(Ask::post(&["runs"], order)).await?;
    let log = ended(api, &ordered.run).await?;
    match &log.plan {
        Some(plan) => told_of_plan(command, api, &log, plan, output).await,
        None => conclude(&log, output),
    }
}

async fn ended(api: &Api, run: &str) -> Result<RunLog, CommandError> {
    let progress = ProgressBar::new_spinner();
    let (mut looks, mut silent, mut pause) = (0, 0, PAUSE);
    let log = loop {
        tokio::time::sleep(std::mem::replace(&mut pause, PAUSE)).await;
        let found = match api.find(Ask::get(&["runs", run])).await {
            // The run goes on there, whatever becomes of one look at it.
            Err(CommandError::Busy { retry_after, .. }) if silent < SILENT => {
                silent += 1;
                pause = retry_after.unwrap_or(PAUSE).max(PAUSE);
                continue;
            }
            found => found?,
        };
        silent = 0;
        let found: Option<OneRun> = found.map(|found| api.read(found)).transpose()?;
        match found {
            Some(OneRun { run, under_way }) if under_way || run.end == RunEnd::Running => {
                progress.set_message(progress_line(&run));
            }
            Some(OneRun { run, .. }) if run.end != RunEnd::Queued => break run,
            _ if looks < BEGINNING => looks += 1,
            _ => {
                return Err(CommandError::Undone(format!(
                    "run {run} has not begun after ten minutes: it stands on the queue, and `tandem runs {run}` shows it then"
                )));
            }
        }
    };
    progress.finish_and_clear();
    Ok(log)
}

fn conclude(log: &RunLog, output: &Output) -> Result<(), CommandError> {
    output.result(log, summary(log));
    let why = || log.error.clone().unwrap_or_else(|| "the run failed".to_owned());
    match log.end {
        RunEnd::Finished | RunEnd::Planned => Ok(()),
        RunEnd::Incomplete => Err(incomplete(log)),
        RunEnd::Stopped => Err(stopped()),
        RunEnd::Paused | RunEnd::Running | RunEnd::Queued => Err(CommandError::Undone(format!(
            "the run paused and goes on by itself: `tandem runs {}` shows how far it is",
            log.id
        ))),
        RunEnd::Halted | RunEnd::Failed => Err(CommandError::Undone(why())),
    }
}

async fn told_of_plan(
    command: &Sync,
    api: &Api,
    log: &RunLog,
    plan: &PlanLog,
    output: &Output,
) -> Result<(), CommandError> {
    let changes: Vec<Value> = api.all_as("changes", command.limit, || Ask::get(&["runs", &log.id, "plan"])).await?;
    let told = DryRun {
        would_halt: plan.would_halt.clone(),
        due: plan.due,
        waiting: plan.waiting,
        situations: plan.situations.clone(),
    };
    let PlanLog { counts, complete, .. } = plan;
    output.result(
        &json!({"counts": counts, "situations": told.situations, "wouldHalt": told.would_halt, "due": told.due, "waiting": told.waiting, "complete": complete}),
        planned(counts, &told),
    );
    for change in &changes {
        output.result(change, change_text(change));
    }
    if !complete {
        return Err(CommandError::Undone(
            "the plan is not whole: its time ran out before all was looked at".to_owned(),
        ));
    }
    let left = plan.kept.saturating_sub(changes.len() as u64);
    if left > 0 {
        output.note(format!("… and {left} more: `tandem runs {} --plan` shows them", log.id));
    }
    Ok(())
}
