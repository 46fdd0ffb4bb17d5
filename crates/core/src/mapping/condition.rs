//! The condition under which a mapping applies to a record: a small, closed language, evaluated without looking at anything but
//! the record's fields.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::difference::is_equal;
use super::map::{Given, given};
use super::problem::Problem;
use super::rule_set::RuleSet;
use super::rules::{FieldRule, Transform};
use super::transforms::{choice, contact, number, time};
use crate::domain::record::Fields;

/// What must hold of a record. In documents `"always"`, `{ present = "plan" }`, `{ equals = { field = "plan", value = "pro" } }`,
/// `{ in = { field = "plan", values = ["pro", "team"] } }`, `{ not = … }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Nothing: it holds of every record.
    #[default]
    Always,
    /// The field has a value.
    Present(String),
    /// The field has this value; letter case does not count. Of a list, an entry has it.
    Equals(FieldValue),
    /// The field has one of these values.
    In(FieldValues),
    /// The other one does not hold.
    Not(Box<Condition>),
}

/// A field and a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldValue {
    /// The field, by its local name or an alias.
    pub field: String,
    /// The value.
    pub value: Value,
}

/// A field and some values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldValues {
    /// The field, by its local name or an alias.
    pub field: String,
    /// The values.
    pub values: Vec<Value>,
}

/// How deep conditions may stand in one another.
const DEEPEST: usize = 8;

impl Condition {
    /// Whether every record is meant.
    #[must_use]
    pub fn is_always(&self) -> bool {
        *self == Self::Always
    }

    /// Whether it holds of a record with these fields, its address and id among them by their rules' local names.
    #[must_use]
    pub fn holds(&self, fields: &Fields, rules: &RuleSet) -> bool {
        match self {
            Self::Always => true,
            Self::Present(field) => value_of(field, fields, rules).is_some(),
            Self::Equals(FieldValue { field, value }) => has(value_of(field, fields, rules), value),
            Self::In(FieldValues { field, values }) => {
                let found = value_of(field, fields, rules);
                values.iter().any(|value| has(found, value))
            }
            Self::Not(other) => !other.holds(fields, rules),
        }
    }

    /// What is wrong with it, as the condition of these rules.
    #[must_use]
    pub fn problems(&self, rules: &RuleSet) -> Vec<Problem> {
        if self.depth() > DEEPEST {
            return vec![Problem::error("when", format!("conditions stand in one another at most {DEEPEST} deep"))];
        }
        let mut problems = Vec::new();
        self.look("when", rules, &mut problems);
        if problems.is_empty() && !self.can_hold() {
            problems.push(Problem::error("when", "the condition can never hold: no record would be mapped"));
        }
        problems
    }

    fn depth(&self) -> usize {
        match self {
            Self::Always | Self::Present(_) | Self::Equals(_) | Self::In(_) => 1,
            Self::Not(other) => other.depth() + 1,
        }
    }

    fn look(&self, place: &str, rules: &RuleSet, problems: &mut Vec<Problem>) {
        match self {
            Self::Always => {}
            Self::Present(field) => drop(known(field, &format!("{place}.present"), rules, problems)),
            Self::Equals(FieldValue { field, value }) => {
                if let Some(rule) = known(field, &format!("{place}.equals.field"), rules, problems) {
                    problems
                        .extend(flaw(rule, value).map(|flaw| Problem::error(format!("{place}.equals.value"), flaw)));
                }
            }
            Self::In(FieldValues { field, values }) => {
                let Some(rule) = known(field, &format!("{place}.in.field"), rules, problems) else { return };
                for (index, value) in values.iter().enumerate() {
                    let place = format!("{place}.in.values[{index}]");
                    problems.extend(flaw(rule, value).map(|flaw| Problem::error(place, flaw)));
                }
            }
            Self::Not(other) => other.look(&format!("{place}.not"), rules, problems),
        }
    }

    /// Whether there can be a record of which it holds.
    fn can_hold(&self) -> bool {
        match self {
            Self::Always | Self::Present(_) | Self::Equals(_) => true,
            Self::In(FieldValues { values, .. }) => !values.is_empty(),
            Self::Not(other) => other.can_fail(),
        }
    }

    /// Whether there can be a record of which it does not hold.
    fn can_fail(&self) -> bool {
        match self {
            Self::Always => false,
            Self::Present(_) | Self::Equals(_) | Self::In(_) => true,
            Self::Not(other) => other.can_hold(),
        }
    }
}

fn known<'a>(field: &str, place: &str, rules: &'a RuleSet, problems: &mut Vec<Problem>) -> Option<&'a FieldRule> {
    let rule = rules.rule_of(field);
    if rule.is_none() {
        problems.push(Problem::error(place, format!("no rule knows the field `{field}`, so no record has it")));
    }
    rule
}

