//! One record through all rules: what the platform shall hold, and what could not be taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::rule_set::RuleSet;
use super::rules::{Blank, FieldRule, Target, Transform};
use super::transforms::{Context, Outcome, Problem, transform};
use super::vocabulary::{Country, Vocabulary};
use crate::domain::catalog::{FieldCatalog, RemoteField, RemoteFieldKind, USUAL_LIMIT};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::record::{Fields, Record, UPDATED_AT};
use crate::domain::relationship;

/// What the platform shall hold of a record.
#[derive(Clone, Default, PartialEq)]
pub struct Mapped {
    /// Values by remote name, address and external id among them.
    pub fields: BTreeMap<String, Value>,
    /// Remote names of fields to clear: the record holds an explicit `null` and the rule says that this clears.
    pub cleared: BTreeSet<String>,
    /// Tags to add; one that starts with `-` is to be taken away.
    pub tags: Vec<String>,
    /// The stage's name.
    pub stage: Option<String>,
    /// What could not be taken, in the order of the rules, unknown fields last.
    pub issues: Vec<FieldIssue>,
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped")
            .field("fields", &self.fields.keys())
            .field("cleared", &self.cleared)
            .field("issues", &self.issues)
            .finish_non_exhaustive()
    }
}

/// Maps a record. Each value stands alone: a bad one becomes an issue and holds back no other. Without a catalog every
/// field is taken to be there.
#[must_use]
pub fn map(record: &Record, rules: &RuleSet, vocabulary: &dyn Vocabulary, catalog: Option<&FieldCatalog>) -> Mapped {
    let fields = all_fields(record, rules);
    let country = country(&fields, rules, vocabulary);
    let mapping = Mapping { fields: &fields, rules, vocabulary, catalog, country };
    let mut mapped = Mapped::default();
    for rule in rules.rules().iter().filter(|rule| rule.pushes() && !rules.gives_way(rule, &fields)) {
        mapping.apply(rule, &mut mapped);
    }
    let is_known =
        |name: &str| name == UPDATED_AT || rules.rule_of(name).is_some() || relationship::is_any_column(name);
    let unknown = fields.keys().filter(|name| !is_known(name));
    mapped.issues.extend(unknown.map(|name| {
        FieldIssue::new(rules.path_of(name), IssueCode::UnknownField, "no rule maps this field: it was not sent")
    }));
    mapped
}

/// A record's fields with its address and id, by the local names of the rules that these have a role in.
#[must_use]
pub fn all_fields(record: &Record, rules: &RuleSet) -> Fields {
    let mut fields = record.fields.clone();
    if let (Some(rule), Some(email)) = (rules.address(), &record.email) {
        fields.insert(rule.local.clone(), Value::String(email.as_str().to_owned()));
    }
    if let (Some(rule), Some(id)) = (rules.external_id(), &record.external_id) {
        fields.insert(rule.local.clone(), Value::String(id.as_str().to_owned()));
    }
    fields
}

/// The record's country, which telephone numbers and states are read by.
pub(super) fn country(fields: &Fields, rules: &RuleSet, vocabulary: &dyn Vocabulary) -> Option<Country> {
    let rule = rules.rules().iter().find(|rule| rule.transform == Transform::Country)?;
    let given = match given(fields, rule) {
        Given::Value(_, value) => Some(value),
        Given::Absent | Given::Blank | Given::Null => rule.default.as_ref(),
    };
    vocabulary.country(given?.as_str()?)
}

/// What a record holds for a rule.
pub(crate) enum Given<'a> {
    /// Nothing was ever said.
    Absent,
    /// Blank text.
    Blank,
    /// The value was taken away.
    Null,
    /// A value, and the name under which it stands.
    Value(&'a str, &'a Value),
}

/// The first value among the rule's names that is not blank; else whether there was a `null` or a blank.
pub(crate) fn given<'a>(fields: &'a Fields, rule: &'a FieldRule) -> Given<'a> {
    let mut found = Given::Absent;
    for name in rule.names().chain(rule.from.as_deref()) {
        match fields.get(name) {
            None => {}
            Some(Value::Null) => found = Given::Null,
            Some(Value::String(text)) if text.trim().is_empty() => {
                if matches!(found, Given::Absent) {
                    found = Given::Blank;
                }
            }
            Some(value) => return Given::Value(name, value),
        }
    }
    found
}

