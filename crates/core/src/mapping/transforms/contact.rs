//! Addresses on the net: email and web.

use serde_json::Value;

use super::text::{one_line, within};
use super::{Outcome, invalid, wrong_type};
use crate::domain::identity::Email;
use crate::domain::issue::IssueCode;

/// A normalised email address. A placeholder such as `n/a` is no blank: it is reported, since someone meant to have an
/// address there.
pub(crate) fn email(value: &Value) -> Outcome {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => return Err(wrong_type("text")),
    };
    match text.parse::<Email>() {
        Ok(email) => Ok(Some(Value::String(email.into()))),
        Err(error) => Err((IssueCode::Invalid, error.to_string())),
    }
}

/// An absolute `http` or `https` address, kept as it was written.
pub(super) fn url(value: &Value, limit: Option<usize>) -> Outcome {
    let Some(text) = one_line(value)? else { return Ok(None) };
    within(&text, limit)?;
    let sound = url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if sound && !text.contains(' ') {
        Ok(Some(Value::String(text)))
    } else {
        Err(invalid("is not a web address that starts with http:// or https://"))
    }
}
