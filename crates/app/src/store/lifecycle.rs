//! Lifecycle events, and what is remembered of their users.

mod listing;
mod rows;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tandem_core::automation::event::Customer;
use tandem_core::automation::stored::StoredEvent;
use tandem_core::automation::subject::Subject;
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::link::{Lease, RemoteId};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::Attempt;
use tandem_core::ports::integrations::{Doorbell, Peers};
use tandem_core::ports::lifecycle::{Accepted, Admission, Burial, EventPage, LifecycleStore};
use tandem_core::ports::lists::OpenLists;
use tandem_core::ports::place::TimePlace;

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::access::Put;
use super::condition::Condition;
use super::contacts;
use super::contacts::parts::Parts;
use super::inventory;
use super::keys::{self, Key};
use super::open_lists;
use super::outbox::Outbox;
use super::row::{Item, document, item, row};
use super::table::Table;
use super::transactions::Group;
use rows::{EventRow, GraveRow, PlaceRow, SubjectRow};

/// How long events are kept, counted from when they came: 90 days.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How many seconds it is remembered that somebody had the right to make a list.
const TOUCH_IS_KEPT: i64 = 3600;

/// [`LifecycleStore`] over the table.
pub struct LifecycleTable {
    table: Table,
    outbox: Outbox,
}

impl LifecycleTable {
    /// The events in `table`; `peers` tells which integrations a tenant has.
    #[must_use]
    pub fn new(table: Table, peers: Arc<dyn Peers>) -> Self {
        Self { outbox: Outbox::new(table.clone(), peers), table }
    }

    /// The same, which wakes the integrations that an event's change of a record concerns.
    #[must_use]
    pub fn with_doorbell(self, doorbell: Arc<dyn Doorbell>) -> Self {
        Self { outbox: self.outbox.with_doorbell(doorbell), ..self }
    }

    /// A new event, its place in the list of its day, and that in the list of what is not on the queue.
    fn arrival(&self, scope: &Scope, event: &StoredEvent) -> Result<Group> {
        let digest = keys::event_digest(&event.by.id);
        let place = PlaceRow::of(event);
        Ok(vec![
            self.table.putting(
                item(keys::lifecycle_event(&scope.tenant, &digest), &EventRow::of(event)?)?,
                Some(Condition::absent()),
            )?,
            self.table.putting(item(keys::event_log(&scope.tenant, event.received_at, &digest), &place)?, None)?,
            self.table.putting(item(keys::unqueued(&scope.tenant, &digest), &place)?, None)?,
        ])
    }

    /// The event as it now stands, if it is as it was read, off the list of what is not on the queue.
    fn event_and_place(&self, scope: &Scope, event: &StoredEvent) -> Result<Vec<TransactWriteItem>> {
        let digest = keys::event_digest(&event.by.id);
        Ok(vec![
            self.table.putting(
                item(keys::lifecycle_event(&scope.tenant, &digest), &EventRow::of(event)?)?,
                Some(as_read("event_revision", event.revision)),
            )?,
            self.table.deleting(keys::unqueued(&scope.tenant, &digest), None)?,
        ])
    }

    fn admission(
        &self,
        scope: &Scope,
        others: &[Scope],
        admission: &Admission,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>> {
        let Admission { key, event, subject, lease, save, customers, lists_for } = admission;
        let mut writes = self.event_and_place(scope, event)?;
        let held = event.completed_at.is_none().then_some(lease);
        let unheld = as_read("subject_version", subject.version).and(Condition::unheld("lease_until", now));
        writes.push(
            self.table
                .putting(item(keys::subject(&scope.tenant, key), &SubjectRow::of(subject, held)?)?, Some(unheld))?,
        );
        let digest = keys::event_digest(&event.by.id);
        let place = keys::subject_event(&scope.tenant, key, event.by.at, &digest);
        writes.push(self.table.putting(item(place, &PlaceRow::of(event))?, None)?);
        let parts = Parts { table: &self.table, scope, key };
        if let Some(save) = save {
            writes.extend(parts.save(save)?);
            writes.extend(self.outbox.entries(others, key, save.record.version, now)?);
        }
        for integration in lists_for {
            let other = Scope { tenant: scope.tenant.clone(), integration: integration.clone() };
            writes.push(open_lists::putting(&self.table, &other, &OpenLists::new(key.clone(), now))?);
        }
        for customer in customers {
            let pointer = keys::customer(&scope.tenant, customer);
            writes.push(inventory::listing(&self.table, &scope.tenant, &pointer)?);
            writes.push(parts.pointer(pointer)?);
        }
        Ok(writes)
    }

    /// The end of a lease that is `owner`'s.
    async fn release(&self, scope: &Scope, key: &RecordKey, owner: &str) -> Result<Attempt> {
        let mine = Condition::new("lease_owner = :owner").text(":owner", owner);
        self.table.update(keys::subject(&scope.tenant, key), "REMOVE lease_owner, lease_until", mine).await
    }
}

/// The event that an item holds.
pub(super) fn stored_event(item: Item) -> Result<StoredEvent> {
    rows::event(item)
}

/// Nobody changed the item since its number was read, which is one less than it will be.
fn as_read(attribute: &str, next: u64) -> Condition {
    match next {
        0 | 1 => Condition::new("attribute_not_exists(pk)"),
        next => Condition::new(format!("{attribute} = :before")).number(":before", next - 1),
    }
}

#[async_trait]
impl LifecycleStore for LifecycleTable {
    async fn accept(&self, scope: &Scope, events: &[StoredEvent]) -> Result<Vec<Accepted>> {
        let mut seen = HashSet::new();
        let first: Vec<bool> = events.iter().map(|event| seen.insert(event.by.id.as_str())).collect();
        let new = events.iter().zip(&first).filter(|(_, first)| **first).map(|(event, _)| self.arrival(scope, event));
        let mut attempts = self.table.transact_many(new.collect::<Result<_>>()?).await?.into_iter();
        let stored: Vec<bool> =
            first.into_iter().map(|first| first && attempts.next() == Some(Attempt::Done)).collect();
        self.accepted(scope, events, &stored).await
    }

