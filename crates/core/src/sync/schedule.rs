//! When a sync run goes on: on the schedule, or by a job of its own when it paused.

use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::policy;

use super::run::{Ran, Stopped, SyncOptions};
use super::services::Desk;

impl Desk {
    /// The schedule's run: takes what changed and, unless a job goes on with a paused run later, sends it. A run that has to
    /// pause is continued by a job.
    ///
    /// # Errors
    /// What ended the run, but for a pause and another run that is under way.
    pub async fn sync_on_schedule(&self, until: Option<Timestamp>, correlation_id: &str) -> Result<Option<Ran>> {
        let state = self.services.runs.state(&self.integration.scope).await?;
        let take_only = state.resume_at.is_some_and(|moment| moment > self.now());
        let ran = match self.sync(SyncOptions { take_only, until, ..SyncOptions::default() }).await {
            Err(failure) if failure.kind == FailureKind::Conflict => {
                self.make_up_for_run(correlation_id).await?;
                return Ok(None);
            }
            ran => ran?,
        };
        if !take_only && let Some(Stopped::Paused(moment)) = &ran.stopped {
            self.defer_until(*moment, Task::Sync, correlation_id).await?;
        }
        self.failure_of(&ran).map_or(Ok(Some(ran)), Err)
    }

    /// A job's part of a run. While the platform takes no calls, the job comes back when it does.
    ///
    /// # Errors
    /// What ended the run; `RateLimited` with the moment at which it goes on.
    pub async fn continue_sync(&self, correlation_id: &str) -> Result<()> {
        let until = policy::after(self.now(), policy::RUN_SLICE);
        let options = SyncOptions { until: Some(until), ..SyncOptions::default() };
        let ran = match self.sync(options).await {
            Err(failure) if failure.kind == FailureKind::Conflict => {
                self.make_up_for_run(correlation_id).await?;
                return Ok(());
            }
            ran => ran?,
        };
        match &ran.stopped {
            Some(Stopped::Paused(moment)) => self.go_on_at(*moment, Task::Sync, correlation_id).await,
            _ => self.failure_of(&ran).map_or(Ok(()), Err),
        }
    }

    /// A run that is under way does what another would have done. A quick send does a part of it: the run comes after it.
    async fn make_up_for_run(&self, correlation_id: &str) -> Result<()> {
        if !self.services.runs.is_under_way(&self.integration.scope, self.now()).await? {
            self.defer(Task::Sync, correlation_id, AFTER_SENDING).await?;
        }
        Ok(())
    }

    /// Has a run that a job worked at gone on with: soon by a new job, else by this one's own delay.
    pub(super) async fn go_on_at(&self, moment: Timestamp, task: Task, correlation_id: &str) -> Result<()> {
        if moment > policy::after(self.now(), SOON) {
            return Err(Failure::new(FailureKind::RateLimited, "the run goes on later").not_before(moment));
        }
        self.defer_until(moment, task, correlation_id).await
    }

    /// A job's part of the schedule: a run, then the watch. One of them failing does not keep the other from being done.
    ///
    /// # Errors
    /// The run's failure before the watch's.
    pub async fn look_after(&self, correlation_id: &str) -> Result<()> {
        let until = policy::after(self.now(), policy::RUN_SLICE);
        let ran = self.sync_on_schedule(Some(until), correlation_id).await;
        let watched = self.watch(self.integration.hook.as_ref(), correlation_id).await;
        ran?;
        watched.map(drop)
    }

    async fn defer_until(&self, moment: Timestamp, task: Task, correlation_id: &str) -> Result<()> {
        let wait = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
        self.defer(task, correlation_id, wait.max(Duration::from_secs(1))).await.map(drop)
    }

    pub(super) fn failure_of(&self, ran: &Ran) -> Option<Failure> {
        match &ran.stopped {
            Some(Stopped::Failed(failure)) => Some(failure.clone()),
            Some(Stopped::Halted(reason)) => {
                tracing::error!(run = %ran.log.id, "the sync run stopped for a person to decide: {reason}");
                None
            }
            Some(Stopped::Paused(_) | Stopped::Asked) | None => None,
        }
    }
}

/// When a run is begun anew that found a quick send under way for all the time that it waits.
const AFTER_SENDING: Duration = Duration::from_secs(30);

/// A moment that is no further away than this is waited for by a new job, a later one by this job's own delay.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
