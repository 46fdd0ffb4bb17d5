//! What an event would do, for people who write rules. Pure: no call, no write.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::consent::ConsentStatus;
use crate::domain::record::Change;
use crate::error::{Failure, Result};

use super::derive::{Derived, applied, derive};
use super::event::LifecycleEvent;
use super::rulebook::{CheckedRule, RuleBook};
use super::subject::{Past, Subject, Written};
use super::target::Target;

/// What an event would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Its effects, in the order in which they would be brought about.
    pub effects: Vec<Effect>,
    /// Why parts of the rules would not be applied.
    pub notes: Vec<String>,
}

/// One effect and who asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// What would be done.
    #[serde(flatten)]
    pub what: What,
    /// Who says so.
    pub says: Vec<Source>,
    /// The id of another event whose effect it is, which this one puts into another light.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_event: Option<String>,
}

/// What would be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum What {
    /// The person is deleted everywhere.
    Erase,
    /// Noted what the person says about being mailed.
    Consent {
        /// Yes or no.
        opted_in: bool,
    },
    /// A field gets a value; `null` takes it away.
    Set {
        /// Its local name.
        field: String,
        /// The value.
        value: Value,
    },
    /// A number is added to a field.
    Add {
        /// Its local name.
        field: String,
        /// How much; negative when it is subtracted.
        number: f64,
    },
    /// The contact is put into a list, or taken out of it.
    List {
        /// Which, by its key in the rules.
        target: Target,
        /// In or out.
        member: bool,
    },
    /// Nothing: a later event decided this already.
    Superseded {
        /// What was decided.
        target: Target,
    },
}

/// Who asks for an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A rule, by its place in the file, from 1.
    Rule(usize),
    /// The tiers: one goes into the list of one's own tier and out of the others'.
    Tier(String),
    /// The event itself, in what it says of the user.
    User,
}

/// Says what an event would do to its user. Those of `history` came before it, in any order, and are all of the same user.
///
/// # Errors
/// As [`derive()`] for one of them, with its id.
pub fn explain(book: &RuleBook, history: &[LifecycleEvent], event: &LifecycleEvent) -> Result<Explanation> {
    let (subject, gone) = history.iter().try_fold((Subject::default(), None), |known, one| after(book, known, one))?;
    if gone.is_some_and(|gone| event.by.at <= gone) {
        return Ok(Explanation { effects: Vec::new(), notes: vec!["older than the user's deletion".to_owned()] });
    }
    if erases(book, event) {
        return Ok(deletion(book, &subject, event));
    }
    let past = past(book, event);
    let derived = derive(book, &subject, &past, &event.properties).map_err(|failure| of(event, failure))?;
    let mut effects = effects(book, &derived, &past, event);
    effects.sort_by_key(|effect| place(&effect.what));
    Ok(Explanation { effects, notes: derived.notes })
}

/// What is remembered of a user, and when the user was deleted last.
type Known = (Subject, Option<Timestamp>);

fn after(book: &RuleBook, (subject, gone): Known, event: &LifecycleEvent) -> Result<Known> {
    if gone.is_some_and(|gone| event.by.at <= gone) {
        return Ok((subject, gone));
    }
    if erases(book, event) {
        let is_outlived = subject.newest.as_ref().is_some_and(|newest| *newest > event.by);
        return Ok(if is_outlived { (subject, gone) } else { (Subject::default(), Some(event.by.at)) });
    }
    let derived =
        derive(book, &subject, &past(book, event), &event.properties).map_err(|failure| of(event, failure))?;
    let mut subject = derived.subject;
    // Only who decided it is of interest, as when events are applied.
    let said = Written::new(event.by.clone(), Value::Null);
    for target in event.user.fields.keys().cloned().map(Target::Field) {
        if !is_late(&subject, &target, event) {
            subject.decided.insert(target, said.clone());
        }
    }
    Ok((subject, gone))
}

/// Whether a later event decided what holds of the target.
fn is_late(subject: &Subject, target: &Target, event: &LifecycleEvent) -> bool {
    subject.decided.get(target).is_some_and(|written| written.by > event.by)
}

fn past(book: &RuleBook, event: &LifecycleEvent) -> Past {
    Past { by: event.by.clone(), name: event.name.clone(), facts: book.facts(&event.properties) }
}

fn of(event: &LifecycleEvent, mut failure: Failure) -> Failure {
    failure.message = format!("event {}: {}", event.by.id, failure.message);
    failure
}

fn erases(book: &RuleBook, event: &LifecycleEvent) -> bool {
    book.rules_for(event.name.as_str()).any(|(_, rule)| rule.erase)
}

fn deletion(book: &RuleBook, subject: &Subject, event: &LifecycleEvent) -> Explanation {
    if subject.newest.as_ref().is_some_and(|newest| *newest > event.by) {
        return Explanation { effects: Vec::new(), notes: vec!["later events of the user are known".to_owned()] };
    }
    let effect = Effect { what: What::Erase, says: sources(book, event, |rule| rule.erase), of_event: None };
    Explanation { effects: vec![effect], notes: Vec::new() }
}

