//! Taking events in: stored first, queued then, answered at once.

use std::time::Duration;

use crate::error::Result;
use crate::jobs::message::Task;
use crate::ports::lifecycle::Accepted;
use crate::sync::services::Desk;

use super::event::LifecycleEvent;
use super::stored::{EventStatus, StoredEvent};

/// What became of an event that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The event as it is stored.
    pub event: StoredEvent,
    /// It was known already.
    pub duplicate: bool,
}

impl Desk {
    /// Stores events and queues their work, `delay` from now on. Those that were begun are not queued again. One write call for
    /// 33 events, and one message each.
    ///
    /// # Errors
    /// `Storage`; what was stored is done all the same.
    pub async fn accept_events(
        &self,
        events: Vec<LifecycleEvent>,
        correlation_id: &str,
        delay: Duration,
    ) -> Result<Vec<Taken>> {
        let now = self.now();
        let received: Vec<StoredEvent> =
            events.into_iter().map(|event| StoredEvent::received(event, now, correlation_id)).collect();
        let accepted = self.services.lifecycle.accept(&self.integration.scope, &received).await?;
        let taken: Vec<Taken> =
            received.into_iter().zip(accepted).map(|(event, accepted)| taken(event, accepted)).collect();
        // One that is known and was never worked on may have been stored by a receiver that died before it was queued.
        let left = taken.iter().filter(|taken| !taken.duplicate || taken.event.status == EventStatus::Pending);
        futures::future::try_join_all(left.map(|taken| self.queue_event(&taken.event.by.id, correlation_id, delay)))
            .await?;
        Ok(taken)
    }

    /// Queues an event's work.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn queue_event(&self, id: &str, correlation_id: &str, delay: Duration) -> Result<String> {
        self.defer(Task::ApplyEvent { event: id.to_owned() }, correlation_id, delay).await
    }
}

fn taken(event: StoredEvent, accepted: Accepted) -> Taken {
    match accepted {
        Accepted::New => Taken { event, duplicate: false },
        Accepted::Known(known) => Taken { event: *known, duplicate: true },
    }
}
