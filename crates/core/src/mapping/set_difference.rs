//! What differs between two mapping sets, for people who are about to take one in the place of the other.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rules::{FieldRule, Target};
use super::set::{Mapping, MappingSet};
use crate::domain::kind::Kind;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Difference {
    /// Records of a kind are mapped now.
    KindAdded {
        /// Which.
        kind: Kind,
    },
    /// Records of a kind are mapped no more.
    KindRemoved {
        /// Which.
        kind: Kind,
    },
    /// Other records are sent, or as another object.
    Mapping {
        /// Of this kind.
        kind: Kind,
        /// `object`, `when` or `situations`.
        key: String,
        /// What stood there.
        before: Value,
        /// What stands there now.
        after: Value,
    },
    /// A field is written that was not.
    RuleAdded {
        /// The rule's local field.
        local: String,
        /// What it writes.
        writes: String,
    },
    /// A field is written no more.
    RuleRemoved {
        /// The rule's local field.
        local: String,
        /// What it wrote.
        writes: String,
    },
    /// A field is written otherwise.
    RuleChanged {
        /// The rule's local field.
        local: String,
        /// The key of the rule.
        key: String,
        /// What it said; `null` for nothing.
        before: Value,
        /// What it says now.
        after: Value,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KindAdded { kind } => write!(f, "+ records of the kind {kind} are sent"),
            Self::KindRemoved { kind } => write!(f, "- records of the kind {kind} are sent no more"),
            Self::Mapping { kind, key, before, after } => write!(f, "~ {kind}: {key} {before} → {after}"),
            Self::RuleAdded { local, writes } => {
                write!(f, "+ {local} → {writes}: records that have a value are sent again")
            }
            Self::RuleRemoved { local, writes } => {
                write!(
                    f,
                    "- {local} → {writes}: what stands on the platform stays there and is not kept in step any more"
                )
            }
            Self::RuleChanged { local, key, before, after } => {
                write!(f, "~ {local}: {key} {} → {}", said(before), said(after))
            }
        }
    }
}

fn said(value: &Value) -> String {
    if value.is_null() { "(not said)".to_owned() } else { value.to_string() }
}

/// All that differs, in the order of the new set, what is gone last.
#[must_use]
pub fn differences(before: &MappingSet, after: &MappingSet) -> Vec<Difference> {
    let mut found = Vec::new();
    for mapping in &after.mappings {
        match before.of_kind(mapping.kind) {
            Some((_, old)) => of_mapping(old, mapping, &mut found),
            None => found.push(Difference::KindAdded { kind: mapping.kind }),
        }
    }
    let gone = before.mappings.iter().filter(|mapping| after.of_kind(mapping.kind).is_none());
    found.extend(gone.map(|mapping| Difference::KindRemoved { kind: mapping.kind }));
    found
}

fn of_mapping(old: &Mapping, new: &Mapping, found: &mut Vec<Difference>) {
    let as_value = |condition| serde_json::to_value(condition).unwrap_or_default();
    let choices = |mapping: &Mapping| serde_json::to_value(&mapping.situations).unwrap_or_default();
    for (key, before, after) in [
        ("object", Value::from(old.object.as_str()), Value::from(new.object.as_str())),
        ("when", as_value(&old.when), as_value(&new.when)),
        ("situations", choices(old), choices(new)),
    ] {
        if before != after {
            found.push(Difference::Mapping { kind: new.kind, key: key.to_owned(), before, after });
        }
    }
    for rule in &new.rules {
        match old.rules.iter().find(|other| is_same_rule(other, rule)) {
            Some(other) => of_rule(other, rule, found),
            None => found.push(Difference::RuleAdded { local: rule.local.clone(), writes: written(rule) }),
        }
    }
    for rule in old.rules.iter().filter(|rule| !new.rules.iter().any(|other| is_same_rule(rule, other))) {
        found.push(Difference::RuleRemoved { local: rule.local.clone(), writes: written(rule) });
    }
}

/// A rule is known by what it writes; one that writes no field, by its local name.
fn is_same_rule(one: &FieldRule, other: &FieldRule) -> bool {
    match (&one.remote, &other.remote) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.target == other.target && one.local == other.local,
        _ => false,
    }
}

fn of_rule(old: &FieldRule, new: &FieldRule, found: &mut Vec<Difference>) {
    let (old, keys) = (as_object(old), as_object(new));
    let names: BTreeSet<&String> = keys.keys().chain(old.keys()).collect();
    for key in names {
        let value = |of: &Map<String, Value>| of.get(key).cloned().unwrap_or_default();
        let (before, after) = (value(&old), value(&keys));
        if before != after {
            found.push(Difference::RuleChanged { local: new.local.clone(), key: key.clone(), before, after });
        }
    }
}

fn as_object(rule: &FieldRule) -> Map<String, Value> {
    match serde_json::to_value(rule) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn written(rule: &FieldRule) -> String {
    match (rule.target, &rule.remote) {
        (Target::Field, Some(remote)) => remote.clone(),
        (Target::Tags, _) => "tags".to_owned(),
        (Target::Stage, _) => "stage".to_owned(),
        (Target::Segments, _) => "segments".to_owned(),
        (Target::Field | Target::None, _) => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(rules: Value, when: Value) -> MappingSet {
        let mapping = json!({"kind": "person", "object": "contact", "when": when, "rules": rules});
        MappingSet::of_value(&json!({"mappings": [mapping]})).unwrap()
    }

    #[test]
    fn a_difference_is_told_in_words() {
        let before = set(
            json!([
                {"local": "a", "remote": "a", "transform": "text"},
                {"local": "b", "remote": "b"},
                {"local": "t", "target": "tags", "transform": "tags"},
            ]),
            json!("always"),
        );
        let after = set(
            json!([
                {"local": "a2", "remote": "a", "transform": "number", "blank": "clear"},
                {"local": "c", "remote": "c"},
                {"local": "t", "target": "tags", "transform": "tags"},
            ]),
            json!({"present": "a2"}),
        );
        let told: Vec<String> = differences(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "~ person: when \"always\" → {\"present\":\"a2\"}",
                "~ a2: blank (not said) → \"clear\"",
                "~ a2: local \"a\" → \"a2\"",
                "~ a2: transform \"text\" → \"number\"",
                "+ c → c: records that have a value are sent again",
                "- b → b: what stands on the platform stays there and is not kept in step any more",
            ]
        );
        assert_eq!(differences(&before, &before), []);
    }
}
