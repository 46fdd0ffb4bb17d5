//! What an event changes, worked out from the rules and from what is remembered of its user. Pure.
//!
//! Each target (a field, a list) belongs to the newest event that speaks of it. What an event does to the user's tier can
//! depend on events before it; so those events are remembered in order and gone through again when one arrives late. The
//! end is the same in whatever order events arrive. (Of events that a rule takes only so often, which one is taken does depend
//! on it.)

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::record::Fields;
use crate::error::{Failure, FailureKind, Result};

use super::event::Moment;
use super::money;
use super::rulebook::{CheckedRule, RuleBook};
use super::rules::{ConsentWord, Direction, Tier};
use super::subject::{Context, Past, REMEMBERED, Subject, Written};
use super::target::Target;
use super::template::{Given, Template};
use super::tiers::{Change, change_tier, named_tier, old_tier};

/// What an event changes.
#[derive(Clone, Debug, Default)]
pub struct Derived {
    /// What is remembered from now on.
    pub subject: Subject,
    /// Targets whose value is to be written.
    pub writes: Vec<(Target, Written)>,
    /// Targets of the event that a later event decided already.
    pub superseded: Vec<Target>,
    /// Numbers to add to fields.
    pub adds: Vec<(String, f64)>,
    /// What the person says about being mailed.
    pub opted_in: Option<bool>,
    /// Whether the person is deleted.
    pub erase: bool,
    /// Why parts of the rules were not applied.
    pub notes: Vec<String>,
}

/// What one event writes.
#[derive(Default)]
struct Effects {
    writes: BTreeMap<Target, Value>,
    first: BTreeMap<Target, Value>,
}

/// Works out what an event changes.
///
/// # Errors
/// `Invalid` when it names no tier and must, or no number; `NotFound` when the rules know no tier for what it names.
pub fn derive(book: &RuleBook, subject: &Subject, event: &Past, properties: &Fields) -> Result<Derived> {
    check(book, event)?;
    let mut derived = Derived { subject: subject.clone(), ..Derived::default() };
    derived.subject.version += 1;
    pace(book, event, &mut derived);
    let decided = if book.is_about_tiers(event.name.as_str()) {
        if derived.subject.remember(event.clone()) {
            forget_oldest(book, &mut derived.subject);
        } else if !derived.subject.is_remembered(&event.by) {
            derived.notes.push("older than all that is remembered of the user's tiers".to_owned());
            return Ok(derived);
        }
        let mut decided = gone_through(book, &derived.subject);
        decided.extend(unspoken(&derived.subject, &decided));
        decided
    } else {
        let paced = &derived.subject.paced;
        let mut context = context_before(book, subject, &event.by);
        let effects = effects(book, event, &mut context, |index| paced.get(&index) == Some(&event.by.at));
        of_one(effects, &event.by)
    };
    decide(&mut derived, decided, event);
    apart_from_targets(book, event, properties, &mut derived)?;
    derived.subject.newest = derived.subject.newest.take().max(Some(event.by.clone()));
    Ok(derived)
}

/// What can be said to be wrong with an event by itself.
///
/// # Errors
/// As [`derive()`].
pub fn check(book: &RuleBook, event: &Past) -> Result<()> {
    let named = named_tier(book, &event.facts)?;
    if named.is_none() && book.needs_tier(event.name.as_str()) {
        return Err(Failure::new(FailureKind::Invalid, "properties.new_tier: the event must name the new tier"));
    }
    old_tier(book, &event.facts).map(drop)
}

/// Rules that are applied only so often: notes those that apply now, and leaves a note on the others.
fn pace(book: &RuleBook, event: &Past, derived: &mut Derived) {
    for (index, rule) in book.rules_for(event.name.as_str()) {
        let Some(every) = rule.at_most_every else { continue };
        let last = derived.subject.paced.get(&index);
        if last.is_some_and(|last| event.by.at.duration_since(*last) < every) {
            derived.notes.push(format!("applied less than {every:#} ago"));
        } else {
            derived.subject.paced.insert(index, event.by.at);
        }
    }
}

/// What the remembered events lead to, one after the other.
fn gone_through(book: &RuleBook, subject: &Subject) -> Vec<(Target, Written, bool)> {
    let mut context = subject.base.clone();
    let mut newest: BTreeMap<Target, Written> = BTreeMap::new();
    let mut oldest: BTreeMap<Target, Written> = BTreeMap::new();
    for past in &subject.timeline {
        let Effects { writes, first } = effects(book, past, &mut context, |_| true);
        let written = |value| Written::new(past.by.clone(), value);
        newest.extend(writes.into_iter().map(|(target, value)| (target, written(value))));
        for (target, value) in first {
            oldest.entry(target).or_insert_with(|| written(value));
        }
    }
    let newest = newest.into_iter().map(|(target, written)| (target, written, false));
    newest.chain(oldest.into_iter().map(|(target, written)| (target, written, true))).collect()
}

