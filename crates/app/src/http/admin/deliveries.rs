//! `/api/v1/deliveries`: deliveries of the platform's webhook that are not done with. What they hold is shown to nobody.

use std::time::Duration;

use serde_json::json;
use tandem_core::jobs::message::Task;
use tandem_core::ports::KeptDelivery;
use tandem_core::sync::services::Desk;

use super::params::listed;
use super::{Answered, Call, nothing};
use crate::http::envelope::{ApiError, Reply};

/// Lists those that were stored and not finished with. One read.
pub async fn list(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let desk = call.desk().await?;
    let found =
        desk.services.events.unfinished_behind(&desk.integration.scope, page.after.as_deref(), page.limit).await;
    let found = found.map_err(|failure| call.failed(failure))?;
    listed("deliveries", &found, page.next(&found, |delivery| delivery.digest.clone()).as_deref())
}

/// Shows one, finished or not, as long as it is kept: 35 days. One read.
pub async fn show(call: Call) -> Answered {
    call.params(&[])?;
    let desk = call.desk().await?;
    Ok(Reply::Done(json!({"delivery": found(&call, &desk).await?})))
}

/// Applies one again. What it tells is done once, however often it is applied.
pub async fn replay(call: Call) -> Answered {
    let desk = call.desk().await?;
    let delivery = found(&call, &desk).await?;
    call.note("delivery.replay", &delivery.digest, &[]).await?;
    let task = Task::ApplyDelivery { digest: delivery.digest };
    let job = desk.defer(task, &call.started.correlation_id, Duration::ZERO).await;
    Ok(Reply::Accepted(json!({"jobId": job.map_err(|failure| call.failed(failure))?})))
}

async fn found(call: &Call, desk: &Desk) -> Result<KeptDelivery, ApiError> {
    let digest = call.path("digest");
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let missing = || nothing("there is no such delivery, or it is not kept any more");
    if !is_digest {
        return Err(missing());
    }
    let found = desk.services.events.delivery(&desk.integration.scope, &digest, call.started.at).await;
    found.map_err(|failure| call.failed(failure))?.ok_or_else(missing)
}
