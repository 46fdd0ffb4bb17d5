//! The tenants of the installation: one item each, in one list.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::{Tenant, TenantStatus};
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::audit::{self, AuditEntry};
use super::condition::Condition;
use super::keys;
use super::row::{Item, document, item, parsed, row};
use super::table::Table;

/// The tenants in the table. The default tenant is not among them: it is there as long as the installation is.
#[derive(Clone)]
pub struct TenantTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct TenantRow {
    document: String,
    row_revision: u64,
}

/// That a tenant was deleted is all that is left of it.
#[derive(Serialize)]
struct GoneRow {}

impl TenantTable {
    /// The tenants in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// A tenant. One read call.
    ///
    /// # Errors
    /// `Storage` when the table fails; so do all methods below.
    pub async fn get(&self, id: &TenantId) -> Result<Option<Tenant>> {
        self.table.get(keys::tenant(id)).await?.map(tenant).transpose()
    }

    /// Whether the tenant is served. One read call; none for the default tenant, which always is.
    pub async fn is_served(&self, id: &TenantId) -> Result<bool> {
        if id.is_default() {
            return Ok(true);
        }
        Ok(self.get(id).await?.is_some_and(|tenant| tenant.status == TenantStatus::Active))
    }

    /// Tenants in the order of their ids, after one of them, at most `limit`. One read call per megabyte.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Tenant>> {
        let items = self.table.partition_after(keys::tenant_partition(), after, limit).await?;
        items.into_iter().map(tenant).collect()
    }

    /// Stores a new tenant, and notes it in the audit of the tenant `noted_by`; `Contended` when the id is in use, or
    /// was another tenant's. One write call.
    pub async fn create(&self, new: &Tenant, noted_by: &TenantId, entry: &AuditEntry) -> Result<Attempt> {
        let unused = self.table.checking(keys::gone_tenant(&new.id), Condition::absent())?;
        self.write(new, Condition::absent(), noted_by, entry, vec![unused]).await
    }

    /// Stores a tenant in the place of the revision before it; `Contended` when that is not there any more. One write call.
    pub async fn replace(&self, new: &Tenant, noted_by: &TenantId, entry: &AuditEntry) -> Result<Attempt> {
        let before = Condition::new("row_revision = :before").number(":before", new.revision.saturating_sub(1));
        self.write(new, before, noted_by, entry, Vec::new()).await
    }

    /// Takes a tenant off the list that nothing is left of; its id is not given away again. One write call.
    pub async fn bury(&self, tenant: &Tenant) -> Result<()> {
        let note = item(keys::gone_tenant(&tenant.id), &GoneRow {})?;
        let parts = vec![self.table.deleting(keys::tenant(&tenant.id), None)?, self.table.putting(note, None)?];
        // Who is refused meets another one who does the same.
        self.table.transact(parts).await.map(drop)
    }

    async fn write(
        &self,
        new: &Tenant,
        condition: Condition,
        noted_by: &TenantId,
        entry: &AuditEntry,
        mut parts: Vec<TransactWriteItem>,
    ) -> Result<Attempt> {
        let row = TenantRow { document: document(new)?, row_revision: new.revision };
        parts.push(self.table.putting(item(keys::tenant(&new.id), &row)?, Some(condition))?);
        parts.push(audit::noting(&self.table, noted_by, entry)?);
        self.table.transact(parts).await.map(Attempt::from)
    }
}

fn tenant(item: Item) -> Result<Tenant> {
    parsed(&row::<TenantRow>(item)?.document)
}
