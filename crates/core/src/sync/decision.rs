//! What follows from whom the platform shows with an address, and from what it answered to a write: one place for contacts
//! that are written alone and for those in a batch. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::identity::{Email, RecordKey};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::RemoteId;
use crate::domain::platform::RemoteContact;
use crate::error::{Failure, FailureKind};
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
    /// The contact that the record has.
    pub(crate) contact: Option<&'a RemoteId>,
    /// The platform said that somebody has the address.
    pub(crate) is_taken: bool,
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
    /// Another record's contact has the address, given to it on the platform: nothing may be written on it.
    Another,
    /// Several contacts have the address, and the platform takes no change of any of them; the oldest first.
    Several(Vec<&'a RemoteContact>),
    /// The platform said that the address is taken, and shows nobody else who has it: it may have come free, so try once more.
    Again,
}

/// What follows from whom the platform shows with a record's address.
pub(crate) fn after_look_up<'a>(seeker: &Seeker<'_>, found: &'a [RemoteContact], owners: &Owners) -> Follow<'a> {
    let mut bearers: Vec<&RemoteContact> = found.iter().filter(|one| has_address(one, seeker.email)).collect();
    bearers.sort_by_key(|one| age(&one.id));
    match (bearers.as_slice(), seeker.contact) {
        ([], None) if !seeker.is_taken => Follow::Make,
        ([], _) => Follow::Again,
        ([one], Some(own)) if one.id == *own && seeker.is_taken => Follow::Again,
        ([one], Some(own)) if one.id == *own => Follow::Change(one),
        ([one], contact) => {
            let owner = owners.get(&one.id).filter(|owner| owner.key != *seeker.key);
            match (owner, contact) {
                (Some(owner), _) if owner.gives_up(seeker.email) => Follow::Wait,
                (_, Some(_)) => Follow::WithoutAddress,
                (Some(_), None) => Follow::Another,
                (None, None) => Follow::Change(one),
            }
        }
        (several, Some(own)) if several.iter().all(|one| one.id != *own) => Follow::WithoutAddress,
        (_, _) => Follow::Several(bearers),
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
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue])
}

