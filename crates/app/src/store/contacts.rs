//! Records, links, identities and consent.

mod erasure;
pub(super) mod parts;
pub(super) mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use tandem_core::domain::consent::{ConsentEntry, ConsentOutcome};
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::link::{Link, RemoteId};
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::error::Result;
use tandem_core::jobs::message::{MembershipChange, MembershipList};
use tandem_core::ports::integrations::{Doorbell, Peers};
use tandem_core::ports::{Attempt, Begin, Clock, Commit, ContactStore, Exchange, LinkOf, Resolved, Save, Stored};

use super::condition::Condition;
use super::keys;
use super::outbox::{self, Outbox};
use super::table::Table;
use super::{consent, inventory, relations, void, wishes};

/// [`ContactStore`] over the table.
pub struct ContactTable {
    table: Table,
    clock: Arc<dyn Clock>,
    outbox: Outbox,
}

impl ContactTable {
    /// The contacts in `table`; `clock` tells which leases are over, `peers` which integrations a tenant has.
    #[must_use]
    pub fn new(table: Table, clock: Arc<dyn Clock>, peers: Arc<dyn Peers>) -> Self {
        Self { outbox: Outbox::new(table.clone(), peers), table, clock }
    }

    /// The same, which wakes the integrations that a change concerns.
    #[must_use]
    pub fn with_doorbell(self, doorbell: Arc<dyn Doorbell>) -> Self {
        Self { outbox: self.outbox.with_doorbell(doorbell), ..self }
    }

    /// Writes, and wakes those whom there are entries for.
    async fn write_and_wake(&self, writes: Vec<TransactWriteItem>, others: &[Scope]) -> Result<Attempt> {
        let attempt: Attempt = self.table.transact(writes).await?.into();
        self.outbox.wake_after(others, &[attempt]).await;
        Ok(attempt)
    }
}

#[async_trait]
impl ContactStore for ContactTable {
    async fn resolve(&self, scope: &Scope, external: Option<&Identity>, email: Option<&Identity>) -> Result<Resolved> {
        let external = external.map(|identity| keys::identity(&scope.tenant, identity));
        let consent = email.map(|identity| keys::consent(&scope.tenant, identity));
        let email = email.map(|identity| keys::identity(&scope.tenant, identity));
        let wanted: Vec<_> = [&external, &email, &consent].into_iter().flatten().cloned().collect();
        if wanted.is_empty() {
            return Ok(Resolved::default());
        }
        let mut found = self.table.get_all(wanted).await?;
        let mut take = |key: Option<keys::Key>| key.and_then(|key| found.remove(&key));
        let external = take(external);
        Ok(Resolved {
            reserved_at: external.clone().and_then(|item| rows::reserved_at(item).transpose()).transpose()?,
            by_external_id: external.map(rows::pointed_to).transpose()?,
            by_email: take(email).map(rows::pointed_to).transpose()?,
            consent: take(consent).map(consent::ledger).transpose()?.unwrap_or_default(),
        })
    }

    async fn load(&self, scope: &Scope, key: &RecordKey) -> Result<Stored> {
        let items = self.table.partition(keys::record_partition(&scope.tenant, key), None).await?;
        rows::stored(items, &scope.integration)
    }

    async fn links(&self, tenant: &TenantId, key: &RecordKey) -> Result<Vec<LinkOf>> {
        rows::links(self.table.partition(keys::record_partition(tenant, key), None).await?)
    }

    async fn whole(&self, tenant: &TenantId, key: &RecordKey) -> Result<Option<(Record, Vec<LinkOf>)>> {
        rows::whole(self.table.partition(keys::record_partition(tenant, key), None).await?)
    }

    async fn by_remote_id(&self, scope: &Scope, id: &RemoteId) -> Result<Option<RecordKey>> {
        self.table.get(keys::remote(scope, id)).await?.map(rows::pointed_to).transpose()
    }

    async fn begin(&self, scope: &Scope, begin: &Begin) -> Result<Attempt> {
        let parts = self.parts(scope, &begin.key);
        let mut writes =
            vec![parts.record(&begin.record)?, parts.leased_link(&begin.link, &begin.lease, self.clock.now())?];
        writes.extend(parts.place(&begin.record)?);
        for identity in parts.claims(&begin.record, &begin.claim) {
            writes.push(parts.claim(&identity)?);
        }
        writes.extend(parts.consent(begin.consent.as_ref())?);
        let others = if begin.is_news { self.outbox.others(scope).await? } else { Vec::new() };
        writes.extend(self.entries(&others, &begin.key, begin.record.version)?);
        self.write_and_wake(writes, &others).await
    }

    async fn commit(&self, scope: &Scope, commit: &Commit) -> Result<Attempt> {
        let mut writes = self.parts(scope, &commit.key).commit(commit)?;
        let others = if commit.consent.is_some() { self.outbox.others(scope).await? } else { Vec::new() };
        writes.extend(self.outbox.of_commit(&others, commit)?);
        self.write_and_wake(writes, &others).await
    }

    async fn save_record(&self, scope: &Scope, save: &Save) -> Result<Attempt> {
        let mut writes = self.parts(scope, &save.key).save(save)?;
        let others = self.outbox.others(scope).await?;
        writes.extend(self.entries(&others, &save.key, save.record.version)?);
        self.write_and_wake(writes, &others).await
    }

