//! What the application says again is no change. When a value of the platform takes the place of the application's, the
//! application may go on saying its old one, with every other change of the row: that must not undo what marketing did.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::record::{Change, Fields, Patch, Record, patched};
use crate::mapping::RuleSet;
use crate::mapping::map::{Given, given};
use crate::mapping::rules::{FieldRule, Target};
use crate::mapping::{is_equal, lists};

/// A record's fields, and the application's values that others took the place of.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlaid {
    /// The fields.
    pub fields: Fields,
    /// By the rules' local names.
    pub overlaid: Fields,
}

/// The record after the application's patch. An old value of the application's that the platform's took the place of is no
/// change; any other value, the platform's among them, is the application's own word again.
#[must_use]
pub fn after_patch(record: &Record, patch: &Patch, rules: &RuleSet) -> Overlaid {
    let mut after = Overlaid { fields: record.fields.clone(), overlaid: record.overlaid.clone() };
    let mut rest = patch.clone();
    for (local, old) in &record.overlaid {
        match rules.rule_of(local) {
            Some(rule) => after.hear(rule, old, record, &mut rest),
            None => drop(after.overlaid.remove(local)),
        }
    }
    after.fields = patched(&after.fields, &rest);
    after
}

impl Overlaid {
    /// Takes from `rest` what the application says of the rule's field.
    fn hear(&mut self, rule: &FieldRule, old: &Value, record: &Record, rest: &mut Patch) {
        let Some(said) = said(rule, old, record, rest) else { return };
        if is_one(&said, old) {
            rest.retain(|name, _| !rule.names().any(|own| own == name));
            return;
        }
        let now = effective(&record.fields, rule);
        if rule.target == Target::Tags && !is_one(&said, &now) {
            let list = with_changes(&texts(&now), &texts(old), &texts(&said));
            rest.retain(|name, _| !rule.names().any(|own| own == name));
            self.put(rule, &set_like(&now, &list));
            self.overlaid.insert(rule.local.clone(), said);
            return;
        }
        self.overlaid.remove(&rule.local);
        // The platform's value may stand under another of the rule's names, where it would hide what is said now.
        self.fields.retain(|name, _| !rule.names().any(|own| own == name));
    }

    /// Puts a value of the platform in the place of the application's.
    pub fn overlay(&mut self, rule: &FieldRule, value: &Value) {
        let old = effective(&self.fields, rule);
        let original = self.overlaid.get(&rule.local).unwrap_or(&old).clone();
        self.put(rule, value);
        if is_one(&original, value) {
            self.overlaid.remove(&rule.local);
        } else {
            self.overlaid.insert(rule.local.clone(), original);
        }
    }

    /// Under the name that the application uses; `null` under all of them.
    fn put(&mut self, rule: &FieldRule, value: &Value) {
        let name = name_in_use(&self.fields, rule);
        if value.is_null() {
            let names: Vec<&str> = rule.names().filter(|name| self.fields.contains_key(*name)).collect();
            self.fields.extend(names.into_iter().map(|name| (name.to_owned(), Value::Null)));
        }
        self.fields.insert(name, value.clone());
    }
}

/// What a record holds for a rule, as the application says it; `null` for nothing.
#[must_use]
pub fn effective(fields: &Fields, rule: &FieldRule) -> Value {
    match given(fields, rule) {
        Given::Value(_, value) => value.clone(),
        Given::Absent | Given::Blank | Given::Null => Value::Null,
    }
}

/// The name under which the record holds the rule's field: the first of the rule's own that has a value, else the first that
/// is there at all, else the local one.
#[must_use]
pub fn name_in_use(fields: &Fields, rule: &FieldRule) -> String {
    let valued = rule.names().find(|name| fields.get(*name).is_some_and(|value| !is_blank(value)));
    let there = valued.or_else(|| rule.names().find(|name| fields.contains_key(*name)));
    there.unwrap_or(&rule.local).to_owned()
}

/// What a patch says of a rule's field; `None` when it says nothing. The field that lends its value (`from`) counts when
/// the old value came from there.
fn said(rule: &FieldRule, old: &Value, record: &Record, patch: &Patch) -> Option<Value> {
    let lent = |from: &&str| record.fields.get(*from).is_some_and(|value| is_one(value, old));
    let names: BTreeSet<&str> = rule.names().chain(rule.from.as_deref().filter(lent)).collect();
    let told: Fields = patch
        .iter()
        .filter(|(name, _)| names.contains(name.as_str()))
        .map(|(name, change)| match change {
            Change::Set(value) => (name.clone(), value.clone()),
            Change::Clear => (name.clone(), Value::Null),
        })
        .collect();
    (!told.is_empty()).then(|| effective(&told, rule))
}

