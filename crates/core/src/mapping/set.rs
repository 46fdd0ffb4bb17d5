//! A mapping set: what an integration sends of each kind of records, as one document that people read and write as JSON or TOML.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::condition::Condition;
use super::problem::Problem;
use super::rule_set::{ObjectRules, RuleSet};
use super::rules::FieldRule;
use super::situations::Situations;
use super::toml_text;
use crate::domain::kind::Kind;
use crate::error::Result;

/// All mappings of one integration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingSet {
    /// One for each kind of records.
    pub mappings: Vec<Mapping>,
}

/// What is sent of the records of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Of which records.
    pub kind: Kind,
    /// As what: the platform's name of such things.
    pub object: String,
    /// Which of them are sent.
    #[serde(default, skip_serializing_if = "Condition::is_always")]
    pub when: Condition,
    /// What follows from the situations that leave a choice.
    #[serde(default, skip_serializing_if = "Situations::is_usual")]
    pub situations: Situations,
    /// Which of their fields goes where.
    pub rules: Vec<FieldRule>,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

/// The most rules of a mapping.
pub const MOST_RULES: usize = 300;
/// The longest document, in bytes: it is one item of the table.
pub const LARGEST: usize = 256 * 1024;

impl MappingSet {
    /// The set that an integration begins with: the rules that the connector brings along for people.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn built_in(object: &str, rules: &str) -> Result<Self> {
        Self::default().and(Kind::Person, object, rules)
    }

    /// The same with the rules that the connector brings along for another kind of records.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn and(mut self, kind: Kind, object: &str, rules: &str) -> Result<Self> {
        let (object, rules) = (object.to_owned(), RuleSet::read_list(rules)?);
        let (when, situations) = (Condition::Always, Situations::default());
        self.mappings.push(Mapping { kind, object, when, situations, rules });
        Ok(self)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// All that can't be read, with its place: text that is no JSON or TOML, unknown and missing keys, values of a wrong type.
    pub fn read(text: &str, format: Format) -> std::result::Result<Self, Vec<Problem>> {
        if text.len() > LARGEST {
            let message = format!("the document is longer than {} KB", LARGEST / 1024);
            return Err(vec![Problem::error("", message)]);
        }
        let value = match format {
            Format::Json => serde_json::from_str(text).map_err(|error| error.to_string()),
            Format::Toml => {
                toml::from_str(text).map_err(|error: toml::de::Error| error.to_string().trim_end().to_owned())
            }
        };
        let value: Value = value.map_err(|error| vec![Problem::error("", format!("this is no {format}: {error}"))])?;
        Self::of_value(&value)
    }

    /// Reads a document that was parsed already.
    ///
    /// # Errors
    /// As [`MappingSet::read`].
    pub fn of_value(value: &Value) -> std::result::Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(document) = object(value, "", &["mappings"], &mut problems) else { return Err(problems) };
        let listed = list(document.get("mappings"), "mappings", &mut problems);
        let mappings = listed.iter().enumerate().filter_map(|(index, mapping)| {
            let mut inner = Vec::new();
            let read = read_mapping(mapping, &mut inner);
            problems.extend(inner.into_iter().map(|problem| problem.within(&format!("mappings[{index}]"))));
            read
        });
        let mappings = mappings.collect();
        if problems.is_empty() { Ok(Self { mappings }) } else { Err(problems) }
    }

    /// The document as text.
    #[must_use]
    pub fn write(&self, format: Format) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        match (format, value) {
            (Format::Toml, Value::Object(document)) => toml_text::of_object(&document),
            (Format::Toml | Format::Json, _) => {
                format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default())
            }
        }
    }

    /// The mapping of a kind.
    #[must_use]
    pub fn of_kind(&self, kind: Kind) -> Option<(usize, &Mapping)> {
        self.mappings.iter().enumerate().find(|(_, mapping)| mapping.kind == kind)
    }

    /// The rules for people, checked; those for other kinds go along with them.
    ///
    /// # Errors
    /// All that is wrong with the set by itself, with its place.
    pub fn people(&self) -> std::result::Result<RuleSet, Vec<Problem>> {
        let mut problems = self.disputed_kinds();
        let (mut people, mut objects) = (None, BTreeMap::new());
        for (index, mapping) in self.mappings.iter().enumerate() {
            let place = format!("mappings[{index}]");
            if mapping.rules.len() > MOST_RULES {
                let message = format!("a mapping has at most {MOST_RULES} rules");
                problems.push(Problem::error(format!("{place}.rules"), message));
            }
            match RuleSet::of(mapping.rules.clone(), mapping.when.clone()) {
                Ok(rules) if mapping.kind == Kind::Person => {
                    people = Some(rules.in_situations(mapping.situations.clone()))
                }
                Ok(rules) => {
                    let (object, rules) = (mapping.object.clone(), rules.in_situations(mapping.situations.clone()));
                    objects.insert(mapping.kind, ObjectRules { object, rules });
                }
                Err(wrong) => problems.extend(wrong.into_iter().map(|problem| problem.within(&place))),
            }
        }
        if self.of_kind(Kind::Person).is_none() {
            problems.push(Problem::error("mappings", "there is no mapping of the kind `person`"));
        }
        match people {
            Some(people) if problems.is_empty() => Ok(people.with_objects(objects)),
            Some(_) | None => Err(problems),
        }
    }

    fn disputed_kinds(&self) -> Vec<Problem> {
        let again = |index: usize, mapping: &Mapping| {
            self.of_kind(mapping.kind).is_some_and(|(first, _)| first != index).then(|| {
                let message =
                    format!("there is a mapping of the kind `{}` already; a set has one of each", mapping.kind);
                Problem::error(format!("mappings[{index}].kind"), message)
            })
        };
        self.mappings.iter().enumerate().filter_map(|(index, mapping)| again(index, mapping)).collect()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Toml => "TOML",
        })
    }
}

