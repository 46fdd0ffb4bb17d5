//! Text: one line, trimmed, never cut.

use serde_json::Value;

use super::{Outcome, Problem, wrong_type};
use crate::domain::issue::IssueCode;

/// Text, a number or a boolean as it is.
pub(super) fn direct(value: &Value) -> Outcome {
    match value {
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(Some(value.clone())),
        Value::Null => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(wrong_type("text, a number or a boolean")),
    }
}

/// One line of text of at most `limit` characters.
pub(super) fn line(value: &Value, limit: Option<usize>) -> Outcome {
    let Some(text) = one_line(value)? else { return Ok(None) };
    within(&text, limit)?;
    Ok(Some(Value::String(text)))
}

/// The value as text with every run of white space and control characters made one space; `None` when nothing is left.
/// Numbers and booleans are written out, since sources without a schema give a postcode as either.
pub(super) fn one_line(value: &Value) -> Result<Option<String>, Problem> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => without_apostrophe(text).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(_) | Value::Object(_) => return Err(wrong_type("text")),
    };
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    Ok(if words.is_empty() { None } else { Some(words.join(" ")) })
}

/// A cell without the apostrophe by which a spreadsheet was told that it is text and no number. Where the whole cell could be
/// a number, it is no part of the value; a name may begin with one (`'t Hooft`).
pub(super) fn without_apostrophe(text: &str) -> &str {
    let is_of_numbers = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-().,/:TZ".contains(c);
    match text.trim_start().strip_prefix('\'') {
        Some(rest) if rest.contains(|c: char| c.is_ascii_digit()) && rest.chars().all(is_of_numbers) => rest,
        Some(_) | None => text,
    }
}

/// Refuses a text that is too long: a cut-off value would look right and be wrong.
pub(super) fn within(text: &str, limit: Option<usize>) -> Result<(), Problem> {
    match limit {
        Some(limit) if text.chars().count() > limit => {
            Err((IssueCode::TooLong, format!("is longer than the {limit} characters that the platform stores")))
        }
        _ => Ok(()),
    }
}
