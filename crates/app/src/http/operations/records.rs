//! `POST /records`: an application that has no database for Tandem to read hands its records over.

use std::collections::BTreeMap;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::kind::Kind;
use tandem_core::error::Result;
use tandem_core::ports::source::SourceRow;
use tracing::Instrument;

use super::{demo, failed};
use crate::http::dispatch::{self, Caller};
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::{Access, AppState};
use crate::http::{idempotency, request};
use crate::rows::read_row;
use crate::store::{RecordsTable, RowOutcome};

/// The most records of one call.
const MOST_RECORDS: usize = 500;
/// The largest body, in bytes: Lambda takes 6 MB, in which a body that is no plain text grows by a third.
const LARGEST: usize = 5 * 1024 * 1024;

/// Handles a call: each record has a result of its own, and a bad one keeps no other out.
pub async fn records(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let started = Started::new(&state, &headers);
    let span = tracing::info_span!("records", correlation_id = %started.correlation_id);
    let reply = handle(&state, &started, access, &headers, body).instrument(span).await;
    started.answer(&state, "records", &reply)
}

async fn handle(state: &AppState, started: &Started, access: Access, headers: &HeaderMap, body: Body) -> Reply {
    let caller = match dispatch::admit(state, started, access, headers, body, LARGEST).await {
        Ok(caller) => caller,
        Err(error) => return Reply::Failed(error),
    };
    let state = &caller.state;
    let Some(records) = &state.records else { return Reply::Failed(elsewhere()) };
    idempotency::if_named(state, started, headers, &caller, "records", store(state, records, &caller)).await
}

/// Nobody would ever read what is stored here.
fn elsewhere() -> ApiError {
    let message = "the records live in another source (TANDEM_SOURCE): put them in there";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "other_source", message)
}

async fn store(state: &AppState, records: &RecordsTable, caller: &Caller) -> Reply {
    let items = match items(&caller.body) {
        Ok(items) => items,
        Err(error) => return Reply::Failed(error),
    };
    let read: Vec<_> = items.iter().enumerate().map(|(index, item)| read_item(index, item)).collect();
    let rows: Vec<SourceRow> = read.iter().filter_map(|row| row.as_ref().ok()).cloned().collect();
    match outcomes(state, records, &rows).await {
        Ok(outcomes) => {
            let data = told(&items, read, outcomes);
            if state.desk.is_some() { Reply::Done(data) } else { demo("records", data) }
        }
        Err(failure) => failed(state, failure),
    }
}

/// What becomes of the rows; in demo mode, that they would be stored.
async fn outcomes(state: &AppState, records: &RecordsTable, rows: &[SourceRow]) -> Result<Vec<RowOutcome>> {
    match &state.desk {
        Some(desk) => records.put(&desk.integration.scope, rows).await,
        None => Ok(vec![RowOutcome::Stored; rows.len()]),
    }
}

/// The records of a body: a list, or an object with one.
fn items(body: &[u8]) -> Result<Vec<Value>, ApiError> {
    let invalid = |code, message: &str| ApiError::invalid(vec![FieldIssue::new("records", code, message)]);
    let items = match request::parse(body)? {
        Value::Array(items) => items,
        Value::Object(mut object) => match object.remove("records") {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => return Err(invalid(IssueCode::Missing, "Give the records as a list.")),
            Some(_) => return Err(invalid(IssueCode::WrongType, "The value must be a list.")),
        },
        _ => return Err(request::malformed("the body must be a JSON object or a list".to_owned())),
    };
    if items.len() > MOST_RECORDS {
        let message = format!("A call takes at most {MOST_RECORDS} records; these are {}.", items.len());
        return Err(invalid(IssueCode::TooLong, &message));
    }
    Ok(items)
}

/// Reads one item; its issues name it by its place: `records[3].id`.
fn read_item(index: usize, item: &Value) -> Result<SourceRow, Vec<FieldIssue>> {
    let place = format!("records[{index}]");
    let Some(object) = item.as_object() else {
        return Err(vec![FieldIssue::new(place, IssueCode::WrongType, "A record must be an object.")]);
    };
    read_row(object, Kind::Person).map_err(|issues| issues.into_iter().map(|issue| placed(&place, issue)).collect())
}

fn placed(place: &str, issue: FieldIssue) -> FieldIssue {
    let field = if issue.field.is_empty() { place.to_owned() } else { format!("{place}.{}", issue.field) };
    FieldIssue { field, ..issue }
}

/// The answer: counts, and a result for each item in its order.
fn told(items: &[Value], read: Vec<Result<SourceRow, Vec<FieldIssue>>>, outcomes: Vec<RowOutcome>) -> Value {
    let mut counts: BTreeMap<&str, u64> = ["stored", "unchanged", "stale", "rejected"].map(|name| (name, 0)).into();
    let (mut outcomes, mut results) = (outcomes.into_iter(), Vec::new());
    for (index, (item, row)) in items.iter().zip(read).enumerate() {
        let (id, kind, status, issues) = match row {
            Ok(row) => {
                let (status, issues) =
                    outcomes.next().map_or(("rejected", Vec::new()), |outcome| told_of(index, outcome));
                (json!(row.id), json!(row.kind), status, issues)
            }
            Err(issues) => (given_id(item), Value::Null, "rejected", issues),
        };
        *counts.entry(status).or_default() += 1;
        results.push(json!({"index": index, "kind": kind, "id": id, "status": status, "issues": issues}));
    }
    let mut data: Map<String, Value> =
        counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
    data.insert("success".to_owned(), json!(true));
    data.insert("results".to_owned(), json!(results));
    Value::Object(data)
}

fn told_of(index: usize, outcome: RowOutcome) -> (&'static str, Vec<FieldIssue>) {
    let issue = |message: &str| vec![FieldIssue::new(format!("records[{index}]"), IssueCode::Stale, message)];
    match outcome {
        RowOutcome::Stored => ("stored", Vec::new()),
        RowOutcome::Unchanged => ("unchanged", Vec::new()),
        RowOutcome::Stale => ("stale", issue("A newer state of the record is stored.")),
        RowOutcome::Superseded => ("stale", issue("Another item of this call is a newer state of the record.")),
    }
}

/// The id of a rejected item, when it is one that can be told again.
fn given_id(item: &Value) -> Value {
    let id = item.get("id").filter(|id| id.is_u64() || id.as_str().is_some_and(|id| id.len() <= 200));
    id.cloned().unwrap_or_default()
}
