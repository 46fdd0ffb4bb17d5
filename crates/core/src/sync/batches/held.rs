//! A contact of a batch from its lease to its commit.

use jiff::Timestamp;

use crate::domain::issue::FieldIssue;
use crate::domain::link::{Lease, Link, LinkState, RemoteId};
use crate::domain::platform::{DoNotContact, DoNotContactReason, RemoteContact};
use crate::error::Failure;
use crate::mapping::RuleSet;
use crate::policy;
use crate::ports::Commit;
use crate::ports::bulk::Taken;
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
    /// The person opted out, and the platform would mail all the same.
    pub(super) fn may_be_mailed_wrongly(&self) -> bool {
        self.held.item.draft.consent.opted_out() && self.contact.mail_forbidden().is_none()
    }

    /// An opt-out that the platform knows and Tandem does not. A bounce is no word of the person.
    pub(super) fn unknown_opt_out(&self) -> Option<&DoNotContact> {
        let entry = self.contact.mail_forbidden()?;
        (entry.reason != DoNotContactReason::Bounced && !self.held.item.draft.consent.opted_out()).then_some(entry)
    }

    /// Whether the contact is to be planned once more: an opt-out was learnt, or mail could not be forbidden.
    fn leaves_something(&self) -> bool {
        self.unknown_opt_out().is_some() || self.held.item.refused.iter().any(|name| name == plan::MAIL)
    }

    pub(super) fn ended(self) -> Ended {
        let unfinished = self.leaves_something();
        let Self { held, contact, created, left_out } = self;
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
        plan::note_written(&mut link, draft, refused, left_out, &self.contact);
        link.updated_at = now;
        let mut consent = None;
        if let Some(entry) = self.unknown_opt_out() {
            let mut ledger = draft.consent.clone();
            settle::learn(&mut ledger, entry, now);
            consent = draft.record.email.as_ref().map(|email| (email.identity(), ledger));
            plan::note_forbidden(&mut link.snapshot);
        }
        let point = if known { Vec::new() } else { vec![self.contact.id.clone()] };
        Commit { point, consent, ..self.held.released(link) }
    }
}

impl Item {
    /// Leaves out the fields that the platform refused; false when that was no use, or the address itself is refused.
    pub(super) fn leaves_out(&mut self, failure: &Failure) -> bool {
        let named = failure.fields.iter().map(|issue| issue.field.clone());
        let news: Vec<String> = named
            .filter(|name| name != "email" && self.draft.wanted.contains_key(name) && !self.refused.contains(name))
            .collect();
        let some = !news.is_empty() && policy::is_refusal(failure.kind);
        if some {
            self.refused.extend(news);
        }
        some
    }
}

/// The start of an item's write.
pub(super) fn taken(item: &Item, owner: &str, until: Timestamp, now: Timestamp) -> Taken {
    let mut link = item.draft.link.clone();
    link.revision += 1;
    link.state = LinkState::Pending;
    link.unmade = false;
    link.updated_at = now;
    Taken { key: item.draft.key.clone(), link, lease: Lease { owner: owner.to_owned(), until } }
}