/// What the transforms of one record look at.
pub(super) struct Mapping<'a> {
    pub(super) fields: &'a Fields,
    pub(super) rules: &'a RuleSet,
    pub(super) vocabulary: &'a dyn Vocabulary,
    pub(super) catalog: Option<&'a FieldCatalog>,
    pub(super) country: Option<Country>,
}

impl Mapping<'_> {
    fn apply(&self, rule: &FieldRule, mapped: &mut Mapped) {
        let given = given(self.fields, rule);
        let (name, result) = match (&given, &rule.transform, &rule.default) {
            (_, Transform::Constant(value), _) => (rule.local.as_str(), self.place(rule, value, mapped)),
            (Given::Value(name, value), _, _) => (*name, self.place(rule, value, mapped)),
            (Given::Null, _, _) if clears(rule) => (rule.local.as_str(), self.clear(rule, mapped)),
            (_, _, Some(default)) => (rule.local.as_str(), self.place(rule, default, mapped)),
            (_, _, None) if rule.required => (rule.local.as_str(), Err(missing())),
            (_, _, None) => return,
        };
        if let Err((code, message)) = result {
            mapped.issues.push(FieldIssue::new(self.rules.path_of(name), code, message));
        }
    }

    fn clear(&self, rule: &FieldRule, mapped: &mut Mapped) -> Result<(), Problem> {
        self.remote_field(rule)?;
        mapped.cleared.extend(rule.remote.clone());
        Ok(())
    }

    fn place(&self, rule: &FieldRule, value: &Value, mapped: &mut Mapped) -> Result<(), Problem> {
        let remote = self.remote_field(rule)?;
        let Some(value) = self.transformed(rule, remote, value)? else { return Ok(()) };
        match (rule.target, &rule.remote, value) {
            (Target::Field, Some(name), value) => {
                mapped.fields.insert(name.clone(), value);
            }
            (Target::Tags, _, Value::Array(tags)) => {
                mapped.tags.extend(tags.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            (Target::Stage, _, Value::String(stage)) => mapped.stage = Some(stage),
            _ => return Err((IssueCode::WrongType, "does not fit the rule's target".to_owned())),
        }
        Ok(())
    }

    /// A value in the platform's form; `None` when it is blank.
    pub(super) fn transformed(&self, rule: &FieldRule, remote: Option<&RemoteField>, value: &Value) -> Outcome {
        let own = rule.remote_field.as_ref().map(|field| field.options.as_slice()).unwrap_or_default();
        let live = remote.map(|field| field.options.as_slice()).filter(|options| !options.is_empty());
        let kind = remote.map(|field| field.kind);
        let context = Context {
            vocabulary: self.vocabulary,
            country: self.country.as_ref(),
            options: live.unwrap_or(own),
            limit: remote.map_or(Some(USUAL_LIMIT), RemoteField::text_limit),
        };
        // An administrator may have made a select where the rules know a text: it takes its options only.
        match (&rule.transform, kind) {
            (Transform::Text, Some(RemoteFieldKind::Select)) => transform(&Transform::Select, value, &context),
            (own, _) => transform(own, value, &context),
        }
    }

    /// The platform's field as its catalog lists it; `None` when there is nothing to look up.
    pub(super) fn remote_field(&self, rule: &FieldRule) -> Result<Option<&RemoteField>, Problem> {
        match (self.catalog, &rule.remote) {
            (Some(catalog), Some(name)) if rule.catalog => match catalog.fields.get(name) {
                Some(field) => Ok(Some(field)),
                None => Err((
                    IssueCode::MissingOnPlatform,
                    format!("the platform has no field `{name}`: `tandem connect mautic --create-missing` makes it"),
                )),
            },
            _ => Ok(None),
        }
    }
}

fn missing() -> Problem {
    (IssueCode::Missing, "is required and has no value".to_owned())
}

/// Whether an explicit `null` takes the platform's value away.
fn clears(rule: &FieldRule) -> bool {
    rule.blank == Blank::Clear && rule.target == Target::Field && !rule.preserve_if_absent
}

#[cfg(test)]
mod tests;
