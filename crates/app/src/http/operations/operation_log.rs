//! `GET /api/v1/operations`: what was written to the platform, thing by thing.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tandem_core::error::Result;
use tandem_core::sync::operations::listing::{OperationCursor, OperationPage, OperationQuery};
use tandem_core::sync::services::Desk;

use super::{bad_query, demo, failed};
use crate::http::envelope::{Reply, Started};
use crate::http::{Access, AppState, dispatch};

/// Which operations a list shall hold.
#[derive(Default, Deserialize)]
pub struct Wanted {
    record: Option<String>,
    run: Option<String>,
    after: Option<String>,
    before: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The most operations of a list.
const LONGEST_LIST: usize = 500;

/// Lists operations, the newest first.
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
    started.answer(&state, "list_operations", &reply)
}

async fn listed(state: &AppState, query: Result<Query<Wanted>, QueryRejection>) -> Reply {
    let Ok(Query(wanted)) = query else { return Reply::Failed(bad_query("limit", "1 to 500")) };
    let limit = wanted.limit.unwrap_or(100);
    if !(1..=LONGEST_LIST).contains(&limit) {
        return Reply::Failed(bad_query("limit", "1 to 500"));
    }
    let (after, before) = match (moment(wanted.after.as_deref()), moment(wanted.before.as_deref())) {
        (Ok(after), Ok(before)) => (after, before),
        (Err(()), _) => return Reply::Failed(bad_query("after", "a moment, such as 2026-11-28T10:00:00Z")),
        (_, Err(())) => return Reply::Failed(bad_query("before", "a moment, such as 2026-11-28T10:00:00Z")),
    };
    let cursor = match wanted.cursor.as_deref().map(str::parse::<OperationCursor>).transpose() {
        Ok(cursor) => cursor,
        Err(_) => return Reply::Failed(bad_query("cursor", "what an answer named as next")),
    };
    let Some(desk) = &state.desk else { return demo("list_operations", json!({"operations": [], "next": null})) };
    let query = OperationQuery { record: None, run: wanted.run, after, before };
    match page(desk, query, wanted.record.as_deref(), cursor.as_ref(), limit).await {
        Ok(OperationPage { operations, next }) => {
            Reply::Done(json!({"operations": operations, "next": next.map(|next| next.to_string())}))
        }
        Err(failure) => failed(state, failure),
    }
}

/// Of a record that nobody knows there is none.
async fn page(
    desk: &Desk,
    query: OperationQuery,
    record: Option<&str>,
    cursor: Option<&OperationCursor>,
    limit: usize,
) -> Result<OperationPage> {
    let record = match record {
        None => None,
        Some(name) => match desk.record_named(name).await? {
            Some(key) => Some(key),
            None => return Ok(OperationPage::default()),
        },
    };
    desk.operations(&OperationQuery { record, ..query }, cursor, limit).await
}

fn moment(text: Option<&str>) -> Result<Option<Timestamp>, ()> {
    text.map(str::parse).transpose().map_err(|_| ())
}
