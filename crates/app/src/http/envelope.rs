//! The form of every answer: `{"ok":true,"data":…}` or `{"ok":false,"error":…}`, with correlation id and duration.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tandem_core::domain::issue::FieldIssue;
use tandem_core::domain::situation::Situation;
use tandem_core::error::Failure;
use tandem_core::policy;

use super::AppState;
use crate::telemetry::{self, RequestMetric};

/// The header that carries the correlation id, both ways.
pub const CORRELATION: &str = "x-correlation-id";

/// What an operation answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It was done.
    Done(Value),
    /// Here is what was asked for, at this revision.
    Found(Value, u64),
    /// It is on the queue.
    Accepted(Value),
    /// It was refused or failed.
    Failed(ApiError),
}

/// An error as the caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// A stable code for programs.
    pub code: &'static str,
    /// A sentence for a person.
    pub message: String,
    /// What is wrong, field by field.
    pub details: Vec<FieldIssue>,
    /// The situation of the record that kept it from being written.
    pub situation: Option<Situation>,
    /// Seconds after which the call may be made again.
    pub retry_after: Option<u64>,
}

impl ApiError {
    /// An error without details.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new(), situation: None, retry_after: None }
    }

    /// An error of the request's fields.
    pub fn invalid(details: Vec<FieldIssue>) -> Self {
        let message = details.first().map_or_else(
            || "the request can't be taken as it is".to_owned(),
            |issue| format!("{}: {}", issue.field, issue.message),
        );
        Self { details, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message) }
    }

    /// The error as the answer's body has it.
    pub fn body(&self) -> Value {
        let mut body = json!({"code": self.code, "message": self.message, "details": self.details});
        if let (Some(situation), Some(body)) = (self.situation, body.as_object_mut()) {
            body.insert("situation".to_owned(), json!(situation));
        }
        body
    }

    /// The public face of a failure.
    pub fn from_failure(failure: Failure, now: Timestamp) -> Self {
        let answer = policy::public_answer(&failure, now);
        Self {
            status: StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: answer.code,
            message: failure.message,
            details: failure.fields,
            situation: failure.situation,
            retry_after: answer.retry_after,
        }
    }
}

fn correlation_of(state: &AppState, headers: &HeaderMap) -> String {
    let given = headers.get(CORRELATION).and_then(|value| value.to_str().ok()).map(str::trim);
    let sound = given.filter(|id| !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_graphic()));
    sound.map_or_else(|| state.entropy.id(), str::to_owned)
}

/// The correlation id of a request; from here on it stands in its headers, whether or not the caller gave one.
pub fn settle_correlation(state: &AppState, headers: &mut HeaderMap) -> String {
    let id = correlation_of(state, headers);
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(CORRELATION, value);
    }
    id
}

/// A request as it came in: when, under which correlation id.
#[derive(Clone, Debug)]
pub struct Started {
    /// When.
    pub at: Timestamp,
    /// The caller's correlation id, or a new one.
    pub correlation_id: String,
}

impl Started {
    /// Takes the caller's correlation id over when it is sound: 1 to 128 visible ASCII characters.
    pub fn new(state: &AppState, headers: &HeaderMap) -> Self {
        Self { at: state.clock.now(), correlation_id: correlation_of(state, headers) }
    }

    /// The finished answer; counts the request.
    pub fn answer(&self, state: &AppState, operation: &str, reply: &Reply) -> Response<Body> {
        let now = state.clock.now();
        let duration_ms = u64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(0);
        let status = status_of(reply);
        let (correlation_id, status_code) = (&self.correlation_id, status.as_u16());
        match reply {
            Reply::Done(_) | Reply::Found(..) | Reply::Accepted(_) => {
                tracing::info!(%correlation_id, operation, status = status_code, duration_ms, "answered");
            }
            Reply::Failed(ApiError { code, .. }) => {
                tracing::warn!(%correlation_id, operation, status = status_code, code, duration_ms, "answered with an error");
            }
        }
        if state.metrics {
            let metric = RequestMetric { operation, status: status.as_u16(), duration_ms, at_ms: now.as_millisecond() };
            if let Err(error) = telemetry::emit(metric, &mut std::io::stdout().lock()) {
                tracing::warn!(%error, "a metric could not be written");
            }
        }
        self.response(status, reply, duration_ms)
    }

    fn response(&self, status: StatusCode, reply: &Reply, duration_ms: u64) -> Response<Body> {
        let mut body = body_of(reply);
        body.insert("correlationId".to_owned(), json!(self.correlation_id));
        body.insert("durationMs".to_owned(), json!(duration_ms));
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::from_str(&self.correlation_id) {
            headers.insert(CORRELATION, id);
        }
        if let Reply::Failed(ApiError { retry_after: Some(seconds), .. }) = reply {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        if let Reply::Found(_, revision) = reply
            && let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\""))
        {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

fn status_of(reply: &Reply) -> StatusCode {
    match reply {
        Reply::Done(_) | Reply::Found(..) => StatusCode::OK,
        Reply::Accepted(_) => StatusCode::ACCEPTED,
        Reply::Failed(error) => error.status,
    }
}

fn body_of(reply: &Reply) -> Map<String, Value> {
    let mut body = Map::new();
    match reply {
        Reply::Done(data) | Reply::Found(data, _) | Reply::Accepted(data) => {
            body.insert("ok".to_owned(), json!(true));
            if let Some(demo) = data.get("demo") {
                body.insert("demo".to_owned(), demo.clone());
            }
            body.insert("data".to_owned(), data.clone());
        }
        Reply::Failed(error) => {
            body.insert("ok".to_owned(), json!(false));
            body.insert("error".to_owned(), error.body());
        }
    }
    body
}

/// A path that exists, called by a method that it does not take.
pub async fn method_not_allowed(State(state): State<AppState>, headers: HeaderMap) -> Response<Body> {
    let error =
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not take that method");
    Started::new(&state, &headers).answer(&state, "none", &Reply::Failed(error))
}

/// A path that does not exist.
pub async fn no_such_path(State(state): State<AppState>, headers: HeaderMap) -> Response<Body> {
    let error = ApiError::new(StatusCode::NOT_FOUND, "no_such_path", "there is nothing under this path");
    Started::new(&state, &headers).answer(&state, "none", &Reply::Failed(error))
}
