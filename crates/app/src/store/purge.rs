//! Deleting a tenant with everything it owns. What was begun can be gone on with: each step asks the table what is left.

use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::{Tenant, TenantStatus};
use tandem_core::error::{Failure, FailureKind, Result};

use super::keys::{self, Key};
use super::row::{key_of, text};
use super::table::Table;

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
        for partition in partitions(id) {
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
fn partitions(tenant: &TenantId) -> [String; 3] {
    [keys::api_key_name_partition(tenant), keys::parked_partition(tenant), keys::audit_partition(tenant)]
}
