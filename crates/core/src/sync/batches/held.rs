//! A contact of a batch from its lease to its commit.

use jiff::Timestamp;

use crate::domain::consent::ConsentEntry;
use crate::domain::identity::Email;
use crate::domain::issue::FieldIssue;
use crate::domain::link::{Lease, Link, LinkState, RemoteId};
use crate::domain::platform::{DoNotContact, RemoteContact};
use crate::domain::situation::Shown;
use crate::error::Failure;
use crate::mapping::{Response, RuleSet, Situations};
use crate::ports::Commit;
use crate::ports::bulk::Taken;
use crate::sync::decision::{self, Next, Sent};
use crate::sync::left_out::{self, Refusals};
use crate::sync::plan;
use crate::sync::settle;

use super::{Ended, Item};

/// A contact whose lease is ours.
pub(super) struct Held {
    pub(super) item: Item,
    pub(super) link: Link,
    pub(super) lease: Lease,
}

/// A contact that was written.
pub(super) struct Done {
    pub(super) held: Held,
    pub(super) contact: RemoteContact,
    pub(super) created: bool,
    /// The person opted in again on the platform.
    pub(super) opt_in: Option<ConsentEntry>,
    /// What is worth telling of it besides: who had taken away the entry that forbids mail.
    pub(super) told: Vec<FieldIssue>,
    /// Values that the platform did not take, as far as that is news.
    pub(super) left_out: Vec<FieldIssue>,
}

impl Held {
    pub(super) fn remote_id(&self) -> Option<RemoteId> {
        self.item.draft.remote_id().cloned()
    }

    /// The commit that only ends the lease, and leaves this link behind.
    pub(super) fn released(&self, link: Link) -> Commit {
        let link = Link { revision: self.link.revision + 1, updated_at: self.link.updated_at, ..link };
        Commit {
            key: self.item.draft.key.clone(),
            link,
            owner: self.lease.owner.clone(),
            release: Vec::new(),
            point: Vec::new(),
            consent: None,
        }
    }

    /// The commit after a call of which it is not known what it did: what was sent may be sent again, and the snapshot is not
    /// relied on until then.
    pub(super) fn in_doubt(&self) -> Commit {
        let sending = self.link.sending.clone();
        self.released(Link { state: LinkState::Pending, sending, ..self.item.draft.link.clone() })
    }

    /// The commit after a write that made no contact and found none: the next one need not look for it.
    pub(super) fn unmade(&self) -> Commit {
        let unmade = self.item.draft.link.remote_id.is_none();
        self.released(Link { unmade, ..self.item.draft.link.clone() })
    }

    /// The item after its lease was given back: the link went on by two revisions.
    pub(super) fn given_back(mut self) -> Item {
        self.item.draft.link.revision = self.link.revision + 1;
        self.item.draft.link_known = true;
        self.item
    }
}

impl Done {
    /// Whether the contact may be another record's.
    pub(super) fn is_in_doubt(&self) -> bool {
        let draft = &self.held.item.draft;
        decision::is_in_doubt(draft.remote_id(), draft.record.email.as_ref(), &self.contact)
    }

    /// The person opted out, and the platform would mail all the same.
    pub(super) fn may_be_mailed_wrongly(&self) -> bool {
        self.held.item.draft.consent.opted_out() && self.contact.mail_forbidden().is_none()
    }

    /// Whether the platform forbade mail before: then somebody took that away.
    pub(super) fn was_forbidden(&self) -> bool {
        let draft = &self.held.item.draft;
        settle::was_forbidden(draft.link.snapshot.contains_key(plan::MAIL), draft.consent.standing())
    }

    /// Whether it was this contact that mail was forbidden to, as far as is known here.
    pub(super) fn was_forbidden_here(&self) -> bool {
        let draft = &self.held.item.draft;
        draft.link.snapshot.contains_key(plan::MAIL) && draft.remote_id() == Some(&self.contact.id)
    }

    /// An opt-out that the platform knows and Tandem does not.
    pub(super) fn unknown_opt_out(&self) -> Option<&DoNotContact> {
        self.unmatched_entry().filter(|entry| !self.is_by_person() && !entry.is_of_unclear())
    }

