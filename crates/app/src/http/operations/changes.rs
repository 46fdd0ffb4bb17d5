//! `GET /api/v1/changes`: what came from the platforms, for an application that reads it from Tandem.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tandem_core::domain::kind::Kind;
use tandem_core::ports::place::TimePlace;
use tandem_core::sync::changes::SeenChanges;

use super::{bad_query, demo, failed};
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::{Access, AppState, dispatch};

/// Which changes are wanted.
#[derive(Default, Deserialize)]
pub struct Wanted {
    after: Option<String>,
    kinds: Option<String>,
    limit: Option<usize>,
}

/// The most changes of an answer.
const MOST_CHANGES: usize = 500;

/// Lists changes, the oldest first.
pub async fn list(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    query: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    let started = Started::new(&state, &headers);
    let reply = match dispatch::permitted_to_read(&state, &started, access, &headers).await {
        Ok((_, state)) => listed(&state, query).await,
        Err(error) => Reply::Failed(error),
    };
    started.answer(&state, "list_changes", &reply)
}

async fn listed(state: &AppState, query: Result<Query<Wanted>, QueryRejection>) -> Reply {
    let Ok(Query(wanted)) = query else { return Reply::Failed(bad_query("limit", "1 to 500")) };
    let limit = wanted.limit.unwrap_or(100);
    if !(1..=MOST_CHANGES).contains(&limit) {
        return Reply::Failed(bad_query("limit", "1 to 500"));
    }
    let kinds = wanted.kinds.as_deref().unwrap_or("person");
    let Ok(kinds) = kinds.split(',').map(str::parse).collect::<Result<Vec<Kind>, _>>() else {
        return Reply::Failed(bad_query("kinds", "person, organisation, deal"));
    };
    let Ok(after) = wanted.after.as_deref().map(str::parse::<TimePlace>).transpose() else {
        return Reply::Failed(bad_query("after", "what an answer named as next"));
    };
    let Some(desk) = &state.desk else {
        return demo("list_changes", json!({"changes": [], "next": null, "more": false}));
    };
    match desk.changes(after.as_ref(), &kinds, limit).await {
        Ok(Some(SeenChanges { changes, next, more })) => {
            Reply::Done(json!({"changes": changes, "next": next.map(|next| next.to_string()), "more": more}))
        }
        Ok(None) => {
            let message = "the application's records live in its own database: changes are written there";
            Reply::Failed(ApiError::new(StatusCode::NOT_FOUND, "no_changes_kept", message))
        }
        Err(failure) => failed(state, failure),
    }
}
