//! Lifecycle events and what is remembered of their users.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;

use super::place::TimePlace;
use super::{Attempt, Save};
use crate::automation::event::Customer;
use crate::automation::stored::StoredEvent;
use crate::automation::subject::Subject;
use crate::domain::identity::{Identity, RecordKey};
use crate::domain::link::{Lease, RemoteId};
use crate::domain::scope::{IntegrationId, Scope};
use crate::error::Result;

/// Whether an event is news.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// It was not known; it is stored now.
    New,
    /// It is known, as this.
    Known(Box<StoredEvent>),
}

/// The start of an event's effects: what it changes in the table, and the steps that are left, all or nothing.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Whose record it is about.
    pub key: RecordKey,
    /// The event with its steps; its `revision` is one more than what was read.
    pub event: StoredEvent,
    /// What is remembered from now on; its `version` is one more than what was read.
    pub subject: Subject,
    /// The right to do the user's steps.
    pub lease: Lease,
    /// The record's newer state, when the event changes it.
    pub save: Option<Save>,
    /// What of a payment provider turned out to be the record's: the customer, and what it paid.
    pub customers: Vec<Customer>,
    /// The tenant's other integrations to which lists of the event have to be brought.
    pub lists_for: BTreeSet<IntegrationId>,
}

/// A person who was deleted: digests by which whoever comes back is known, and no personal data.
#[derive(Clone, Debug, PartialEq)]
pub struct Burial {
    /// Address and ids.
    pub identities: Vec<Identity>,
    /// The platform's contacts, those that were merged included.
    pub contacts: Vec<RemoteId>,
    /// When the person was deleted.
    pub at: Timestamp,
}

/// Events that stand in a list, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventPage {
    /// The events, each with its place. Those that were forgotten since have a place and are not among them.
    pub events: Vec<(TimePlace, StoredEvent)>,
    /// Behind which place the list goes on; `None` at its end.
    pub next: Option<TimePlace>,
}

/// Events, and what is remembered of their users.
#[async_trait]
pub trait LifecycleStore: Send + Sync {
    /// Stores those of the events that are not known, with a place in the list of what is not on the queue yet. Says of each,
    /// in order, whether it is news; of two with one id, the first. One write call for 33, one read call when some are known.
    async fn accept(&self, scope: &Scope, events: &[StoredEvent]) -> Result<Vec<Accepted>>;
    /// An event. One read call.
    async fn event(&self, scope: &Scope, id: &str) -> Result<Option<StoredEvent>>;
    /// Events by when they came, those behind a place and not before the day of `from`, of 90 days at most, at most `limit`
    /// places. One read call a day that is looked at, and one for 100 events.
    async fn events(&self, scope: &Scope, behind: &TimePlace, from: Timestamp, limit: usize) -> Result<EventPage>;
    /// A user's events by when they happened, all or those behind a place, at most `limit` places. Two read calls.
    async fn events_of(
        &self,
        scope: &Scope,
        key: &RecordKey,
        behind: Option<&TimePlace>,
        limit: usize,
    ) -> Result<EventPage>;
    /// Ids of events that came before `before` and were never worked on, at most `limit`: their job was lost. One read call.
    async fn unqueued(&self, scope: &Scope, before: Timestamp, limit: usize) -> Result<Vec<String>>;
    /// How many events were never worked on, counted up to `most`. One read call a megabyte.
    async fn count_unqueued(&self, scope: &Scope, most: usize) -> Result<usize>;
    /// The record of a payment provider's customer. One read call.
    async fn customer(&self, scope: &Scope, customer: &Customer) -> Result<Option<RecordKey>>;
    /// Of these identities, those of people who were deleted, and when. One read call for 100, none for none.
    async fn tombstones(&self, scope: &Scope, identities: &[Identity]) -> Result<HashMap<Identity, Timestamp>>;
    /// When the person was deleted whose contact of the platform this was. One read call.
    async fn contact_gone_since(&self, scope: &Scope, contact: &RemoteId) -> Result<Option<Timestamp>>;
    /// What is remembered of a user, and who does the user's steps just now. One read call.
    async fn subject(&self, scope: &Scope, key: &RecordKey) -> Result<(Subject, Option<Lease>)>;
    /// What is remembered of several users, in their order; of whom nothing is, that. One read call for 100.
    async fn subjects(&self, scope: &Scope, keys: &[RecordKey]) -> Result<Vec<Subject>>;
    /// Stores what is remembered of a user if its `version` is one more than the stored one's; whoever does the user's steps just
    /// now goes on doing them. One write call.
    async fn revise(&self, scope: &Scope, key: &RecordKey, subject: &Subject) -> Result<Attempt>;
    /// Begins an event. One write call.
    async fn admit(&self, scope: &Scope, admission: &Admission, now: Timestamp) -> Result<Attempt>;
    /// Takes the right to do a user's steps, if nobody has it and `version` is still what is remembered. One write call.
    async fn take(
        &self,
        scope: &Scope,
        key: &RecordKey,
        version: u64,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Attempt>;
    /// Gives the right back. One write call.
    async fn let_go(&self, scope: &Scope, key: &RecordKey, owner: &str) -> Result<()>;
    /// Stores an event if its `revision` is one more than the stored one's; takes it off the list of what is not on the
    /// queue. One write call.
    async fn save(&self, scope: &Scope, event: &StoredEvent) -> Result<Attempt>;
    /// Stores an event as [`LifecycleStore::save`] does and gives the right to do the user's steps back. Two write calls.
    async fn finish(&self, scope: &Scope, event: &StoredEvent, key: &RecordKey, owner: &str) -> Result<Attempt>;
    /// Takes the right to make the platform's list of this name, unless somebody has it, or had it after `untouched_since`: the
    /// platform makes two of one name without a word. One write call.
    async fn lock_list(
        &self,
        scope: &Scope,
        name: &str,
        lease: &Lease,
        untouched_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Attempt>;
    /// Gives the right back. One write call.
    async fn unlock_list(&self, scope: &Scope, name: &str, owner: &str) -> Result<()>;
    /// Notes that a person was deleted, for good; a later deletion that is noted stands. One write call for 100 digests.
    async fn bury(&self, scope: &Scope, burial: &Burial) -> Result<()>;
    /// Forgets what is remembered of a user, and what its events still hold of the person. One read call and one write call
    /// for 25 items.
    async fn forget(&self, scope: &Scope, key: &RecordKey) -> Result<()>;
}
