//! `Idempotency-Key`: a repeat of a call gets the first answer, and nothing is done twice.

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tandem_core::domain::issue::FieldIssue;
use tandem_core::domain::link::Lease;
use tandem_core::policy;

use super::AppState;
use super::dispatch::Caller;
use super::envelope::{ApiError, Reply, Started};
use crate::store::{Start, StoredAnswer};

/// The header that names a call.
const HEADER: &str = "idempotency-key";

/// Performs a call of an operation, once if it is named.
pub async fn if_named(
    state: &AppState,
    started: &Started,
    headers: &HeaderMap,
    caller: &Caller,
    operation: &str,
    work: impl Future<Output = Reply>,
) -> Reply {
    match key(headers) {
        Ok(None) => work.await,
        Ok(Some(key)) => once(state, started, caller, key, operation, work).await,
        Err(error) => Reply::Failed(error),
    }
}

/// The key that the request carries.
///
/// # Errors
/// 422 for one that is no header text of 1 to 255 visible characters.
fn key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim).filter(|key| (1..=255).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        let message = "the header Idempotency-Key takes 1 to 255 visible ASCII characters";
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_idempotency_key", message)
    })
}

/// Performs a call, or gives the answer that an earlier call with the same key got.
async fn once(
    state: &AppState,
    started: &Started,
    caller: &Caller,
    key: &str,
    operation: &str,
    work: impl Future<Output = Reply>,
) -> Reply {
    let tenant = &caller.holder.tenant;
    let digest = hex::encode(Sha256::digest(key.as_bytes()));
    // The same body means another request to another operation.
    let request = Sha256::new().chain_update(operation).chain_update([0]).chain_update(&caller.body);
    let fingerprint = hex::encode(request.finalize());
    let lease = Lease { owner: state.entropy.id(), until: policy::after(started.at, policy::LEASE) };
    let start = state.idempotency.start(tenant, &digest, &fingerprint, started.at, &lease).await;
    match start {
        Ok(Start::Fresh) => {}
        Ok(Start::Replay(answer)) => return replayed(&answer),
        Ok(Start::InProgress { .. }) => return in_progress(),
        Ok(Start::Mismatch) => return mismatch(),
        Err(failure) => return Reply::Failed(ApiError::from_failure(failure, started.at)),
    }
    let reply = work.await;
    let stored = match to_store(&reply) {
        Some(answer) => state.idempotency.finish(tenant, &digest, &lease.owner, &answer).await,
        None => state.idempotency.release(tenant, &digest, &lease.owner).await,
    };
    if let Err(failure) = stored {
        // The work is done and safe to repeat; only the repeat's answer may differ.
        tracing::warn!(kind = ?failure.kind, correlation_id = %started.correlation_id, "an answer could not be kept: {failure}");
    }
    reply
}

/// What a repeat would get again. Failures that may pass are not kept: the repeat shall try.
fn to_store(reply: &Reply) -> Option<StoredAnswer> {
    match reply {
        Reply::Done(data) | Reply::Found(data, _) => Some(StoredAnswer { status: 200, body: data.to_string() }),
        Reply::Accepted(data) => Some(StoredAnswer { status: 202, body: data.to_string() }),
        Reply::Failed(error) if error.status.is_client_error() && error.retry_after.is_none() => {
            Some(StoredAnswer { status: error.status.as_u16(), body: error.body().to_string() })
        }
        Reply::Failed(_) => None,
    }
}

fn replayed(answer: &StoredAnswer) -> Reply {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    match answer.status {
        200 => Reply::Done(body),
        202 => Reply::Accepted(body),
        status => Reply::Failed(replayed_error(status, &body)),
    }
}

fn replayed_error(status: u16, body: &Value) -> ApiError {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Codes are static text; of the kept ones, those that an operation itself answers.
    let code = match body.get("code").and_then(Value::as_str) {
        Some("not_found") => "not_found",
        Some("refused_by_platform") => "refused_by_platform",
        _ => "invalid_request",
    };
    let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
    let details: Vec<FieldIssue> =
        body.get("details").and_then(|details| serde_json::from_value(details.clone()).ok()).unwrap_or_default();
    let situation = body.get("situation").and_then(|situation| serde_json::from_value(situation.clone()).ok());
    ApiError { details, situation, ..ApiError::new(status, code, message) }
}

fn in_progress() -> Reply {
    let message = "the first call with this Idempotency-Key is still being worked on";
    let error = ApiError::new(StatusCode::CONFLICT, "in_progress", message);
    Reply::Failed(ApiError { retry_after: Some(1), ..error })
}

fn mismatch() -> Reply {
    let message = "this Idempotency-Key was used with another body";
    Reply::Failed(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message))
}
