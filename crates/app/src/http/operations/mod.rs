//! The operations, one a file.

pub mod calls;
pub mod changes;
pub mod delete_contact;
pub mod event_view;
pub mod events;
pub mod export_contact;
pub mod health;
pub mod identify;
pub mod membership;
pub mod operation_log;
pub mod ping;
pub mod records;
pub mod sync_campaigns;
pub mod sync_contacts;
pub mod upsert_contact;

use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::platform::PlatformInfo;
use tandem_core::domain::whom::Whom;
use tandem_core::error::Failure;
use tandem_core::sync::change::Queued;

use super::AppState;
use super::envelope::{ApiError, Reply, Started};
use super::input::Input;

/// What an operation in demo mode answers: it would have been done.
fn demo(operation: &str, mut data: Value) -> Reply {
    tracing::info!(operation, "demo mode: Mautic is not configured, nothing was sent");
    if let Some(object) = data.as_object_mut() {
        object.insert("demo".to_owned(), json!(true));
        object.insert("success".to_owned(), json!(true));
    }
    Reply::Done(data)
}

/// The answer to a write that is on the queue.
fn accepted(queued: Queued) -> Reply {
    Reply::Accepted(json!({
        "success": true,
        "queued": true,
        "jobId": queued.job_id,
        "reason": queued.reason.kind,
        "fieldIssues": queued.issues,
    }))
}

fn failed(state: &AppState, failure: Failure) -> Reply {
    Reply::Failed(ApiError::from_failure(failure, state.clock.now()))
}

/// A parameter of the query that can't be taken as it is.
fn bad_query(name: &str, wanted: &str) -> ApiError {
    ApiError::invalid(vec![FieldIssue::new(name, IssueCode::Invalid, format!("The value must be {wanted}."))])
}

/// Reads how the caller names a contact: `mauticContactId`, `id` or `email`, beside the action or in its payload.
fn whom(input: Input<'_>) -> Result<Whom, Vec<FieldIssue>> {
    let one = |issue| vec![issue];
    let payload = input.object("payload", "payload").map_err(one)?.unwrap_or(input);
    let contact = match input.remote_id("mauticContactId").map_err(one)? {
        Some(id) => Some(id),
        None => payload.remote_id("contactId").map_err(one)?,
    };
    let whom = Whom {
        contact,
        external_id: payload.external_id("id").map_err(one)?,
        email: payload.email("email").map_err(one)?,
    };
    if whom == Whom::default() {
        return Err(vec![input.issue("mauticContactId", IssueCode::Missing, "Give mauticContactId, id or email.")]);
    }
    Ok(whom)
}

fn info(info: &PlatformInfo) -> Value {
    json!({"version": info.version, "rateLimit": info.rate_limit, "rateRemaining": info.rate_remaining})
}

fn milliseconds(state: &AppState, since: &Started) -> u64 {
    u64::try_from(state.clock.now().duration_since(since.at).as_millis()).unwrap_or(0)
}