/// The keys of a mapping.
const KEYS: &[&str] = &["kind", "object", "when", "situations", "rules"];

fn read_mapping(value: &Value, problems: &mut Vec<Problem>) -> Option<Mapping> {
    let mapping = object(value, "", KEYS, problems)?;
    let kind = read(mapping.get("kind"), "kind", problems);
    let object = read(mapping.get("object"), "object", problems);
    let when = match mapping.get("when") {
        None => Some(Condition::Always),
        when => read(when, "when", problems),
    };
    let situations = match mapping.get("situations") {
        None => Some(Situations::default()),
        Some(chosen) => read_situations(chosen, problems),
    };
    let listed = list(mapping.get("rules"), "rules", problems);
    let rules: Vec<Option<FieldRule>> =
        listed.iter().enumerate().map(|(index, rule)| read_rule(rule, index, problems)).collect();
    let rules = rules.into_iter().flatten().collect();
    Some(Mapping { kind: kind?, object: object?, when: when?, situations: situations?, rules })
}

/// Each choice is read by itself, as the keys of a rule are.
fn read_situations(value: &Value, problems: &mut Vec<Problem>) -> Option<Situations> {
    let mut wrong = Vec::new();
    for (key, choice) in object(value, "", Situations::KEYS, &mut wrong).into_iter().flatten() {
        let alone: Map<String, Value> = std::iter::once((key.clone(), choice.clone())).collect();
        let is_known = Situations::KEYS.contains(&key.as_str());
        if let Some(error) = Situations::deserialize(Value::Object(alone)).err().filter(|_| is_known) {
            wrong.push(Problem::error(key.as_str(), error.to_string()));
        }
    }
    let read = if wrong.is_empty() { Situations::deserialize(value).ok() } else { None };
    problems.extend(wrong.into_iter().map(|problem| problem.within("situations")));
    read
}

/// Each key is read by itself first, so that all that are wrong are told with their places.
fn read_rule(rule: &Value, index: usize, problems: &mut Vec<Problem>) -> Option<FieldRule> {
    let place = format!("rules[{index}]");
    let before = problems.len();
    for (key, value) in rule.as_object().into_iter().flatten() {
        let mut alone: Map<String, Value> = [("local".to_owned(), Value::from("local"))].into_iter().collect();
        alone.insert(key.clone(), value.clone());
        if let Err(error) = FieldRule::deserialize(Value::Object(alone)) {
            problems.push(Problem::error(format!("{place}.{key}"), error.to_string()));
        }
    }
    if problems.len() > before {
        return None;
    }
    FieldRule::deserialize(rule).map_err(|error| problems.push(Problem::error(place, error.to_string()))).ok()
}

fn read<T: serde::de::DeserializeOwned>(value: Option<&Value>, key: &str, problems: &mut Vec<Problem>) -> Option<T> {
    let Some(value) = value else {
        problems.push(Problem::error(key, format!("`{key}` is missing")));
        return None;
    };
    T::deserialize(value).map_err(|error| problems.push(Problem::error(key, error.to_string()))).ok()
}

fn object<'a>(
    value: &'a Value,
    place: &str,
    keys: &[&str],
    problems: &mut Vec<Problem>,
) -> Option<&'a Map<String, Value>> {
    let Some(object) = value.as_object() else {
        problems.push(Problem::error(place, "must be a table with names"));
        return None;
    };
    for unknown in object.keys().filter(|key| !keys.contains(&key.as_str())) {
        problems.push(Problem::error(unknown.as_str(), format!("unknown key; there are {}", keys.join(", "))));
    }
    Some(object)
}

fn list<'a>(value: Option<&'a Value>, key: &str, problems: &mut Vec<Problem>) -> &'a [Value] {
    let list = value.and_then(Value::as_array);
    if list.is_none() {
        problems.push(Problem::error(key, format!("`{key}` must be a list")));
    }
    list.map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests;
