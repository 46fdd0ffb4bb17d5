//! The rules of one kind of records, checked and put together.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::condition::Condition;
use super::problem::Problem;
use super::rules::{FieldRole, FieldRule, Target, Transform};
use super::situations::Situations;
use crate::domain::catalog::RemoteFieldKind;
use crate::domain::kind::Kind;
use crate::domain::record::{Fields, Record, is_blank_text};
use crate::domain::relationship;
use crate::error::{Failure, FailureKind, Result};

/// The rules of one platform, checked: names lead to one rule each, and every remote field has one writer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    rules: Vec<FieldRule>,
    by_name: BTreeMap<String, usize>,
    when: Condition,
    situations: Situations,
    dates: Dates,
    objects: BTreeMap<Kind, ObjectRules>,
}

/// What is sent of the records of a kind that is no person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectRules {
    /// The platform's name of such things.
    pub object: String,
    /// Which field goes where.
    pub rules: RuleSet,
}

/// Since when a set is in use, and which of its rules are younger than the sets before it. All is empty for the built-in set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// The set's version; 0 is the built-in one.
    pub version: u64,
    /// When it came into use.
    pub changed_at: Timestamp,
    /// Since when rules write what they write, by their local names, where no set before had such a rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub since: BTreeMap<String, Timestamp>,
}

impl Dates {
    /// The dates of `next`, which takes the place of `before` at this moment.
    #[must_use]
    pub fn following(before: &RuleSet, next: &RuleSet, version: u64, now: Timestamp) -> Self {
        let since = |rule: &FieldRule| {
            let same = before.rules.iter().find(|other| other.pushes() && other.writes_as(rule));
            let since = match same {
                Some(other) => before.dates.since.get(&other.local).copied(),
                None => Some(now),
            };
            since.map(|since| (rule.local.clone(), since))
        };
        let since = next.rules.iter().filter(|rule| rule.pushes()).filter_map(since).collect();
        Self { version, changed_at: now, since }
    }
}

impl RuleSet {
    /// Reads rules from TOML: an array of tables named `rule`. The form of the rules that a connector brings along.
    ///
    /// # Errors
    /// [`FailureKind::Misconfigured`] with the first problem, naming the rule and the key.
    pub fn parse(text: &str) -> Result<Self> {
        Self::of(Self::read_list(text)?, Condition::Always).map_err(|problems| {
            misconfigured(problems.first().map_or_else(|| "the field rules".to_owned(), ToString::to_string))
        })
    }

