//! How a write ends: what the link says from now on, and what the caller is told.

use jiff::Timestamp;

use crate::domain::link::{Link, LinkState};
use crate::error::Failure;
use crate::mapping::Response;
use crate::ports::Commit;

use super::super::change::{IdentifyCase, Pushed};
use super::super::decision::EMAIL;
use super::super::left_out;
use super::super::plan::{self, Draft};
use super::{Writing, Wrote};

impl Writing<'_> {
    /// The commit of a write that failed before it made a contact: the next one need not look for it. `None` when there is one,
    /// or may be.
    #[must_use]
    pub fn unmade(&self) -> Option<Commit> {
        if !self.unmade || self.link.remote_id.is_some() {
            return None;
        }
        let link = Link { unmade: true, ..self.stamped(self.desk.now()) };
        Some(self.bare_commit(link))
    }

    /// The commit of a finished write, the answer for the caller, and why the contact is not in its campaign yet.
    #[must_use]
    pub fn concluded(mut self, wrote: Wrote) -> (Commit, Pushed, Option<Failure>) {
        let now = self.desk.now();
        let known = self.link.remote_id.as_ref() == Some(&wrote.contact.id);
        self.link.follow_merge(wrote.contact.id.clone());
        let rules = &self.desk.integration.rules;
        let left_out = left_out::of_write(&self.draft, &self.refused, &wrote.contact, rules, now);
        let lost: Vec<_> = left_out.iter().filter(|(name, _)| !self.refused.contains(name)).collect();
        if !lost.is_empty() {
            self.desk.integration.reference.doubt_catalog(now);
        }
        self.draft.issues.extend(lost.into_iter().map(|(name, refusal)| left_out::issue(name, refusal, rules)));
        plan::note_written(&mut self.link, &self.draft, &self.refused, left_out, &wrote.contact);
        self.link.duplicates.clear();
        let kept_address = self.refused.iter().any(|name| name == EMAIL);
        let release = if kept_address { Vec::new() } else { self.draft.release.clone() };
        let identity = self.draft.record.email.as_ref().map(|email| email.identity());
        let learnt = wrote.consent_learnt.then(|| self.draft.consent.clone());
        let commit = Commit {
            key: self.draft.key.clone(),
            link: self.stamped(now),
            owner: self.lease.owner.clone(),
            release,
            point: if known { Vec::new() } else { vec![wrote.contact.id.clone()] },
            consent: identity.zip(learnt),
        };
        let pushed = Pushed {
            contact: Some(wrote.contact.id),
            action: wrote.action,
            situation: self.draft.situation,
            case: if self.visitor_is_another { IdentifyCase::OtherPerson } else { wrote.case },
            enrolled_in: self.link.associations.campaigns().map(str::to_owned).collect(),
            issues: self.draft.issues,
        };
        (commit, pushed, wrote.not_enrolled)
    }

    /// Whether the record is left out because of its situation, rather than refused.
    #[must_use]
    pub fn is_left_out(&self, failure: &Failure) -> bool {
        failure.situation.is_some() && self.draft.follows == Response::Ignore
    }

    /// The commit of a write that was refused or left out, and its plan.
    #[must_use]
    pub fn refused(mut self, failure: &Failure) -> (Commit, Draft) {
        let now = self.desk.now();
        self.link.state = LinkState::Error;
        self.link.error = Some(failure.message.clone());
        if self.duplicates.is_empty() {
            self.link.unmade = self.unmade && self.link.remote_id.is_none();
            return (self.bare_commit(self.stamped(now)), self.draft);
        }
        self.link.note_duplicates(&self.duplicates);
        if self.draft.consent.opted_out() {
            plan::note_forbidden(&mut self.link.snapshot);
        }
        let identity = self.draft.record.email.as_ref().map(|email| email.identity());
        let consent = identity.map(|identity| (identity, self.draft.consent.clone()));
        // What people do with any of them is the person's doing.
        let commit = Commit { point: self.duplicates.clone(), consent, ..self.bare_commit(self.stamped(now)) };
        (commit, self.draft)
    }

    /// A commit that leaves this link and changes nothing else.
    fn bare_commit(&self, link: Link) -> Commit {
        Commit {
            key: self.draft.key.clone(),
            link,
            owner: self.lease.owner.clone(),
            release: Vec::new(),
            point: Vec::new(),
            consent: None,
        }
    }

    fn stamped(&self, now: Timestamp) -> Link {
        let mut link = self.link.clone();
        link.revision += 1;
        link.updated_at = now;
        link
    }
}