/// Lists that a remembered event put the contact into, and that in the light of a late one none of them speaks of: what
/// seemed to be another plan was the same one.
fn unspoken(subject: &Subject, decided: &[(Target, Written, bool)]) -> Vec<(Target, Written, bool)> {
    let is_spoken_of = |target: &Target| decided.iter().any(|(spoken_of, ..)| spoken_of == target);
    let was_put_in = |(target, written): &(&Target, &Written)| {
        written.value == json!(true) && subject.is_remembered(&written.by) && !is_spoken_of(target)
    };
    let out = |by: &Moment| Written::new(by.clone(), json!(false));
    subject
        .decided
        .iter()
        .filter(was_put_in)
        .map(|(target, written)| (target.clone(), out(&written.by), false))
        .collect()
}

/// Where the user stood before an event.
fn context_before(book: &RuleBook, subject: &Subject, by: &Moment) -> Context {
    let mut context = subject.base.clone();
    for past in subject.timeline.iter().take_while(|past| past.by < *by) {
        effects(book, past, &mut context, |_| true);
    }
    context
}

fn of_one(effects: Effects, by: &Moment) -> Vec<(Target, Written, bool)> {
    let written = |value| Written::new(by.clone(), value);
    let newest = effects.writes.into_iter().map(|(target, value)| (target, written(value), false));
    let oldest = effects.first.into_iter().map(|(target, value)| (target, written(value), true));
    newest.chain(oldest).collect()
}

/// Keeps the timeline short: the oldest event becomes part of what was before.
fn forget_oldest(book: &RuleBook, subject: &mut Subject) {
    while subject.timeline.len() > REMEMBERED {
        let past = subject.timeline.remove(0);
        effects(book, &past, &mut subject.base, |_| true);
        subject.base_until = Some(past.by);
    }
}

/// Holds what should be against what was decided before.
fn decide(derived: &mut Derived, decided: Vec<(Target, Written, bool)>, event: &Past) {
    let by_all_together = derived.subject.is_remembered(&event.by);
    for (target, mut written, is_first) in decided {
        let before = derived.subject.decided.get(&target);
        let is_own = written.by == event.by;
        let stands = match before {
            None => false,
            Some(before) if is_first => before.by <= written.by,
            // What remembered events decided is decided anew by all of them together, and not by one that is none of them.
            Some(before) => before.by > written.by && !(by_all_together && derived.subject.is_remembered(&before.by)),
        };
        if stands {
            if is_own && before.is_some_and(|before| before.by != written.by) {
                derived.superseded.push(target);
            }
            continue;
        }
        let same = before.map_or(is_known_to_hold(&target, &written.value), |before| before.value == written.value);
        // A field is written again: something else than an event may have changed it meanwhile.
        let again = matches!(target, Target::Field(_)) && is_own;
        if same {
            // Who lacked it lacks it still.
            written.open = before.map(|before| before.open.clone()).unwrap_or_default();
        }
        derived.subject.decided.insert(target.clone(), written.clone());
        if !same || again {
            derived.writes.push((target, written));
        }
    }
}

/// Where events have put nobody into a campaign, they need take nobody out. Segments are another matter: what stood there
/// before Tandem has put people into them.
fn is_known_to_hold(target: &Target, value: &Value) -> bool {
    matches!(target, Target::Campaign(_)) && *value == json!(false)
}

/// What belongs to no target: sums, consent, deletion.
fn apart_from_targets(book: &RuleBook, event: &Past, properties: &Fields, derived: &mut Derived) -> Result<()> {
    let currency = properties.get("currency").and_then(Value::as_str);
    let refunded = derived.subject.refunds.news(event, properties);
    let given = Given { at: event.by.at, name: event.name.as_str(), tier: None, old_tier: None, properties };
    for (_, rule) in book.rules_for(event.name.as_str()).filter(|(_, rule)| has_properties(rule, properties)) {
        match rule.consent {
            None => {}
            Some(ConsentWord::OptIn) => derived.opted_in = Some(true),
            Some(ConsentWord::OptOut) => derived.opted_in = Some(false),
        }
        derived.erase |= rule.erase;
        for (field, template, minus) in &rule.add {
            let told = number(template, &given).ok_or_else(|| no_number(template))?;
            // Of what was given back, other documents may have told before.
            let told = refunded.filter(|_| *minus && template.property() == Some("amount")).unwrap_or(told);
            match money::in_one_currency(book, &mut derived.subject, currency, told) {
                Ok(number) if number != 0.0 => {
                    derived.adds.push((field.clone(), if *minus { -number } else { number }))
                }
                Ok(_) => {}
                Err(why) => derived.notes.push(why),
            }
        }
    }
    Ok(())
}

fn number(template: &Template, given: &Given<'_>) -> Option<f64> {
    amount(&template.value(given)?)
}