    /// Whether the platform forbids mail to somebody who opted in by their own word, or by any word since it was unclear: which
    /// of the two is the later one, the write of the single contact finds out.
    fn is_doubtful(&self) -> bool {
        self.unmatched_entry().is_some_and(|entry| self.is_by_person() || entry.is_of_unclear())
    }

    /// The platform's entry, when it says what the ledger does not know.
    fn unmatched_entry(&self) -> Option<&DoNotContact> {
        let entry = self.contact.mail_forbidden()?;
        settle::is_word_against_mail(&self.held.item.draft.consent, entry).then_some(entry)
    }

    fn is_by_person(&self) -> bool {
        self.held.item.draft.consent.standing().is_some_and(|standing| standing.source.may_undo())
    }

    /// Whether the contact is to be planned once more: something was learnt of consent, or mail could not be forbidden.
    fn leaves_something(&self) -> bool {
        let learnt = self.unknown_opt_out().is_some() || self.is_doubtful() || self.opt_in.is_some();
        learnt || self.held.item.refused.iter().any(|name| name == plan::MAIL)
    }

    pub(super) fn ended(self) -> Ended {
        // A link that is to be given up goes once its person's word has been told.
        let unfinished = self.leaves_something() || self.held.item.draft.follows == Response::Unlink;
        let Self { held, contact, created, mut left_out, told, .. } = self;
        left_out.extend(told);
        Ended::Written { item: Box::new(held.item), contact: contact.id, created, unfinished, left_out }
    }

    /// What the platform did not take of the contact.
    pub(super) fn left_out(&self, rules: &RuleSet, now: Timestamp) -> Refusals {
        left_out::of_write(&self.held.item.draft, &self.held.item.refused, &self.contact, rules, now)
    }

    pub(super) fn commit(&self, left_out: Refusals, now: Timestamp) -> Commit {
        let (draft, refused) = (&self.held.item.draft, &self.held.item.refused);
        let mut link = draft.link.clone();
        let known = self.held.item.pointed == Some(self.contact.id.clone());
        link.follow_merge(self.contact.id.clone());
        link.duplicates.clear();
        plan::note_written(&mut link, draft, refused, left_out, &self.contact);
        link.updated_at = now;
        let mut ledger = draft.consent.clone();
        if let Some(entry) = self.unknown_opt_out() {
            settle::learn(&mut ledger, entry, now);
        }
        if let Some(opt_in) = &self.opt_in {
            ledger.take(opt_in.clone());
            link.snapshot.remove(plan::MAIL);
        }
        if self.unmatched_entry().is_some() {
            plan::note_forbidden(&mut link.snapshot);
        }
        let email = draft.record.email.as_ref().map(Email::identity);
        let consent = email.map(|email| (email, ledger)).filter(|(_, ledger)| *ledger != draft.consent);
        let point = if known { Vec::new() } else { vec![self.contact.id.clone()] };
        Commit { point, consent, ..self.held.released(link) }
    }
}

impl Item {
    /// What follows from a write of the contact that failed.
    pub(super) fn after(&mut self, failure: &Failure, known: bool) -> Next {
        let tries = if known { &mut self.changes } else { &mut self.creates };
        *tries = tries.saturating_add(1);
        let tries = *tries;
        decision::after_failure(failure, &Sent { known, wanted: &self.draft.wanted, refused: &self.refused, tries })
    }

    /// The contact is another record's: nothing of what is known of it is this record's.
    pub(super) fn disown(&mut self, choices: &Situations) {
        let link = &mut self.draft.link;
        link.lose_contact();
        link.state = LinkState::Pending;
        self.draft.withheld.clear();
        self.draft.turn_out(Shown::Unasked, choices);
        self.pointed = None;
    }
}

/// The start of an item's write.
pub(super) fn taken(item: &Item, owner: &str, until: Timestamp, now: Timestamp) -> Taken {
    let mut link = item.draft.link.clone();
    link.revision += 1;
    link.state = LinkState::Pending;
    link.sending = item.draft.sending();
    link.unmade = false;
    link.updated_at = now;
    Taken { key: item.draft.key.clone(), link, lease: Lease { owner: owner.to_owned(), until } }
}
