//! How a write goes through Mautic's contact form, with everything that gets lost on the way.
//!
//! Mautic keeps two views of a field while it handles a write: the *shown* value, and the *updated* one that will reach
//! the database. They differ for blanked fields (`""` shown, null stored) and for booleans (the old one shown), and the
//! answer mixes both. [`Draft`] keeps them apart in the same way.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    raw::raw_value,
    value::{Submitted, submit},
};
use crate::mautic::{
    answer::Problems,
    php,
    rows::{Contact, Field},
    store::Store,
    version::MauticVersion,
};

/// The kinds of write, by what they do to fields that they don't carry and to zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `POST …/new`, and a new entry of a batch: what is not carried is blank.
    Create,
    /// `PATCH`, and a known entry of `batch/new`: what is not carried keeps its value.
    Patch,
    /// `PUT`: what is not carried is blank and gets written as such.
    Replace,
}

/// A contact during a write.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Its id, where it has one already.
    pub(crate) id: Option<u64>,
    version: MauticVersion,
    pub(crate) contact: Contact,
    /// What the answer's groups show, by alias; absent is null.
    pub(crate) shown: BTreeMap<String, Value>,
    /// What is to be written, by alias.
    pub(crate) updated: BTreeMap<String, Value>,
}

impl Draft {
    /// A contact that does not exist yet. A create has its raw values in it from the start.
    pub(crate) fn fresh(store: &Store, contact: Contact, raw: Option<&Map<String, Value>>) -> Self {
        let mut draft =
            Self { id: None, version: store.version, contact, shown: BTreeMap::new(), updated: BTreeMap::new() };
        let Some(params) = raw else { return draft };
        for (_, field) in store.fields_of("lead") {
            if let Some(value) = raw_value(field, params) {
                draft.set(field, value);
            }
        }
        draft
    }

    /// A contact as it is loaded.
    pub(crate) fn loaded(store: &Store, id: u64, contact: Contact) -> Self {
        let shown = stored_values(store, &contact);
        Self { id: Some(id), version: store.version, contact, shown, updated: BTreeMap::new() }
    }

    /// Takes a request's values in. What fits is in the draft even when something else does not.
    pub(crate) fn submit(&mut self, store: &Store, params: &Map<String, Value>, method: Method, put: bool) -> Problems {
        let mut problems = Problems::default();
        let overwrite = put || params.get("overwriteWithBlank").is_some_and(|flag| !php::loosely_empty(flag));
        let mut identifiers = Vec::new();
        for (_, field) in store.fields_of("lead") {
            let submitted = self.submitted(field, params, method, &mut problems);
            if field.unique {
                identifiers.extend(self.form_value(field, &submitted, method).map(|value| (&field.alias, value)));
            }
            self.apply(field, submitted, method, put, overwrite);
        }
        for (alias, value) in identifiers {
            if self.is_taken(store, alias, &value) {
                problems.add_taken(alias);
            }
        }
        problems
    }

    /// The identifier that the form holds: a PATCH without one shows the contact's own.
    fn form_value(&self, field: &Field, submitted: &Submitted, method: Method) -> Option<String> {
        match submitted {
            Submitted::Value(value) => Some(php::text(value)),
            Submitted::Absent if method == Method::Patch => self.contact.values.get(&field.alias).map(php::text),
            _ => None,
        }
    }

    /// Mautic wants nobody else to have the value, be it the address or any other field that an administrator made a unique
    /// identifier (recordings `201` to `206`, `245`, `246`). Of two contacts with one address, none can be written any more.
    fn is_taken(&self, store: &Store, alias: &str, value: &str) -> bool {
        store.with_identifier(alias, value).into_iter().any(|id| Some(id) != self.id)
    }

