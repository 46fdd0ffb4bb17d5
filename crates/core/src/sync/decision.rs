//! What follows from whom the platform shows with an address, and from what it answered to a write: one place for contacts
//! that are written alone and for those in a batch. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::identity::{Email, RecordKey};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::RemoteId;
use crate::domain::platform::RemoteContact;
use crate::domain::situation::{self, Known, Match, Shown, Situation};
use crate::error::{Failure, FailureKind};
use crate::mapping::{Response, Situations};
use crate::policy;
use crate::ports::Stored;

/// The platform's name of the address.
pub(crate) const EMAIL: &str = "email";
/// How often the same kind of write is tried for one contact before it is put off.
const TRIES: u8 = 2;

/// Another record whose contact has been found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owner {
    pub(crate) key: RecordKey,
    /// The address that the record has.
    email: Option<Email>,
    /// The address that Tandem wrote to the contact last.
    written: Option<String>,
}

/// Contacts that belong to records, by their ids.
pub(crate) type Owners = BTreeMap<RemoteId, Owner>;

impl Owner {
    /// The owner of a contact, if the record that the contact's pointer leads to has it still.
    pub(crate) fn of(contact: &RemoteId, key: &RecordKey, stored: &Stored) -> Option<Self> {
        let (record, link) = (stored.record.as_ref()?, stored.link.as_ref()?);
        let has_it = link.remote_id.as_ref() == Some(contact);
        let written = link.snapshot.get(EMAIL).and_then(Value::as_str).map(str::to_owned);
        has_it.then(|| Self { key: key.clone(), email: record.email.clone(), written })
    }

    /// Whether the record moves to another address, and its contact has this one only because Tandem has not come to it yet.
    /// An address that somebody gave the contact on the platform is no such thing.
    fn gives_up(&self, email: &Email) -> bool {
        let moves = self.email.as_ref().is_some_and(|own| own != email);
        moves && self.written.as_deref().is_some_and(|written| written.eq_ignore_ascii_case(email.as_str()))
    }
}

/// A record whose address was looked up.
pub(crate) struct Seeker<'a> {
    pub(crate) key: &'a RecordKey,
    pub(crate) email: &'a Email,
    /// What is known of it; its object is the contact that the record has.
    pub(crate) known: Known<'a>,
    /// The platform said that somebody has the address.
    pub(crate) is_taken: bool,
    /// A create was sent for it of which nobody knows how it ended: a contact that matches may be its own.
    pub(crate) maybe_made: bool,
}

/// What follows from a look-up.
#[derive(Debug, PartialEq)]
pub(crate) enum Follow<'a> {
    /// Nobody has the address: make a contact.
    Make,
    /// This is the contact: change it.
    Change(&'a RemoteContact),
    /// Another contact has the address: the record's own contact is written without it.
    WithoutAddress,
    /// Another record's contact has the address until that is written: wait.
    Wait,
    /// Several contacts have the address, and the platform takes no change of any of them; the oldest first.
    Several(Vec<&'a RemoteContact>),
    /// The platform said that the address is taken, and shows nobody else who has it: it may have come free, so try once more.
    Again,
    /// Nothing may be written: the situation says why.
    Stop,
}

/// In which situation the record is, by whom the platform shows with its address, and what follows from that.
pub(crate) fn after_look_up<'a>(
    seeker: &Seeker<'_>,
    found: &'a [RemoteContact],
    owners: &Owners,
    choices: &Situations,
) -> (Situation, Follow<'a>) {
    let mut bearers: Vec<&RemoteContact> = found.iter().filter(|one| has_address(one, seeker.email)).collect();
    bearers.sort_by_key(|one| age(&one.id));
    let owner = |one: &RemoteContact| owners.get(&one.id).filter(|owner| owner.key != *seeker.key);
    let matches: Vec<Match<'_>> =
        bearers.iter().map(|one| Match { id: &one.id, anothers: owner(one).is_some() }).collect();
    let situation = situation::of(&seeker.known, Shown::Matches(&matches));
    let gives_up = match bearers.as_slice() {
        [one] => owner(one).is_some_and(|owner| owner.gives_up(seeker.email)),
        _ => false,
    };
    let response = choices.response(situation, seeker.known.object.is_some());
    let follow = match situation {
        Situation::Absent | Situation::Missing if response != Response::Create => Follow::Stop,
        Situation::Absent | Situation::Missing if seeker.is_taken => Follow::Again,
        Situation::Absent | Situation::Missing => Follow::Make,
        Situation::Found if response == Response::Link || seeker.maybe_made => change_first(&bearers),
        Situation::Taken if gives_up => Follow::Wait,
        Situation::Found | Situation::Taken => Follow::Stop,
        Situation::Ambiguous if response == Response::Link => change_oldest(seeker, bearers, &owner),
        Situation::Ambiguous => Follow::Several(bearers),
        Situation::Linked | Situation::Merged | Situation::Gone | Situation::NotMapped | Situation::Erased => {
            match seeker.known.object {
                None => Follow::Stop,
                Some(_) if gives_up => Follow::Wait,
                Some(own) => beside_own(seeker, own, &bearers),
            }
        }
    };
    (situation, follow)
}

