//! What becomes of a contact that the platform made by itself: a record, a link that knows what both sides agree on, and what
//! the contact shows of consent. Pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::consent::{self, ConsentEntry, ConsentLedger, ConsentOutcome, ConsentSource, ConsentStatus};
use crate::domain::identity::{Email, RecordKey};
use crate::domain::link::{Link, LinkState};
use crate::domain::platform::{DoNotContactReason, RemoteContact};
use crate::domain::record::{Fields, Record};
use crate::domain::scope::IntegrationId;
use crate::mapping::{RuleSet, Strategy, is_same};
use crate::ports::bulk::ChangedContact;
use crate::sync::conflict::{self, Shown};
use crate::sync::decision::EMAIL;
use crate::sync::plan::{self, Rulebook};
use crate::sync::settle;

/// A record of somebody whom only the platform knew.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) key: RecordKey,
    pub(super) record: Record,
    pub(super) link: Link,
    /// The ledger of the address with what the contact shows.
    pub(super) ledger: ConsentLedger,
    /// Whether that is more than was known.
    pub(super) has_said: bool,
}

/// Whether a contact shows an opt-in.
pub(super) fn said_yes(contact: &RemoteContact, rules: &RuleSet) -> bool {
    let field = rules.consent().and_then(|rule| rule.remote.as_ref());
    let shown = field.and_then(|field| contact.fields.get(field));
    shown.and_then(consent::said) == Some(true)
}

impl Made {
    /// Of a contact at this address; `ledger` is what is known of being mailed there. Values come by the rules that bring values
    /// back, and the integration said all of them.
    pub(super) fn of(
        changed: &ChangedContact,
        email: &Email,
        ledger: ConsentLedger,
        book: &Rulebook<'_>,
        by: &IntegrationId,
        now: Timestamp,
    ) -> Self {
        let contact = &changed.contact;
        let key = RecordKey::first_known_by(&email.identity());
        let (nothing, unlinked) = (blank(email, now), unwritten(contact, now));
        let shown = Shown::whole(contact, changed.at, &changed.times).by(by);
        let merged = conflict::merge(&nothing, &unlinked, &shown, book, Strategy::default(), now);
        let record = Record { version: 1, ..merged.record.unwrap_or(nothing) };
        let mut link = Link { revision: 1, ..merged.link.unwrap_or(unlinked) };
        let (ledger, has_said) = heard(changed, ledger, book.rules, now);
        agree(&mut link, &record, &ledger, contact, book);
        Self { key, record, link, ledger, has_said }
    }

    /// The values that came, by the application's names.
    pub(super) fn fields(&self) -> Fields {
        let there = self.record.fields.iter().filter(|(_, value)| !value.is_null());
        there.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

fn blank(email: &Email, now: Timestamp) -> Record {
    Record {
        external_id: None,
        email: Some(email.clone()),
        awaited: None,
        corrected: None,
        fields: Fields::new(),
        updated_at: now,
        version: 0,
        gone_since: None,
        overlaid: Fields::new(),
        older: Default::default(),
        dated: Default::default(),
        said: Default::default(),
    }
}

/// The contact, to which nothing was ever sent.
fn unwritten(contact: &RemoteContact, now: Timestamp) -> Link {
    Link { remote_id: Some(contact.id.clone()), state: LinkState::Synced, ..Link::new(now) }
}

/// What the contact shows of being mailed: an entry that forbids it is the person's no, unless it is a bounce; an opt-in field is
/// a yes that undoes none.
fn heard(
    changed: &ChangedContact,
    mut ledger: ConsentLedger,
    rules: &RuleSet,
    now: Timestamp,
) -> (ConsentLedger, bool) {
    let contact = &changed.contact;
    let said = match contact.mail_forbidden() {
        Some(entry) if entry.reason == DoNotContactReason::Bounced || settle::is_known(entry, &ledger) => None,
        Some(entry) => Some(settle::statement(entry, now)),
        None if said_yes(contact, rules) => {
            let proof = Some("platform: the opt-in field".to_owned());
            let (status, source, at) = (ConsentStatus::OptedIn, ConsentSource::Platform, changed.at.min(now));
            Some(ConsentEntry { status, source, at, proof })
        }
        None => None,
    };
    let changed = said.is_some_and(|said| ledger.take(said) == ConsentOutcome::Changed);
    (ledger, changed)
}

/// What Tandem would send and the platform shows already is no news to it; an address is one in any letter case.
fn agree(link: &mut Link, record: &Record, ledger: &ConsentLedger, contact: &RemoteContact, book: &Rulebook<'_>) {
    let (wanted, ..) = plan::wanted(record, ledger, book);
    let is_shown = |name: &String, value: &Value| is_same(value, contact.fields.get(name)) || name == EMAIL;
    let shown = wanted.into_iter().filter(|(name, value)| is_shown(name, value));
    link.snapshot.extend(shown.filter(|(name, _)| !name.starts_with('@')));
    if contact.mail_forbidden().is_some() {
        plan::note_forbidden(&mut link.snapshot);
    }
}
