//! `POST /billing/{provider}/{integration}`: takes the deliveries of payment providers. Proof first, then the document; its
//! events are stored before the answer, and applied by jobs.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use tandem_connectors::billing::proof::{Unverified, Verified};
use tandem_connectors::billing::{Provider, Told, Unusable};
use tandem_core::automation::accept::Taken;
use tandem_core::automation::event::LifecycleEvent;
use tracing::Instrument;

use super::AppState;
use super::envelope::{ApiError, Reply, Started};
use super::request::{malformed, read_bytes};
use super::webhook::{DEFAULT, LARGEST};
use crate::config::billing::variable;

/// A delivery of Stripe's.
pub async fn stripe(
    State(state): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    take(&state, Provider::Stripe, &name, &headers, body).await
}

/// A delivery of Lemon Squeezy's.
pub async fn lemonsqueezy(
    State(state): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    take(&state, Provider::LemonSqueezy, &name, &headers, body).await
}

async fn take(state: &AppState, provider: Provider, name: &str, headers: &HeaderMap, body: Body) -> Response<Body> {
    let started = Started::new(state, headers);
    let span = tracing::info_span!("billing_webhook", correlation_id = %started.correlation_id, %provider);
    let reply = async {
        match told(state, &started, provider, name, headers, body).await {
            Ok(told) => receive(state, &started, told).await,
            Err(error) => Reply::Failed(error),
        }
    }
    .instrument(span)
    .await;
    let operation = match provider {
        Provider::Stripe => "billing_stripe",
        Provider::LemonSqueezy => "billing_lemonsqueezy",
    };
    started.answer(state, operation, &reply)
}

async fn told(
    state: &AppState,
    started: &Started,
    provider: Provider,
    name: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Told, ApiError> {
    let delivery = verified(state, started, provider, name, headers, body).await?;
    let current = state.current().await?;
    delivery.told(&current.lifecycle, state.billing.mode).map_err(|unusable| match unusable {
        Unusable::Unreadable { .. } => malformed(unusable.to_string()),
        Unusable::Lacking(issue) => ApiError::invalid(vec![issue]),
    })
}

async fn verified(
    state: &AppState,
    started: &Started,
    provider: Provider,
    name: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Verified, ApiError> {
    if name != DEFAULT {
        let message = "there is no integration of this name";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_integration", message));
    }
    let body = read_bytes(body, LARGEST).await?;
    let header = match provider {
        Provider::Stripe => "stripe-signature",
        Provider::LemonSqueezy => "x-signature",
    };
    let signature = headers.get(header).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let secrets = state.billing.of(provider);
    Unverified { provider, body, signature }.verify(secrets, started.at).map_err(|_| {
        if secrets.is_empty() {
            tracing::error!("{} is not set: every delivery is refused", variable(provider));
        }
        ApiError::new(StatusCode::UNAUTHORIZED, "unproved", "the delivery carries no valid signature of just now")
    })
}

async fn receive(state: &AppState, started: &Started, told: Told) -> Reply {
    let events = match told {
        Told::Events(events) => events,
        Told::Nothing(why) => {
            return Reply::Done(json!({"received": true, "ignored": true, "reason": why, "events": []}));
        }
    };
    let Some(desk) = &state.desk else {
        tracing::info!("demo mode: Mautic is not configured, the delivery has no effect");
        let events: Vec<Value> = events.iter().map(checked).collect();
        return Reply::Done(json!({"demo": true, "received": true, "ignored": false, "events": events}));
    };
    let desk = match state.rules_in_use.at(desk.clone()).await {
        Ok(desk) => desk,
        Err(failure) => return Reply::Failed(ApiError::from_failure(failure, state.clock.now())),
    };
    match desk.accept_events(events, &started.correlation_id, Duration::ZERO).await {
        Ok(taken) => {
            let events: Vec<Value> = taken.iter().map(accepted).collect();
            Reply::Done(json!({"received": true, "ignored": false, "events": events}))
        }
        Err(failure) => Reply::Failed(ApiError::from_failure(failure, state.clock.now())),
    }
}

fn checked(event: &LifecycleEvent) -> Value {
    json!({"id": event.by.id, "name": event.name})
}

fn accepted(taken: &Taken) -> Value {
    let event = &taken.event;
    json!({"id": event.by.id, "name": event.name, "status": event.status, "duplicate": taken.duplicate})
}
