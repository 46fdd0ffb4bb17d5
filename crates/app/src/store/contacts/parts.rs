//! The parts of the transactions that begin and end a write, each with its condition.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use tandem_core::domain::consent::ConsentLedger;
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::link::{Lease, Link};
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::{Commit, Save};

use super::rows::{LinkRow, PlaceRow, PointerRow, RecordRow};
use crate::store::condition::Condition;
use crate::store::keys::{self, Key};
use crate::store::row::{Item, document, item};
use crate::store::table::Table;
use crate::store::{consent, inventory};

/// Makes the parts of transactions on one record.
pub(in crate::store) struct Parts<'a> {
    pub(in crate::store) table: &'a Table,
    pub(in crate::store) scope: &'a Scope,
    pub(in crate::store) key: &'a RecordKey,
}

impl Parts<'_> {
    /// All of a record's newer state, and its place in the list of the tenant's records when it is new.
    pub(in crate::store) fn save(&self, save: &Save) -> Result<Vec<TransactWriteItem>> {
        let mut writes = self.save_listed(save)?;
        writes.extend(self.place(&save.record)?);
        Ok(writes)
    }

    /// The same without the place.
    pub(in crate::store) fn save_listed(&self, save: &Save) -> Result<Vec<TransactWriteItem>> {
        let mut writes = vec![self.record(&save.record)?];
        for identity in self.claims(&save.record, &save.claim) {
            writes.push(self.claim(&identity)?);
        }
        writes.extend(self.given_up(&save.release)?);
        writes.extend(self.consent(save.consent.as_ref())?);
        Ok(writes)
    }

    /// The end of pointers that the record gives up; what was said of being mailed at an address stays.
    fn given_up(&self, identities: &[Identity]) -> Result<Vec<TransactWriteItem>> {
        let mut writes = Vec::new();
        for identity in identities {
            writes.push(self.deletion_if_mine(keys::identity(&self.scope.tenant, identity))?);
            writes.extend(inventory::listing_of_consent(self.table, &self.scope.tenant, identity)?);
        }
        Ok(writes)
    }

    /// All of a write's end.
    pub(in crate::store) fn commit(&self, commit: &Commit) -> Result<Vec<TransactWriteItem>> {
        let mut writes = vec![self.released_link(&commit.link, &commit.owner)?];
        writes.extend(self.given_up(&commit.release)?);
        for remote in &commit.point {
            writes.push(self.pointer(keys::remote(self.scope, remote))?);
        }
        writes.extend(self.consent(commit.consent.as_ref())?);
        Ok(writes)
    }

    /// The record's new state, if nobody changed it since it was read.
    pub(in crate::store) fn record(&self, record: &Record) -> Result<TransactWriteItem> {
        let row = RecordRow { record_version: record.version, document: document(record)? };
        let unchanged = match record.version {
            0 | 1 => Condition::absent(),
            version => Condition::new("record_version = :before").number(":before", version - 1),
        };
        self.table.putting(item(keys::record(&self.scope.tenant, self.key), &row)?, Some(unchanged))
    }

    /// A new record's place in the list of the tenant's records.
    pub(super) fn place(&self, record: &Record) -> Result<Option<TransactWriteItem>> {
        is_new(record).then(|| self.pointer(keys::listed_record(&self.scope.tenant, self.key))).transpose()
    }

    /// The same as an item of its own, which tells what is reserved for the record before it is written.
    pub(in crate::store) fn place_item(&self, save: &Save) -> Result<Item> {
        let identities = self.claims(&save.record, &save.claim);
        let identity_names = identities.iter().map(keys::identity_name).collect();
        let row = PlaceRow { record_key: self.key.as_str().to_owned(), identity_names };
        item(keys::listed_record(&self.scope.tenant, self.key), &row)
    }

    /// The pointers of the contacts that a write's end has, as items of their own.
    pub(in crate::store) fn pointer_items(&self, commit: &Commit) -> Result<Vec<Item>> {
        commit.point.iter().map(|remote| item(keys::remote(self.scope, remote), &self.to_record())).collect()
    }

    /// The link under a lease, if nobody changed it since it was read and nobody else holds it.
    pub(in crate::store) fn leased_link(
        &self,
        link: &Link,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<TransactWriteItem> {
        let row = LinkRow {
            link_revision: link.revision,
            document: document(link)?,
            lease_owner: Some(lease.owner.clone()),
            lease_until: Some(lease.until.as_microsecond()),
        };
        let free = match link.revision {
            0 | 1 => Condition::absent(),
            revision => Condition::new("link_revision = :before")
                .number(":before", revision - 1)
                .and(Condition::unheld_or_ours("lease_until", "lease_owner", &lease.owner, now)),
        };
        self.table.putting(item(keys::link(self.scope, self.key), &row)?, Some(free))
    }

    /// The link without its lease, if the lease is still `owner`'s and the link is as it was begun.
    pub(in crate::store) fn released_link(&self, link: &Link, owner: &str) -> Result<TransactWriteItem> {
        let row =
            LinkRow { link_revision: link.revision, document: document(link)?, lease_owner: None, lease_until: None };
        let as_begun = Condition::new("lease_owner = :owner AND link_revision = :before")
            .text(":owner", owner)
            .number(":before", link.revision.saturating_sub(1));
        self.table.putting(item(keys::link(self.scope, self.key), &row)?, Some(as_begun))
    }

    /// The link without a lease, in the place of one of `revision` that nobody holds at `now`.
    pub(in crate::store) fn unheld_link(
        &self,
        link: &Link,
        revision: u64,
        now: Timestamp,
    ) -> Result<TransactWriteItem> {
        let row =
            LinkRow { link_revision: link.revision, document: document(link)?, lease_owner: None, lease_until: None };
        let unheld = Condition::new("link_revision = :before")
            .number(":before", revision)
            .and(Condition::unheld("lease_until", now));
        self.table.putting(item(keys::link(self.scope, self.key), &row)?, Some(unheld))
    }

    /// The first link of a record that is made of a contact, with the contact's pointer, if it leads to no other.
    pub(in crate::store) fn adopted(&self, link: &Link) -> Result<Vec<TransactWriteItem>> {
        let row =
            LinkRow { link_revision: link.revision, document: document(link)?, lease_owner: None, lease_until: None };
        let link_item = item(keys::link(self.scope, self.key), &row)?;
        let mut writes = vec![self.table.putting(link_item, Some(Condition::absent()))?];
        if let Some(contact) = &link.remote_id {
            let pointer = item(keys::remote(self.scope, contact), &self.to_record())?;
            writes.push(self.table.putting(pointer, Some(self.nobody_elses()))?);
        }
        Ok(writes)
    }

    /// The record's place in the list of those with a field that a person has to decide.
    pub(super) fn listing(&self, link: &Link) -> Result<TransactWriteItem> {
        let place = keys::contested(self.scope, self.key);
        if link.conflicts.is_empty() { self.deletion(place) } else { self.pointer(place) }
    }

    /// The identities that a write claims. Of a new record these are all that it has: what leads to it already may lead nowhere by the
    /// time that it is written.
    pub(in crate::store) fn claims(&self, record: &Record, claim: &[Identity]) -> Vec<Identity> {
        let mut claims = claim.to_vec();
        if is_new(record) {
            let own = record.identities(self.key.kind()).filter(|identity| !claim.contains(identity));
            claims.extend(own);
        }
        claims
    }

    /// An identity's pointer to the record before the record is written, if it leads nowhere.
    pub(in crate::store) fn reservation(&self, identity: &Identity, now: Timestamp) -> Result<TransactWriteItem> {
        let row = PointerRow { reserved_at: Some(now.as_microsecond()), ..self.to_record() };
        self.table.putting(item(keys::identity(&self.scope.tenant, identity), &row)?, Some(Condition::absent()))
    }

    /// An identity's pointer to the record, if it does not lead elsewhere.
    pub(super) fn claim(&self, identity: &Identity) -> Result<TransactWriteItem> {
        let item = item(keys::identity(&self.scope.tenant, identity), &self.to_record())?;
        self.table.putting(item, Some(self.nobody_elses()))
    }

    /// An identity's pointer to the record, if it leads to `holder` until now.
    pub(super) fn taken_over(&self, identity: &Identity, holder: &RecordKey) -> Result<TransactWriteItem> {
        let item = item(keys::identity(&self.scope.tenant, identity), &self.to_record())?;
        let held = Condition::new("record_key = :holder").text(":holder", holder.as_str());
        self.table.putting(item, Some(held))
    }

    /// A pointer to the record, wherever it led before.
    pub(in crate::store) fn pointer(&self, key: Key) -> Result<TransactWriteItem> {
        self.table.putting(item(key, &self.to_record())?, None)
    }

    /// The end of a pointer, if it does not lead elsewhere.
    pub(in crate::store) fn deletion_if_mine(&self, key: Key) -> Result<TransactWriteItem> {
        self.table.deleting(key, Some(self.nobody_elses()))
    }

    /// The end of an item.
    pub(super) fn deletion(&self, key: Key) -> Result<TransactWriteItem> {
        self.table.deleting(key, None)
    }

    /// The consent ledger, if one is given.
    pub(super) fn consent(&self, given: Option<&(Identity, ConsentLedger)>) -> Result<Option<TransactWriteItem>> {
        let Some((email, ledger)) = given else { return Ok(None) };
        consent::writing(self.table, &self.scope.tenant, email, ledger)
    }

    fn to_record(&self) -> PointerRow {
        PointerRow { record_key: self.key.as_str().to_owned(), reserved_at: None }
    }

    fn nobody_elses(&self) -> Condition {
        Condition::new("attribute_not_exists(pk) OR record_key = :record").text(":record", self.key.as_str())
    }
}

/// Whether no state of the record was stored before this one.
pub(in crate::store) fn is_new(record: &Record) -> bool {
    record.version <= 1
}
