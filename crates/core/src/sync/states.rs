//! Which of two states of a record is the newer one, and what an older one may still add. Pure.
//!
//! States arrive in any order, and several rows of the application can be one person. The newest state stands whole, what it
//! leaves blank included. An older one gives only fields that no newer one has, so that the end does not depend on the order.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use crate::domain::dated::Dated;
use crate::domain::record::{Change, Fields, Patch, Record, UPDATED_AT, patched, source_updated_at};
use crate::mapping::RuleSet;

use super::change::{ContactChange, Subject};
use super::overlay::{self, Overlaid};

/// What a record holds after a state was taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Taken {
    pub(super) fields: Fields,
    pub(super) overlaid: Fields,
    pub(super) older: BTreeMap<String, Timestamp>,
}

/// Whether the record already has a newer state of the person: what arrives comes late, or out of order. Of two states of one
/// moment, that of the greater id counts as the newer one.
pub(super) fn is_stale(change: &ContactChange, old: Option<&Record>, now: Timestamp) -> bool {
    let Some(old) = old else { return false };
    match (made_at(change, now), known_at(old)) {
        (Some(made), Some(known)) if made == known => given_id(change) < held_id(old) && is_of_another_row(change, old),
        (Some(made), Some(known)) => made < known,
        (Some(_), None) | (None, _) => false,
    }
}

/// What the record holds after the change.
pub(super) fn taken(change: &ContactChange, old: Option<&Record>, rules: &RuleSet, now: Timestamp) -> Taken {
    let patch = stamped(change, now);
    let Some(old) = old else {
        return Taken { fields: patched(&Fields::new(), &patch), ..Taken::default() };
    };
    if is_stale(change, Some(old), now) {
        return filled(old, &patch, made_at(change, now));
    }
    let Overlaid { mut fields, overlaid } = overlay::after_patch(old, &patch, rules);
    if is_from_the_future(change, now) && is_the_same_but_for_its_time(&fields, &old.fields) {
        // It was taken before, at a moment that counted as now then.
        fields.clone_from(&old.fields);
    }
    Taken { older: left_from_older_states(change, old, &patch), fields, overlaid }
}

/// When the application made the state, if it says so. A moment in the future is a clock that is wrong, and counts as now: it
/// must not win over all that happens until then.
fn made_at(change: &ContactChange, now: Timestamp) -> Option<Timestamp> {
    source_updated_at(&change.fields).map(|at| at.min(now))
}

/// When the application made the newest state that is known. One from the future counts as the moment at which it was stored.
fn known_at(old: &Record) -> Option<Timestamp> {
    old.source_updated_at().map(|at| at.min(old.updated_at))
}

fn is_from_the_future(change: &ContactChange, now: Timestamp) -> bool {
    source_updated_at(&change.fields).is_some_and(|at| at > now)
}

fn is_the_same_but_for_its_time(new: &Fields, old: &Fields) -> bool {
    let content =
        |fields: &Fields| fields.iter().filter(|(name, _)| *name != UPDATED_AT).map(owned).collect::<Fields>();
    old.contains_key(UPDATED_AT) && content(new) == content(old)
}

fn owned((name, value): (&String, &serde_json::Value)) -> (String, serde_json::Value) {
    (name.clone(), value.clone())
}

/// The patch, with a time that is not in the future.
fn stamped(change: &ContactChange, now: Timestamp) -> Patch {
    let mut patch = change.fields.clone();
    if is_from_the_future(change, now) {
        patch.insert(UPDATED_AT.to_owned(), Change::Set(json!(now.to_string())));
    }
    patch
}

/// The record after a state that is older than its newest one: what no newer state has is taken.
fn filled(old: &Record, patch: &Patch, made_at: Option<Timestamp>) -> Taken {
    let mut taken = Taken { fields: old.fields.clone(), overlaid: old.overlaid.clone(), older: old.older.clone() };
    for (name, change) in patch.iter().filter(|(name, _)| *name != UPDATED_AT) {
        let is_newer = taken.older.get(name).zip(made_at).is_some_and(|(known, made)| *known < made);
        if is_newer || !taken.fields.contains_key(name) {
            taken.fields.insert(name.clone(), change.value());
            taken.older.extend(made_at.map(|made| (name.clone(), made)));
        }
    }
    taken
}

/// The fields that the newest state does not have. Where another row takes the place of the newest one, these are all that the
/// state before it had, too.
fn left_from_older_states(change: &ContactChange, old: &Record, patch: &Patch) -> BTreeMap<String, Timestamp> {
    let mut older = old.older.clone();
    let is_newest = source_updated_at(&change.fields).is_some() && is_of_another_row(change, old);
    if let Some(known) = known_at(old).filter(|_| is_newest) {
        for name in old.fields.keys().filter(|name| *name != UPDATED_AT) {
            older.entry(name.clone()).or_insert(known);
        }
    }
    older.retain(|name, _| !patch.contains_key(name));
    older
}

/// When the application said which of the new record's values, its address among them. Of an older state's values the moments are
/// kept apart.
pub(super) fn dated(old: &Record, new: &Record, stale: bool, rules: &RuleSet) -> Dated {
    let mut dated = old.dated.clone();
    let is_news = |name: &&String| *name != UPDATED_AT && new.fields.get(*name) != old.fields.get(*name);
    let address = rules.address().filter(|_| new.email != old.email).map(|rule| &rule.local);
    if !stale && (new.fields != old.fields || address.is_some()) {
        // A change that tells no moment of its own is said now.
        let tells_none = new.source_updated_at() == old.source_updated_at();
        let at = if tells_none { new.updated_at } else { new.said_at() };
        dated.note(new.fields.keys().filter(is_news).chain(address), at, old.said_at());
    }
    dated
}

