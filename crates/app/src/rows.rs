//! From what an application hands over to a row of Tandem's own table: the same checks for calls and for files.

use jiff::Timestamp;
use serde_json::{Map, Value};
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::record::{Fields, LARGEST_ROW};
use tandem_core::domain::relationship;
use tandem_core::ports::source::SourceRow;

use crate::http::input::Input;

/// The longest text that is kept of one field, in bytes. Beyond it, no platform field could take it.
pub const LONGEST_TEXT: usize = 8_192;
/// The most fields of one record.
pub const MOST_FIELDS: usize = 200;
/// The longest name of a field, in bytes.
const LONGEST_NAME: usize = 200;
/// How many issues of one row are told.
const MOST_ISSUES: usize = 5;

/// Reads a row: `id`, `kind` (else `usual`), `deleted` (then nothing else of it is kept), `updated_at`, and any other column.
///
/// # Errors
/// What is wrong with it, each issue with the column as its field, `id` first.
pub fn read_row(object: &Map<String, Value>, usual: Kind) -> Result<SourceRow, Vec<FieldIssue>> {
    let input = Input::root(object);
    let mut issues = Vec::new();
    let kind = kind(input, usual).map_err(|issue| issues.push(issue)).unwrap_or_default();
    let id = required_id(input).map_err(|issue| issues.push(issue)).ok();
    let deleted = input.flag("deleted").map_err(|issue| issues.push(issue)).unwrap_or_default().unwrap_or(false);
    let updated_at = updated_at(input).map_err(|issue| issues.push(issue)).unwrap_or_default();
    let fields = if deleted { Fields::new() } else { fields(input, &mut issues) };
    issues.extend(relationship::said(kind, &fields).issues);
    match id {
        Some(id) if issues.is_empty() => Ok(SourceRow { kind, id: id.into(), updated_at, fields, deleted }),
        _ => {
            issues.truncate(MOST_ISSUES);
            Err(issues)
        }
    }
}

fn kind(input: Input<'_>, usual: Kind) -> Result<Kind, FieldIssue> {
    let Some(text) = input.text("kind")?.filter(|text| !text.trim().is_empty()) else { return Ok(usual) };
    text.parse().map_err(|error| input.issue("kind", IssueCode::Invalid, format!("The value {error}.")))
}

fn required_id(input: Input<'_>) -> Result<ExternalId, FieldIssue> {
    let missing = || input.issue("id", IssueCode::Missing, "Give the id under which the application knows the record.");
    input.external_id("id")?.ok_or_else(missing)
}

fn updated_at(input: Input<'_>) -> Result<Option<Timestamp>, FieldIssue> {
    let Some(text) = input.text("updated_at")?.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let unreadable = |_| input.issue("updated_at", IssueCode::Invalid, "The value must be a moment in RFC 3339.");
    text.parse().map(Some).map_err(unreadable)
}

/// All columns but those that are no field.
fn fields(input: Input<'_>, issues: &mut Vec<FieldIssue>) -> Fields {
    let columns = input.entries().filter(|(name, _)| !matches!(name.as_str(), "id" | "kind" | "deleted"));
    let fields: Fields = columns.map(|(name, value)| (name.clone(), value.clone())).collect();
    issues.extend(fields.iter().filter_map(|(name, value)| fault(input, name, value)));
    if fields.len() > MOST_FIELDS {
        let message = format!("A record takes at most {MOST_FIELDS} fields.");
        issues.push(FieldIssue::new("", IssueCode::Invalid, message));
    }
    if serde_json::to_string(&fields).is_ok_and(|json| json.len() > LARGEST_ROW) {
        issues.push(FieldIssue::new(
            "",
            IssueCode::TooLong,
            format!("A record takes at most {LARGEST_ROW} bytes of JSON."),
        ));
    }
    fields
}

fn fault(input: Input<'_>, name: &str, value: &Value) -> Option<FieldIssue> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        let message = format!("The name of a field takes 1 to {LONGEST_NAME} bytes without control characters.");
        return Some(FieldIssue::new("", IssueCode::Invalid, message));
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => too_long(text).then(|| long(input, name)),
        Value::Array(list) => fault_of_list(input, name, list),
        Value::Object(_) => Some(input.wrong_type(name, "text, a number, true or false, or a list of them")),
    }
}

fn fault_of_list(input: Input<'_>, name: &str, list: &[Value]) -> Option<FieldIssue> {
    if list.iter().any(|value| value.is_array() || value.is_object()) {
        return Some(input.wrong_type(name, "a list of texts, numbers, or true and false"));
    }
    let long_text = list.iter().any(|value| value.as_str().is_some_and(too_long));
    (long_text || list.len() > MOST_FIELDS).then(|| long(input, name))
}

