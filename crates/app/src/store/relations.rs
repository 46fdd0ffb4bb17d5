//! Which records name which others. Each relation has two items: in the list of who names a record, by that one's identity, and in
//! the list of what a record names or named, by which all of it is found when the record is erased.

use async_trait::async_trait;
use serde::Serialize;
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::record::Record;
use tandem_core::domain::relationship;
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;
use tandem_core::ports::relations::{Relation, RelationStore};

use super::keys::{self, Key};
use super::row::{item, key_of};
use super::table::Table;

/// [`RelationStore`] over the table. All that is known of a relation stands in its key.
pub struct RelationTable {
    table: Table,
}

#[derive(Serialize)]
struct Nothing {}

/// How many relations are looked for and deleted at a time: each is two items of a transaction.
const AT_ONCE: usize = 50;

impl RelationTable {
    /// The relations in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl RelationStore for RelationTable {
    async fn relate(&self, tenant: &TenantId, relations: &[Relation]) -> Result<()> {
        let group = |one: &Relation| {
            let both = [keys::relative(tenant, &one.to, &one.from), keys::relation(tenant, &one.from, &one.to)];
            both.into_iter().map(|key| self.table.putting(item(key, &Nothing {})?, None)).collect()
        };
        self.table.transact_many(relations.iter().map(group).collect::<Result<_>>()?).await.map(drop)
    }

    async fn relatives(
        &self,
        tenant: &TenantId,
        of: &Identity,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>> {
        let partition = keys::relatives(tenant, of);
        let items = self.table.partition_after(partition, after.map(RecordKey::as_str), limit).await?;
        let places = items.iter().filter_map(key_of);
        Ok(places.map(|place| RecordKey::from_stored(place.sk)).collect())
    }
}

/// Forgets what a record names or named, and of a person, who names it: of what is no person, others may go on naming what is not
/// there. `record` is its last state: relations of earlier releases are known by that alone. A read and a write for 50.
pub(super) async fn forget(
    table: &Table,
    tenant: &TenantId,
    key: &RecordKey,
    identities: &[Identity],
    record: Option<&Record>,
) -> Result<()> {
    let named = record.map(|record| relationship::of(key.kind(), &record.fields)).unwrap_or_default();
    let named = named.iter().map(|one| keys::relative(tenant, &one.identity(), key));
    delete(table, named.collect()).await?;
    loop {
        let names = table.partition(keys::relations_partition(tenant, key), Some(AT_ONCE)).await?;
        let own: Vec<Key> = names.iter().filter_map(key_of).collect();
        if own.is_empty() {
            break;
        }
        let theirs = own.iter().map(|one| keys::relative_of_digest(tenant, &one.sk, key));
        delete(table, theirs.chain(own.clone()).collect()).await?;
    }
    if key.kind().is_person() {
        for identity in identities {
            forget_namers(table, tenant, identity).await?;
        }
    }
    Ok(())
}

/// Forgets who names the record of an identity.
async fn forget_namers(table: &Table, tenant: &TenantId, of: &Identity) -> Result<()> {
    loop {
        let namers = table.partition(keys::relatives(tenant, of), Some(AT_ONCE)).await?;
        let own: Vec<Key> = namers.iter().filter_map(key_of).collect();
        if own.is_empty() {
            return Ok(());
        }
        let theirs = own.iter().map(|one| keys::relation(tenant, &RecordKey::from_stored(one.sk.clone()), of));
        delete(table, theirs.chain(own.clone()).collect()).await?;
    }
}

/// Deletes items, a hundred in a transaction.
async fn delete(table: &Table, keys: Vec<Key>) -> Result<()> {
    for some in keys.chunks(2 * AT_ONCE) {
        let parts = some.iter().map(|key| table.deleting(key.clone(), None)).collect::<Result<Vec<_>>>()?;
        table.transact(parts).await?;
    }
    Ok(())
}