/// The largest amount that is taken: sums of such are still exact to a millionth, and no sum of them is infinite, which JSON
/// can't say and would blank the field.
const LARGEST_AMOUNT: f64 = 1e9;

/// An amount of money, also one that is given as text; `None` beyond a thousand million either way.
#[must_use]
pub fn amount(value: &Value) -> Option<f64> {
    number_of(value).filter(|number| number.abs() <= LARGEST_AMOUNT)
}

/// A finite number, also one that is given as text.
#[must_use]
pub(super) fn number_of(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number| number.is_finite())
}

fn no_number(template: &Template) -> Failure {
    let name = template.property().unwrap_or("amount");
    Failure::new(FailureKind::Invalid, format!("properties.{name}: the event must give a number"))
}

/// What one event writes, and where the user stands after it. Rules that are paced apply if `is_its_turn`.
fn effects(book: &RuleBook, past: &Past, context: &mut Context, is_its_turn: impl Fn(usize) -> bool) -> Effects {
    let change = change_tier(book, past, context);
    let facts = facts_of(past, &change);
    let given = Given {
        at: past.by.at,
        name: past.name.as_str(),
        tier: change.new.as_deref(),
        old_tier: change.old.as_deref(),
        properties: &facts,
    };
    let rules: Vec<&CheckedRule> = applying(book, past, &change, is_its_turn).map(|(_, rule)| rule).collect();
    let mut effects = Effects::default();
    for rule in &rules {
        effects.writes.extend(rule.out_of.iter().map(|target| (target.clone(), json!(false))));
        effects.writes.extend(values(&rule.set, &given));
        effects.first.extend(values(&rule.first, &given));
    }
    if change.speaks {
        effects.writes.extend(lists_of_tiers(book.tiers(), &change));
    }
    for rule in &rules {
        effects.writes.extend(rule.into.iter().map(|target| (target.clone(), json!(true))));
    }
    effects
}

/// What the rules look at of an event. Where another subscription than the event's counts, its status is the user's.
fn facts_of<'a>(past: &'a Past, change: &Change) -> Cow<'a, Fields> {
    let Some(status) = &change.status else { return Cow::Borrowed(&past.facts) };
    let mut facts = past.facts.clone();
    facts.insert("status".to_owned(), json!(status));
    Cow::Owned(facts)
}

/// The rules whose conditions an event meets, with their places in the file.
fn applying<'a>(
    book: &'a RuleBook,
    past: &'a Past,
    change: &'a Change,
    is_its_turn: impl Fn(usize) -> bool + 'a,
) -> impl Iterator<Item = (usize, &'a CheckedRule)> {
    let goes_there =
        |rule: &CheckedRule| rule.direction.as_ref().is_none_or(|wanted| wanted.contains(&change.direction));
    book.rules_for(&change.name).filter(move |(index, rule)| {
        let is_met = has_properties(rule, &facts_of(past, change)) && goes_there(rule);
        is_met && (rule.at_most_every.is_none() || is_its_turn(*index))
    })
}

/// The places in the file of the rules that decide an event's fields and lists; `after` remembers the event already.
pub(super) fn applied(book: &RuleBook, after: &Subject, event: &Past) -> Vec<usize> {
    let mut context = context_before(book, after, &event.by);
    let change = change_tier(book, event, &mut context);
    let is_about_tiers = book.is_about_tiers(event.name.as_str());
    let is_its_turn = |index: usize| is_about_tiers || after.paced.get(&index) == Some(&event.by.at);
    applying(book, event, &change, is_its_turn).map(|(index, _)| index).collect()
}

fn values<'a>(
    templates: &'a [(Target, Template)],
    given: &'a Given<'_>,
) -> impl Iterator<Item = (Target, Value)> + use<'a> {
    templates.iter().filter_map(|(target, template)| Some((target.clone(), template.value(given)?)))
}

/// Whether the event has the properties that a rule asks for.
fn has_properties(rule: &CheckedRule, properties: &Fields) -> bool {
    rule.properties.iter().all(|(name, wanted)| {
        let value = properties.get(name);
        match wanted {
            Value::Array(several) => value.is_some_and(|value| several.contains(value)),
            wanted => value == Some(wanted),
        }
    })
}

/// Into the tier's segment, out of those of the others; the same for campaigns when the tier changes.
fn lists_of_tiers(tiers: &[Tier], change: &Change) -> Vec<(Target, Value)> {
    let mut lists = Vec::new();
    for tier in tiers {
        let is_new = change.new.as_ref() == Some(&tier.name);
        if change.new.is_some() || tier.paid {
            lists.extend(tier.segment.clone().map(|key| (Target::Segment(key), json!(is_new))));
        }
        if change.direction != Direction::Same || change.new.is_none() {
            lists.extend(tier.campaign.clone().map(|key| (Target::Campaign(key), json!(is_new))));
        }
    }
    lists
}

#[cfg(test)]
mod tests;
