//! Stored integrations: their settings, their sealed secrets, and the public ids of their webhooks.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_connectors::registry::IntegrationSettings;
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::domain::tenant::Label;
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::audit::{self, AuditEntry};
use super::condition::Condition;
use super::keys;
use super::row::{Item, document, item, parsed, row};
use super::table::Table;
use super::transaction::Transacted;
use crate::data_key::Sealed;

/// What is stored of an integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredIntegration {
    /// By which keys of the table and calls name it. For good.
    pub id: IntegrationId,
    /// What people call it; no two of a tenant have one name.
    pub name: Label,
    /// Platform, address and options.
    pub settings: IntegrationSettings,
    /// Of which kind its credentials are, for answers.
    pub credentials: String,
    /// Credentials and webhook secret, sealed.
    pub sealed: Sealed,
    /// What stands in the paths of its webhooks. Nobody can guess it.
    pub public_id: String,
    /// Whether it is worked with.
    pub status: IntegrationStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// How often it was changed since.
    pub revision: u64,
}

/// Whether an integration is worked with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum IntegrationStatus {
    /// It is.
    Active,
    /// Nothing is sent and nothing is read, until somebody resumes it.
    Paused {
        /// Since when.
        since: Timestamp,
    },
    /// It is tried, and the last try failed for a reason that a person has to look at.
    Error {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: String,
    },
    /// It is being removed with all that belongs to it.
    Removing {
        /// Since when.
        since: Timestamp,
    },
}

impl IntegrationStatus {
    /// Whether it is worked with.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        match self {
            Self::Active | Self::Error { .. } => true,
            Self::Paused { .. } | Self::Removing { .. } => false,
        }
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Done,
    /// Another integration of the tenant has the name.
    NameTaken,
    /// It is at another revision.
    Changed,
}

#[derive(Serialize, Deserialize)]
struct IntegrationRow {
    document: String,
    row_revision: u64,
}

/// Which integration has a name.
#[derive(Serialize)]
struct NameRow {
    integration_id: String,
}

/// Where a public id leads.
#[derive(Serialize, Deserialize)]
struct PublicRow {
    document: String,
}

/// The integrations of all tenants that are stored.
#[derive(Clone)]
pub struct IntegrationTable {
    table: Table,
}

impl IntegrationTable {
    /// The integrations in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// An integration. One read call.
    ///
    /// # Errors
    /// `Storage` when the table fails; so do all methods below.
    pub async fn get(&self, scope: &Scope) -> Result<Option<StoredIntegration>> {
        self.table.get(keys::integration(&scope.tenant, &scope.integration)).await?.map(integration).transpose()
    }

    /// A tenant's integrations in the order in which they were made. One read call.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<StoredIntegration>> {
        let items = self.table.partition(keys::integration_partition(tenant), None).await?;
        items.into_iter().map(integration).collect()
    }

    /// The integration whose webhooks have a public id. One read call.
    pub async fn of_public_id(&self, public_id: &str) -> Result<Option<Scope>> {
        let found = self.table.get(keys::public_id(public_id)).await?;
        found.map(|item| parsed(&row::<PublicRow>(item)?.document)).transpose()
    }

    /// Stores a new integration of a tenant. One write call.
    pub async fn create(&self, tenant: &TenantId, new: &StoredIntegration, entry: &AuditEntry) -> Result<Written> {
        let scope = Scope { tenant: tenant.clone(), integration: new.id.clone() };
        let leads = PublicRow { document: document(&scope)? };
        let mut parts = vec![self.naming(tenant, new)?];
        parts.push(self.putting_integration(tenant, new, Condition::absent())?);
        parts.push(self.table.putting(item(keys::public_id(&new.public_id), &leads)?, Some(Condition::absent()))?);
        parts.push(audit::noting(&self.table, tenant, entry)?);
        self.write(parts).await
    }

    /// Stores an integration in the place of `before`. One write call.
    pub async fn replace(
        &self,
        tenant: &TenantId,
        before: &StoredIntegration,
        new: &StoredIntegration,
        entry: &AuditEntry,
    ) -> Result<Written> {
        let same = Condition::new("row_revision = :before").number(":before", before.revision);
        let audit = audit::noting(&self.table, tenant, entry)?;
        let renamed =
            keys::integration_name(tenant, before.name.as_str()) != keys::integration_name(tenant, new.name.as_str());
        let parts = if renamed {
            let old = self.table.deleting(keys::integration_name(tenant, before.name.as_str()), None)?;
            vec![self.naming(tenant, new)?, self.putting_integration(tenant, new, same)?, old, audit]
        } else {
            // The first part is that of the name, whether it changes or not.
            let named = Condition::new("integration_id = :id").text(":id", new.id.to_string());
            let name = self.table.checking(keys::integration_name(tenant, new.name.as_str()), named)?;
            vec![name, self.putting_integration(tenant, new, same)?, audit]
        };
        self.write(parts).await
    }

    /// Takes an integration off the lists that nothing else is left of. One write call.
    pub async fn remove(&self, tenant: &TenantId, gone: &StoredIntegration) -> Result<Attempt> {
        let ours = Condition::new("attribute_not_exists(pk) OR integration_id = :id").text(":id", gone.id.to_string());
        let parts = vec![
            self.table.deleting(keys::integration(tenant, &gone.id), None)?,
            self.table.deleting(keys::public_id(&gone.public_id), None)?,
            self.table.deleting(keys::integration_name(tenant, gone.name.as_str()), Some(ours))?,
        ];
        self.table.transact(parts).await.map(Attempt::from)
    }

    fn naming(&self, tenant: &TenantId, new: &StoredIntegration) -> Result<TransactWriteItem> {
        let place = keys::integration_name(tenant, new.name.as_str());
        let row = NameRow { integration_id: new.id.to_string() };
        self.table.putting(item(place, &row)?, Some(Condition::absent()))
    }

    fn putting_integration(
        &self,
        tenant: &TenantId,
        new: &StoredIntegration,
        condition: Condition,
    ) -> Result<TransactWriteItem> {
        let row = IntegrationRow { document: document(new)?, row_revision: new.revision };
        self.table.putting(item(keys::integration(tenant, &new.id), &row)?, Some(condition))
    }

    /// Writes parts of which the first is about the name, and the second about the integration.
    async fn write(&self, parts: Vec<TransactWriteItem>) -> Result<Written> {
        Ok(match self.table.transact(parts).await? {
            Transacted::Done => Written::Done,
            Transacted::Refused(parts) if parts.contains(&0) && !parts.contains(&1) => Written::NameTaken,
            Transacted::Refused(_) => Written::Changed,
        })
    }
}

fn integration(item: Item) -> Result<StoredIntegration> {
    parsed(&row::<IntegrationRow>(item)?.document)
}