/// What a record does that has a contact: of the address alone a look-up tells more.
fn beside_own<'a>(seeker: &Seeker<'_>, own: &RemoteId, bearers: &[&'a RemoteContact]) -> Follow<'a> {
    match bearers {
        [] => Follow::Again,
        [one] if one.id == *own && seeker.is_taken => Follow::Again,
        [one] if one.id == *own => Follow::Change(one),
        _ => Follow::WithoutAddress,
    }
}

fn change_first<'a>(bearers: &[&'a RemoteContact]) -> Follow<'a> {
    bearers.first().map_or(Follow::Make, |one| Follow::Change(one))
}

/// The record's own among several, or the oldest that no other record has.
fn change_oldest<'a, O>(
    seeker: &Seeker<'_>,
    bearers: Vec<&'a RemoteContact>,
    owner: &impl Fn(&RemoteContact) -> Option<O>,
) -> Follow<'a> {
    let own = bearers.iter().find(|one| Some(&one.id) == seeker.known.object);
    match own.or_else(|| bearers.iter().find(|one| owner(one).is_none())) {
        Some(one) => Follow::Change(one),
        None => Follow::Several(bearers),
    }
}

/// What was sent of a contact, and how often.
pub(crate) struct Sent<'a> {
    /// Whether the contact was there and was to be changed.
    pub(crate) known: bool,
    /// What is wanted, by the platform's names.
    pub(crate) wanted: &'a BTreeMap<String, Value>,
    /// Names that were left out.
    pub(crate) refused: &'a [String],
    /// How often it was sent, this time included.
    pub(crate) tries: u8,
}

/// What follows from a write that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Somebody has the address: see who.
    LookUp,
    /// Send it again, without these fields.
    LeaveOut(Vec<String>),
    /// The contact is gone: merged or deleted.
    FindAgain,
    /// Nothing that could be done now.
    GiveUp,
}

/// What follows from the platform's refusal of a write. It is taken for what its details say: any field may have to be unique,
/// and only of the address a look-up tells more.
pub(crate) fn after_failure(failure: &Failure, sent: &Sent<'_>) -> Next {
    let names_email = failure.fields.iter().any(|issue| issue.field == EMAIL);
    match failure.kind {
        FailureKind::NotFound if sent.known => Next::FindAgain,
        FailureKind::Taken | FailureKind::Refused if sent.tries >= TRIES => Next::GiveUp,
        FailureKind::Taken if names_email || failure.fields.is_empty() => Next::LookUp,
        FailureKind::Taken | FailureKind::Refused => leave_out(failure, sent),
        FailureKind::Invalid
        | FailureKind::NotFound
        | FailureKind::Conflict
        | FailureKind::Credentials
        | FailureKind::RateLimited
        | FailureKind::Unavailable
        | FailureKind::Timeout
        | FailureKind::Garbled
        | FailureKind::Storage
        | FailureKind::Misconfigured => Next::GiveUp,
    }
}

