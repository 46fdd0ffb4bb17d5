//! Values out of a few: yes and no, the options of a select, a look-up table.

use std::collections::BTreeMap;

use serde_json::Value;

use super::text::one_line;
use super::{Outcome, invalid, wrong_type};
use crate::domain::issue::IssueCode;

/// Yes or no, as JSON booleans; Mautic stores `false` too (recording `071-contact-custom-bool-false`).
pub(crate) fn boolean(value: &Value) -> Outcome {
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        return Err(wrong_type("true or false"));
    }
    let Some(text) = one_line(value)? else { return Ok(None) };
    match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "1" => Ok(Some(Value::Bool(true))),
        "false" | "f" | "no" | "0" => Ok(Some(Value::Bool(false))),
        _ => Err(invalid("is neither true nor false")),
    }
}

/// The option that the value names, in the option's own spelling. Any text when the options are not known.
pub(crate) fn select(value: &Value, options: &[String]) -> Outcome {
    let Some(text) = one_line(value)? else { return Ok(None) };
    if options.is_empty() {
        return Ok(Some(Value::String(text)));
    }
    match options.iter().find(|option| same(option, &text)) {
        Some(option) => Ok(Some(Value::String(option.clone()))),
        None => Err((IssueCode::NotInList, "is not one of the field's options".to_owned())),
    }
}

/// The value that the table gives.
pub(crate) fn lookup(value: &Value, table: &BTreeMap<String, Value>) -> Outcome {
    let Some(text) = one_line(value)? else { return Ok(None) };
    match table.iter().find(|(key, _)| same(key, &text)) {
        Some((_, found)) => Ok(Some(found.clone())),
        None => Err((IssueCode::NotInList, "is not in the rule's table".to_owned())),
    }
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.to_lowercase()
}