    /// The rules of such a file, each read by itself and not held against the others.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn read_list(text: &str) -> Result<Vec<FieldRule>> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| misconfigured(format!("the field rules are no TOML: {error}")))?;
        let mut rules = Vec::new();
        for (key, value) in table {
            let toml::Value::Array(entries) = value else {
                return Err(misconfigured(format!("key `{key}` of the field rules must be an array of tables")));
            };
            if key != "rule" {
                return Err(misconfigured(format!(
                    "unknown key `{key}` in the field rules; rules stand in `[[rule]]`"
                )));
            }
            for (index, entry) in entries.into_iter().enumerate() {
                let name = entry.get("local").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
                rules.push(FieldRule::deserialize(entry).map_err(|error| {
                    misconfigured(format!("rules[{index}] `{name}`: {}", error.to_string().trim_end()))
                })?);
            }
        }
        Ok(rules)
    }

    /// Puts rules together.
    ///
    /// # Errors
    /// All that is wrong with each rule and between them, with its place: `rules[3].remote`.
    pub fn of(rules: Vec<FieldRule>, when: Condition) -> std::result::Result<Self, Vec<Problem>> {
        let mut problems: Vec<Problem> =
            rules.iter().enumerate().flat_map(|(index, rule)| flaws(index, rule)).collect();
        problems.extend(disputed_remotes(&rules));
        problems.extend(disputed_roles(&rules));
        let by_name = names(&rules, &mut problems);
        problems.extend(lost_sources(&rules, &by_name));
        let (situations, dates, objects) = (Situations::default(), Dates::default(), BTreeMap::new());
        let set = Self { rules, by_name, when, situations, dates, objects };
        problems.extend(set.when.problems(&set));
        if problems.is_empty() { Ok(set) } else { Err(problems) }
    }

    /// The same rules, dated.
    #[must_use]
    pub fn dated(self, dates: Dates) -> Self {
        Self { dates, ..self }
    }

    /// The same rules, with what follows from the situations that leave a choice.
    #[must_use]
    pub fn in_situations(self, situations: Situations) -> Self {
        Self { situations, ..self }
    }

    /// What follows from the situations that leave a choice.
    #[must_use]
    pub const fn situations(&self) -> &Situations {
        &self.situations
    }

    /// The rules for people, with those for records of other kinds.
    #[must_use]
    pub fn with_objects(self, objects: BTreeMap<Kind, ObjectRules>) -> Self {
        Self { objects, ..self }
    }

    /// What is sent of the records of another kind; `None` when nothing is.
    #[must_use]
    pub fn object_of(&self, kind: Kind) -> Option<&ObjectRules> {
        self.objects.get(&kind)
    }

    /// Whether records of this other kind have an object on the platform, to which people can belong there.
    #[must_use]
    pub fn takes(&self, kind: Kind) -> bool {
        self.objects.contains_key(&kind)
    }

    /// Whether a relationship of the record decides what stands in the rule's field on the platform.
    #[must_use]
    pub fn gives_way(&self, rule: &FieldRule, fields: &Fields) -> bool {
        let kind = rule.gives_way_to.filter(|kind| self.takes(*kind));
        kind.is_some_and(|kind| relationship::names(Kind::Person, kind, fields))
    }

    /// Whether what stands in a field of the platform follows from the record's relationships.
    #[must_use]
    pub fn is_set_by_others(&self, remote: &str, record: &Record) -> bool {
        let mut writers = self.rules.iter().filter(|rule| rule.remote.as_deref() == Some(remote));
        writers.any(|rule| self.gives_way(rule, &record.fields))
    }

    /// Since when the set is in use.
    #[must_use]
    pub fn dates(&self) -> &Dates {
        &self.dates
    }

    /// Whether the condition under which records are sent holds of these fields, address and id among them.
    #[must_use]
    pub fn applies_to(&self, fields: &Fields) -> bool {
        self.when.holds(fields, self)
    }

    /// Whether records are left out by a condition at all.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.when.is_always()
    }

    /// Whether a record says anything about the contact's tags; a blank text is a column without a word.
    #[must_use]
    pub fn speaks_of_tags(&self, fields: &Fields) -> bool {
        let of_tags = self.rules.iter().filter(|rule| rule.target == Target::Tags);
        of_tags.flat_map(FieldRule::names).any(|name| fields.get(name).is_some_and(|tags| !is_blank_text(tags)))
    }

    /// The local field that names the contact's stage, when a record has a value there.
    #[must_use]
    pub fn named_stage(&self, fields: &Fields) -> Option<&FieldRule> {
        let is_named = |name: &str| fields.get(name).is_some_and(|stage| !stage.is_null());
        self.rules.iter().find(|rule| rule.target == Target::Stage && rule.names().any(is_named))
    }

    /// The rule of a role.
    #[must_use]
    pub fn with_role(&self, role: FieldRole) -> Option<&FieldRule> {
        self.rules.iter().find(|rule| rule.role == Some(role))
    }

    /// The rule of the address.
    #[must_use]
    pub fn address(&self) -> Option<&FieldRule> {
        self.with_role(FieldRole::Address)
    }

    /// The rule of the application's id.
    #[must_use]
    pub fn external_id(&self) -> Option<&FieldRule> {
        self.with_role(FieldRole::ExternalId)
    }

    /// The rule of what was said about being mailed.
    #[must_use]
    pub fn consent(&self) -> Option<&FieldRule> {
        self.with_role(FieldRole::Consent)
    }

    /// The rule of when the application changed the record.
    #[must_use]
    pub fn moment(&self) -> Option<&FieldRule> {
        self.with_role(FieldRole::Moment)
    }

    /// The role of the rule that a name or alias belongs to.
    #[must_use]
    pub fn role_of(&self, name: &str) -> Option<FieldRole> {
        self.rule_of(name).and_then(|rule| rule.role)
    }

    /// All rules in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[FieldRule] {
        &self.rules
    }

    /// The rule that a name or alias belongs to.
    #[must_use]
    pub fn rule_of(&self, name: &str) -> Option<&FieldRule> {
        self.by_name.get(name).and_then(|index| self.rules.get(*index))
    }

    /// Whether a rule writes this field of the platform, and the platform lists it among its contact fields.
    #[must_use]
    pub fn is_listed(&self, remote: &str) -> bool {
        self.rules.iter().any(|rule| rule.catalog && rule.remote.as_deref() == Some(remote))
    }

    /// The path under which a caller sends a field: that of its rule, ending in the name used. A field that no rule
    /// gives a path is called by its name.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        let path = self.rule_of(name).and_then(|rule| Some((rule, rule.path.as_ref()?)));
        match path {
            Some((rule, path)) => match path.strip_suffix(rule.local.as_str()) {
                Some(parent) => format!("{parent}{name}"),
                None => path.clone(),
            },
            None => name.to_owned(),
        }
    }

    /// The path under which a caller sends what goes to a field of the platform; that field's name when no rule
    /// writes it.
    #[must_use]
    pub fn path_of_remote(&self, remote: &str) -> String {
        let rule = self.rules.iter().find(|rule| rule.remote.as_deref() == Some(remote));
        rule.map_or_else(|| remote.to_owned(), |rule| self.path_of(&rule.local))
    }
}