    async fn event(&self, scope: &Scope, id: &str) -> Result<Option<StoredEvent>> {
        let stored = self.table.get(keys::lifecycle_event(&scope.tenant, &keys::event_digest(id))).await?;
        stored.map(rows::event).transpose()
    }

    async fn events(&self, scope: &Scope, behind: &TimePlace, from: Timestamp, limit: usize) -> Result<EventPage> {
        self.newest(scope, behind, from, limit).await
    }

    async fn events_of(
        &self,
        scope: &Scope,
        key: &RecordKey,
        behind: Option<&TimePlace>,
        limit: usize,
    ) -> Result<EventPage> {
        self.newest_of(scope, key, behind, limit).await
    }

    async fn unqueued(&self, scope: &Scope, before: Timestamp, limit: usize) -> Result<Vec<String>> {
        let items = self.table.partition(keys::unqueued_partition(&scope.tenant), Some(limit)).await?;
        let places = items.into_iter().map(row::<PlaceRow>).collect::<Result<Vec<_>>>()?;
        let old = places.into_iter().filter(|place| place.received_at < before.as_microsecond());
        Ok(old.map(|place| place.event_id).collect())
    }

    async fn count_unqueued(&self, scope: &Scope, most: usize) -> Result<usize> {
        self.table.partition_count(keys::unqueued_partition(&scope.tenant), most).await
    }

    async fn customer(&self, scope: &Scope, customer: &Customer) -> Result<Option<RecordKey>> {
        self.table.get(keys::customer(&scope.tenant, customer)).await?.map(contacts::rows::pointed_to).transpose()
    }

    async fn tombstones(&self, scope: &Scope, identities: &[Identity]) -> Result<HashMap<Identity, Timestamp>> {
        if identities.is_empty() {
            return Ok(HashMap::new());
        }
        let mut found =
            self.table.get_many(identities.iter().map(|one| keys::tombstone(&scope.tenant, one)).collect()).await?;
        let mut gone = HashMap::new();
        for identity in identities {
            if let Some(item) = found.remove(&keys::tombstone(&scope.tenant, identity)) {
                gone.insert(identity.clone(), rows::gone_at(item)?);
            }
        }
        Ok(gone)
    }

    async fn contact_gone_since(&self, scope: &Scope, contact: &RemoteId) -> Result<Option<Timestamp>> {
        self.table.get(keys::contact_tombstone(scope, contact)).await?.map(rows::gone_at).transpose()
    }

    async fn subject(&self, scope: &Scope, key: &RecordKey) -> Result<(Subject, Option<Lease>)> {
        match self.table.get(keys::subject(&scope.tenant, key)).await? {
            Some(item) => rows::subject(item),
            None => Ok((Subject::default(), None)),
        }
    }

    async fn subjects(&self, scope: &Scope, keys: &[RecordKey]) -> Result<Vec<Subject>> {
        let keys: Vec<Key> = keys.iter().map(|key| keys::subject(&scope.tenant, key)).collect();
        let mut found = self.table.get_many(keys.clone()).await?;
        let read = |key: &Key| match found.remove(key) {
            Some(item) => rows::subject(item).map(|(subject, _)| subject),
            None => Ok(Subject::default()),
        };
        keys.iter().map(read).collect()
    }

    async fn revise(&self, scope: &Scope, key: &RecordKey, subject: &Subject) -> Result<Attempt> {
        let as_read = as_read("subject_version", subject.version)
            .number(":version", subject.version)
            .text(":document", document(subject)?);
        let change = "SET document = :document, subject_version = :version";
        self.table.update(keys::subject(&scope.tenant, key), change, as_read).await
    }

