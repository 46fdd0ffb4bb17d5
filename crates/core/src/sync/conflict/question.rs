//! One field's three values, and which side changed it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::domain::link::Link;
use crate::domain::record::Record;
use crate::mapping::reverse::{ReadBack, Reader};
use crate::mapping::rules::{FieldRule, Target};
use crate::mapping::{casts_to_zero, is_equal, is_same};
use crate::sync::overlay::{effective, has, set_like, texts, with_changes};
use crate::sync::plan::{STAGE, TAGS, key_of};

use super::Shown;

/// What both sides say of a field that may have changed on the platform.
pub(super) struct Question<'a> {
    pub rule: &'a FieldRule,
    /// The name of its value in the snapshot.
    pub key: String,
    /// What the application holds, as it says it.
    pub application: Value,
    /// What is to be sent of that; `null` when nothing is.
    wanted: Value,
    /// What both sides last agreed on.
    base: Value,
    /// What the platform holds, in the form in which Tandem would send it.
    pub platform: Value,
    /// Whether that is a value of the field at all.
    pub readable: bool,
    pub application_changed: bool,
    pub application_is_blank: bool,
    pub platform_changed: bool,
    pub is_agreed: bool,
}

impl Question<'_> {
    /// The value that both sides hold, as it would be sent: the platform may have rounded it.
    pub fn agreed_value(&self) -> Value {
        if self.wanted.is_null() { self.platform.clone() } else { self.wanted.clone() }
    }

    /// The application's set with what the platform added and took away.
    pub fn merged_set(&self) -> Value {
        let merged = with_changes(&texts(&self.application), &shown_of(&self.base), &texts(&self.platform));
        set_like(&self.application, &merged)
    }

    /// What was sent of a set, with what the platform added and took away.
    pub fn known_set(&self) -> Value {
        let mut known = with_changes(&texts(&self.base), &shown_of(&self.base), &texts(&self.platform));
        known.sort();
        json!(known)
    }
}

/// Both sides of one contact.
pub(super) struct Sides<'a> {
    pub record: &'a Record,
    pub link: &'a Link,
    pub shown: &'a Shown<'a>,
    pub reader: &'a Reader<'a>,
    pub wanted: &'a BTreeMap<String, Value>,
    pub cleared: &'a BTreeSet<String>,
}