fn is_of_another_row(change: &ContactChange, old: &Record) -> bool {
    matches!((given_id(change), held_id(old)), (Some(given), Some(held)) if given != held)
}

fn given_id(change: &ContactChange) -> Option<&str> {
    match &change.subject {
        Subject::Person { external_id, .. } => external_id.as_ref().map(|id| id.as_str()),
        Subject::Other { id, .. } => Some(id.as_str()),
        Subject::Known(_) => None,
    }
}

fn held_id(old: &Record) -> Option<&str> {
    old.external_id.as_ref().map(|id| id.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const RULES: &str = "[[rule]]\nlocal = \"state\"\nremote = \"state\"\n\
                         [[rule]]\nlocal = \"updated_at\"\nrole = \"moment\"\ntarget = \"none\"\n";

    fn moment(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A state of a row; `null` is a column without a value, as a run hands it on.
    fn state(id: &str, second: i64, fields: Value) -> ContactChange {
        let fields = fields.as_object().unwrap().clone().into_iter();
        let stamp = ("updated_at".to_owned(), json!(moment(second).to_string()));
        let blank = |value: Value| if value.is_null() { json!("") } else { value };
        let fields = fields.chain([stamp]).map(|(name, value)| (name, Change::Set(blank(value)))).collect();
        let external_id = Some(id.to_owned().try_into().unwrap());
        let subject = Subject::Person { external_id, email: None };
        ContactChange { subject, fields, consent: None, visitor: None, issues: Vec::new() }
    }

    fn record_of(change: &ContactChange, old: Option<Record>, now: Timestamp) -> Record {
        let stale = is_stale(change, old.as_ref(), now);
        let Taken { fields, overlaid, older } = taken(change, old.as_ref(), &RuleSet::parse(RULES).unwrap(), now);
        let external_id = match (&change.subject, &old) {
            (Subject::Person { external_id, .. }, None) => external_id.clone(),
            (Subject::Person { external_id, .. }, Some(_)) if !stale => external_id.clone(),
            (_, Some(old)) => old.external_id.clone(),
            (Subject::Other { .. } | Subject::Known(_), None) => None,
        };
        Record {
            external_id,
            email: None,
            awaited: None,
            corrected: None,
            fields,
            updated_at: now,
            version: 1,
            gone_since: None,
            overlaid,
            older,
            dated: Dated::default(),
            said: BTreeMap::new(),
        }
    }

    fn after(states: &[&ContactChange]) -> Fields {
        let record = states.iter().fold(None, |old, change| Some(record_of(change, old, moment(1_000))));
        record.unwrap().fields
    }

    fn orders(all: [&ContactChange; 3]) -> Vec<[&ContactChange; 3]> {
        let [a, b, c] = all;
        vec![[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
    }

    #[test]
    fn the_newest_row_of_an_address_stands_whole_in_every_order_of_three() {
        let oldest = state("1", 10, json!({"country": "Australia", "state": "Tasmania"}));
        let middle = state("2", 20, json!({"country": "Australia", "state": "Victoria"}));
        let newest = state("3", 30, json!({"country": "New Zealand", "state": null}));
        for order in orders([&oldest, &middle, &newest]) {
            let fields = after(&order);
            assert_eq!((&fields["country"], &fields["state"]), (&json!("New Zealand"), &json!("")));
        }
    }

    #[test]
    fn an_older_row_gives_what_no_newer_one_has_as_a_column_in_every_order_of_three() {
        let oldest = state("1", 10, json!({"a": "old", "c": "old", "d": "old"}));
        let middle = state("2", 20, json!({"b": "mid", "c": "mid", "e": null}));
        let newest = state("3", 30, json!({"a": null, "b": "new"}));
        let whole = after(&[&oldest, &middle, &newest]);
        assert_eq!(json!([whole["a"], whole["b"], whole["c"], whole["d"]]), json!(["", "new", "mid", "old"]));
        for order in orders([&oldest, &middle, &newest]) {
            assert_eq!(after(&order), whole);
        }
    }

    #[test]
    fn rows_of_one_moment_end_the_same_in_every_order() {
        let states = ["1", "2", "3"].map(|id| state(id, 10, json!({"a": id})));
        for order in orders([&states[0], &states[1], &states[2]]) {
            assert_eq!(after(&order)["a"], "3");
        }
    }

    #[test]
    fn a_moment_in_the_future_counts_as_now_and_freezes_nothing() {
        let early = record_of(&state("1", 5_000, json!({"a": 1})), None, moment(100));
        assert_eq!(early.source_updated_at(), Some(moment(100)));
        let again = record_of(&state("1", 5_000, json!({"a": 1})), Some(early.clone()), moment(200));
        assert_eq!(again.fields, early.fields, "the same state read once more is no change");
        let next = record_of(&state("1", 150, json!({"a": 2})), Some(early), moment(200));
        assert_eq!(next.fields["a"], 2);
    }

    #[test]
    fn a_record_that_was_stored_with_a_moment_in_the_future_thaws() {
        let mut frozen = record_of(&state("1", 90, json!({"a": 1})), None, moment(100));
        frozen.fields.insert(UPDATED_AT.to_owned(), json!(moment(9_000).to_string()));
        let next = record_of(&state("1", 150, json!({"a": 2})), Some(frozen), moment(200));
        assert_eq!(next.fields["a"], 2);
    }
}
