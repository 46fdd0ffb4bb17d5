//! `POST /events`, `GET /events`, `GET /events/{id}`: what happened to users, and how far its effects have come.

use std::collections::HashSet;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_core::automation::accept::Taken;
use tandem_core::automation::listing::EventQuery;
use tandem_core::automation::stored::EventStatus;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::lifecycle::EventPage;
use tandem_core::ports::place::TimePlace;
use tandem_core::sync::services::Desk;
use tracing::Instrument;

use super::event_view::{self, Item};
use super::{bad_query, demo, failed};
use crate::events::{self, EventRules, ReadEvent};
use crate::http::dispatch::{self, Caller};
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::{Access, AppState, auth, idempotency, request};
use crate::store::keys;

/// The most events of one call.
const MOST_EVENTS: usize = 100;
/// When the queue looks after events whose caller waits for them, should the process die.
const LOOKED_AFTER: Duration = Duration::from_secs(30);
/// API Gateway gives an answer up after 30 seconds.
const LONGEST_ANSWER: Duration = Duration::from_secs(22);
/// How many events are worked on at once for a caller who waits.
const AT_ONCE: usize = 16;

/// Whether the caller waits for the effects.
#[derive(Default, Deserialize)]
pub struct Waiting {
    #[serde(default)]
    wait: bool,
}

/// Takes events in.
pub async fn post(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    query: Result<Query<Waiting>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let started = Started::new(&state, &headers);
    let span = tracing::info_span!("events", correlation_id = %started.correlation_id);
    let reply = handle(&state, &started, access, query, &headers, body).instrument(span).await;
    started.answer(&state, "events", &reply)
}

async fn handle(
    state: &AppState,
    started: &Started,
    access: Access,
    query: Result<Query<Waiting>, QueryRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Reply {
    let caller = match dispatch::admit(state, started, access, headers, body, request::LARGEST).await {
        Ok(caller) => caller,
        Err(error) => return Reply::Failed(error),
    };
    let state = &caller.state;
    let Ok(Query(Waiting { wait })) = query else { return Reply::Failed(bad_query("wait", "true or false")) };
    let api_key = auth::key(headers).unwrap_or_default();
    idempotency::if_named(state, started, headers, &caller, "events", take(state, started, &caller, &api_key, wait))
        .await
}

async fn take(state: &AppState, started: &Started, caller: &Caller, api_key: &str, wait: bool) -> Reply {
    let items = match items(&caller.body) {
        Ok(items) => items,
        Err(error) => return Reply::Failed(error),
    };
    take_items(state, started, &items, api_key, wait).await
}

/// Takes events in; none are no mistake.
pub(super) async fn take_items(
    state: &AppState,
    started: &Started,
    items: &[Value],
    api_key: &str,
    wait: bool,
) -> Reply {
    let rules = EventRules { lifecycle: &state.lifecycle, fields: &state.rules, now: started.at, api_key };
    let read: Vec<_> = items.iter().enumerate().map(|(index, item)| events::read_item(index, item, &rules)).collect();
    if !read.is_empty() && read.iter().all(Result::is_err) {
        return Reply::Failed(ApiError::invalid(read.into_iter().filter_map(Result::err).flatten().collect()));
    }
    let Some(desk) = &state.desk else { return demo("events", event_view::demo(&read)) };
    match accepted(desk, started, read, wait).await {
        Ok(items) => event_view::answer(&items, api_key, wait),
        Err(failure) => failed(state, failure),
    }
}

/// Stores and queues what can be taken; with `wait`, works on it at once.
async fn accepted(
    desk: &Desk,
    started: &Started,
    read: Vec<Result<ReadEvent, Vec<FieldIssue>>>,
    wait: bool,
) -> Result<Vec<Item>> {
    let events = read.iter().filter_map(|read| read.as_ref().ok()).map(|read| read.event.clone()).collect();
    let delay = if wait { LOOKED_AFTER } else { Duration::ZERO };
    let mut taken = desk.accept_events(events, &started.correlation_id, delay).await?;
    if wait {
        taken = finished(desk, taken).await;
    }
    let mut taken = taken.into_iter();
    let items = read.into_iter().map(|read| match read {
        Ok(ReadEvent { event, issues }) => {
            let visitor = event.user.visitor.is_some();
            let item = |taken| Item::Taken { taken: Box::new(taken), issues, visitor };
            taken.next().map_or(Item::Rejected(Vec::new()), item)
        }
        Err(issues) => Item::Rejected(issues),
    });
    Ok(items.collect())
}

/// Works on events, as long as a caller can wait; what is left, or fails, is the queue's.
async fn finished(desk: &Desk, taken: Vec<Taken>) -> Vec<Taken> {
    // One that stands in the call twice is worked on once: its second worker would wait for the first one's lease.
    let mut seen = HashSet::new();
    let once = taken.iter().filter(|taken| seen.insert(&taken.event.by.id));
    let work = futures::stream::iter(once).for_each_concurrent(AT_ONCE, |taken| async {
        if let Err(failure) = desk.apply_event(&taken.event.by.id).await {
            tracing::info!(kind = ?failure.kind, "an event is left to the queue: {failure}");
        }
    });
    if tokio::time::timeout(LONGEST_ANSWER, work).await.is_err() {
        tracing::info!("events take longer than their caller can wait");
    }
    let fresh = taken.into_iter().map(|taken| async move {
        let stored = desk.stored_event(&taken.event.by.id).await.ok().flatten();
        Taken { event: stored.unwrap_or(taken.event), duplicate: taken.duplicate }
    });
    futures::future::join_all(fresh).await
}

/// The events of a body.
fn items(body: &[u8]) -> Result<Vec<Value>, ApiError> {
    let document = request::parse(body)?;
    if !document.is_array() && !document.is_object() {
        return Err(request::malformed("the body must be a JSON object or a list".to_owned()));
    }
    let items = events::listed(document).map_err(|issue| ApiError::invalid(vec![issue]))?;
    if items.len() > MOST_EVENTS {
        let message = format!("A call takes at most {MOST_EVENTS} events; these are {}.", items.len());
        return Err(ApiError::invalid(vec![FieldIssue::new("events", IssueCode::TooLong, message)]));
    }
    Ok(items)
}

/// Which events a list shall hold.
#[derive(Default, Deserialize)]
pub struct Wanted {
    limit: Option<usize>,
    status: Option<EventStatus>,
    #[serde(rename = "userId")]
    user_id: Option<String>,
    after: Option<String>,
}

/// The most events of a list.
const LONGEST_LIST: usize = 200;
/// Lists events, the newest first.
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
    started.answer(&state, "list_events", &reply)
}

