//! Jobs that wait, and those that were parked.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::scope::TenantId;
use crate::error::Result;
use crate::jobs::message::{Job, ParkedJob};

/// Puts jobs on the queue.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Queues a job, to be seen after `delay` (at most 15 minutes).
    async fn send(&self, job: &Job, delay: Duration) -> Result<()>;
    /// Whether the queue can be reached.
    async fn ping(&self) -> Result<()>;
    /// What lies on it. One call.
    async fn depth(&self) -> Result<QueueDepth>;
}

/// What lies on the queue, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueDepth {
    /// Jobs to be done, now or after their delay.
    pub waiting: u64,
    /// Jobs under way, and those that wait for another try.
    pub in_flight: u64,
    /// When the oldest of all was queued, where the queue tells it: SQS does not.
    pub oldest_queued_at: Option<Timestamp>,
}

/// Jobs that wait for a person.
#[async_trait]
pub trait ParkedJobs: Send + Sync {
    /// Parks a job; parking it again overwrites.
    async fn park(&self, parked: &ParkedJob) -> Result<()>;
    /// Parked jobs of a tenant, oldest first, at most `limit`.
    async fn list(&self, tenant: &TenantId, limit: usize) -> Result<Vec<ParkedJob>>;
    /// The same, of those behind the job of an id. One read call a megabyte.
    async fn list_behind(&self, tenant: &TenantId, after: &str, limit: usize) -> Result<Vec<ParkedJob>>;
    /// How many there are, counted up to `most`. One read call a megabyte.
    async fn count(&self, tenant: &TenantId, most: usize) -> Result<usize>;
    /// One parked job.
    async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<ParkedJob>>;
    /// Forgets a parked job, after it was put on the queue again.
    async fn remove(&self, tenant: &TenantId, id: &str) -> Result<()>;
}