/// A new contact can't do without its address, and what was left out before is not to blame.
fn leave_out(failure: &Failure, sent: &Sent<'_>) -> Next {
    let named = failure.fields.iter().map(|issue| issue.field.clone());
    let news: Vec<String> =
        named.filter(|name| sent.wanted.contains_key(name) && !sent.refused.contains(name)).collect();
    let fatal = news.is_empty() || (!sent.known && news.iter().any(|name| name == EMAIL));
    if fatal { Next::GiveUp } else { Next::LeaveOut(news) }
}

/// Whether a contact that was changed may be another person's: the platform answered with another id than the one asked for
/// (it merged the two), or the contact has another address than its record.
pub(crate) fn is_in_doubt(asked: Option<&RemoteId>, email: Option<&Email>, answered: &RemoteContact) -> bool {
    let other_id = asked.is_some_and(|asked| answered.id != *asked);
    other_id || email.is_some_and(|email| !has_address(answered, email))
}

/// Where a contact stands among several: its number, the lowest first.
pub(crate) fn age(id: &RemoteId) -> (usize, &str) {
    (id.0.len(), id.0.as_str())
}

/// Several contacts have the address, and none can be written.
pub(crate) fn several(ids: &[RemoteId]) -> Failure {
    let names: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
    let message = format!(
        "The platform has {} contacts with this address ({}) and takes no change of any of them: merge them there.",
        ids.len(),
        names.join(", ")
    );
    let issue = FieldIssue::new("contact.email", IssueCode::SharedIdentity, message.clone());
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue]).because(Situation::Ambiguous)
}

/// The situation keeps the record from being written.
pub(crate) fn stopped(situation: Situation) -> Failure {
    let (kind, code, message) = match situation {
        Situation::Taken => (
            FailureKind::Taken,
            IssueCode::Taken,
            "The platform's contact with this address belongs to another record, whose address is another: correct the \
             contact's address there.",
        ),
        Situation::Found => (
            FailureKind::Taken,
            IssueCode::Taken,
            "The platform has a contact with this address, and the mapping set leaves it to a person whether it is the \
             record's.",
        ),
        Situation::Missing => (
            FailureKind::Refused,
            IssueCode::RefusedByPlatform,
            "The contact was deleted on the platform, and the mapping set does not have it made anew.",
        ),
        Situation::Linked
        | Situation::Absent
        | Situation::Ambiguous
        | Situation::Merged
        | Situation::Gone
        | Situation::NotMapped
        | Situation::Erased => {
            (FailureKind::Refused, IssueCode::RefusedByPlatform, "The record is left out: no contact is made of it.")
        }
    };
    let issue = FieldIssue::new("contact.email", code, message);
    Failure::new(kind, message).with_fields(vec![issue]).because(situation)
}

/// Whether a write that failed so waits for a person, once however often it is found out.
pub(crate) fn needs_person(failure: &Failure) -> bool {
    failure.kind == FailureKind::Taken || failure.situation.is_some()
}

/// What a person can do about it.
pub(crate) const fn advice(failure: &Failure) -> &'static str {
    match failure.situation {
        Some(Situation::Found) => {
            "See whether the contact is this person: then change `situations.found` of the mapping set to `link`, or give one of \
             the two another address, and replay."
        }
        Some(Situation::Missing) => {
            "See why the contact was deleted: make it again with the same address, or change `situations.missing` of the \
             mapping set, and replay."
        }
        Some(_) | None => policy::advice(failure.kind),
    }
}

/// The refusal, or what it means when the platform says twice that the address is taken and shows nobody who has it.
pub(crate) fn unclear(refusal: Failure) -> Failure {
    if refusal.kind != FailureKind::Taken || !refusal.fields.iter().any(|issue| issue.field == EMAIL) {
        return refusal;
    }
    let message = "The platform says that another contact has this address, and shows none: see that Tandem's role may view \
                   the contacts of all owners.";
    let issue = FieldIssue::new("contact.email", IssueCode::Taken, message);
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue])
}

/// The address is on a contact that gives it up.
pub(crate) fn waits() -> Failure {
    Failure::new(FailureKind::Conflict, "the address is still on the contact of a record that gives it up")
}

pub(crate) fn has_address(contact: &RemoteContact, email: &Email) -> bool {
    contact.email.as_deref().is_some_and(|address| address.eq_ignore_ascii_case(email.as_str()))
}

#[cfg(test)]
mod tests;
