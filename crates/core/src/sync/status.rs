//! What waits, since when, and what stands still.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::scope::Scope;
use crate::error::Result;
use crate::ports::QueueDepth;
use crate::ports::bulk::{BATCH, Mark, MarkCursor};
use crate::ports::runs::{RunEnd, SendState, TakeState};

use super::services::{Desk, Services};

/// What waits and what stands still. Numbers are counted up to a bound, and no address is among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let (services, scope) = (&self.services, &self.integration.scope);
        let TenantWork { queue, parked, events } = services.work_of_tenant(scope, most).await?;
        let IntegrationWork { outbox, deliveries, runs } = services.work_of_integration(scope, most).await?;
        Ok(Status { queue, outbox, parked, deliveries, events, runs })
    }
}

/// What waits of a tenant, whichever integration it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantWork {
    /// Jobs of the installation.
    pub queue: QueueDepth,
    /// Jobs that wait for a person.
    pub parked: u64,
    /// Lifecycle events that were stored and were never worked on.
    pub events: u64,
}

/// What waits of an integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationWork {
    /// Contacts that are to be brought to the platform.
    pub outbox: Outbox,
    /// Deliveries that were stored and are not done.
    pub deliveries: u64,
    /// The runs.
    pub runs: RunStatus,
}

impl Services {
    /// What waits of the scope's tenant, counted up to about `most`. Two reads and a call of the queue.
    ///
    /// # Errors
    /// As table and queue fail.
    pub async fn work_of_tenant(&self, scope: &Scope, most: usize) -> Result<TenantWork> {
        Ok(TenantWork {
            queue: self.queue.depth().await?,
            parked: self.parked.count(&scope.tenant, most).await? as u64,
            events: self.lifecycle.count_unqueued(scope, most).await? as u64,
        })
    }

    /// What waits of an integration, counted up to about `most`. A read for 200 contacts, and three more.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn work_of_integration(&self, scope: &Scope, most: usize) -> Result<IntegrationWork> {
        let (take, state) = (self.runs.take_state(&scope.tenant).await?, self.runs.state(scope).await?);
        Ok(IntegrationWork {
            outbox: self.outbox(scope, most).await?,
            deliveries: self.events.count_unfinished(scope, most).await? as u64,
            runs: run_status(take, state),
        })
    }

    async fn outbox(&self, scope: &Scope, most: usize) -> Result<Outbox> {
        let (mut cursor, mut outbox, now) = (MarkCursor::default(), Outbox::default(), self.clock.now());
        loop {
            let (marks, next) = self.bulk.marks(scope, &cursor, BATCH).await?;
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
