//! Jobs that wait for a person.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;
use tandem_core::jobs::message::ParkedJob;
use tandem_core::ports::ParkedJobs;

use super::keys;
use super::row::{Item, document, item, parsed, row};
use super::table::Table;

/// [`ParkedJobs`] over the table. A job's id is its sort key: ids are time-ordered, so a list begins with the job that
/// was queued first, and a job that is parked again takes the place it had.
pub struct ParkedTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct ParkedRow {
    document: String,
}

impl ParkedTable {
    /// The parked jobs in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

fn parked(item: Item) -> Result<ParkedJob> {
    parsed(&row::<ParkedRow>(item)?.document)
}

#[async_trait]
impl ParkedJobs for ParkedTable {
    async fn park(&self, parked: &ParkedJob) -> Result<()> {
        let row = ParkedRow { document: document(parked)? };
        self.table.put(item(keys::parked(&parked.job.scope.tenant, &parked.job.id), &row)?).await
    }

    async fn list(&self, tenant: &TenantId, limit: usize) -> Result<Vec<ParkedJob>> {
        let items = self.table.partition(keys::parked_partition(tenant), Some(limit)).await?;
        items.into_iter().map(parked).collect()
    }

    async fn list_behind(&self, tenant: &TenantId, after: &str, limit: usize) -> Result<Vec<ParkedJob>> {
        let items = self.table.partition_after(keys::parked_partition(tenant), Some(after), limit).await?;
        items.into_iter().map(parked).collect()
    }

    async fn count(&self, tenant: &TenantId, most: usize) -> Result<usize> {
        self.table.partition_count(keys::parked_partition(tenant), most).await
    }

    async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<ParkedJob>> {
        self.table.get(keys::parked(tenant, id)).await?.map(parked).transpose()
    }

    async fn remove(&self, tenant: &TenantId, id: &str) -> Result<()> {
        self.table.delete(keys::parked(tenant, id), None).await?;
        Ok(())
    }
}