/// Whether two values of the application are one; blank text is none.
fn is_one(one: &Value, other: &Value) -> bool {
    is_equal(one, other) || (is_blank(one) && is_blank(other))
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A set as the application says it, in any form that sources write a list in. Commas part names wherever they stand, as the
/// platform parts them.
#[must_use]
pub fn texts(value: &Value) -> Vec<String> {
    let parts = |member: String| member.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>();
    lists::members(value).into_iter().flat_map(parts).filter(|one| !one.is_empty()).collect()
}

/// A set in the form that the application uses.
#[must_use]
pub fn set_like(form: &Value, set: &[String]) -> Value {
    if form.is_string() { json!(set.join(",")) } else { json!(set) }
}

/// Whether a set has a member; the platform keeps one spelling of a name, in whatever letter case it is sent.
#[must_use]
pub fn has(set: &[String], one: &str) -> bool {
    set.iter().any(|member| member.to_lowercase() == one.to_lowercase())
}

/// `set` with what came and went between `before` and `after`.
#[must_use]
pub fn with_changes(set: &[String], before: &[String], after: &[String]) -> Vec<String> {
    let stays = set.iter().filter(|one| !has(before, one) || has(after, one));
    let mut result: Vec<String> = stays.cloned().collect();
    for came in after.iter().filter(|one| !has(before, one)) {
        if !has(&result, came) {
            result.push(came.clone());
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const RULES: &str = "[[rule]]\nlocal = \"city\"\naliases = [\"town\"]\nremote = \"city\"\n\
                         [[rule]]\nlocal = \"status\"\nremote = \"status\"\n\
                         [[rule]]\nlocal = \"stage\"\ntarget = \"stage\"\nfrom = \"status\"\n\
                         [[rule]]\nlocal = \"tags\"\ntarget = \"tags\"\ntransform = \"tags\"\n";

    fn rules() -> RuleSet {
        RuleSet::parse(RULES).unwrap()
    }

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone().into_iter().collect()
    }

    /// A record of the application in whose place the platform's value stands.
    fn record(of_application: Value, local: &str, pulled: Value) -> Record {
        let mut state = Overlaid { fields: fields(of_application), overlaid: Fields::new() };
        state.overlay(rules().rule_of(local).unwrap(), &pulled);
        Record {
            external_id: None,
            email: None,
            fields: state.fields,
            updated_at: Timestamp::UNIX_EPOCH,
            version: 1,
            gone_since: None,
            awaited: None,
            corrected: None,
            overlaid: state.overlaid,
            older: Default::default(),
            dated: Default::default(),
            said: Default::default(),
        }
    }

    fn patch(said: Value) -> Patch {
        let change = |value: Value| if value.is_null() { Change::Clear } else { Change::Set(value) };
        fields(said).into_iter().map(|(name, value)| (name, change(value))).collect()
    }

    fn after(record: &Record, said: Value) -> (Value, Value) {
        let after = after_patch(record, &patch(said), &rules());
        (json!(after.fields), json!(after.overlaid))
    }

    #[test]
    fn the_old_value_said_again_is_no_change() {
        let record = record(json!({"city": "Perth", "status": "a"}), "city", json!("Sydney"));
        let kept = (json!({"city": "Sydney", "status": "b"}), json!({"city": "Perth"}));
        assert_eq!(after(&record, json!({"city": "Perth", "status": "b"})), kept);
    }

    #[test]
    fn another_value_is_the_applications_word_and_so_is_the_platforms() {
        let record = record(json!({"city": "Perth"}), "city", json!("Sydney"));
        for said in [json!("Hobart"), json!("Sydney"), json!(null)] {
            assert_eq!(after(&record, json!({"city": said})), (json!({"city": said}), json!({})), "{said}");
        }
    }

    #[test]
    fn a_blank_is_a_blank_however_it_is_written() {
        let record = record(json!({"city": ""}), "city", json!("Sydney"));
        for said in [json!(null), json!(" "), json!("")] {
            assert_eq!(after(&record, json!({"city": said})).0, json!({"city": "Sydney"}), "{said}");
        }
    }

    #[test]
    fn a_value_that_was_blanked_there_stays_blank_while_the_old_one_is_said() {
        let record = record(json!({"city": "Perth"}), "city", Value::Null);
        assert_eq!(after(&record, json!({"city": "Perth"})).0, json!({"city": null}));
        assert_eq!(after(&record, json!({"city": "Hobart"})).0, json!({"city": "Hobart"}));
    }

    #[test]
    fn the_name_that_the_application_uses_is_kept() {
        let record = record(json!({"town": "Perth"}), "city", json!("Sydney"));
        assert_eq!(json!(record.fields), json!({"town": "Sydney"}));
        assert_eq!(after(&record, json!({"city": "Hobart"})).0, json!({"city": "Hobart"}));
    }

    #[test]
    fn a_stage_that_followed_from_another_field_follows_it_again_when_that_changes() {
        let record = record(json!({"status": "lead"}), "stage", json!("Customer"));
        assert_eq!(after(&record, json!({"status": "lead"})).0, json!({"status": "lead", "stage": "Customer"}));
        assert_eq!(after(&record, json!({"status": "won"})), (json!({"status": "won"}), json!({})));
    }

    #[test]
    fn the_applications_changes_of_a_set_are_made_to_the_merged_set() {
        let record = record(json!({"tags": ["a", "b"]}), "tags", json!(["a", "b", "vip"]));
        let (now, own) = after(&record, json!({"tags": ["a", "c"]}));
        assert_eq!((now, own), (json!({"tags": ["a", "vip", "c"]}), json!({"tags": ["a", "c"]})));
        assert_eq!(after(&record, json!({"tags": ["a", "b"]})).0, json!({"tags": ["a", "b", "vip"]}));
        assert_eq!(after(&record, json!({"tags": ["a", "b", "vip"]})).1, json!({}));
    }

    #[test]
    fn a_second_value_of_the_platform_leaves_the_applications_last_word_known() {
        let record = record(json!({"city": "Perth"}), "city", json!("Sydney"));
        let mut state = Overlaid { fields: record.fields, overlaid: record.overlaid };
        let rule = rules().rule_of("city").unwrap().clone();
        state.overlay(&rule, &json!("Hobart"));
        assert_eq!(json!(state.overlaid), json!({"city": "Perth"}));
        state.overlay(&rule, &json!("Perth"));
        assert_eq!(json!(state.overlaid), json!({}));
    }
}