/// The contact with the address is another record's.
pub(crate) fn anothers() -> Failure {
    let message = "The platform's contact with this address belongs to another record, whose address is another: correct the \
                   contact's address there.";
    let issue = FieldIssue::new("contact.email", IssueCode::Taken, message);
    Failure::new(FailureKind::Taken, message).with_fields(vec![issue])
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
mod tests {
    use serde_json::json;

    use super::*;

    fn email(text: &str) -> Email {
        text.parse().unwrap()
    }

    fn id(number: &str) -> RemoteId {
        RemoteId(number.to_owned())
    }

    fn contact(number: &str, address: &str) -> RemoteContact {
        RemoteContact {
            id: id(number),
            email: Some(address.to_owned()),
            fields: BTreeMap::new(),
            tags: Vec::new(),
            do_not_contact: Vec::new(),
            points: 0,
            stage: None,
        }
    }

    fn key(name: &str) -> RecordKey {
        RecordKey::from_stored(name.to_owned())
    }

    fn owned(contact: &str, by: &str, email_of_record: &str, written: &str) -> Owners {
        let owner = Owner { key: key(by), email: Some(email(email_of_record)), written: Some(written.to_owned()) };
        [(id(contact), owner)].into()
    }

    fn follow<'a>(own: Option<&str>, is_taken: bool, found: &'a [RemoteContact], owners: &Owners) -> Follow<'a> {
        let (me, address, own) = (key("me"), email("a@example.com"), own.map(id));
        let seeker = Seeker { key: &me, email: &address, contact: own.as_ref(), is_taken };
        after_look_up(&seeker, found, owners)
    }

    #[test]
    fn an_address_that_nobody_has_leads_to_a_new_contact_and_to_another_attempt_when_it_was_taken() {
        let others = [contact("3", "b@example.com")];
        assert_eq!(follow(None, false, &others, &Owners::new()), Follow::Make);
        assert_eq!(follow(None, true, &others, &Owners::new()), Follow::Again);
        assert_eq!(follow(Some("3"), true, &others, &Owners::new()), Follow::Again);
    }

    #[test]
    fn one_contact_with_the_address_is_taken_over_in_any_letter_case() {
        let found = [contact("3", "A@Example.com")];
        assert_eq!(follow(None, true, &found, &Owners::new()), Follow::Change(&found[0]));
        assert_eq!(follow(Some("7"), true, &found, &Owners::new()), Follow::WithoutAddress);
    }

    #[test]
    fn another_records_contact_is_never_written_on() {
        let found = [contact("3", "a@example.com")];
        let given_by_hand = owned("3", "other", "b@example.com", "b@example.com");
        assert_eq!(follow(None, true, &found, &given_by_hand), Follow::Another);
        assert_eq!(follow(Some("7"), true, &found, &given_by_hand), Follow::WithoutAddress);
        let mine = owned("3", "me", "a@example.com", "a@example.com");
        assert_eq!(follow(None, true, &found, &mine), Follow::Change(&found[0]));
    }

    #[test]
    fn an_address_that_its_owner_gives_up_is_waited_for() {
        let found = [contact("3", "a@example.com")];
        let moves = owned("3", "other", "b@example.com", "a@example.com");
        assert_eq!(follow(None, true, &found, &moves), Follow::Wait);
        assert_eq!(follow(Some("7"), true, &found, &moves), Follow::Wait);
    }

    #[test]
    fn of_several_contacts_none_is_chosen_and_the_oldest_comes_first() {
        let found = [contact("10", "a@example.com"), contact("9", "a@example.com")];
        assert_eq!(follow(None, true, &found, &Owners::new()), Follow::Several(vec![&found[1], &found[0]]));
        assert_eq!(follow(Some("10"), true, &found, &Owners::new()), Follow::Several(vec![&found[1], &found[0]]));
        assert_eq!(follow(Some("4"), true, &found, &Owners::new()), Follow::WithoutAddress);
    }

    fn refusal(kind: FailureKind, fields: &[&str]) -> Failure {
        let issues = fields.iter().map(|field| FieldIssue::new(*field, IssueCode::Taken, ""));
        Failure::new(kind, "").with_fields(issues.collect())
    }

    fn next(failure: &Failure, known: bool, refused: &[String], tries: u8) -> Next {
        let wanted = [("email", json!("a@example.com")), ("supabase_id", json!("1")), ("city", json!("Rome"))];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value)).into();
        after_failure(failure, &Sent { known, wanted: &wanted, refused, tries })
    }

    #[test]
    fn a_value_that_is_taken_is_looked_up_only_when_it_is_the_address() {
        let email_taken = refusal(FailureKind::Taken, &["email"]);
        let id_taken = refusal(FailureKind::Taken, &["supabase_id"]);
        assert_eq!(next(&email_taken, false, &[], 1), Next::LookUp);
        assert_eq!(next(&id_taken, false, &[], 1), Next::LeaveOut(vec!["supabase_id".to_owned()]));
        assert_eq!(next(&id_taken, false, &["supabase_id".to_owned()], 1), Next::GiveUp);
    }

    #[test]
    fn nothing_is_tried_a_third_time() {
        for failure in [
            refusal(FailureKind::Taken, &["email"]),
            refusal(FailureKind::Taken, &["supabase_id"]),
            refusal(FailureKind::Refused, &["city"]),
        ] {
            for known in [true, false] {
                assert_eq!(next(&failure, known, &[], 2), Next::GiveUp, "{failure:?}");
            }
        }
    }

    #[test]
    fn a_new_contact_whose_address_is_refused_is_given_up_and_a_known_one_keeps_its_own() {
        let refused = refusal(FailureKind::Refused, &["email", "city"]);
        assert_eq!(next(&refused, false, &[], 1), Next::GiveUp);
        assert_eq!(next(&refused, true, &[], 1), Next::LeaveOut(vec!["email".to_owned(), "city".to_owned()]));
    }

    #[test]
    fn a_known_contact_that_is_gone_is_searched_for() {
        let gone = Failure::new(FailureKind::NotFound, "");
        assert_eq!(next(&gone, true, &[], 2), Next::FindAgain);
        assert_eq!(next(&gone, false, &[], 1), Next::GiveUp);
    }

    #[test]
    fn an_answer_of_another_id_or_another_address_is_in_doubt() {
        let (address, asked) = (email("a@example.com"), id("3"));
        let doubtful = |answered: &RemoteContact| is_in_doubt(Some(&asked), Some(&address), answered);
        assert!(!doubtful(&contact("3", "A@example.com")));
        assert!(doubtful(&contact("4", "a@example.com")));
        assert!(doubtful(&contact("3", "b@example.com")));
    }
}