/// What the types can't say about a rule by itself.
fn flaws(index: usize, rule: &FieldRule) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, what: &str| {
        problems.push(Problem::error(format!("rules[{index}].{key}"), format!("rule `{}`: {what}", rule.local)));
    };
    let is_field = rule.target == Target::Field;
    if is_field && rule.remote.as_deref().is_none_or(|name| name.trim().is_empty()) {
        wrong("remote", "`remote` must name the platform's field");
    }
    if rule.remote.as_deref().is_some_and(|name| name.contains('@')) {
        wrong("remote", "no field of a platform has an `@` in its name");
    }
    if !is_field && rule.remote.is_some() {
        wrong("remote", "`remote` goes with `target = \"field\"` only");
    }
    if !is_field && rule.remote_field.is_some() {
        wrong("remote_field", "`remote_field` goes with `target = \"field\"` only");
    }
    if (rule.target == Target::Tags) != (rule.transform == Transform::Tags) {
        wrong("target", "`target` and `transform` are both `tags` or neither is");
    }
    let select = rule.remote_field.as_ref().filter(|field| field.kind == RemoteFieldKind::Select);
    if select.is_some_and(|field| field.options.is_empty()) {
        wrong("remote_field.options", "`options` of a select must not be empty");
    }
    if rule.local.trim().is_empty() {
        wrong("local", "`local` must not be empty");
    }
    if rule.aliases.iter().any(|name| name.trim().is_empty()) {
        wrong("aliases", "`aliases` must not be empty");
    }
    if rule.default.as_ref().is_some_and(|value| !is_scalar(value)) {
        wrong("default", "`default` takes text, a number, or true or false");
    }
    match &rule.transform {
        Transform::Constant(value) if !is_scalar(value) => {
            wrong("transform.constant", "`constant` takes text, a number, or true or false");
        }
        Transform::Lookup(table) if !table.values().all(is_scalar) => {
            wrong("transform.lookup", "`lookup` takes text, numbers, and true or false");
        }
        _ => {}
    }
    problems
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Bool(_) => true,
        // TOML has no larger integers.
        Value::Number(number) => !number.is_u64() || number.as_i64().is_some(),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Rules by their names and aliases.
fn names(rules: &[FieldRule], problems: &mut Vec<Problem>) -> BTreeMap<String, usize> {
    let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        for (place, name) in rule.names().enumerate() {
            let key = if place == 0 { "local".to_owned() } else { format!("aliases[{}]", place - 1) };
            if let Some(other) = by_name.get(name).and_then(|other| rules.get(*other)) {
                let message = format!("rule `{}`: name `{name}` belongs to rule `{}` already", rule.local, other.local);
                problems.push(Problem::error(format!("rules[{index}].{key}"), message));
            } else {
                by_name.insert(name.to_owned(), index);
            }
        }
    }
    by_name
}

fn disputed_remotes(rules: &[FieldRule]) -> Vec<Problem> {
    let mut writers: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let Some(remote) = &rule.remote else { continue };
        match writers.get(remote.as_str()) {
            Some(other) => problems.push(Problem::error(
                format!("rules[{index}].remote"),
                format!("rule `{}`: `remote` is written by rule `{other}` already", rule.local),
            )),
            None => drop(writers.insert(remote, &rule.local)),
        }
    }
    problems
}

fn disputed_roles(rules: &[FieldRule]) -> Vec<Problem> {
    let mut holders: BTreeMap<FieldRole, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let Some(role) = rule.role else { continue };
        match holders.get(&role) {
            Some(other) => problems.push(Problem::error(
                format!("rules[{index}].role"),
                format!("rule `{}`: rule `{other}` has the role `{}` already", rule.local, role.name()),
            )),
            None => drop(holders.insert(role, &rule.local)),
        }
    }
    problems
}

fn lost_sources(rules: &[FieldRule], by_name: &BTreeMap<String, usize>) -> Vec<Problem> {
    let lost = |rule: &FieldRule| rule.from.as_ref().is_some_and(|name| !by_name.contains_key(name));
    let lost = rules.iter().enumerate().filter(|(_, rule)| lost(rule));
    let told = |(index, rule): (usize, &FieldRule)| {
        let message = format!("rule `{}`: `from` names no field that a rule knows", rule.local);
        Problem::error(format!("rules[{index}].from"), message)
    };
    lost.map(told).collect()
}

fn misconfigured(message: String) -> Failure {
    Failure::new(FailureKind::Misconfigured, message)
}

#[cfg(test)]
mod tests;
