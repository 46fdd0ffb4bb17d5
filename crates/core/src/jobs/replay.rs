//! Putting a parked job on the queue again, once its cause is gone.

use std::time::Duration;

use crate::error::Result;
use crate::ports::{JobQueue, ParkedJobs};

use super::message::ParkedJob;

/// Queues a parked job and forgets that it was parked, in this order: at worst it runs twice, which does no harm.
///
/// # Errors
/// `Storage`; the job is then still parked, and maybe queued.
pub async fn replay(queue: &dyn JobQueue, parked: &dyn ParkedJobs, job: &ParkedJob) -> Result<()> {
    queue.send(&job.job, Duration::ZERO).await?;
    parked.remove(&job.job.scope.tenant, &job.job.id).await
}
