//! `GET /health`: what works and how fast, within two seconds. Open to everybody, so it says no secret and can't be used to
//! spend Mautic's budget.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use futures::future::join4;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tandem_core::domain::role::Right;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::sync::services::Desk;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{info, milliseconds};
use crate::http::AppState;
use crate::http::envelope::{ApiError, Reply, Started};

/// How long an answer of Mautic is good for: whoever asks more often gets the same one.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(30);
/// How long table and queue, and Mautic, have for their answers: together with the rest a check takes two seconds at most.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long the table has to say what another process found.
const PATIENCE_FOR_THE_LAST: Duration = Duration::from_millis(200);

/// What waits is counted up to this.
const MOST_COUNTED: usize = 400;

/// The last answer of Mautic to a health check.
#[derive(Default)]
pub struct HealthCache(Mutex<Option<(Timestamp, Value)>>);

/// 200 as long as calls are accepted: with Mautic away they are queued, and `status` says `degraded`. 503 without table or queue.
pub async fn health(State(state): State<AppState>, headers: HeaderMap) -> Response<Body> {
    let started = Started::new(&state, &headers);
    let scope = state.desk.as_ref().map_or_else(Scope::default_mautic, |desk| desk.integration.scope.clone());
    let skipped = || json!({"ok": true, "skipped": "demo mode"});
    let table = timed(&state, async { state.budget.exhausted_until(&scope).await.map(drop) });
    let queue = async {
        match &state.desk {
            Some(desk) => timed(&state, desk.services.queue.ping()).await,
            None => skipped(),
        }
    };
    let mautic = async {
        match &state.desk {
            Some(desk) => mautic(&state, &started, desk).await,
            None => skipped(),
        }
    };
    let waiting = async { timeout(PATIENCE, waiting(&state, &headers, &scope)).await.unwrap_or(Value::Null) };
    let (table, queue, mautic, waiting) = join4(table, queue, mautic, waiting).await;
    let ready = is_ok(&table) && is_ok(&queue);
    let reply = if ready {
        Reply::Done(json!({
            "status": if is_ok(&mautic) { "ok" } else { "degraded" },
            "mode": if state.desk.is_some() { "live" } else { "demo" },
            "version": env!("CARGO_PKG_VERSION"),
            "checks": {"configuration": {"ok": true}, "table": table, "queue": queue, "mautic": mautic},
            "waiting": waiting,
        }))
    } else {
        let failing = if is_ok(&table) { "the queue" } else { "the table" };
        let message = format!("{failing} can't be reached");
        Reply::Failed(ApiError {
            retry_after: Some(5),
            ..ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", message)
        })
    };
    started.answer(&state, "health", &reply)
}

/// What waits, for those who may know it; `null` for everybody else, and when the table does not tell.
async fn waiting(state: &AppState, headers: &HeaderMap, scope: &Scope) -> Value {
    let Some(desk) = &state.desk else { return Value::Null };
    let holder = state.keys.holder(headers, state.clock.now()).await;
    // What waits of one tenant is no other tenant's business.
    if !holder.is_ok_and(|holder| holder.tenant == scope.tenant && holder.has(Right::Operate)) {
        return Value::Null;
    }
    let told = async {
        let status = desk.status(MOST_COUNTED).await?;
        let exhausted_until = state.budget.exhausted_until(scope).await?;
        Ok::<_, Failure>((status, exhausted_until.filter(|until| *until > state.clock.now())))
    };
    match told.await {
        Ok((status, exhausted_until)) => {
            let mut told = json!(status);
            told["budgetExhaustedUntil"] = json!(exhausted_until);
            told
        }
        Err(failure) => {
            tracing::warn!("what waits can't be told: {failure}");
            Value::Null
        }
    }
}

async fn timed(state: &AppState, check: impl Future<Output = Result<()>>) -> Value {
    let begun = state.clock.now();
    let result = in_time(check).await;
    let ms = u64::try_from(state.clock.now().duration_since(begun).as_millis()).unwrap_or(0);
    match result {
        Ok(()) => json!({"ok": true, "ms": ms}),
        Err(failure) => json!({"ok": false, "ms": ms, "error": failure.kind}),
    }
}

async fn mautic(state: &AppState, started: &Started, desk: &Desk) -> Value {
    let silent = || json!({"ok": false, "ms": milliseconds(state, started), "error": FailureKind::Timeout});
    // Held while Mautic is asked: whoever comes meanwhile gets the same answer, if it comes in time.
    let Ok(mut held) = timeout(PATIENCE, state.health.0.lock()).await else { return silent() };
    let is_young = |at: &Timestamp| started.at.duration_since(*at) < REMEMBERED;
    if let Some((_, answer)) = held.as_ref().filter(|(at, _)| is_young(at)) {
        return answer.clone();
    }
    let scope = &desk.integration.scope;
    let last = timeout(PATIENCE_FOR_THE_LAST, state.platform_health.last(scope)).await;
    if let Ok(Ok(Some((at, answer)))) = last
        && is_young(&at)
    {
        *held = Some((at, answer.clone()));
        return answer;
    }
    let left = PATIENCE.saturating_sub(Duration::from_millis(milliseconds(state, started)));
    let answer = match timeout(left, desk.integration.platform.ping()).await {
        Ok(Ok(found)) => json!({"ok": true, "ms": milliseconds(state, started), "mautic": info(&found)}),
        Ok(Err(failure)) => json!({"ok": false, "ms": milliseconds(state, started), "error": failure.kind}),
        Err(_elapsed) => silent(),
    };
    *held = Some((started.at, answer.clone()));
    match timeout(PATIENCE_FOR_THE_LAST, state.platform_health.note(scope, started.at, &answer)).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => tracing::warn!(%failure, "Mautic's answer to the health check was not noted"),
        Err(_elapsed) => tracing::warn!("Mautic's answer to the health check was not noted in time"),
    }
    answer
}

async fn in_time(check: impl Future<Output = Result<()>>) -> Result<()> {
    let late = |_| Err(Failure::new(FailureKind::Timeout, "there was no answer in time"));
    timeout(PATIENCE, check).await.unwrap_or_else(late)
}

fn is_ok(check: &Value) -> bool {
    check.get("ok").and_then(Value::as_bool).unwrap_or(false)
}
