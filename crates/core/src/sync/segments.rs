//! The segments that a record's contact shall be in.

use std::collections::BTreeSet;

use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::record::{Record, is_blank_text};
use crate::mapping::RuleSet;
use crate::mapping::lists;
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
        let given = rule.names().find_map(|name| record.fields.get(name)).filter(|value| !is_blank_text(value));
        for name in given.map(lists::members).into_iter().flatten() {
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
