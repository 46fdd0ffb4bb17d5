//! Which records name which others.

use async_trait::async_trait;
use serde::Serialize;
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;
use tandem_core::ports::relations::{Relation, RelationStore};

use super::keys;
use super::row::{item, key_of};
use super::table::Table;

/// [`RelationStore`] over the table. All that is known of a relation stands in its key.
pub struct RelationTable {
    table: Table,
}

#[derive(Serialize)]
struct Nothing {}

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
            let place = item(keys::relative(tenant, &one.to, &one.from), &Nothing {})?;
            Ok(vec![self.table.putting(place, None)?])
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
