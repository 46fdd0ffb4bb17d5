//! `POST /v1/batch`, `/v1/track`, …: where the server libraries of Segment and RudderStack can be pointed.
//!
//! They send the write key as the user name of Basic authentication, or in the body; here it is an API key. They take 200 and
//! nothing else for success, and repeat a call for any other answer: so it is 200 once everything is stored that can be.

use std::io::Read;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};
use tracing::Instrument;

use super::events;
use crate::events::calls;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::{Access, AppState, auth, dispatch, request};

/// The most calls of a batch: the largest that the libraries make.
const MOST_CALLS: usize = 500;

/// What paths end in, and the type of the one call in their body; a batch names the type of each.
const PATHS: &[(&str, Option<&str>)] = &[
    ("batch", None),
    ("import", None),
    ("track", Some("track")),
    ("identify", Some("identify")),
    ("group", Some("group")),
    ("alias", Some("alias")),
    ("page", Some("page")),
    ("screen", Some("screen")),
];

/// Takes calls in.
pub async fn post(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let started = Started::new(&state, &headers);
    let span = tracing::info_span!("calls", correlation_id = %started.correlation_id);
    let path = path.map(|Path(path)| path).unwrap_or_default();
    let reply = handle(&state, &started, access, &path, headers, body).instrument(span).await;
    started.answer(&state, "calls", &reply)
}

async fn handle(
    state: &AppState,
    started: &Started,
    access: Access,
    path: &str,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let Some((_, kind)) = PATHS.iter().find(|(name, _)| *name == path) else {
        let message = "the calls are batch, track, identify, group and alias";
        return Reply::Failed(ApiError::new(StatusCode::NOT_FOUND, "no_such_path", message));
    };
    match read(state, started, access, *kind, headers, body).await {
        Ok(Calls { items, passed_over, key, state }) => {
            told(events::take_items(&state, started, &items, &key, false).await, passed_over)
        }
        Err(error) => Reply::Failed(error),
    }
}

/// What came.
struct Calls {
    /// Those that say something, as events.
    items: Vec<Value>,
    /// How many say nothing that is taken.
    passed_over: usize,
    key: String,
    /// What operations work with for the caller's tenant.
    state: AppState,
}

async fn read(
    state: &AppState,
    started: &Started,
    access: Access,
    kind: Option<&str>,
    mut headers: HeaderMap,
    body: Body,
) -> Result<Calls, ApiError> {
    // Whoever shows a key is looked at before the body is read.
    let shown = auth::key(&headers).is_some();
    if shown {
        dispatch::permitted(state, started, access, &headers).await?;
    }
    let bytes = request::read_bytes(body, request::LARGEST).await?;
    let bytes = unpacked(&headers, bytes)?;
    let mut document = request::parse_object(&bytes)?;
    if !shown && let Some(key) = document.get("writeKey").and_then(Value::as_str) {
        let value = HeaderValue::from_str(&format!("Bearer {key}"));
        headers.extend(value.ok().map(|value| (header::AUTHORIZATION, value)));
    }
    let (_, state) = dispatch::permitted(state, started, access, &headers).await?;
    let key = auth::key(&headers).unwrap_or_default();
    let all = calls_of(&mut document, kind)?;
    let count = all.len();
    let items: Vec<Value> = all.into_iter().filter(|call| !calls::is_passed_over(call)).map(calls::as_event).collect();
    Ok(Calls { passed_over: count - items.len(), items, key, state })
}

fn calls_of(document: &mut Map<String, Value>, kind: Option<&str>) -> Result<Vec<Value>, ApiError> {
    if let Some(kind) = kind {
        document.insert("type".to_owned(), json!(kind));
        return Ok(vec![Value::Object(std::mem::take(document))]);
    }
    let Some(Value::Array(batch)) = document.remove("batch") else {
        return Err(request::malformed("the body must have a list called batch".to_owned()));
    };
    if batch.len() > MOST_CALLS {
        return Err(request::malformed(format!("a batch has at most {MOST_CALLS} calls")));
    }
    Ok(calls::of_batch(batch, document))
}

/// Some libraries compress what they send. What it comes to is bounded, too.
fn unpacked(headers: &HeaderMap, bytes: Vec<u8>) -> Result<Vec<u8>, ApiError> {
    let is_gzip =
        headers.get(header::CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if !is_gzip {
        return Ok(bytes);
    }
    let mut body = Vec::new();
    let read = GzDecoder::new(&*bytes).take(request::LARGEST as u64 + 1).read_to_end(&mut body);
    if read.is_err() {
        return Err(request::malformed("the body can't be unpacked".to_owned()));
    }
    if body.len() > request::LARGEST {
        let message = format!("the body may have at most {} bytes", request::LARGEST);
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message));
    }
    Ok(body)
}

/// 200 for whatever is stored; what can't be taken is in the results, and repeating it would not mend it.
fn told(taken: Reply, passed_over: usize) -> Reply {
    match taken {
        Reply::Done(mut data) | Reply::Accepted(mut data) | Reply::Found(mut data, _) => {
            data["passedOver"] = json!(passed_over);
            Reply::Done(data)
        }
        other => other,
    }
}
