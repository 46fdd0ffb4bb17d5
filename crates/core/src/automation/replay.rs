//! Working on an event again, once somebody saw to what kept it from being done. It goes on with the steps that are left.

use std::time::Duration;

use crate::domain::scope::Scope;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{ParkedJob, Task};
use crate::jobs::replay::replay;
use crate::sync::services::{Desk, Services};

use super::stored::{EventStatus, StoredEvent};

/// How many parked jobs are looked through.
const MOST: usize = 1_000;

impl Desk {
    /// Queues an event again and forgets its parked job. Once too often does no harm: what is done is not done again.
    ///
    /// # Errors
    /// `NotFound` for an event that is not there, `Invalid` for one that is completed; `Storage`.
    pub async fn replay_event(&self, id: &str, correlation_id: &str) -> Result<()> {
        let parked = self.parked_events().await?;
        let job = parked.iter().find(|(event, _)| event == id).map(|(_, job)| job);
        self.replay_one(id, job, correlation_id).await
    }

    /// The same for all events whose jobs are parked, the oldest 1,000 of parked jobs. Gives their ids.
    ///
    /// # Errors
    /// `Storage`; the events before it are queued.
    pub async fn replay_parked_events(&self, correlation_id: &str) -> Result<Vec<String>> {
        let parked = self.parked_events().await?;
        let mut replayed = Vec::with_capacity(parked.len());
        for (id, job) in &parked {
            match self.replay_one(id, Some(job), correlation_id).await {
                Ok(()) => replayed.push(id.clone()),
                // Done by another job, or forgotten with its user: the parked job has nothing left to do.
                Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Invalid) => {
                    self.services.parked.remove(&self.integration.scope.tenant, &job.job.id).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(replayed)
    }

    async fn parked_events(&self) -> Result<Vec<(String, ParkedJob)>> {
        let parked = self.services.parked.list(&self.integration.scope.tenant, MOST).await?;
        let own = parked.into_iter().filter(|parked| parked.job.scope == self.integration.scope);
        let event = |parked: ParkedJob| match &parked.job.task {
            Task::ApplyEvent { event } => Some((event.clone(), parked)),
            _ => None,
        };
        Ok(own.filter_map(event).collect())
    }

    async fn replay_one(&self, id: &str, job: Option<&ParkedJob>, correlation_id: &str) -> Result<()> {
        let unknown = || Failure::new(FailureKind::NotFound, "there is no such event");
        let event = self.stored_event(id).await?.ok_or_else(unknown)?;
        match event.status {
            EventStatus::Completed => {
                return Err(Failure::new(FailureKind::Invalid, "the event is completed: nothing of it is left to do"));
            }
            EventStatus::Parked => self.services.unpark(&self.integration.scope, event).await?,
            EventStatus::Pending | EventStatus::Processing => {}
        }
        match job {
            Some(job) => replay(&*self.services.queue, &*self.services.parked, job).await,
            None => self.queue_event(id, correlation_id, Duration::ZERO).await.map(drop),
        }
    }
}

impl Services {
    /// Has a parked event say again that something is under way, before its job is put on the queue again.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn reopen_event(&self, scope: &Scope, id: &str) -> Result<()> {
        match self.lifecycle.event(scope, id).await? {
            Some(event) if event.status == EventStatus::Parked => self.unpark(scope, event).await,
            _ => Ok(()),
        }
    }

    /// Its status says again that something is under way. Should somebody else have changed it meanwhile, that stands.
    async fn unpark(&self, scope: &Scope, mut event: StoredEvent) -> Result<()> {
        if event.subject.is_some() {
            event.reopen();
        } else {
            (event.status, event.note) = (EventStatus::Pending, None);
        }
        event.revision += 1;
        self.lifecycle.save(scope, &event).await.map(drop)
    }
}
