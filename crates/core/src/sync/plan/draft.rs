//! A write, planned: what is to be told to the platform, and in which situation the record is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::consent::ConsentLedger;
use crate::domain::identity::{Identity, RecordKey};
use crate::domain::issue::FieldIssue;
use crate::domain::link::{Lease, Link, RemoteId};
use crate::domain::record::Record;
use crate::domain::relationship::Relationship;
use crate::domain::situation::{self, Known, Shown, Situation};
use crate::mapping::{Response, Situations};

use super::super::change::Visitor;
use super::super::left_out::Refusals;
use super::MAIL;

/// A whole write, planned: the record's new state and what the platform must be told.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The record's key.
    pub key: RecordKey,
    /// In which situation the record and the integration are, as far as that is known.
    pub situation: Situation,
    /// What follows from it.
    pub follows: Response,
    /// Its new state.
    pub record: Record,
    /// Whether the new state differs from the stored one.
    pub record_changed: bool,
    /// The link as stored, or a new one.
    pub link: Link,
    /// Whether the link is stored already.
    pub link_known: bool,
    /// Who writes the contact just now.
    pub lease: Option<Lease>,
    /// The consent ledger after the change.
    pub consent: ConsentLedger,
    /// Whether the ledger changed.
    pub consent_changed: bool,
    /// Whether the person opted in again, now or by a word that stands and was not carried out: mail may be allowed there.
    pub opted_in_by_person: bool,
    /// Identities to claim.
    pub claim: Vec<Identity>,
    /// Addresses to give up when the write succeeds.
    pub release: Vec<Identity>,
    /// Whether the person moves to another address, and takes along what was said of being mailed.
    pub moves: bool,
    /// What shall stand on the platform, by its field names and the `@` keys of this module.
    pub wanted: BTreeMap<String, Value>,
    /// Fields to blank there.
    pub clear: Vec<String>,
    /// What differs from what was last sent.
    pub set: BTreeMap<String, Value>,
    /// Names of [`Draft::wanted`] that are not written: both sides changed them, and a person has to choose.
    pub withheld: BTreeSet<String>,
    /// Values of [`Draft::wanted`] that are not written: the platform would refuse them again.
    pub(crate) refused: Refusals,
    /// The segments that the contact shall be in; `None` when the record says nothing of segments.
    pub segments: Option<BTreeSet<String>>,
    /// The other records that this one has to do with, as far as their kinds have an object on the platform; the primary one
    /// first.
    pub relationships: Vec<Relationship>,
    /// Identities of records that the new state names and the stored one does not.
    pub newly_related: Vec<Identity>,
    /// The campaign to put the contact into.
    pub enrol: Option<String>,
    /// The visitor that the person was.
    pub visitor: Option<Visitor>,
    /// All issues, for the caller.
    pub issues: Vec<FieldIssue>,
}

