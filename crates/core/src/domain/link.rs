//! The mapping of a local record to a remote contact, and what both sides last agreed on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::association::Associations;
use super::issue::IssueCode;

/// A contact's id on the platform, as text: Mautic's are numbers, SuiteCRM's are UUIDs. That of another object has the object's
/// name before it: `company/7`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteId(pub String);

impl RemoteId {
    /// The id of something that is no contact.
    #[must_use]
    pub fn of_object(object: &str, id: &str) -> Self {
        Self(format!("{object}/{id}"))
    }

    /// The id as the platform knows it, when it is that of such an object.
    #[must_use]
    pub fn within(&self, object: &str) -> Option<&str> {
        self.0.strip_prefix(object)?.strip_prefix('/')
    }
}

impl fmt::Display for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// A write was begun and its end is not known: nothing in the snapshot can be relied on.
    Pending,
    /// The platform holds what the snapshot says.
    Synced,
    /// The last write was refused; `error` says why.
    Error,
    /// As [`LinkState::Synced`], but for the fields in `conflicts`: both sides changed them, and a person has to choose.
    Conflict,
}

/// Which local record is which remote contact.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The contact on the platform; `None` until its creation is known to have succeeded.
    pub remote_id: Option<RemoteId>,
    /// Ids that the platform merged into `remote_id`.
    pub aliases: BTreeSet<RemoteId>,
    /// Other contacts of the platform with the same address, as last seen: it takes no change of any of them until they are
    /// merged there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub duplicates: BTreeSet<RemoteId>,
    /// Where the link stands.
    pub state: LinkState,
    /// What was last sent and accepted, by remote field name: the base of the next difference.
    pub snapshot: BTreeMap<String, Value>,
    /// What the write that was begun last sends, by remote field name, `null` for a blank: as long as it is not known how that ended,
    /// what the platform shows of it is no edit of people there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sending: BTreeMap<String, Value>,
    /// Another record was written on the contact: what the platform shows is that one's, until all of this one is sent again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overwritten: bool,
    /// The campaigns and segments that Tandem put the contact into, and what it belongs to of other records.
    #[serde(default, skip_serializing_if = "Associations::is_empty")]
    pub associations: Associations,
    /// Under which id the records that have to do with this one were told of it: their own links are set after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<RemoteId>,
    /// What the platform was last seen to hold where that can't be known from the snapshot: what only comes from there, by
    /// remote name, and the stage (`@stage`), which the snapshot names also when the platform has none of that name.
    #[serde(default)]
    pub seen: BTreeMap<String, Value>,
    /// Fields that both sides changed, by local name; a person has to decide.
    #[serde(default)]
    pub conflicts: BTreeMap<String, FieldConflict>,
    /// The platform's list of fields by which the snapshot was made, by when that was read: a field that is younger has none of
    /// the values that the snapshot names.
    #[serde(default)]
    pub fields_as_of: Timestamp,
    /// When the mapping set came into use by which the snapshot was made: what younger rules write was not sent by it.
    #[serde(default, skip_serializing_if = "is_long_ago")]
    pub rules_as_of: Timestamp,
    /// Values that the platform did not take, by its names of the fields. They are in no snapshot.
    #[serde(default)]
    pub refused: BTreeMap<String, Refusal>,
    /// When it was found that the contact which the link had is not there any more; no other took its place since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Timestamp>,
    /// It is known that no create made a contact: none was sent, or each that was sent had no effect.
    #[serde(default)]
    pub unmade: bool,
    /// By which name a create was sent of which it is not known how it ended, where the platform knows things by their names:
    /// what it made is looked for by it, for the record may be called otherwise by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<String>,
    /// A sentence on the last refusal.
    pub error: Option<String>,
    /// Grows by one with every change; the guard of optimistic writes.
    pub revision: u64,
    /// When the link last changed, by Tandem's clock.
    pub updated_at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The built-in set was always there.
fn is_long_ago(moment: &Timestamp) -> bool {
    *moment == Timestamp::UNIX_EPOCH
}

impl Link {
    /// The snapshot, when it is what the platform holds as far as Tandem knows.
    #[must_use]
    pub fn base(&self) -> Option<&BTreeMap<String, Value>> {
        match self.state {
            LinkState::Synced | LinkState::Conflict => Some(&self.snapshot),
            LinkState::Pending | LinkState::Error => None,
        }
    }

    /// Whether the contact has to be looked at before it is written: a write of it was interrupted or refused, and what people
    /// changed there since is not known.
    #[must_use]
    pub fn needs_look(&self) -> bool {
        self.remote_id.is_some() && self.base().is_none() && !self.overwritten
    }

    /// The state of a link whose last write is done.
    #[must_use]
    pub fn settled_state(&self) -> LinkState {
        if self.conflicts.is_empty() { LinkState::Synced } else { LinkState::Conflict }
    }

    /// All ids that the platform knows the contact by, the one to use first.
    #[must_use]
    pub fn contacts(&self) -> Vec<RemoteId> {
        self.remote_id.iter().chain(&self.duplicates).chain(&self.aliases).cloned().collect()
    }

