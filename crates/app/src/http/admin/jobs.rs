//! `/api/v1/jobs`: what could not be done without a person. `tandem jobs` says the same.

use futures::future::try_join_all;
use serde_json::json;
use tandem_core::error::Result;
use tandem_core::jobs::message::{ParkedJob, Task};
use tandem_core::jobs::replay::replay;
use tandem_core::sync::services::Services;

use super::params::listed;
use super::{Answered, Call, nothing};
use crate::about::person_of_job;
use crate::api::issues::Replayed;
use crate::api::jobs::{JobView, OneJob};
use crate::http::envelope::{ApiError, Reply};

/// Lists parked jobs, those that were queued first before others. One read a megabyte, and two at most for each job.
pub async fn list(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let services = &call.state.services;
    let listed_jobs = async {
        let jobs = match &page.after {
            Some(after) => services.parked.list_behind(call.tenant(), after, page.limit).await?,
            None => services.parked.list(call.tenant(), page.limit).await?,
        };
        try_join_all(jobs.iter().map(|job| view(services, job))).await
    };
    let jobs = listed_jobs.await.map_err(|failure| call.failed(failure))?;
    listed("jobs", &jobs, page.next(&jobs, |job| job.id.clone()).as_deref())
}

/// Shows one.
pub async fn show(call: Call) -> Answered {
    call.params(&[])?;
    let job = found(&call).await?;
    let job = view(&call.state.services, &job).await.map_err(|failure| call.failed(failure))?;
    Ok(Reply::Done(json!(OneJob { job })))
}

/// Puts one on the queue again. Once too often does no harm.
pub async fn replay_one(call: Call) -> Answered {
    let job = found(&call).await?;
    call.note("job.replay", &job.job.id, &[]).await?;
    again(&call, &job).await.map_err(|failure| call.failed(failure))?;
    Ok(Reply::Done(json!(Replayed { replayed: vec![job.job.id], more: false })))
}

/// Queues a parked job again; of an event also its own state says so then.
pub(super) async fn again(call: &Call, job: &ParkedJob) -> Result<()> {
    let services = &call.state.services;
    if let Task::ApplyEvent { event } = &job.job.task {
        services.reopen_event(&job.job.scope, event).await?;
    }
    replay(&*services.queue, &*services.parked, job).await
}

async fn found(call: &Call) -> std::result::Result<ParkedJob, ApiError> {
    let found = call.state.services.parked.get(call.tenant(), &call.path("job")).await;
    found.map_err(|failure| call.failed(failure))?.ok_or_else(|| nothing("there is no parked job of this id"))
}

async fn view(services: &Services, job: &ParkedJob) -> Result<JobView> {
    Ok(JobView::of(job, person_of_job(services, job).await?))
}
