//! What waits, since when, and what stands still.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::Result;
use crate::ports::QueueDepth;
use crate::ports::bulk::{BATCH, Mark, MarkCursor};
use crate::ports::runs::{RunEnd, SendState, TakeState};

use super::services::Desk;

/// What waits and what stands still. Numbers are counted up to a bound, and no address is among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Jobs.
    pub queue: QueueDepth,
    /// Contacts that are to be brought to the platform.
    pub outbox: Outbox,
    /// Jobs that wait for a person.
    pub parked: u64,
    /// Deliveries that were stored and are not done.
    pub deliveries: u64,
    /// Lifecycle events that were stored and were never worked on.
    pub events: u64,
    /// The runs.
    pub runs: RunStatus,
}

/// Contacts that wait to be brought to the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outbox {
    /// How many.
    pub waiting: u64,
    /// How many of them could be brought now.
    pub due: u64,
    /// How many of them were tried in vain.
    pub failing: u64,
    /// Since when the one that waits longest could be brought.
    pub due_since: Option<Timestamp>,
    /// Whether there are more than were counted.
    pub more: bool,
}

/// How the sync runs stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// When the last one came to its end.
    pub last_success: Option<Timestamp>,
    /// Since when every take from the source halts for a person to decide.
    pub halted_since: Option<Timestamp>,
    /// Why, or why the last one failed.
    pub error: Option<String>,
    /// When a paused one goes on.
    pub goes_on_at: Option<Timestamp>,
}

impl Desk {
    /// What waits: of each kind counted up to about `most`. A read for 200 contacts, and five more.
    ///
    /// # Errors
    /// As table and queue fail.
    pub async fn status(&self, most: usize) -> Result<Status> {
        let (services, scope, now) = (&self.services, &self.integration.scope, self.now());
        let (take, state) = (services.runs.take_state(&scope.tenant).await?, services.runs.state(scope).await?);
        Ok(Status {
            queue: services.queue.depth().await?,
            outbox: self.outbox(most).await?,
            parked: services.parked.list(&scope.tenant, most).await?.len() as u64,
            deliveries: services.events.unfinished(scope, now, most).await?.len() as u64,
            events: services.lifecycle.unqueued(scope, now, most).await?.len() as u64,
            runs: run_status(take, state),
        })
    }

    async fn outbox(&self, most: usize) -> Result<Outbox> {
        let (mut cursor, mut outbox, now) = (MarkCursor::default(), Outbox::default(), self.now());
        loop {
            let (marks, next) = self.services.bulk.marks(&self.integration.scope, &cursor, BATCH).await?;
            marks.iter().for_each(|mark| outbox.count(mark, now));
            match next {
                Some(_) if outbox.waiting >= most as u64 => return Ok(Outbox { more: true, ..outbox }),
                Some(next) => cursor = next,
                None => return Ok(outbox),
            }
        }
    }
}

impl Outbox {
    fn count(&mut self, mark: &Mark, now: Timestamp) {
        self.waiting += 1;
        self.failing += u64::from(mark.attempts > 0);
        if mark.due_at <= now {
            self.due += 1;
            self.due_since = Some(self.due_since.map_or(mark.due_at, |since| since.min(mark.due_at)));
        }
    }
}

fn run_status(take: TakeState, state: SendState) -> RunStatus {
    let ended = state.run.filter(|run| matches!(run.end, RunEnd::Halted | RunEnd::Failed)).and_then(|run| run.error);
    RunStatus {
        last_success: state.succeeded_at,
        halted_since: take.halted_since,
        error: take.halted_for.or(ended),
        goes_on_at: state.resume_at,
    }
}
