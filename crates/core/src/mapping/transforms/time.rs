//! Days and moments.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use serde_json::Value;

use super::text::without_apostrophe;
use super::{Outcome, invalid, wrong_type};

/// A day, `YYYY-MM-DD`; of a moment the day that it was written with.
pub(crate) fn date(value: &Value) -> Outcome {
    let Some(text) = text_of(value)? else { return Ok(None) };
    match Pieces::parse(text).ok().filter(|pieces| pieces.date().year() >= 1) {
        Some(pieces) => Ok(Some(Value::String(pieces.date().to_string()))),
        None => Err(invalid("is not a date such as 2026-03-31")),
    }
}

/// A moment in UTC with whole seconds, `YYYY-MM-DDTHH:MM:SSZ`; a day is its first moment. What names no offset is UTC.
pub(crate) fn datetime(value: &Value) -> Outcome {
    let Some(text) = text_of(value)? else { return Ok(None) };
    match moment(text) {
        Some(moment) => Ok(Some(Value::String(moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))),
        None => Err(invalid("is not a date and time such as 2026-03-31T09:30:00Z")),
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    // A zone in brackets with no offset beside it would need a choice at the hours that a clock change repeats.
    if pieces.offset().is_none() && pieces.time_zone_annotation().is_some() {
        return None;
    }
    let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
    let local = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let moment = offset.to_timestamp(local).ok()?;
    (Offset::UTC.to_datetime(moment).year() >= 1).then_some(moment)
}

/// Numbers are refused: whether one counts seconds or milliseconds, and since when, only its sender knows.
fn text_of(value: &Value) -> Result<Option<&str>, super::Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(without_apostrophe(text).trim()).filter(|text| !text.is_empty())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(wrong_type("a date as text")),
    }
}