    /// A link whose remote contact is not known yet.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            remote_id: None,
            aliases: BTreeSet::new(),
            duplicates: BTreeSet::new(),
            state: LinkState::Pending,
            snapshot: BTreeMap::new(),
            sending: BTreeMap::new(),
            overwritten: false,
            associations: Associations::default(),
            announced: None,
            seen: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            fields_as_of: Timestamp::UNIX_EPOCH,
            rules_as_of: Timestamp::UNIX_EPOCH,
            refused: BTreeMap::new(),
            missing_since: None,
            unmade: false,
            tried: None,
            error: None,
            revision: 0,
            updated_at: now,
        }
    }

    /// The platform answered with another id than the one asked for: it merged the two (recording `164-merge-get-known`).
    pub fn follow_merge(&mut self, survivor: RemoteId) {
        if let Some(old) = self.remote_id.replace(survivor.clone())
            && old != survivor
        {
            self.aliases.insert(old);
        }
        self.aliases.remove(&survivor);
        self.duplicates.remove(&survivor);
    }

    /// The link has no contact any more, and knows nothing of one: of what was written on it nothing is relied on.
    pub fn lose_contact(&mut self) {
        self.remote_id = None;
        self.duplicates.clear();
        self.snapshot.clear();
        self.sending.clear();
        self.overwritten = false;
        self.associations.clear();
        self.seen.clear();
        self.tried = None;
    }

    /// Several contacts have the address: the oldest is the record's, unless it has one of them already.
    pub fn note_duplicates(&mut self, all: &[RemoteId]) {
        if self.remote_id.as_ref().is_none_or(|own| !all.contains(own)) {
            self.remote_id = all.first().cloned();
        }
        self.duplicates = all.iter().filter(|id| self.remote_id.as_ref() != Some(*id)).cloned().collect();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("remote_id", &self.remote_id)
            .field("state", &self.state)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// One field's two values.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldConflict {
    /// What the application wants, as it says it.
    pub application: Value,
    /// What the platform holds, in the form in which Tandem would send it; `null` for nothing.
    pub platform: Value,
    /// When it was found, by Tandem's clock.
    pub since: Timestamp,
}

impl fmt::Debug for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldConflict").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A value that the platform did not take.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The value, as it was sent.
    pub value: Value,
    /// Why.
    pub code: IssueCode,
    /// When, by Tandem's clock.
    pub at: Timestamp,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("code", &self.code).field("at", &self.at).finish_non_exhaustive()
    }
}

/// The right to write one contact: held by one writer at a time, and lost by itself when the writer dies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// A random name of the writer.
    pub owner: String,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// No lease is taken for longer than this. What seems to end later was dated by a clock that went wrong, and would hold
/// everybody up until that moment comes, which may be years.
const FARTHEST: SignedDuration = SignedDuration::from_mins(5);

impl Lease {
    /// The latest end that a lease can have that is held at `now`.
    #[must_use]
    pub fn farthest(now: Timestamp) -> Timestamp {
        now.checked_add(FARTHEST).unwrap_or(Timestamp::MAX)
    }

    /// Whether its owner still has the right at `now`.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.until > now && self.until <= Self::farthest(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::association::Association;

    #[test]
    fn a_lease_that_a_wrong_clock_dated_years_ahead_holds_nobody_up() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let until = |text: &str| Lease { owner: "a".to_owned(), until: text.parse().unwrap() };
        assert!(until("2026-11-28T10:02:00Z").is_held(now));
        assert!(!until("2026-11-28T10:00:00Z").is_held(now));
        assert!(!until("2031-01-01T00:00:00Z").is_held(now));
    }

    #[test]
    fn the_stored_form_says_since_when_the_contact_is_missing_and_nothing_where_it_is_not() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let stored = serde_json::to_value(Link::new(now)).unwrap();
        assert_eq!(stored.get("missing_since"), None);
        let missing = Link { missing_since: Some(now), ..Link::new(now) };
        assert_eq!(serde_json::to_value(&missing).unwrap()["missing_since"], "2026-11-28T10:00:00Z");
        assert!(serde_json::from_value::<Link>(stored).unwrap().missing_since.is_none());
    }

    #[test]
    fn the_stored_form_says_by_which_name_a_create_was_sent_and_nothing_once_it_is_known_how_it_ended() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        assert_eq!(serde_json::to_value(Link::new(now)).unwrap().get("tried"), None);
        let tried = Link { tried: Some("Globex".to_owned()), ..Link::new(now) };
        let stored = serde_json::to_value(&tried).unwrap();
        assert_eq!(stored["tried"], "Globex");
        assert_eq!(serde_json::from_value::<Link>(stored).unwrap(), tried);
    }

    #[test]
    fn a_link_that_loses_its_contact_relies_on_nothing_that_was_written_on_it() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let mut link = Link { remote_id: Some(RemoteId("7".to_owned())), ..Link::new(now) };
        link.snapshot.insert("email".to_owned(), "a@example.com".into());
        link.associations.insert(Association::Campaign("1".to_owned()));
        link.lose_contact();
        assert_eq!(link, Link::new(now));
    }
}
