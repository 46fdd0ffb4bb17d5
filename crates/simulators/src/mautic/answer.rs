//! Answers: their statuses, headers and error bodies.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::{Map, Value, json};

/// PHP hands out so many bytes at a time.
const PIECE: usize = 8192;

const GENERAL_ERROR: &str = "Looks like I encountered an error (error #{code}). If I do it again, please report me to \
                             the system administrator!";

/// A JSON answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    location: Option<String>,
    /// Answers that Mautic's API controllers make carry its version; those made before or around them don't.
    versioned: bool,
    empty: bool,
}

/// Marks a response that is to say which version made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Versioned;

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self::with(200, body)
    }

    pub(crate) fn with(status: u16, body: Value) -> Self {
        Self { status, body, location: None, versioned: true, empty: false }
    }

    /// A made entity: 201, and where it is to be found.
    pub(crate) fn created(location: String, body: Value) -> Self {
        Self { status: 201, body, location: Some(location), versioned: true, empty: false }
    }

    pub(crate) fn unversioned(mut self) -> Self {
        self.versioned = false;
        self
    }

    pub(crate) fn without_body(mut self) -> Self {
        self.empty = true;
        self
    }

    pub(crate) fn success() -> Self {
        Self::ok(json!({"success": 1}))
    }

    /// An error of an API controller.
    pub(crate) fn error(code: u16, message: &str, details: Value) -> Self {
        Self::with(code, json!({"errors": [{"code": code, "message": message, "details": details}]}))
    }

    pub(crate) fn not_found() -> Self {
        Self::error(404, "Item was not found.", json!([]))
    }

    pub(crate) fn contact_not_found() -> Self {
        Self::error(404, "Contact not found.", json!([]))
    }

    /// An error of a layer before the controllers.
    pub(crate) fn refused(code: u16, message: &str, kind: Value) -> Self {
        Self::with(code, json!({"errors": [{"message": message, "code": code, "type": kind}]})).unversioned()
    }

    pub(crate) fn no_such_url(path: &str) -> Self {
        Self::refused(404, &format!("Requested URL not found: {path}"), Value::Null)
    }

    pub(crate) fn general_error(code: u16) -> Self {
        Self::refused(code, &GENERAL_ERROR.replace("{code}", &code.to_string()), Value::Null)
    }

    pub(crate) fn broken_request() -> Self {
        Self::general_error(400)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = if self.empty { Body::empty() } else { body_of(self.body.to_string()) };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if let Some(Ok(location)) = self.location.map(HeaderValue::try_from) {
            headers.insert(header::LOCATION, location);
        }
        if self.versioned {
            response.extensions_mut().insert(Versioned);
        }
        response
    }
}

/// A long answer comes in pieces, without a word of its length.
fn body_of(text: String) -> Body {
    let text = Bytes::from(text);
    if text.len() <= PIECE {
        return Body::from(text);
    }
    let pieces = (0..text.len()).step_by(PIECE).map(move |start| text.slice(start..text.len().min(start + PIECE)));
    Body::from_stream(stream::iter(pieces.map(Ok::<Bytes, Infallible>)))
}

/// What is wrong with which field, in the order in which Mautic names them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems {
    fields: Vec<(String, String)>,
    taken: bool,
}

impl Problems {
    pub(crate) fn add(&mut self, field: &str, message: impl Into<String>) {
        self.fields.push((field.to_owned(), message.into()));
    }

    /// A value that must be unique and is not: it makes the whole answer a 422.
    pub(crate) fn add_taken(&mut self, field: &str) {
        self.add(field, "This field must be unique.");
        self.taken = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Nothing is wrong but that somebody else has the value.
    pub(crate) fn only_taken(&self) -> bool {
        self.taken && self.fields.len() == 1
    }

    fn code(&self) -> u16 {
        if self.taken { 422 } else { 400 }
    }

    fn message(&self) -> String {
        let parts: Vec<String> = self.fields.iter().map(|(field, text)| format!("{field}: {text}")).collect();
        parts.join(", ")
    }

    fn details(&self) -> Value {
        let mut details = Map::new();
        for (field, text) in &self.fields {
            if let Value::Array(texts) = details.entry(field).or_insert_with(|| json!([])) {
                texts.push(json!(text));
            }
        }
        Value::Object(details)
    }

    /// The answer to a single write.
    pub(crate) fn answer(&self) -> Answer {
        Answer::error(self.code(), &self.message(), self.details())
    }

    /// The error of one entry of a batch: its status, and its place in `errors`.
    pub(crate) fn entry(&self) -> (u16, Value) {
        let (code, message) = (self.code(), self.message());
        (code, json!({"code": code, "message": message, "details": self.details(), "type": null}))
    }
}
