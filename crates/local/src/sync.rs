//! `tandem sync`: a sync run at the terminal, or what it would do.

mod afar;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::error::{Failure, FailureKind};
use tandem_core::policy;
use tandem_core::ports::Clock;
use tandem_core::ports::runs::{RunEnd, RunLog};
use tandem_core::sync::run::dry_run::{DryRun, PlannedAction, PlannedChange};
use tandem_core::sync::run::{Ran, Stopped, SyncOptions};
use tandem_core::sync::services::Desk;

use crate::api::Target;
use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;
use crate::runs::summary;

/// A person at a terminal waits for a pause that is no longer than this.
const WAITED: SignedDuration = SignedDuration::from_mins(3);
/// How often a failure that may pass is tried again.
const TRIES: u32 = 5;
/// The pause before a further try.
const PAUSE: Duration = Duration::from_secs(3);
/// How long another run is waited for: a killed one keeps its lease for half a minute.
const BUSY: u32 = 20;

/// Options of `tandem sync`.
#[derive(Args)]
pub struct Sync {
    /// Print what would be done, field by field, and change nothing. The output holds personal data.
    #[arg(long)]
    dry_run: bool,
    /// How many planned changes `--dry-run` prints in detail.
    #[arg(long, default_value_t = 100, requires = "dry_run")]
    limit: usize,
    /// Read all rows and compare each with what was sent; find those that are gone.
    #[arg(long)]
    full: bool,
    /// Look for changes made in Mautic now, instead of once an hour.
    #[arg(long)]
    pull: bool,
    /// Deletions and blanks are meant, however many they are.
    #[arg(long)]
    accept_losses: bool,
}

/// Runs the command.
pub async fn sync(command: &Sync, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    if target.url.is_some() {
        return afar::sync(command, &target.api(&TenantId::default()).await?, output).await;
    }
    let installation = Installation::open(target.data_dir, target.environment).await?;
    let desk = installation.desk()?;
    let known = Scope::default_mautic().integration.to_string();
    if target.integration.is_some_and(|wanted| wanted != known) {
        return Err(CommandError::Undone(format!(
            "the run of this process is {known}'s: `tandem sync --url` and --integration order one of another integration"
        )));
    }
    if command.dry_run {
        return dry_run(&desk, command, output).await;
    }
    let progress = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}  {msg}") {
        progress.set_style(style);
    }
    let ran = run(&desk, command, &progress).await;
    progress.finish_and_clear();
    conclude(ran?, output)
}

/// Runs, and goes on after short pauses and failures that pass.
async fn run(desk: &Desk, command: &Sync, progress: &ProgressBar) -> Result<Ran, CommandError> {
    let observer = |log: &RunLog| progress.set_message(progress_line(log));
    let options = SyncOptions {
        full: command.full,
        accept_losses: command.accept_losses,
        pull: command.pull,
        observer: &observer,
        ..SyncOptions::default()
    };
    let (mut failures, mut busy) = (0, 0);
    loop {
        let ran = match desk.sync(options).await {
            Err(failure) if failure.kind == FailureKind::Conflict && busy < BUSY => {
                busy += 1;
                progress.set_message("another run is under way: waiting for it");
                desk.services.sleep.sleep(PAUSE).await;
                continue;
            }
            ran => ran?,
        };
        let wait = match &ran.stopped {
            Some(Stopped::Paused(moment)) => short_wait(*moment),
            Some(Stopped::Failed(failure)) if passes(failure) && failures < TRIES => {
                failures += 1;
                Some(PAUSE)
            }
            Some(Stopped::Failed(_) | Stopped::Halted(_) | Stopped::Asked) | None => None,
        };
        match wait {
            Some(wait) => desk.services.sleep.sleep(wait).await,
            None => return Ok(ran),
        }
    }
}

fn passes(failure: &Failure) -> bool {
    policy::may_pass_soon(failure.kind) || failure.kind == FailureKind::Storage
}

fn short_wait(moment: Timestamp) -> Option<Duration> {
    let wait = moment.duration_since(SystemClock.now());
    (wait <= WAITED).then(|| Duration::try_from(wait).unwrap_or_default().max(Duration::from_millis(200)))
}

fn progress_line(log: &RunLog) -> String {
    format!(
        "{} rows read, {} created, {} updated, {} failed, {} memberships, {} calls",
        log.rows, log.created, log.updated, log.failed, log.memberships, log.calls
    )
}

