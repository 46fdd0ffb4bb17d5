//! Between rows of PostgREST and the domain.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use tandem_core::domain::kind::Kind;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::source::SourceRow;
use uuid::Uuid;

use super::wire::Row;

/// A row of the view. A column `deleted_at` says whether the row is deleted, and is no field.
pub(super) fn source_row(kind: Kind, mut row: Row) -> Result<SourceRow> {
    let id = match row.remove("id") {
        Some(Value::String(id)) => id,
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(misconfigured("The view has a row without an id.")),
    };
    let deleted = row.remove("deleted_at").is_some_and(|moment| !moment.is_null());
    let updated_at = row.get("updated_at").filter(|moment| !moment.is_null()).map(updated_at).transpose()?;
    Ok(SourceRow { kind, id, updated_at, fields: row.into_iter().collect(), deleted })
}

/// PostgreSQL's `infinity` is no moment either: pages could not be told apart by it.
fn updated_at(value: &Value) -> Result<Timestamp> {
    let moment = value.as_str().and_then(moment);
    moment.ok_or_else(|| misconfigured("The view's updated_at holds something that is no moment."))
}

/// A `timestamptz`; a `timestamp` or a `date` is taken as UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let civil = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(civil)
}

/// Whether PostgreSQL can read the text as a `uuid` in its usual form.
pub(super) fn uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

/// The `uuid` that a name stands for: always the same one for the same name.
pub(super) fn uuid_of(name: &str) -> Uuid {
    /// Tandem's own namespace, made once by chance.
    const NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_1f6b_3f5e_4b1c_9d0a_7c2e_51b8_a4d3);
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The value as JSON without NUL characters, which neither `text` nor `jsonb` can hold.
pub(super) fn storable(value: &impl Serialize) -> Result<Value> {
    let value = serde_json::to_value(value)
        .map_err(|_| Failure::new(FailureKind::Invalid, "The data can't be written as JSON."))?;
    Ok(without_nul(value))
}

fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "")),
        Value::Array(entries) => entries.into_iter().map(without_nul).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name.replace('\0', ""), without_nul(value))).collect()
        }
        other => other,
    }
}

fn misconfigured(message: &str) -> Failure {
    Failure::new(FailureKind::Misconfigured, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: Value) -> Result<SourceRow> {
        source_row(Kind::Person, serde_json::from_value(value).unwrap())
    }

    #[test]
    fn moments_keep_their_microseconds_whatever_type_the_column_has() {
        for text in
            ["2026-10-28T14:38:49.123456+00:00", "2026-10-28T14:38:49.123456", "2026-10-28T20:08:49.123456+05:30"]
        {
            let found = row(json!({"id": "a", "updated_at": text})).unwrap().updated_at.unwrap();
            assert_eq!(found.to_string(), "2026-10-28T14:38:49.123456Z", "{text}");
        }
        assert!(moment("2026-10-28").is_some());
    }

    #[test]
    fn a_moment_that_pages_can_not_be_told_apart_by_is_a_failure() {
        assert_eq!(row(json!({"id": "a", "updated_at": "infinity"})).unwrap_err().kind, FailureKind::Misconfigured);
        assert_eq!(row(json!({"updated_at": null})).unwrap_err().kind, FailureKind::Misconfigured);
    }

    #[test]
    fn a_deletion_is_told_by_deleted_at_alone() {
        assert!(row(json!({"id": 7, "deleted_at": "2026-10-28T14:38:49Z"})).unwrap().deleted);
        let kept = row(json!({"id": 7, "deleted_at": null, "email": null})).unwrap();
        assert_eq!((kept.id.as_str(), kept.deleted, kept.fields), ("7", false, [("email".into(), Value::Null)].into()));
    }

    #[test]
    fn nul_characters_are_left_out_wherever_they_are() {
        let cleaned = storable(&json!({"a\0": ["x\0y", {"b": "\\u0000"}], "n": 1})).unwrap();
        assert_eq!(cleaned, json!({"a": ["xy", {"b": "\\u0000"}], "n": 1}));
    }
}