fn effects(book: &RuleBook, derived: &Derived, past: &Past, event: &LifecycleEvent) -> Vec<Effect> {
    let effect = |what, says| Effect { what, says, of_event: None };
    let rules = applied(book, &derived.subject, past);
    let mut effects = said_of_the_user(derived, event);
    for (target, written) in &derived.writes {
        let what = match target {
            Target::Field(name) => What::Set { field: name.clone(), value: written.value.clone() },
            Target::Segment(_) | Target::Campaign(_) => {
                What::List { target: target.clone(), member: written.value == Value::Bool(true) }
            }
        };
        let is_own = written.by == event.by;
        let says = if is_own { says(book, &rules, target, &what) } else { Vec::new() };
        effects.push(Effect { what, says, of_event: (!is_own).then(|| written.by.id.clone()) });
    }
    effects.extend(
        derived
            .opted_in
            .map(|opted_in| effect(What::Consent { opted_in }, sources(book, event, |rule| rule.consent.is_some()))),
    );
    effects.extend(derived.adds.iter().map(|(field, number)| {
        let says = sources(book, event, |rule| rule.add.iter().any(|(name, ..)| name == field));
        effect(What::Add { field: field.clone(), number: *number }, says)
    }));
    let superseded = derived.superseded.iter().cloned();
    effects.extend(superseded.map(|target| effect(What::Superseded { target }, Vec::new())));
    effects
}

/// What the event says of the person; what the rules write goes before it.
fn said_of_the_user(derived: &Derived, event: &LifecycleEvent) -> Vec<Effect> {
    let effect = |what| Effect { what, says: vec![Source::User], of_event: None };
    let by_rules = |name: &String| derived.writes.iter().any(|(target, _)| *target == Target::Field(name.clone()));
    let fields = event.user.fields.iter().filter(|(name, _)| !by_rules(name));
    let set = fields.map(|(name, change)| match (Target::Field(name.clone()), change) {
        (target, _) if is_late(&derived.subject, &target, event) => effect(What::Superseded { target }),
        (_, Change::Clear) => effect(What::Set { field: name.clone(), value: Value::Null }),
        (_, Change::Set(value)) => effect(What::Set { field: name.clone(), value: value.clone() }),
    });
    let consent = event.user.consent.as_ref().filter(|_| derived.opted_in.is_none());
    let consent = consent.and_then(|entry| match entry.status {
        ConsentStatus::OptedIn => Some(effect(What::Consent { opted_in: true })),
        ConsentStatus::OptedOut => Some(effect(What::Consent { opted_in: false })),
        // The issue of the field says it.
        ConsentStatus::Unclear => None,
    });
    set.chain(consent).collect()
}

/// The applied rules that write this to the target, and the tier whose list it is. What goes into a list is decided by
/// rules, tiers, and rules that take out, in this order.
fn says(book: &RuleBook, rules: &[usize], target: &Target, what: &What) -> Vec<Source> {
    let writes = |rule: &CheckedRule| match what {
        What::List { member: true, .. } => rule.into.contains(target),
        What::List { member: false, .. } => rule.out_of.contains(target),
        _ => rule.set.iter().chain(&rule.first).any(|(own, _)| own == target),
    };
    let applied = rules.iter().filter(|index| book.rules().get(**index).is_some_and(writes));
    let said: Vec<Source> = applied.map(|index| Source::Rule(index + 1)).collect();
    if !said.is_empty() { said } else { tier_of(book, target).into_iter().collect() }
}

fn tier_of(book: &RuleBook, target: &Target) -> Option<Source> {
    let tier = book.tiers().iter().find(|tier| match target {
        Target::Segment(key) => tier.segment.as_ref() == Some(key),
        Target::Campaign(key) => tier.campaign.as_ref() == Some(key),
        Target::Field(_) => false,
    });
    tier.map(|tier| Source::Tier(tier.name.clone()))
}

fn sources(book: &RuleBook, event: &LifecycleEvent, says: impl Fn(&CheckedRule) -> bool) -> Vec<Source> {
    let rules = book.rules_for(event.name.as_str()).filter(|(_, rule)| says(rule));
    rules.map(|(index, _)| Source::Rule(index + 1)).collect()
}

/// Consent, fields, segments, campaigns; out of lists before into others. That is the order of an event's steps.
fn place(what: &What) -> (u8, bool) {
    match what {
        What::Erase | What::Consent { .. } => (0, false),
        What::Set { .. } => (1, false),
        What::Add { .. } => (1, true),
        What::List { target: Target::Campaign(_), member } => (3, *member),
        What::List { member, .. } => (2, *member),
        What::Superseded { .. } => (4, false),
    }
}

#[cfg(test)]
mod tests;