    async fn admit(&self, scope: &Scope, admission: &Admission, now: Timestamp) -> Result<Attempt> {
        let is_news = admission.save.is_some() || !admission.lists_for.is_empty();
        let others = if is_news { self.outbox.others(scope).await? } else { Vec::new() };
        let attempt: Attempt = self.table.transact(self.admission(scope, &others, admission, now)?).await?.into();
        self.outbox.wake_after(&others, &[attempt]).await;
        Ok(attempt)
    }

    async fn take(
        &self,
        scope: &Scope,
        key: &RecordKey,
        version: u64,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Attempt> {
        let free = Condition::new("subject_version = :version")
            .number(":version", version)
            .and(Condition::unheld("lease_until", now))
            .text(":owner", &lease.owner)
            .moment(":until", lease.until);
        self.table
            .update(keys::subject(&scope.tenant, key), "SET lease_owner = :owner, lease_until = :until", free)
            .await
    }

    async fn let_go(&self, scope: &Scope, key: &RecordKey, owner: &str) -> Result<()> {
        // Not ours any more: it ended by itself, and nothing is left to give back.
        self.release(scope, key, owner).await.map(drop)
    }

    async fn save(&self, scope: &Scope, event: &StoredEvent) -> Result<Attempt> {
        if event.subject.is_none() {
            return self.table.transact(self.event_and_place(scope, event)?).await.map(Attempt::from);
        }
        // It was begun, and with that taken off the list.
        let key = keys::lifecycle_event(&scope.tenant, &keys::event_digest(&event.by.id));
        let as_read = as_read("event_revision", event.revision);
        match self.table.put_if(item(key, &EventRow::of(event)?)?, as_read).await? {
            Put::Done => Ok(Attempt::Done),
            Put::Refused(there) => Ok(rows::written_or_contended(there, event)),
        }
    }

    async fn finish(&self, scope: &Scope, event: &StoredEvent, key: &RecordKey, owner: &str) -> Result<Attempt> {
        let saved = self.save(scope, event).await?;
        self.release(scope, key, owner).await?;
        Ok(saved)
    }

    async fn lock_list(
        &self,
        scope: &Scope,
        name: &str,
        lease: &Lease,
        untouched_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Attempt> {
        let free = Condition::unheld_or_ours("lease_until", "lease_owner", &lease.owner, now);
        let free = match untouched_since {
            Some(since) => {
                let untouched = Condition::new("attribute_not_exists(held_until) OR held_until < :since");
                free.and(untouched.moment(":since", since))
            }
            None => free,
        };
        let expires = lease.until.as_second().saturating_add(TOUCH_IS_KEPT);
        let free = free.moment(":until", lease.until).number(":expires", expires);
        let change = "SET lease_owner = :owner, lease_until = :until, held_until = :until, expires_at = :expires";
        self.table.update(keys::list_lock(scope, name), change, free).await
    }

    async fn unlock_list(&self, scope: &Scope, name: &str, owner: &str) -> Result<()> {
        let mine = Condition::new("lease_owner = :owner").text(":owner", owner);
        // Not ours any more: it ended by itself, and nothing is left to give back.
        self.table.update(keys::list_lock(scope, name), "REMOVE lease_owner, lease_until", mine).await.map(drop)
    }

    async fn bury(&self, scope: &Scope, burial: &Burial) -> Result<()> {
        let grave = GraveRow { gone_at: burial.at.as_microsecond() };
        let newest = || Condition::new("attribute_not_exists(pk) OR gone_at < :at").moment(":at", burial.at);
        let identities = burial.identities.iter().map(|identity| keys::tombstone(&scope.tenant, identity));
        let contacts = burial.contacts.iter().map(|contact| keys::contact_tombstone(scope, contact));
        // One of each: a transaction names no item twice.
        let listing = |key: &Key| inventory::listing(&self.table, &scope.tenant, key);
        let graves: HashMap<Key, Vec<TransactWriteItem>> = identities
            .chain(contacts)
            .map(|key| {
                let listed = listing(&key)?;
                Ok((key.clone(), vec![self.table.putting(item(key, &grave)?, Some(newest()))?, listed]))
            })
            .collect::<Result<_>>()?;
        // What was said of being mailed at the address stays without the record.
        let emails: HashSet<&Identity> = burial.identities.iter().collect();
        let consents = emails
            .into_iter()
            .filter_map(|one| inventory::listing_of_consent(&self.table, &scope.tenant, one).transpose())
            .map(|listed| Ok(vec![listed?]))
            .collect::<Result<Vec<_>>>()?;
        // Refused where a later deletion is noted.
        self.table.transact_many(graves.into_values().chain(consents).collect()).await.map(drop)
    }

    async fn forget(&self, scope: &Scope, key: &RecordKey) -> Result<()> {
        self.forget_subject(scope, key).await
    }
}
