//! What an event changes in the record of its user, and the steps that are left for the platform. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};
use crate::domain::record::{Change, Fields, Patch, Record, is_blank_text};
use crate::domain::scope::IntegrationId;
use crate::sync::plan::Draft;

use super::derive::{Derived, number_of};
use super::event::EventUser;
use super::rulebook::RuleBook;
use super::stored::{Payload, Step, StepAction, StepStatus, StoredEvent};
use super::subject::{Subject, Written};
use super::target::Target;

/// What of the record the event changes: what it says of the person, then what the rules say, then sums.
pub(super) fn patch(derived: &mut Derived, payload: &Payload, record: Option<&Record>, event: &StoredEvent) -> Patch {
    let mut patch = said_of_the_person(derived, &payload.user, record, event);
    for (target, written) in &derived.writes {
        if let Target::Field(name) = target {
            patch.insert(name.clone(), Change::Set(written.value.clone()));
        }
    }
    let empty = Fields::new();
    let fields = record.map_or(&empty, |record| &record.fields);
    for (name, number) in &derived.adds {
        let before = fields.get(name).and_then(number_of).unwrap_or(0.0);
        patch.insert(name.clone(), Change::Set(sum(before, *number)));
    }
    patch
}

/// A sum without the dust of binary fractions: to a millionth. Of what has no millionths any more it is as it is.
fn sum(before: f64, number: f64) -> Value {
    let sum = before + number;
    let rounded = (sum * 1e6).round() / 1e6;
    json!(if rounded.is_finite() { rounded } else { sum })
}

/// Whether the event gives an address that a later event, or a newer state of the record, has replaced.
pub(super) fn is_late_with_its_address(
    subject: &Subject,
    user: &EventUser,
    record: Option<&Record>,
    event: &StoredEvent,
) -> bool {
    let (Some(given), Some(record)) = (&user.email, record) else { return false };
    let later_event = subject.decided.get(&address()).is_some_and(|written| written.by > event.by);
    let newer_state = record.source_updated_at().is_some_and(|at| at > event.by.at);
    user.external_id.is_some()
        && record.email.as_ref().is_some_and(|held| held != given)
        && (later_event || newer_state)
}

/// What decides which address the person has.
fn address() -> Target {
    Target::Field("email".to_owned())
}

/// What the event says of the person, unless a later event or a newer state of the record says otherwise.
fn said_of_the_person(derived: &mut Derived, user: &EventUser, record: Option<&Record>, event: &StoredEvent) -> Patch {
    // What a payment provider knows of a person fills gaps.
    let fills_gaps = user.customer.is_some();
    let newer_state =
        record.filter(|record| fills_gaps || record.source_updated_at().is_some_and(|at| at > event.by.at));
    // Only who decided it is remembered: the value itself stands in the record.
    let decided = Written::new(event.by.clone(), Value::Null);
    let gives_address = user.email.is_some() && !fills_gaps;
    if gives_address && derived.subject.decided.get(&address()).is_none_or(|written| written.by < event.by) {
        derived.subject.decided.insert(address(), decided.clone());
    }
    let mut patch = Patch::new();
    for (name, change) in &user.fields {
        let target = Target::Field(name.clone());
        let is_late = derived.subject.decided.get(&target).is_some_and(|written| written.by > event.by);
        let is_known =
            newer_state.and_then(|record| record.fields.get(name)).is_some_and(|value| !is_blank_text(value));
        if !is_late && !is_known {
            derived.subject.decided.insert(target, decided.clone());
            patch.insert(name.clone(), change.clone());
        }
    }
    patch
}

pub(super) fn consent(derived: &Derived, payload: &Payload, event: &StoredEvent) -> Option<ConsentEntry> {
    derived.opted_in.map(|opted_in| word(event, opted_in)).or_else(|| payload.user.consent.clone())
}

/// What an event says that the person said about being mailed.
pub(super) fn word(event: &StoredEvent, opted_in: bool) -> ConsentEntry {
    let status = ConsentStatus::of(opted_in);
    let proof = Some(format!("{} {}", event.name.as_str(), event.by.id));
    ConsentEntry { status, source: ConsentSource::Person, at: event.by.at, proof }
}

/// Out of lists before into others, segments before campaigns: a campaign may look at segments.
pub(super) fn steps(derived: &Derived, draft: &Draft) -> Vec<Step> {
    let mut lists: Vec<StepAction> = derived.writes.iter().filter_map(list_step).collect();
    lists.sort_by_key(|action| match action {
        StepAction::List { target: Target::Segment(_), member, .. } => (0, *member),
        StepAction::List { member, .. } => (1, *member),
        StepAction::Consent { .. } | StepAction::Contact | StepAction::Erase => (2, true),
    });
    let consent = derived.opted_in.map(|opted_in| Step {
        action: StepAction::Consent { opted_in },
        status: StepStatus::Done,
        note: None,
    });
    // Of somebody who is left out the contact's step says so, and that there is nobody to be put into lists.
    let contact = !draft.platform_is_settled() || draft.remote_id().is_none();
    let contact = contact.then(|| Step::pending(StepAction::Contact));
    consent.into_iter().chain(contact).chain(lists.into_iter().map(Step::pending)).collect()
}

fn list_step((target, written): &(Target, Written)) -> Option<StepAction> {
    match target {
        Target::Field(_) => None,
        Target::Segment(_) | Target::Campaign(_) => Some(StepAction::List {
            target: target.clone(),
            member: written.value == json!(true),
            by: written.by.clone(),
        }),
    }
}

/// Notes that the event's lists have to be brought to other integrations, too; gives those that have something to do. Numbers of
/// lists are those of the integration that works at the event: what has no name is set there alone.
pub(super) fn spread(
    derived: &mut Derived,
    book: &RuleBook,
    others: &BTreeSet<IntegrationId>,
) -> BTreeSet<IntegrationId> {
    let has_name = |target: &Target| book.list(target).is_some_and(|list| list.name.is_some());
    let mut concerned = BTreeSet::new();
    for (target, _) in derived.writes.iter().filter(|(target, _)| target.is_list() && has_name(target)) {
        if let Some(written) = derived.subject.decided.get_mut(target) {
            written.open.clone_from(others);
            concerned.clone_from(others);
        }
    }
    concerned
}

pub(super) fn note(derived: &Derived) -> Option<String> {
    let late = (!derived.superseded.is_empty()).then(|| {
        let targets: Vec<String> = derived.superseded.iter().map(Target::to_string).collect();
        format!("a later event decided {}", targets.join(", "))
    });
    let notes: Vec<String> = derived.notes.iter().cloned().chain(late).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}
