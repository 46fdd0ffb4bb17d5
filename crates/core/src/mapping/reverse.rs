//! From the platform's values back to the application's. What the platform holds is brought into the form that Tandem would
//! send: transforms are idempotent on what they made, so a value that came back is no change when it is mapped again.

use serde_json::Value;

use super::map::{self, Mapping};
use super::rule_set::RuleSet;
use super::rules::{FieldRule, Target, Transform};
use super::same::is_same;
use super::vocabulary::Vocabulary;
use crate::domain::catalog::FieldCatalog;
use crate::domain::record::Fields;

/// A value of the platform, read by a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadBack {
    /// There is none.
    Blank,
    /// As Tandem would send it.
    Value(Value),
    /// Not what the field holds, such as a telephone number of letters: as the platform has it.
    Unreadable(Value),
}

impl ReadBack {
    /// The value, `null` for none.
    #[must_use]
    pub fn value(&self) -> &Value {
        match self {
            Self::Blank => &Value::Null,
            Self::Value(value) | Self::Unreadable(value) => value,
        }
    }
}

/// Reads the platform's values of one contact.
pub struct Reader<'a> {
    mapping: Mapping<'a>,
}

impl<'a> Reader<'a> {
    /// A reader of `shown`, the platform's fields by its names. The country by which telephone numbers and states are read is
    /// the one shown, else the record's.
    #[must_use]
    pub fn new(
        shown: &Fields,
        record: &'a Fields,
        rules: &'a RuleSet,
        vocabulary: &'a dyn Vocabulary,
        catalog: Option<&'a FieldCatalog>,
    ) -> Self {
        let rule = rules.rules().iter().find(|rule| rule.transform == Transform::Country);
        let named = rule.and_then(|rule| shown.get(rule.remote.as_deref()?)?.as_str());
        let country =
            named.and_then(|name| vocabulary.country(name)).or_else(|| map::country(record, rules, vocabulary));
        Self { mapping: Mapping { fields: record, rules, vocabulary, catalog, country } }
    }

    /// Whether the platform has the rule's field at all: the value of one that it lacks was not taken away by anybody.
    #[must_use]
    pub fn has_field(&self, rule: &FieldRule) -> bool {
        rule.target != Target::Field || self.mapping.remote_field(rule).is_ok()
    }

    /// What the platform holds, in the form in which Tandem would send it.
    #[must_use]
    pub fn read(&self, rule: &FieldRule, shown: Option<&Value>) -> ReadBack {
        let Some(shown) = shown else { return ReadBack::Blank };
        let read = match &rule.transform {
            Transform::Lookup(table) => {
                table.values().find(|value| is_same(value, Some(shown))).cloned().map(Some).ok_or(())
            }
            _ => {
                let field = self.mapping.remote_field(rule).ok().flatten();
                self.mapping.transformed(rule, field, shown).map_err(drop)
            }
        };
        match read {
            Ok(Some(value)) => ReadBack::Value(value),
            Ok(None) => ReadBack::Blank,
            Err(()) if is_blank(shown) => ReadBack::Blank,
            Err(()) => ReadBack::Unreadable(shown.clone()),
        }
    }
}

/// The application's value for one in the form in which Tandem would send it.
#[must_use]
pub fn local(rule: &FieldRule, value: &Value) -> Value {
    match &rule.transform {
        Transform::Lookup(table) => {
            let key = table.iter().find(|(_, sent)| is_same(sent, Some(value))).map(|(key, _)| key.clone());
            key.map_or_else(|| value.clone(), Value::String)
        }
        _ => value.clone(),
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}
