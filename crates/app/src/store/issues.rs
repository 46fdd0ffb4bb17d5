//! What people decided of issues. The issues themselves are worked out of what is stored anyway: see `tandem_core::sync::issues`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::audit::{AuditEntry, noting};
use super::condition::Condition;
use super::keys;
use super::row::{Item, document, item, key_of, parsed, row};
use super::table::Table;

/// How long a decision is kept after it was made.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What a person decided of an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What.
    pub state: DecisionState,
    /// Who: the name of an API key, or the program that an operator used.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they said about it.
    pub note: Option<String>,
    /// Grows by one with every decision.
    pub revision: u64,
}

/// The decisions that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionState {
    /// It is open again.
    Open,
    /// Somebody sees to it.
    Acknowledged,
    /// It was seen to: should it be seen again, it is open again.
    Resolved,
    /// It is to be told of no more.
    Ignored,
}

#[derive(Serialize, Deserialize)]
struct DecisionRow {
    decision_revision: u64,
    document: String,
    expires_at: i64,
}

/// The decisions of all tenants.
pub struct IssueTable {
    table: Table,
}

impl IssueTable {
    /// The decisions in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// All decisions of a tenant by the issues' ids. One read call a megabyte.
    ///
    /// # Errors
    /// `Storage` when the table fails, here and below.
    pub async fn all(&self, tenant: &TenantId) -> Result<BTreeMap<String, Decision>> {
        let items = self.table.partition(keys::issue_partition(tenant), None).await?;
        let named = |item: Item| Ok((key_of(&item).map(|key| key.sk).unwrap_or_default(), decision(item)?));
        items.into_iter().map(named).collect()
    }

    /// Stores a decision in the place of the one before it, and notes who made it; `Contended` when another was made meanwhile. One
    /// write call.
    pub async fn decide(
        &self,
        tenant: &TenantId,
        issue: &str,
        decision: &Decision,
        entry: &AuditEntry,
    ) -> Result<Attempt> {
        let follows = match decision.revision {
            0 | 1 => Condition::absent(),
            revision => Condition::new("decision_revision = :before").number(":before", revision - 1),
        };
        let row = DecisionRow {
            decision_revision: decision.revision,
            document: document(decision)?,
            expires_at: decision.at.as_second().saturating_add(KEPT.as_secs()),
        };
        let parts = vec![
            self.table.putting(item(keys::issue(tenant, issue), &row)?, Some(follows))?,
            noting(&self.table, tenant, entry)?,
        ];
        Ok(self.table.transact(parts).await?.into())
    }
}

fn decision(item: Item) -> Result<Decision> {
    parsed(&row::<DecisionRow>(item)?.document)
}