impl Sides<'_> {
    /// What both say of a rule's field; `None` when the platform tells nothing of it.
    pub fn of<'r>(&self, rule: &'r FieldRule) -> Option<Question<'r>> {
        let key = key_of(rule)?;
        match rule.target {
            Target::Field if rule.pushes() => self.of_field(rule, key),
            Target::Field => self.of_pulled_field(rule, key),
            Target::Tags => self.of_tags(rule, key),
            Target::Stage => self.of_stage(rule, key),
            Target::Segments | Target::None => None,
        }
    }

    fn read(&self, rule: &FieldRule, key: &str) -> Option<ReadBack> {
        let shown = self.shown.fields.get(key);
        (shown.is_some() || self.shown.complete).then(|| self.reader.read(rule, shown))
    }

    fn of_field<'r>(&self, rule: &'r FieldRule, key: String) -> Option<Question<'r>> {
        let read = self.read(rule, &key)?;
        let application = effective(&self.record.fields, rule);
        let base = self.link.snapshot.get(&key).cloned().unwrap_or_default();
        let wanted = self.wanted.get(&key);
        // What the application holds and can't be sent is its word all the same.
        let changed = match wanted {
            Some(wanted) => !is_equal(wanted, &base),
            None if self.cleared.contains(&key) => !base.is_null(),
            None => !application.is_null(),
        };
        let wanted = wanted.cloned().unwrap_or_default();
        let is_blank = wanted.is_null() && application.is_null();
        Some(Question {
            rule,
            application_changed: changed,
            application_is_blank: is_blank,
            platform_changed: !is_same(&base, Some(read.value())),
            is_agreed: is_same(&wanted, Some(read.value())) && (!wanted.is_null() || is_blank),
            readable: !matches!(read, ReadBack::Unreadable(_)),
            platform: read.value().clone(),
            key,
            application,
            wanted,
            base,
        })
    }

    /// A field that only the platform writes: news is what differs from what was last seen there, or else from what the
    /// application has from there. That nothing was counted yet is no news.
    fn of_pulled_field<'r>(&self, rule: &'r FieldRule, key: String) -> Option<Question<'r>> {
        let read = self.read(rule, &key)?;
        let application = effective(&self.record.fields, rule);
        let seen = self.link.seen.get(&key);
        let base = seen.unwrap_or(&application).clone();
        let nothing_yet = seen.is_none() && (read.value().is_null() || casts_to_zero(read.value()));
        Some(Question {
            rule,
            application_changed: false,
            application_is_blank: application.is_null(),
            platform_changed: !is_same(&base, Some(read.value())) && !nothing_yet,
            is_agreed: is_same(&application, Some(read.value())),
            readable: !matches!(read, ReadBack::Unreadable(_)),
            platform: read.value().clone(),
            wanted: Value::Null,
            key,
            application,
            base,
        })
    }

    fn of_tags<'r>(&self, rule: &'r FieldRule, key: String) -> Option<Question<'r>> {
        let mut shown = self.shown.tags?.to_vec();
        shown.sort();
        let application = effective(&self.record.fields, rule);
        let base = self.link.snapshot.get(TAGS).cloned().unwrap_or_default();
        let wanted = self.wanted.get(TAGS);
        let changed = wanted.is_some_and(|wanted| !is_one_set(&texts(wanted), &texts(&base)));
        let wanted = wanted.cloned().unwrap_or_default();
        Some(Question {
            rule,
            application_changed: changed,
            application_is_blank: texts(&application).is_empty(),
            platform_changed: !is_one_set(&shown_of(&base), &shown),
            is_agreed: !wanted.is_null() && is_one_set(&shown_of(&wanted), &shown),
            readable: true,
            platform: json!(shown),
            key,
            application,
            wanted,
            base,
        })
    }

    fn of_stage<'r>(&self, rule: &'r FieldRule, key: String) -> Option<Question<'r>> {
        let shown = json!(self.shown.stage?.trim());
        let application = effective(&self.record.fields, rule);
        let base = self.link.snapshot.get(STAGE).cloned().unwrap_or_default();
        let seen = self.link.seen.get(STAGE).cloned().unwrap_or_default();
        let wanted = self.wanted.get(STAGE).cloned().unwrap_or_default();
        Some(Question {
            rule,
            application_changed: !wanted.is_null() && !is_one_name(&wanted, &base),
            application_is_blank: application.is_null(),
            platform_changed: !is_one_name(&shown, &base) && !is_one_name(&shown, &seen),
            is_agreed: is_one_name(&wanted, &shown),
            readable: true,
            platform: shown,
            key,
            application,
            wanted,
            base,
        })
    }
}

/// The tags of a list that stand on the platform: one that begins with `-` is to be taken away there.
fn shown_of(set: &Value) -> Vec<String> {
    texts(set).into_iter().filter(|tag| !tag.starts_with('-')).collect()
}

fn is_one_set(one: &[String], other: &[String]) -> bool {
    one.iter().all(|tag| has(other, tag)) && other.iter().all(|tag| has(one, tag))
}

/// Whether tags are there as they were sent: no more and no less of those that the list names.
pub(super) fn has_set(sent: &Value, shown: &[String]) -> bool {
    let taken_away = |tag: &String| tag.strip_prefix('-').map(str::to_owned);
    let gone: Vec<String> = texts(sent).iter().filter_map(taken_away).collect();
    shown_of(sent).iter().all(|tag| has(shown, tag)) && !gone.iter().any(|tag| has(shown, tag))
}

pub(super) fn is_one_name(one: &Value, other: &Value) -> bool {
    let name = |value: &Value| value.as_str().map(|text| text.trim().to_lowercase());
    name(one) == name(other)
}
