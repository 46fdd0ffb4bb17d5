//! Putting a parked job on the queue again, once its cause is gone.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::domain::scope::TenantId;
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

/// How many parked jobs are read at a time: one may carry a whole delivery.
const AT_A_TIME: usize = 200;

/// Shows all parked jobs of a tenant to `see`, those that were queued first before others, until it says that it saw enough. One
/// read a megabyte, one for 200 jobs at least.
///
/// # Errors
/// `Storage`.
pub async fn each_parked(
    parked: &dyn ParkedJobs,
    tenant: &TenantId,
    mut see: impl FnMut(ParkedJob) -> ControlFlow<()>,
) -> Result<()> {
    let mut jobs = parked.list(tenant, AT_A_TIME).await?;
    loop {
        let last = jobs.last().filter(|_| jobs.len() >= AT_A_TIME).map(|job| job.job.id.clone());
        for job in jobs {
            if see(job).is_break() {
                return Ok(());
            }
        }
        let Some(last) = last else { return Ok(()) };
        jobs = parked.list_behind(tenant, &last, AT_A_TIME).await?;
    }
}

/// The parked job of a tenant that is wanted, of whichever integration.
///
/// # Errors
/// `Storage`.
pub async fn find_parked(
    parked: &dyn ParkedJobs,
    tenant: &TenantId,
    is_wanted: impl Fn(&ParkedJob) -> bool,
) -> Result<Option<ParkedJob>> {
    let mut found = None;
    let see = |job: ParkedJob| {
        if is_wanted(&job) {
            found = Some(job);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    each_parked(parked, tenant, see).await?;
    Ok(found)
}

/// Those of a tenant's parked jobs that are wanted and were parked longest ago, at most `most`, and whether there are more. Who
/// replays them, and asks again, comes to the others before those that were parked again.
///
/// # Errors
/// `Storage`.
pub async fn longest_parked(
    parked: &dyn ParkedJobs,
    tenant: &TenantId,
    is_wanted: impl Fn(&ParkedJob) -> bool,
    most: usize,
) -> Result<(Vec<ParkedJob>, bool)> {
    let (mut found, mut more) = (Vec::new(), false);
    let see = |job: ParkedJob| {
        if is_wanted(&job) {
            found.push(job);
        }
        if found.len() >= 2 * most {
            found.sort_by(|one: &ParkedJob, other| (one.parked_at, &one.job.id).cmp(&(other.parked_at, &other.job.id)));
            found.truncate(most);
            more = true;
        }
        ControlFlow::Continue(())
    };
    each_parked(parked, tenant, see).await?;
    found.sort_by(|one, other| (one.parked_at, &one.job.id).cmp(&(other.parked_at, &other.job.id)));
    more |= found.len() > most;
    found.truncate(most);
    Ok((found, more))
}
