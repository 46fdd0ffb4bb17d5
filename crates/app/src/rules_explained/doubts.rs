//! What is sound by its form and can't be meant: values that no field takes, events that nobody sends, lists given twice.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use tandem_connectors::mautic::vocabulary::MauticVocabulary;
use tandem_core::automation::rulebook::{CheckedRule, DEFAULT_RULES, ListRef, RuleBook};
use tandem_core::automation::target::Target;
use tandem_core::automation::template::Template;
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::record::{Fields, Record};
use tandem_core::mapping::{RuleSet, map};

/// Names of events that Tandem itself knows, besides those of the built-in rules.
const KNOWN: &[&str] = &["profile_updated", "checkout_completed", "identify", "group", "alias"];
/// Names that are as alike as this are one name, misspelt.
const ALIKE: f64 = 0.8;

/// Literal values that a field does not take: such a rule would never have its effect.
pub(super) fn impossible_values(book: &RuleBook, fields: &RuleSet) -> Vec<String> {
    book.rules().iter().enumerate().flat_map(|(index, rule)| of_rule(index, rule, fields)).collect()
}

/// The literals of a rule go through the field rules together, for what a state is depends on the country.
fn of_rule(index: usize, rule: &CheckedRule, fields: &RuleSet) -> Vec<String> {
    let mut record = Record {
        external_id: None,
        email: None,
        awaited: None,
        corrected: None,
        fields: Fields::new(),
        updated_at: Timestamp::UNIX_EPOCH,
        version: 0,
        gone_since: None,
        overlaid: Fields::new(),
        older: std::collections::BTreeMap::new(),
        dated: Default::default(),
        said: std::collections::BTreeMap::new(),
    };
    for (target, template) in rule.set.iter().chain(&rule.first) {
        if let (Target::Field(name), Some(value)) = (target, literal(template)) {
            record.fields.insert(name.clone(), value);
        }
    }
    let mapped = map(&record, fields, &MauticVocabulary, None);
    let depends_on_the_user = |field: &str| ["state", "phone", "mobile"].iter().any(|name| field.ends_with(name));
    let told = mapped.issues.into_iter().filter(|issue| match issue.code {
        IssueCode::Invalid | IssueCode::WrongType | IssueCode::NotInList | IssueCode::TooLong => {
            !depends_on_the_user(&issue.field)
        }
        _ => false,
    });
    let on = rule.on.as_slice().join(", ");
    let name = |field: &str| field.rsplit('.').next().unwrap_or(field).to_owned();
    told.map(|issue| format!("rule {} ({on}): {} can't be that: {}", index + 1, name(&issue.field), issue.message))
        .collect()
}

fn literal(template: &Template) -> Option<Value> {
    match template {
        Template::Literal(value) => Some(value.clone()),
        Template::From(_, instead) => instead.clone().map(Value::String),
    }
}

/// Events of rules that are nobody's, as far as that can be known: their names are nearly those of others.
pub(super) fn unsent_events(book: &RuleBook, fields: &RuleSet) -> Vec<String> {
    let built_in = RuleBook::parse(DEFAULT_RULES, fields, |_| None).map(|book| names(&book)).unwrap_or_default();
    let known: BTreeSet<String> = built_in.into_iter().chain(KNOWN.iter().map(|name| (*name).to_owned())).collect();
    let nearly = |name: &String| {
        let alike = known.iter().map(|known| (strsim::normalized_damerau_levenshtein(name, known), known));
        alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|(one, _), (other, _)| one.total_cmp(other))
    };
    let unknown = names(book).into_iter().filter(|name| !known.contains(name));
    unknown
        .filter_map(|name| nearly(&name).map(|(_, meant)| format!("{name}: nobody sends this event; is it {meant}?")))
        .collect()
}

/// The events that rules are for.
pub(super) fn names(book: &RuleBook) -> BTreeSet<String> {
    book.rules().iter().flat_map(|rule| rule.on.as_slice()).cloned().collect()
}

/// Lists that have two keys: what one rule does, another may undo.
pub(super) fn lists_given_twice(book: &RuleBook) -> Vec<String> {
    let lists: Vec<_> = book.lists().collect();
    let mut doubts = Vec::new();
    for (index, (target, list)) in lists.iter().enumerate() {
        let is_same = |other: &ListRef| {
            let same_id = list.id.is_some() && list.id == other.id;
            let name = |name: &Option<String>| name.as_ref().map(|name| name.trim().to_lowercase());
            let same_name =
                list.id.is_none() && other.id.is_none() && list.name.is_some() && name(&list.name) == name(&other.name);
            list.kind == other.kind && (same_id || same_name)
        };
        if let Some((other, _)) = lists.iter().skip(index + 1).find(|(_, other)| is_same(other)) {
            doubts.push(format!("{target} and {other} are the same list"));
        }
    }
    doubts
}
