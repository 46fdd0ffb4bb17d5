//! Working on an event again, once somebody saw to what kept it from being done. It goes on with the steps that are left.

use std::time::Duration;

use crate::domain::scope::Scope;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{ParkedJob, Task};
use crate::jobs::replay::{find_parked, replay};
use crate::sync::services::{Desk, Services};

use super::stored::{EventStatus, StoredEvent};

impl Desk {
    /// Queues an event again and forgets its parked job. Once too often does no harm: what is done is not done again.
    ///
    /// # Errors
    /// `NotFound` for an event that is not there, `Invalid` for one that is completed; `Storage`.
    pub async fn replay_event(&self, id: &str, correlation_id: &str) -> Result<()> {
        let is_its = |parked: &ParkedJob| matches!(&parked.job.task, Task::ApplyEvent { event } if event == id);
        // Of whichever integration it was to be done: it is done there again.
        let job = find_parked(&*self.services.parked, &self.integration.scope.tenant, is_its).await?;
        self.replay_one(id, job.as_ref(), correlation_id).await
    }

    /// An event of which something is left to do.
    ///
    /// # Errors
    /// As [`Desk::replay_event`].
    pub async fn replayable_event(&self, id: &str) -> Result<StoredEvent> {
        let unknown = || Failure::new(FailureKind::NotFound, "there is no such event");
        let event = self.stored_event(id).await?.ok_or_else(unknown)?;
        if event.status == EventStatus::Completed {
            return Err(Failure::new(FailureKind::Invalid, "the event is completed: nothing of it is left to do"));
        }
        Ok(event)
    }

    async fn replay_one(&self, id: &str, job: Option<&ParkedJob>, correlation_id: &str) -> Result<()> {
        let event = self.replayable_event(id).await?;
        if event.status == EventStatus::Parked {
            self.services.unpark(&self.integration.scope, event).await?;
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