async fn listed(state: &AppState, query: Result<Query<Wanted>, QueryRejection>) -> Reply {
    let Ok(Query(wanted)) = query else {
        return Reply::Failed(bad_query("status", "pending, processing, completed or parked, and limit a number"));
    };
    let limit = wanted.limit.unwrap_or(50);
    if !(1..=LONGEST_LIST).contains(&limit) {
        return Reply::Failed(bad_query("limit", "1 to 200"));
    }
    let Some(desk) = &state.desk else { return demo("list_events", json!({"events": [], "next": null})) };
    match newest(desk, &wanted, limit).await {
        Ok(EventPage { events, next }) => {
            let events: Vec<Value> = events.iter().map(|(_, event)| event_view::event(event)).collect();
            Reply::Done(json!({"events": events, "next": next.map(|next| next.to_string())}))
        }
        Err(failure) if failure.kind == FailureKind::NotFound => {
            Reply::Failed(bad_query("after", "the `next` of an answer, or the id of an event"))
        }
        Err(failure) => failed(state, failure),
    }
}

async fn newest(desk: &Desk, wanted: &Wanted, limit: usize) -> Result<EventPage> {
    let behind = match &wanted.after {
        Some(after) => Some(place(desk, after, wanted.user_id.is_some()).await?),
        None => None,
    };
    let query = EventQuery { status: wanted.status, behind, ..EventQuery::default() };
    match wanted.user_id.clone().map(ExternalId::try_from) {
        None => desk.newest_events(&query, limit).await,
        Some(Ok(id)) => desk.events_of_user(Some(&id), None, &query, limit).await,
        // Nobody has an id like this.
        Some(Err(_)) => Ok(EventPage::default()),
    }
}

/// Where a list goes on: behind an event, or behind a place, which is there whatever became of the event.
async fn place(desk: &Desk, after: &str, of_user: bool) -> Result<TimePlace> {
    let Some(event) = desk.stored_event(after).await? else { return after.parse().map_err(|_| no_such_event()) };
    let at = if of_user { event.by.at } else { event.received_at };
    Ok(TimePlace { at, name: keys::event_digest(after) })
}

fn no_such_event() -> Failure {
    Failure::new(FailureKind::NotFound, "there is no such event")
}

/// Shows one event.
pub async fn show(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    let started = Started::new(&state, &headers);
    let reply = match dispatch::permitted_to_read(&state, &started, access, &headers).await {
        Ok((_, state)) => shown(&state, id.map(|Path(id)| id).unwrap_or_default()).await,
        Err(error) => Reply::Failed(error),
    };
    started.answer(&state, "show_event", &reply)
}

async fn shown(state: &AppState, id: String) -> Reply {
    let stored = match &state.desk {
        Some(desk) => desk.stored_event(&id).await,
        None => Ok(None),
    };
    match stored {
        Ok(Some(event)) => Reply::Done(json!({"event": event_view::event(&event)})),
        Ok(None) => Reply::Failed(ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no event of this id")),
        Err(failure) => failed(state, failure),
    }
}