fn conclude(ran: Ran, output: &Output) -> Result<(), CommandError> {
    output.result(&ran.log, summary(&ran.log));
    match ran.stopped {
        None if ran.log.end == RunEnd::Incomplete => Err(incomplete(&ran.log)),
        None => Ok(()),
        Some(Stopped::Paused(moment)) => Err(CommandError::Undone(format!(
            "Mautic takes no more calls until {moment}: the schedule goes on then, or this command"
        ))),
        Some(Stopped::Halted(reason)) => Err(CommandError::Undone(reason)),
        Some(Stopped::Asked) => Err(stopped()),
        Some(Stopped::Failed(failure)) => Err(failure.into()),
    }
}

fn incomplete(log: &RunLog) -> CommandError {
    CommandError::Undone(format!(
        "{} contacts could not be written and are tried again: `tandem runs {}` names those of this run",
        log.failed, log.id
    ))
}

fn stopped() -> CommandError {
    CommandError::Undone("somebody stopped the run: what is left waits for the next one".to_owned())
}

/// Begins with what it all comes to; the changes follow, as many as are asked for.
async fn dry_run(desk: &Desk, command: &Sync, output: &Output) -> Result<(), CommandError> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let (mut changes, mut left_out) = (Vec::new(), 0_u64);
    let mut sink = |change: PlannedChange| {
        *counts.entry(name(change.action)).or_default() += 1;
        if matches!(change.action, PlannedAction::Unchanged | PlannedAction::Store) {
            return;
        }
        if changes.len() < command.limit {
            changes.push(change);
        } else {
            left_out += 1;
        }
    };
    let told = desk.dry_run(command.full, &mut sink).await?;
    output.result(
        &json!({
            "counts": counts, "situations": told.situations, "wouldHalt": told.would_halt, "due": told.due,
            "waiting": told.waiting,
        }),
        planned(&counts, &told),
    );
    for change in &changes {
        output.result(change, shown(change));
    }
    if left_out > 0 {
        output.note(format!("… and {left_out} more: --limit shows them"));
    }
    Ok(())
}

fn planned(counts: &BTreeMap<String, u64>, told: &DryRun) -> String {
    let mut lines = Vec::new();
    if let Some(why) = &told.would_halt {
        lines.push(format!("WOULD HALT: {why}"));
    }
    lines.extend(counts.iter().map(|(name, count)| format!("{name:<10}{count}")));
    let situations: Vec<String> =
        told.situations.iter().map(|(situation, count)| format!("{situation} {count}")).collect();
    if !situations.is_empty() {
        lines.push(format!("situations: {}", situations.join(", ")));
    }
    if told.due + told.waiting > 0 {
        lines.push(format!("from runs before: {} are due and among these, {} wait", told.due, told.waiting));
    }
    if lines.is_empty() {
        lines.push("nothing to do".to_owned());
    }
    lines.push("Nothing was changed.".to_owned());
    lines.join("\n")
}

/// The word that answers have for it.
fn name(action: PlannedAction) -> String {
    json!(action).as_str().unwrap_or_default().to_owned()
}

/// A planned change, field by field.
pub fn shown(change: &PlannedChange) -> String {
    change_text(&json!(change))
}

/// The same, as an answer has it.
pub fn change_text(change: &Value) -> String {
    let of = |name: &str| change[name].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let situation = match (change["situation"].as_str(), change["follows"].as_str()) {
        (Some(situation), Some(follows)) => format!(" ({situation}: {follows})"),
        _ => String::new(),
    };
    let mut lines = vec![format!("{:<8}{}{situation}", text(&change["action"]), text(&change["id"]))];
    lines.extend(of("fields").map(field_line));
    lines.extend(of("join").map(|segment| format!("    + segment {}", text(segment))));
    lines.extend(of("leave").map(|segment| format!("    - segment {}", text(segment))));
    lines.extend(of("issues").map(|issue| format!("    ! {}: {}", text(&issue["field"]), text(&issue["message"]))));
    lines.join("\n")
}

fn field_line(field: &Value) -> String {
    let name = field["field"].as_str().unwrap_or_default();
    match (&field["before"], &field["after"]) {
        (Value::Null, after) => format!("    + {name} = {after}"),
        (before, Value::Null) => format!("    - {name} (was {before})"),
        (before, after) => format!("    ~ {name} = {after} (was {before})"),
    }
}
