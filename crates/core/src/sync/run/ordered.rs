//! Runs that a person orders: each is a job, so that the order outlives whoever gave it, and is carried out once.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use serde_json::{Value, json};

use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{RunOrder, Task};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::runs::{PlanLog, RunEnd, RunLease, RunLog};
use crate::sync::services::Desk;

use super::dry_run::{DryRun, PlannedAction, PlannedChange};
use super::{Stopped, SyncOptions};

/// So many changes of a plan are kept; of more, the counts alone.
const MOST_KEPT: usize = 5_000;
/// So many of them stand in one part, of so many bytes at most.
const PART: usize = 50;
const PART_BYTES: usize = 200_000;
/// How long a dry run looks: after it, the job's own time is over.
const LONGEST_LOOK: Duration = Duration::from_secs(90);
/// What is written of a run by others than itself stands behind all that runs write, whose fencing numbers begin with 1; a plan
/// stands before it, should it come first.
pub(super) const NOTED: u64 = 0;
const PLANNED: u64 = 1;

impl Desk {
    /// Puts a run on the queue and gives its id. One read, one call of the queue and one write.
    ///
    /// # Errors
    /// `Conflict` while another run is under way (a dry run does not mind); `Storage` when table or queue fail.
    pub async fn order_run(&self, order: RunOrder, correlation_id: &str) -> Result<String> {
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        if !order.dry_run && runs.is_under_way(scope, self.now()).await? {
            return Err(Failure::new(FailureKind::Conflict, "another sync run of this integration is under way"));
        }
        let order = RunOrder { run: self.services.entropy.id(), ..order };
        let id = order.run.clone();
        self.defer(Task::StartRun(order), correlation_id, Duration::ZERO).await?;
        self.note_queued(&id).await;
        Ok(id)
    }

    /// Has an ordered run be known before its job begins it, so that it can be looked at and stopped. Should this fail, it is
    /// known from its beginning on, and the order stands.
    async fn note_queued(&self, id: &str) {
        let log = RunLog { id: id.to_owned(), started_at: self.now(), end: RunEnd::Queued, ..RunLog::default() };
        if let Err(failure) = self.log_without_lease(&log, NOTED).await {
            tracing::warn!(kind = ?failure.kind, run = id, "it was not noted that a run is queued: {failure}");
        }
    }

    /// Writes the log of a run that has no lease; not over what the run itself wrote under one.
    pub(super) async fn log_without_lease(&self, log: &RunLog, fence: u64) -> Result<Attempt> {
        let lease = RunLease { owner: log.id.clone(), fence, until: self.now(), inherited: false };
        self.services.runs.log(&self.integration.scope, &lease, log).await
    }

    /// A job's part of an ordered run. While another run is under way it waits; what is over is not done again.
    ///
    /// # Errors
    /// What ended the run; `Conflict` while another one is under way; `RateLimited` with the moment at which it goes on.
    pub(crate) async fn run_ordered(&self, order: &RunOrder, correlation_id: &str) -> Result<()> {
        let known = self.services.runs.run(&self.integration.scope, &order.run).await?;
        if known.is_some_and(|run| run.end.is_over()) {
            return Ok(());
        }
        if order.dry_run {
            return self.plan_ordered(order).await;
        }
        let options = SyncOptions {
            full: order.full,
            accept_losses: order.accept_losses,
            pull: order.pull,
            id: Some(&order.run),
            until: Some(policy::after(self.now(), policy::RUN_SLICE)),
            ..SyncOptions::default()
        };
        let ran = self.sync(options).await?;
        match &ran.stopped {
            Some(Stopped::Paused(moment)) => {
                // One look for changes on the platform is enough, and one reading of all rows: what they left is gone on with by
                // itself.
                let rest = RunOrder { pull: false, full: order.full && !ran.log.full, ..order.clone() };
                self.go_on_at(*moment, Task::StartRun(rest), correlation_id).await
            }
            _ => self.failure_of(&ran).map_or(Ok(()), Err),
        }
    }

    /// Plans a run and keeps what it would do: the parts first, so that a plan that can be seen is whole.
    async fn plan_ordered(&self, order: &RunOrder) -> Result<()> {
        let begun = self.now();
        let (mut plan, mut kept) = (PlanLog::default(), Vec::new());
        let told = {
            let mut sink = |change: PlannedChange| {
                *plan.counts.entry(name_of(change.action)).or_default() += 1;
                let is_told = !matches!(change.action, PlannedAction::Unchanged | PlannedAction::Store);
                if is_told && kept.len() < MOST_KEPT {
                    kept.push(change);
                }
            };
            let planned = Box::pin(self.dry_run(order.full, &mut sink));
            let late = pin!(self.services.sleep.sleep(LONGEST_LOOK));
            match select(planned, late).await {
                Either::Left((told, _)) => Some(told?),
                Either::Right(((), _)) => None,
            }
        };
        plan.complete = told.is_some();
        let DryRun { would_halt, due, waiting, situations } = told.unwrap_or_default();
        plan.situations = situations;
        (plan.would_halt, plan.due, plan.waiting, plan.kept) = (would_halt, due, waiting, kept.len() as u64);
        let rows = plan.counts.values().sum();
        let log = RunLog { id: order.run.clone(), started_at: begun, end: RunEnd::Planned, rows, ..RunLog::default() };
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        for (part, changes) in (0..).zip(parts(kept)) {
            runs.keep_plan(scope, &log, part, &changes).await?;
        }
        let now = self.now();
        let busy_ms = u64::try_from(now.duration_since(begun).as_millis()).unwrap_or_default();
        // It needs no lease: nobody else does a run of this id.
        let planned = RunLog { finished_at: Some(now), busy_ms, plan: Some(plan), ..log };
        self.log_without_lease(&planned, PLANNED).await.map(drop)
    }
}

/// The word that answers have for it.
fn name_of(action: PlannedAction) -> String {
    match json!(action) {
        Value::String(name) => name,
        _ => String::new(),
    }
}

/// Changes as JSON, as many to a part as an item holds. One that no item holds is told without its fields.
fn parts(changes: Vec<PlannedChange>) -> Vec<Vec<Value>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Value>>::new(), PART_BYTES);
    for change in changes {
        let mut change = json!(change);
        let mut size = change.to_string().len();
        if size > PART_BYTES {
            change["fields"] = json!([]);
            change["cut"] = json!(true);
            size = change.to_string().len();
        }
        match parts.last_mut() {
            Some(part) if part.len() < PART && bytes + size <= PART_BYTES => {
                part.push(change);
                bytes += size;
            }
            _ => {
                parts.push(vec![change]);
                bytes = size;
            }
        }
    }
    parts
}
