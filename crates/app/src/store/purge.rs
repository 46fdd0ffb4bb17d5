//! Deleting a tenant with everything it owns. What was begun can be gone on with: each step asks the table what is left.

use std::collections::BTreeSet;
use std::sync::Arc;

use tandem_core::domain::identity::{Email, Identity, RecordKey};
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::domain::tenant::{Tenant, TenantStatus};
use tandem_core::error::{Failure, FailureKind, Result};

use super::contacts::rows;
use super::keys::{self, Key};
use super::row::{DOCUMENT, key_of, parsed, text};
use super::table::Table;
use super::{BulkTable, IntegrationTable, forget_integration, relations};
use crate::desks::FixedPeers;

/// How many items are looked for and deleted at a time: as many as a transaction takes.
const AT_ONCE: usize = 100;

/// Deletes what tenants own.
pub struct Purge {
    table: Table,
}

impl Purge {
    /// A purge of `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Deletes what a tenant owns, as long as `in_time` says that there is time; whether nothing is left.
    ///
    /// # Errors
    /// `Invalid` for a tenant that is not being deleted; `Storage` when the table fails: what is left can be deleted later.
    pub async fn tenant(&self, tenant: &Tenant, in_time: &(dyn Fn() -> bool + Sync)) -> Result<bool> {
        if !matches!(tenant.status, TenantStatus::Deleting { .. }) {
            return Err(Failure::new(FailureKind::Invalid, "only a tenant that is marked for it is deleted"));
        }
        let id = &tenant.id;
        // The keys go first: whoever holds one must not write meanwhile. What lists things goes after the things.
        if !self.keys(id, in_time).await? {
            return Ok(false);
        }
        if !self.integrations(id, in_time).await? || !self.people(id, in_time).await? || !self.rows(id, in_time).await?
        {
            return Ok(false);
        }
        for partition in partitions(id) {
            if !self.partition(&partition, in_time).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes what a process notes of a platform that it calls: token, budget, circuit, fields.
    ///
    /// # Errors
    /// `Storage` when the table fails.
    pub async fn platform(&self, scope: &Scope) -> Result<()> {
        self.table.clear(keys::token(scope).pk).await
    }

    /// The integrations, each with its links: then records are known by their identities alone.
    async fn integrations(&self, tenant: &TenantId, in_time: &(dyn Fn() -> bool + Sync)) -> Result<bool> {
        let integrations = IntegrationTable::new(self.table.clone());
        let bulk = BulkTable::new(self.table.clone(), Arc::new(FixedPeers::default()));
        for stored in integrations.list(tenant).await? {
            if !in_time() {
                return Ok(false);
            }
            let scope = Scope { tenant: tenant.clone(), integration: stored.id.clone() };
            forget_integration(&self.table, &bulk, &scope).await?;
            integrations.remove(tenant, &stored).await?;
        }
        Ok(true)
    }

    /// The records, each with what is known of the person. The place in the list goes last: who dies on the way finds it again.
    async fn people(&self, tenant: &TenantId, in_time: &(dyn Fn() -> bool + Sync)) -> Result<bool> {
        for shard in 0..keys::RECORD_SHARDS {
            loop {
                let listed = self.table.partition(keys::records_partition(tenant, shard), Some(AT_ONCE)).await?;
                if listed.is_empty() {
                    break;
                }
                for place in listed.iter().filter_map(key_of) {
                    if !in_time() {
                        return Ok(false);
                    }
                    self.person(tenant, &RecordKey::from_stored(place.sk.clone())).await?;
                    self.table.delete(place, None).await?;
                }
            }
        }
        Ok(true)
    }

    async fn person(&self, tenant: &TenantId, key: &RecordKey) -> Result<()> {
        let items = self.table.partition(keys::record_partition(tenant, key), None).await?;
        let record = rows::stored(items, &IntegrationId::mautic())?.record;
        let email = record.as_ref().and_then(|record| record.email.as_ref()).map(Email::identity);
        let external = record.as_ref().and_then(|record| record.external_id.as_ref());
        let identities: Vec<Identity> =
            external.map(|id| id.identity_as(key.kind())).into_iter().chain(email.clone()).collect();
        let of = |identity: &Identity| [keys::identity(tenant, identity), keys::tombstone(tenant, identity)];
        let mut pointers: Vec<Key> = identities.iter().flat_map(of).collect();
        pointers.extend(email.iter().map(|email| keys::consent(tenant, email)));
        if !pointers.is_empty() {
            self.delete(pointers).await?;
        }
        relations::forget(&self.table, tenant, key, &identities, record.as_ref()).await?;
        self.table.clear(keys::subject_partition(tenant, key)).await?;
        self.table.clear(keys::record_partition(tenant, key)).await
    }

    /// The application's rows, in both of their orders.
    async fn rows(&self, tenant: &TenantId, in_time: &(dyn Fn() -> bool + Sync)) -> Result<bool> {
        let months: BTreeSet<String> = match self.table.get(keys::arrival_months(tenant)).await? {
            Some(item) => text(&item, DOCUMENT).map(parsed).transpose()?.unwrap_or_default(),
            None => BTreeSet::new(),
        };
        let arrivals = months.iter().map(|month| keys::arrivals(tenant, month));
        for partition in arrivals.chain((0..keys::ROW_SHARDS).map(|shard| keys::row_shard(tenant, shard))) {
            if !self.partition(&partition, in_time).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The API keys: each with its place in the tenant's list.
    async fn keys(&self, tenant: &TenantId, in_time: &(dyn Fn() -> bool + Sync)) -> Result<bool> {
        loop {
            let listed = self.table.partition(keys::api_key_partition(tenant), Some(AT_ONCE / 2)).await?;
            let hashes = listed.iter().filter_map(|item| text(item, "sk"));
            let both = hashes.flat_map(|hash| [keys::api_key(hash), keys::listed_api_key(tenant, hash)]);
            let both: Vec<Key> = both.collect();
            if both.is_empty() {
                return Ok(true);
            }
            if !in_time() {
                return Ok(false);
            }
            self.delete(both).await?;
        }
    }

    /// All items of a partition.
    async fn partition(&self, pk: &str, in_time: &(dyn Fn() -> bool + Sync)) -> Result<bool> {
        loop {
            let items = self.table.partition(pk.to_owned(), Some(AT_ONCE)).await?;
            if items.is_empty() {
                return Ok(true);
            }
            if !in_time() {
                return Ok(false);
            }
            self.delete(items.iter().filter_map(key_of).collect()).await?;
        }
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<()> {
        let parts = keys.into_iter().map(|key| self.table.deleting(key, None)).collect::<Result<Vec<_>>>()?;
        // Who is refused meets another purge of the same tenant; the next look shows what is left.
        self.table.transact(parts).await.map(drop)
    }
}

/// The partitions of a tenant itself.
fn partitions(tenant: &TenantId) -> [String; 8] {
    [
        keys::api_key_name_partition(tenant),
        keys::integration_name_partition(tenant),
        keys::parked_partition(tenant),
        keys::unqueued_partition(tenant),
        keys::arrival_months(tenant).pk,
        keys::take_state(tenant).pk,
        keys::issue_partition(tenant),
        keys::audit_partition(tenant),
    ]
}
