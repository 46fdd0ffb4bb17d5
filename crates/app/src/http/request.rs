//! Reading a request's body: its type, its size, its JSON.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::envelope::ApiError;

/// The largest body of a call about one contact, in bytes.
pub const LARGEST: usize = 1024 * 1024;

/// A body's error: it did not arrive in the time that a server of this process's own gives it. Lambda hands over whole bodies.
#[derive(Clone, Copy, Debug)]
pub struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body took too long to arrive")
    }
}

impl Error for TooSlow {}

/// The bytes of a body that is JSON.
///
/// # Errors
/// 415 for another content type than JSON, 413 over `largest` bytes, 400 when the body breaks off, 408 when it comes too
/// slowly.
pub async fn read_body(headers: &HeaderMap, body: Body, largest: usize) -> Result<Vec<u8>, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the body as \"Content-Type: application/json\"",
        ));
    }
    read_bytes(body, largest).await
}

/// The body's bytes, whatever they are.
///
/// # Errors
/// 413 over `largest` bytes, 400 when the body breaks off, 408 when it comes too slowly.
pub async fn read_bytes(body: Body, largest: usize) -> Result<Vec<u8>, ApiError> {
    match Limited::new(body, largest).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body may have at most {largest} bytes"),
        )),
        Err(error) if came_too_slowly(&*error) => {
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", TooSlow.to_string()))
        }
        Err(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "body_cut_off", "the body broke off")),
    }
}

/// Whether that is, somewhere, the reason.
fn came_too_slowly(error: &(dyn Error + 'static)) -> bool {
    successors(Some(error), |&error| error.source()).any(|error| error.is::<TooSlow>())
}

/// The body as a JSON object.
///
/// # Errors
/// As [`parse`]; 400 for anything else than an object.
pub fn parse_object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match parse(body)? {
        Value::Object(object) => Ok(object),
        _ => Err(malformed("the body must be a JSON object".to_owned())),
    }
}

/// The body as JSON. serde_json stops at 128 levels, so deep nesting is an error and no stack overflow.
///
/// # Errors
/// 400 with the place where the text stops being JSON.
pub fn parse(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        malformed(format!("the body is no JSON that can be read ({place})"))
    })
}

/// 400: the body is JSON of another kind, or none.
pub fn malformed(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", message)
}

/// `application/json` or `application/…+json`, whatever parameters follow.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