fn too_long(text: &str) -> bool {
    text.len() > LONGEST_TEXT
}

fn long(input: Input<'_>, name: &str) -> FieldIssue {
    let message = format!("A value takes at most {LONGEST_TEXT} bytes, and a list {MOST_FIELDS} of them.");
    input.issue(name, IssueCode::TooLong, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<SourceRow, Vec<String>> {
        let row = read_row(value.as_object().unwrap(), Kind::Person);
        row.map_err(|issues| issues.iter().map(|issue| format!("{}:{:?}", issue.field, issue.code)).collect())
    }

    #[test]
    fn a_row_keeps_every_column_as_it_was_given() {
        let columns = json!({"id": 7, "updated_at": "2026-11-13T14:29:53.000000Z", "spent": "39.10", "tags": ["a", 1], "x": null});
        let row = read(columns.clone()).unwrap();
        assert_eq!((row.id.as_str(), row.deleted, row.updated_at), ("7", false, "2026-11-13T14:29:53Z".parse().ok()));
        for name in ["updated_at", "spent", "tags", "x"] {
            assert_eq!(row.fields[name], columns[name]);
        }
        assert_eq!(row.fields.len(), 4);
    }

    #[test]
    fn a_row_says_what_it_is_of_and_is_of_a_person_else() {
        let of = |value| read(value).map(|row| (row.kind, row.fields.len()));
        assert_eq!(of(json!({"id": 7})), Ok((Kind::Person, 0)));
        assert_eq!(of(json!({"id": 7, "kind": null})), Ok((Kind::Person, 0)));
        assert_eq!(of(json!({"id": 7, "kind": "organisation", "name": "ACME"})), Ok((Kind::Organisation, 1)));
        assert_eq!(of(json!({"id": 7, "kind": " deal ", "deleted": true, "name": "x"})), Ok((Kind::Deal, 0)));
    }

    #[test]
    fn a_deleted_row_keeps_nothing_but_its_id_and_time() {
        let row = read(json!({"id": "7", "deleted": true, "email": "a@example.com", "odd": {"a": 1}})).unwrap();
        assert!(row.deleted && row.fields.is_empty());
    }

    #[test]
    fn what_can_not_be_taken_is_named() {
        let many: Map<String, Value> =
            (0..201).map(|n| (format!("f{n}"), json!(n))).chain([("id".into(), json!(1))]).collect();
        for (value, complaints) in [
            (json!({}), vec!["id:Missing"]),
            (json!({"id": " "}), vec!["id:Missing"]),
            (json!({"id": "a\u{7}b"}), vec!["id:Invalid"]),
            (json!({"id": "x".repeat(192)}), vec!["id:Invalid"]),
            (json!({"id": {"a": 1}}), vec!["id:WrongType"]),
            (json!({"id": 1, "kind": "firm"}), vec!["kind:Invalid"]),
            (json!({"id": 1, "kind": 7}), vec!["kind:WrongType"]),
            (json!({"id": 1, "organisation_id": ["a"]}), vec!["organisation_id:WrongType"]),
            (json!({"id": 1, "kind": "deal", "person_ids": ["a\u{7}"]}), vec!["person_ids:Invalid"]),
            (json!({"id": 1, "updated_at": "yesterday"}), vec!["updated_at:Invalid"]),
            (json!({"id": 1, "updated_at": 1_795_000_000}), vec!["updated_at:WrongType"]),
            (json!({"id": 1, "deleted": "perhaps"}), vec!["deleted:Invalid"]),
            (json!({"id": 1, "name": {"first": "a"}, "list": [[1]]}), vec!["list:WrongType", "name:WrongType"]),
            (json!({"id": 1, "name": "x".repeat(8_193)}), vec!["name:TooLong"]),
            (json!({"id": 1, "list": vec!["x"; 201]}), vec!["list:TooLong"]),
            (json!({"id": 1, "": "x"}), vec![":Invalid"]),
            (json!({"id": 1, "a\nb": "x"}), vec![":Invalid"]),
            (Value::Object(many), vec![":Invalid"]),
            (
                Value::Object(
                    (0..9)
                        .map(|n| (format!("f{n}"), json!("x".repeat(8_000))))
                        .chain([("id".into(), json!(1))])
                        .collect(),
                ),
                vec![":TooLong"],
            ),
        ] {
            assert_eq!(read(value), Err(complaints.into_iter().map(str::to_owned).collect()));
        }
    }
}
