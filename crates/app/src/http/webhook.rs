//! `POST /mautic-webhook/{integration}`: takes Mautic's deliveries. Proof first; once stored, the answer is always 200.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_core::domain::identity::Email;
use tandem_core::sync::services::Desk;
use tandem_core::webhook::intake::{EntryReceipt, Receipt};
use tandem_core::webhook::proof::{Secrets, Unverified, Verified};
use tracing::Instrument;

use super::envelope::{ApiError, Reply, Started};
use super::request::read_bytes;
use super::{AppState, unknown_integration};

/// The largest delivery that is taken, in bytes: as much as API Gateway takes. Lambda itself passes on 6 MB.
pub(super) const LARGEST: usize = 10 * 1024 * 1024;
/// The name of the default integration.
pub(super) const DEFAULT: &str = "mautic";

/// The secret, where a proxy takes signatures away.
#[derive(Deserialize)]
pub struct Proof {
    secret: Option<String>,
}

/// A delivery to the default integration.
pub async fn default_integration(
    State(state): State<AppState>,
    query: Result<Query<Proof>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    take(&state, DEFAULT, query, &headers, body).await
}

/// A delivery to a named integration.
pub async fn integration(
    State(state): State<AppState>,
    Path(name): Path<String>,
    query: Result<Query<Proof>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    take(&state, &name, query, &headers, body).await
}

async fn take(
    state: &AppState,
    name: &str,
    query: Result<Query<Proof>, QueryRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Response<Body> {
    let started = Started::new(state, headers);
    let span = tracing::info_span!("mautic_webhook", correlation_id = %started.correlation_id);
    let secret = query.ok().and_then(|Query(proof)| proof.secret);
    let reply = async {
        match verified(state, name, secret, headers, body).await {
            Ok((delivery, desk)) => receive(state, desk.as_ref(), &started, &delivery).await,
            Err(error) => Reply::Failed(error),
        }
    }
    .instrument(span)
    .await;
    started.answer(state, "mautic_webhook", &reply)
}

async fn verified(
    state: &AppState,
    name: &str,
    secret: Option<String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Verified, Option<Desk>), ApiError> {
    let (desk, secrets) = addressed(state, name).await?;
    let body = read_bytes(body, LARGEST).await?;
    if body.is_empty() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "empty_body", "the delivery is empty"));
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let secret = secret.or_else(|| header("x-webhook-secret"));
    let delivery = Unverified { body, signature: header("webhook-signature"), secret };
    let verified = delivery.verify(&secrets).map_err(|unproved| {
        if secrets.is_empty() {
            tracing::error!("MAUTIC_WEBHOOK_SECRET is not set: every delivery is refused");
        }
        ApiError::new(StatusCode::UNAUTHORIZED, "unproved", unproved.to_string())
    })?;
    Ok((verified, desk))
}

/// Whose deliveries come to a path, and what they are signed with: the default integration's, or those of the one that has this
/// public id.
async fn addressed(state: &AppState, name: &str) -> Result<(Option<Desk>, Secrets), ApiError> {
    if name == DEFAULT {
        return Ok((state.desk.clone(), state.webhook_secrets.clone()));
    }
    let found = state.desks.of_public_id(name).await;
    let found = found.map_err(|failure| ApiError::from_failure(failure, state.clock.now()))?;
    found.map(|(desk, secrets)| (Some(desk), secrets)).ok_or_else(unknown_integration)
}

async fn receive(state: &AppState, desk: Option<&Desk>, started: &Started, delivery: &Verified) -> Reply {
    let Some(desk) = desk else {
        tracing::info!("demo mode: Mautic is not configured, the delivery has no effect");
        return Reply::Done(json!({"demo": true, "eventsProcessed": 0, "eventsFailed": 0, "results": []}));
    };
    let desk = match state.rules_in_use.at(desk.clone()).await {
        Ok(desk) => desk,
        Err(failure) => return Reply::Failed(ApiError::from_failure(failure, state.clock.now())),
    };
    match desk.receive(delivery, &started.correlation_id).await {
        Ok(receipt) => Reply::Done(done(&receipt)),
        Err(failure) => Reply::Failed(ApiError::from_failure(failure, state.clock.now())),
    }
}

fn done(receipt: &Receipt) -> Value {
    let failed = receipt.entries.iter().filter(|entry| !entry.processed).count();
    json!({
        "eventsProcessed": receipt.entries.len() - failed,
        "eventsFailed": failed,
        "repeated": receipt.repeated,
        "results": receipt.entries.iter().map(result).collect::<Vec<_>>(),
    })
}

fn result(entry: &EntryReceipt) -> Value {
    let mut result = json!({
        "email": entry.email.as_ref().map(Email::as_str),
        "type": entry.name,
        "processed": entry.processed,
    });
    if let (Some(issue), Some(object)) = (&entry.issue, result.as_object_mut()) {
        object.insert("issue".to_owned(), json!(issue));
    }
    result
}