/// Why no record can have the value in the rule's field.
fn flaw(rule: &FieldRule, value: &Value) -> Option<String> {
    if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
        return Some("takes text, a number, or true or false".to_owned());
    }
    let own = rule.remote_field.as_ref().map(|field| field.options.as_slice()).unwrap_or_default();
    let read = match &rule.transform {
        Transform::Bool => choice::boolean(value),
        Transform::Number => number::number(value),
        Transform::Date => time::date(value),
        Transform::DateTime => time::datetime(value),
        Transform::Email => contact::email(value),
        Transform::Lookup(table) => choice::lookup(value, table),
        Transform::Select => choice::select(value, own),
        _ => return value.as_str().is_some_and(|text| text.trim().is_empty()).then(blank),
    };
    match read {
        Ok(Some(_)) => None,
        Ok(None) => Some(blank()),
        Err((_, message)) => Some(format!("no record has it in `{}`: it {message}", rule.local)),
    }
}

fn blank() -> String {
    "is blank: `{ not = { present = … } }` says that a field has no value".to_owned()
}

fn value_of<'a>(field: &str, fields: &'a Fields, rules: &'a RuleSet) -> Option<&'a Value> {
    match given(fields, rules.rule_of(field)?) {
        Given::Value(_, value) => Some(value),
        Given::Absent | Given::Blank | Given::Null => None,
    }
}

fn has(found: Option<&Value>, wanted: &Value) -> bool {
    match found {
        None => false,
        Some(Value::Array(entries)) => entries.iter().any(|entry| is_same(entry, wanted)),
        Some(value) => is_same(value, wanted),
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => text.trim().to_lowercase(),
        other => other.to_string(),
    };
    is_equal(one, other) || text(one) == text(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULES: &str = "[[rule]]\nlocal = \"plan\"\naliases = [\"tier\"]\nremote = \"plan\"\ntransform = \"text\"\n\
        [[rule]]\nlocal = \"active\"\nremote = \"active\"\ntransform = \"bool\"\n\
        [[rule]]\nlocal = \"tags\"\ntarget = \"tags\"\ntransform = \"tags\"\n";

    fn read(condition: Value) -> Condition {
        serde_json::from_value(condition).unwrap()
    }

    fn holds(condition: Value, fields: Value) -> bool {
        let fields: Fields = serde_json::from_value(fields).unwrap();
        read(condition).holds(&fields, &RuleSet::parse(RULES).unwrap())
    }

    #[test]
    fn a_condition_looks_at_a_field_by_any_of_its_names() {
        assert!(holds(json!("always"), json!({})));
        assert!(holds(json!({"present": "plan"}), json!({"tier": "pro"})));
        assert!(
            !holds(json!({"present": "plan"}), json!({"plan": " "}))
                && !holds(json!({"present": "plan"}), json!({"plan": null}))
        );
        assert!(holds(json!({"equals": {"field": "tier", "value": "PRO"}}), json!({"plan": " pro"})));
        assert!(!holds(json!({"equals": {"field": "plan", "value": "pro"}}), json!({"plan": "free"})));
        assert!(holds(json!({"in": {"field": "plan", "values": ["pro", "team"]}}), json!({"plan": "Team"})));
        assert!(holds(json!({"not": {"present": "plan"}}), json!({})));
        assert!(holds(json!({"equals": {"field": "active", "value": true}}), json!({"active": "true"})));
        assert!(holds(json!({"equals": {"field": "tags", "value": "vip"}}), json!({"tags": ["a", "VIP"]})));
    }

    #[test]
    fn a_condition_that_can_never_hold_is_told_with_its_place() {
        let rules = RuleSet::parse(RULES).unwrap();
        let places = |condition: Value| -> Vec<String> {
            read(condition).problems(&rules).into_iter().map(|problem| problem.place).collect()
        };
        assert_eq!(places(json!({"not": {"not": {"present": "plan"}}})), Vec::<String>::new());
        assert_eq!(places(json!({"present": "planet"})), ["when.present"]);
        assert_eq!(places(json!({"in": {"field": "plan", "values": []}})), ["when"]);
        assert_eq!(places(json!({"not": "always"})), ["when"]);
        assert_eq!(places(json!({"not": {"equals": {"field": "x", "value": 1}}})), ["when.not.equals.field"]);
        assert_eq!(places(json!({"equals": {"field": "active", "value": "perhaps"}})), ["when.equals.value"]);
        assert_eq!(
            places(json!({"in": {"field": "plan", "values": ["a", " ", []]}})),
            ["when.in.values[1]", "when.in.values[2]"]
        );
        let deep = (0..9).fold(json!("always"), |inner, _| json!({"not": inner}));
        assert_eq!(places(deep), ["when"]);
    }
}
