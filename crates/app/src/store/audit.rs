//! Who changed what of a tenant's settings, and when: written in the transaction of the change, kept for 400 days.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;

use super::keys;
use super::row::{Item, document, item, parsed, row};
use super::table::Table;

/// How long an entry is kept: longer than the year that auditors ask for.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Who does something now, for the entry that it leaves.
#[derive(Clone, Debug)]
pub struct Act {
    /// The name of the key, or of the program, never a secret.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// A new time-ordered id: the entry's.
    pub id: String,
    /// Names the call in logs.
    pub correlation_id: String,
}

/// One change of settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its id. Ids are time-ordered.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who: the name of an API key, or the program that an operator used.
    pub by: String,
    /// What was done: `key.create`, `tenant.suspend`.
    pub action: String,
    /// To what, by its id.
    pub target: String,
    /// The names of the settings that changed; never a value.
    pub fields: Vec<String>,
    /// Names the call in logs.
    pub correlation_id: String,
}

#[derive(Serialize, Deserialize)]
struct AuditRow {
    document: String,
    expires_at: i64,
}

impl Act {
    /// The entry of a change.
    #[must_use]
    pub fn entry(&self, action: &str, target: impl Into<String>, fields: &[&str]) -> AuditEntry {
        AuditEntry {
            id: self.id.clone(),
            at: self.at,
            by: self.by.clone(),
            action: action.to_owned(),
            target: target.into(),
            fields: fields.iter().map(|name| (*name).to_owned()).collect(),
            correlation_id: self.correlation_id.clone(),
        }
    }
}

/// The part of a transaction that notes an entry.
pub(super) fn noting(table: &Table, tenant: &TenantId, entry: &AuditEntry) -> Result<TransactWriteItem> {
    let expires_at = entry.at.as_second().saturating_add(KEPT.as_secs());
    let row = AuditRow { document: document(entry)?, expires_at };
    table.putting(item(keys::audit(tenant, &entry.id), &row)?, None)
}

/// The audit entries of all tenants.
pub struct AuditTable {
    table: Table,
}

impl AuditTable {
    /// The entries in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Notes what is done where no transaction is. One write call.
    ///
    /// # Errors
    /// `Storage` when the table fails.
    pub async fn note(&self, tenant: &TenantId, entry: &AuditEntry) -> Result<()> {
        self.table.transact(vec![noting(&self.table, tenant, entry)?]).await.map(drop)
    }

    /// A tenant's entries before the one of this id, at most `limit`, the newest first. One read call.
    ///
    /// # Errors
    /// `Storage` when the table fails.
    pub async fn list(&self, tenant: &TenantId, before: Option<&str>, limit: usize) -> Result<Vec<AuditEntry>> {
        let items = self.table.partition_before(keys::audit_partition(tenant), before, limit).await?;
        items.into_iter().map(entry).collect()
    }
}

fn entry(item: Item) -> Result<AuditEntry> {
    parsed(&row::<AuditRow>(item)?.document)
}
