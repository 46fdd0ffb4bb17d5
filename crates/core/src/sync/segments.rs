//! The segments that a record's contact shall be in.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::record::Record;
use crate::mapping::RuleSet;
use crate::mapping::rules::{FieldRule, Target, Transform};

/// What a record says of segments.
#[derive(Debug, Default, PartialEq)]
pub struct WantedSegments {
    /// The platform's names; `None` when the record says nothing.
    pub names: Option<BTreeSet<String>>,
    /// What could not be taken.
    pub issues: Vec<FieldIssue>,
}

/// Works out the segments by the rules whose target they are.
#[must_use]
pub fn wanted(record: &Record, rules: &RuleSet) -> WantedSegments {
    let mut wanted = WantedSegments::default();
    for rule in rules.rules().iter().filter(|rule| rule.target == Target::Segments) {
        let given = rule.names().find_map(|name| record.fields.get(name));
        for name in given.map(members).into_iter().flatten() {
            match named(rule, &name) {
                Some(segment) => {
                    wanted.names.get_or_insert_default().insert(segment);
                }
                None => wanted.issues.push(unknown(rules, rule)),
            }
        }
        if given.is_some() {
            wanted.names.get_or_insert_default();
        }
    }
    wanted
}

fn unknown(rules: &RuleSet, rule: &FieldRule) -> FieldIssue {
    let message = "One of the segments is not in the rule's lookup: it was left out.";
    FieldIssue::new(rules.path_of(&rule.local), IssueCode::NotInList, message)
}

fn named(rule: &FieldRule, name: &str) -> Option<String> {
    match &rule.transform {
        Transform::Lookup(table) => {
            let found = table.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
            found.and_then(|(_, segment)| segment.as_str()).map(str::to_owned)
        }
        _ => Some(name.to_owned()),
    }
}

/// The members of a list: JSON, PostgreSQL's way of writing an array (`{vip,"big spender"}`), or names with commas between.
fn members(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).filter_map(member).collect(),
        Value::String(text) => {
            let text = text.trim();
            let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
            inner.split(',').filter_map(member).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn member(text: &str) -> Option<String> {
    let name = text.trim().trim_matches('"').trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_read_in_every_form_that_sources_write_it() {
        for value in [json!(["vip", "new"]), json!("{vip,new}"), json!("{\"vip\", new}"), json!("vip, new")] {
            assert_eq!(members(&value), ["vip", "new"], "{value}");
        }
        for value in [json!("{}"), json!(""), json!(null), json!([]), json!(7)] {
            assert!(members(&value).is_empty(), "{value}");
        }
    }
}