    fn submitted(
        &self,
        field: &Field,
        params: &Map<String, Value>,
        method: Method,
        problems: &mut Problems,
    ) -> Submitted {
        let carried = params.get(&field.alias);
        let submitted = carried.map_or(Submitted::Absent, |raw| submit(self.version, field, raw, problems));
        if submitted != Submitted::Absent || method == Method::Patch {
            return submitted;
        }
        match &field.default {
            Some(default) if carried.is_none_or(Value::is_null) && self.has_nothing(field) => {
                submit(self.version, field, &json!(default), problems)
            }
            _ => Submitted::Blank,
        }
    }

    fn has_nothing(&self, field: &Field) -> bool {
        if field.alias == "points" {
            return self.contact.points == 0;
        }
        self.shown.get(&field.alias).is_none_or(php::loosely_empty)
    }

    fn apply(&mut self, field: &Field, submitted: Submitted, method: Method, put: bool, overwrite: bool) {
        match submitted {
            Submitted::Flag(flag) => self.update(field, json!(flag)),
            Submitted::Value(value) => {
                // Zeros are taken for "not meant" unless the write is a PUT.
                if (put || !php::casts_to_zero(&value)) && (overwrite || !php::loosely_empty(&value)) {
                    self.set(field, value);
                }
            }
            Submitted::Blank if overwrite => self.set(field, json!("")),
            // In a PATCH the form shows what the contact has; where it has nothing, that is blank as well.
            Submitted::Absent if overwrite && method == Method::Patch && !self.shown.contains_key(&field.alias) => {
                self.set(field, json!(""));
            }
            Submitted::Blank | Submitted::Absent => {}
        }
    }

    /// Shows a value and marks it to be written.
    pub(crate) fn set(&mut self, field: &Field, value: Value) {
        self.update(field, value.clone());
        self.shown.insert(field.alias.clone(), value);
    }

    fn update(&mut self, field: &Field, value: Value) {
        let value = typed(field, value);
        let old = self.updated.get(&field.alias).or_else(|| self.shown.get(&field.alias)).cloned();
        let old = old.map_or(Value::Null, |old| typed(field, old));
        if old == value {
            return;
        }
        if field.alias == "points" {
            self.contact.points = php::numeric(&value).unwrap_or(0.0) as i64;
        }
        self.updated.insert(field.alias.clone(), value);
    }

    /// Writes the updated values into the contact. Says which of them changed.
    pub(crate) fn write_values(&mut self) -> Map<String, Value> {
        let mut changes = Map::new();
        for (alias, value) in &self.updated {
            if alias == "points" {
                continue;
            }
            let old = self.contact.values.get(alias).cloned().unwrap_or_default();
            let new = match value {
                Value::Bool(flag) => json!(u8::from(*flag)),
                other => other.clone(),
            };
            if old == new {
                continue;
            }
            if new.is_null() {
                self.contact.values.remove(alias);
            } else {
                self.contact.values.insert(alias.clone(), new.clone());
            }
            changes.insert(alias.clone(), json!([old, new]));
        }
        changes
    }
}

/// What the groups of a loaded contact show.
pub(crate) fn stored_values(store: &Store, contact: &Contact) -> BTreeMap<String, Value> {
    let mut shown = BTreeMap::new();
    for (_, field) in store.fields_of("lead") {
        if let Some(value) = contact.values.get(&field.alias) {
            shown.insert(field.alias.clone(), value.clone());
        }
    }
    shown.insert("points".into(), json!(contact.points as f64));
    shown
}

/// A value in the type that Mautic's entity has for it; blank text is null.
fn typed(field: &Field, value: Value) -> Value {
    let value = match value {
        Value::String(text) => Value::String(text.trim().to_owned()),
        other => other,
    };
    match (field.kind.as_str(), &value) {
        (_, Value::Null) => Value::Null,
        (_, Value::String(text)) if text.is_empty() => Value::Null,
        ("number", value) => json!(php::numeric(value).unwrap_or(0.0)),
        ("boolean", Value::Bool(_)) => value,
        ("boolean", value) => json!(php::boolean(value)),
        _ => value,
    }
}