    async fn exchange(&self, scope: &Scope, moves: &[Exchange]) -> Result<Attempt> {
        let (mut writes, others) = (Vec::new(), self.outbox.others(scope).await?);
        for one in moves {
            let parts = self.parts(scope, &one.key);
            writes.push(parts.record(&one.record)?);
            writes.push(parts.taken_over(&one.address, &one.holder)?);
            writes.extend(self.entries(&others, &one.key, one.record.version)?);
        }
        self.write_and_wake(writes, &others).await
    }

    async fn let_go(&self, scope: &Scope, key: &RecordKey, owner: &str) -> Result<()> {
        let mine = Condition::new("lease_owner = :owner").text(":owner", owner);
        // Not mine, or contended: it ended by itself, and somebody else writes or wrote the contact. Nothing is left to
        // give back.
        self.table.update(keys::link(scope, key), "REMOVE lease_owner, lease_until", mine).await?;
        Ok(())
    }

    async fn erase(&self, scope: &Scope, key: &RecordKey, identities: &[Identity], remote: &[RemoteId]) -> Result<()> {
        let items = self.table.partition(keys::record_partition(&scope.tenant, key), None).await?;
        let record = rows::stored(items.clone(), &scope.integration)?.record;
        // Before the record: who dies on the way finds it again, and by it what is left. And once more after it, for somebody may
        // have noted what a newer state names, that was not stored any more.
        relations::forget(&self.table, &scope.tenant, key, identities, record.as_ref()).await?;
        let parts = self.parts(scope, key);
        erasure::erase(&parts, identities, remote, &rows::links(items)?, self.clock.now()).await?;
        relations::forget(&self.table, &scope.tenant, key, identities, None).await
    }

    async fn void(&self, scope: &Scope, key: &RecordKey, identities: &[Identity]) -> Result<()> {
        void::end(&self.parts(scope, key), identities, self.clock.now()).await
    }

    async fn relink(
        &self,
        scope: &Scope,
        key: &RecordKey,
        link: &Link,
        revision: u64,
        now: Timestamp,
    ) -> Result<Attempt> {
        let parts = self.parts(scope, key);
        let mut writes = vec![parts.unheld_link(link, revision, now)?, parts.listing(link)?];
        if let Some(remote) = &link.remote_id {
            writes.push(parts.pointer(keys::remote(scope, remote))?);
        }
        self.table.transact(writes).await.map(Attempt::from)
    }

    async fn contested(&self, scope: &Scope, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>> {
        let after = after.map(RecordKey::as_str);
        let items = self.table.partition_after(keys::contested_partition(scope), after, limit).await?;
        items.into_iter().map(rows::pointed_to).collect()
    }

    async fn amend_consent(&self, scope: &Scope, email: &Identity, entry: ConsentEntry) -> Result<ConsentOutcome> {
        let others = self.outbox.others(scope).await?;
        self.amend_for_all(scope, &others, email, &entry).await
    }

    async fn membership_wish(
        &self,
        scope: &Scope,
        contact: &RemoteId,
        list: &MembershipList,
    ) -> Result<Option<MembershipChange>> {
        wishes::read(&self.table, scope, contact, list).await
    }

    async fn note_membership_wish(&self, scope: &Scope, wish: &MembershipChange) -> Result<Attempt> {
        wishes::note(&self.table, scope, wish).await
    }
}

impl ContactTable {
    /// Outbox entries of the tenant's other integrations.
    fn entries(&self, others: &[Scope], key: &RecordKey, version: u64) -> Result<Vec<TransactWriteItem>> {
        self.outbox.entries(others, key, version, self.clock.now())
    }

    /// Whose the address is may change while its ledger is written: then the entry goes to the new holder as well.
    async fn amend_for_all(
        &self,
        scope: &Scope,
        others: &[Scope],
        email: &Identity,
        entry: &ConsentEntry,
    ) -> Result<ConsentOutcome> {
        let holder = self.holder(scope, email).await?;
        let entries = |key: &Option<RecordKey>| match key {
            Some(key) => self.entries(others, key, outbox::UNKNOWN),
            None => inventory::listing_of_consent(&self.table, &scope.tenant, email)
                .map(|listed| listed.into_iter().collect()),
        };
        let outcome = consent::amend(&self.table, &scope.tenant, email, entry, entries(&holder)?).await?;
        if others.is_empty() {
            return Ok(outcome);
        }
        let holder_since = self.holder(scope, email).await?;
        if holder_since != holder && holder_since.is_some() {
            self.table.transact(entries(&holder_since)?).await?;
        }
        if outcome == ConsentOutcome::Changed && holder_since.is_some() {
            self.outbox.wake(others).await;
        }
        Ok(outcome)
    }

    async fn holder(&self, scope: &Scope, email: &Identity) -> Result<Option<RecordKey>> {
        self.table.get(keys::identity(&scope.tenant, email)).await?.map(rows::pointed_to).transpose()
    }

    fn parts<'a>(&'a self, scope: &'a Scope, key: &'a RecordKey) -> parts::Parts<'a> {
        parts::Parts { table: &self.table, scope, key }
    }
}
