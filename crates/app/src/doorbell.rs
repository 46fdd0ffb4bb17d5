//! Wakes integrations by jobs of the queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use jiff::SignedDuration;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::jobs::message::{Job, Task};
use tandem_core::policy;
use tandem_core::ports::integrations::Doorbell;
use tandem_core::ports::{Clock, Entropy, JobQueue};

use crate::store::RingTable;

/// How long after its moment a job that did not begin counts as lost. One that comes later than that finds another before it.
const LOST: SignedDuration = SignedDuration::from_secs(30);

/// [`Doorbell`] over table and queue.
pub struct QueueDoorbell {
    rings: RingTable,
    queue: Arc<dyn JobQueue>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl QueueDoorbell {
    /// Over these.
    #[must_use]
    pub fn new(rings: RingTable, queue: Arc<dyn JobQueue>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { rings, queue, clock, entropy }
    }

    async fn ring_one(&self, scope: &Scope, delay: Duration) -> Result<()> {
        let now = self.clock.now();
        let begins = policy::after(now, SignedDuration::try_from(delay).unwrap_or(SignedDuration::ZERO));
        if !self.rings.ring(scope, policy::after(begins, LOST), now).await? {
            return Ok(());
        }
        let id = self.entropy.id();
        let job = Job { correlation_id: id.clone(), id, scope: scope.clone(), queued_at: now, task: Task::SendOutbox };
        let queued = self.queue.send(&job, delay).await;
        if queued.is_err() {
            // Without the job, the ring would keep everybody from queueing another.
            self.rings.answer(scope).await?;
        }
        queued
    }
}

#[async_trait]
impl Doorbell for QueueDoorbell {
    async fn ring(&self, scopes: &[Scope], delay: Duration) {
        let rung = join_all(scopes.iter().map(|scope| self.ring_one(scope, delay))).await;
        for failure in rung.into_iter().filter_map(Result::err) {
            tracing::warn!(kind = ?failure.kind, "an integration could not be woken, its next run sends: {failure}");
        }
    }

    async fn answer(&self, scope: &Scope) -> Result<()> {
        self.rings.answer(scope).await
    }
}