impl Draft {
    /// Whether the platform has all of it already and the table too.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.platform_is_settled() && !self.record_changed && !self.consent_changed && self.claim.is_empty()
    }

    /// Whether the platform has all of it already.
    #[must_use]
    pub fn platform_is_settled(&self) -> bool {
        match self.follows {
            Response::Ignore => self.remote_id().is_none() || !self.has_word_to_tell(),
            Response::Unlink => false,
            // A run deletes it, with many others.
            Response::Delete => true,
            Response::Create | Response::Link | Response::Update | Response::Tag | Response::Issue => {
                self.has_all_of_it()
            }
        }
    }

    fn has_all_of_it(&self) -> bool {
        self.link.base().is_some()
            && self.link.remote_id.is_some()
            && !self.has_word_to_tell()
            && self.clear.is_empty()
            && self.enrol.is_none()
            && !self.visitor_is_news()
    }

    /// Whether there is something to be told: of a record that is left out, what its person said about being mailed.
    fn has_word_to_tell(&self) -> bool {
        !self.set.is_empty() || self.may_allow_mail()
    }

    /// Whether nothing is left to be told before the link is given up.
    #[must_use]
    pub fn is_to_be_unlinked(&self) -> bool {
        self.follows == Response::Unlink && !self.has_word_to_tell()
    }

    /// What is known of record and link.
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        Known {
            erased: false,
            gone: self.record.gone_since.is_some(),
            unmapped: self.situation == Situation::NotMapped,
            object: self.remote_id(),
            several: !self.link.duplicates.is_empty(),
            was_deleted: self.link.missing_since.is_some(),
        }
    }

    /// Takes in what the platform showed, or that the link has lost its contact: the situation turned out to be another.
    pub(crate) fn turn_out(&mut self, shown: Shown<'_>, choices: &Situations) {
        self.turn_out_as(situation::of(&self.known(), shown), choices);
    }

    /// The situation turned out to be this one.
    pub(crate) fn turn_out_as(&mut self, situation: Situation, choices: &Situations) {
        self.situation = situation;
        self.follows = choices.response(situation, self.remote_id().is_some());
    }

    /// Whether the write may have to allow mail again: by the person's opt-in, or by any yes where mail was forbidden because it
    /// was unclear. No opt-out gives way to a record's yes: then none stands.
    #[must_use]
    pub fn may_allow_mail(&self) -> bool {
        self.opted_in_by_person || self.link.snapshot.contains_key(MAIL) && self.consent.opted_in()
    }

    /// The segments to put the contact into, and those to take it out of.
    #[must_use]
    pub fn segment_changes(&self) -> (Vec<String>, Vec<String>) {
        let Some(wanted) = &self.segments else { return (Vec::new(), Vec::new()) };
        let held: BTreeSet<String> = self.link.associations.segments().map(str::to_owned).collect();
        (wanted.difference(&held).cloned().collect(), held.difference(wanted).cloned().collect())
    }

    /// Whether something that the contact belongs to is to be set: segments that it is to be in or not, or relationships.
    #[must_use]
    pub fn has_open_memberships(&self) -> bool {
        let (add, remove) = self.segment_changes();
        let differs = !add.is_empty() || !remove.is_empty() || self.has_open_relationships();
        differs && self.follows != Response::Ignore
    }

    /// Whether the record has to do with others than the link says; what these are on the platform is not known here.
    fn has_open_relationships(&self) -> bool {
        let wanted: BTreeSet<_> =
            self.relationships.iter().enumerate().filter_map(|(place, one)| Some((one.key()?, place == 0))).collect();
        let held: BTreeSet<_> = self.link.associations.related().map(|one| (one.record.clone(), one.primary)).collect();
        wanted != held
    }

    /// Whether the record has to do with others, or had: then what stands on the platform is looked at.
    #[must_use]
    pub fn relates(&self) -> bool {
        let has_some = !self.relationships.is_empty() || self.link.associations.related().next().is_some();
        has_some && self.follows != Response::Ignore
    }

    /// What a write of the contact sends, blanks as `null`; nothing for one that is to be made.
    #[must_use]
    pub fn sending(&self) -> BTreeMap<String, Value> {
        if self.remote_id().is_none() {
            return BTreeMap::new();
        }
        let blanks = self.clear.iter().map(|name| (name.clone(), Value::Null));
        self.set.clone().into_iter().chain(blanks).collect()
    }

    /// The contact on the platform, when it is known.
    #[must_use]
    pub fn remote_id(&self) -> Option<&RemoteId> {
        self.link.remote_id.as_ref()
    }

    /// An earlier writer began to create the contact and did not say how it ended.
    #[must_use]
    pub fn may_have_been_created(&self) -> bool {
        self.link_known && self.link.remote_id.is_none() && !self.link.unmade
    }

    fn visitor_is_news(&self) -> bool {
        self.visitor.is_some() && self.link.remote_id.is_none()
    }
}
