//! Until when a platform takes no more calls.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::{Attempt, BudgetStore};

use super::condition::Condition;
use super::keys;
use super::row::{item, moment, row};
use super::table::Table;

/// [`BudgetStore`] over the table.
pub struct BudgetTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct BudgetRow {
    exhausted_until: i64,
    /// When it was last found out, by a call.
    #[serde(default)]
    probed_at: i64,
    expires_at: i64,
}

impl BudgetTable {
    /// The budgets in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl BudgetStore for BudgetTable {
    async fn exhausted_until(&self, scope: &Scope) -> Result<Option<Timestamp>> {
        let Some(item) = self.table.get(keys::budget(scope)).await? else { return Ok(None) };
        moment(row::<BudgetRow>(item)?.exhausted_until).map(Some)
    }

    async fn exhaust(&self, scope: &Scope, reset: Timestamp, now: Timestamp) -> Result<()> {
        let row = BudgetRow {
            exhausted_until: reset.as_microsecond(),
            probed_at: now.as_microsecond(),
            expires_at: reset.as_second().saturating_add(1),
        };
        self.table.put(item(keys::budget(scope), &row)?).await
    }

    async fn claim_probe(&self, scope: &Scope, before: Timestamp, now: Timestamp) -> Result<bool> {
        let unclaimed =
            "attribute_exists(exhausted_until) AND (attribute_not_exists(probed_at) OR probed_at <= :before)";
        let condition = Condition::new(unclaimed).moment(":before", before).moment(":now", now);
        let claimed = self.table.update(keys::budget(scope), "SET probed_at = :now", condition).await?;
        Ok(claimed == Attempt::Done)
    }

    async fn clear(&self, scope: &Scope) -> Result<()> {
        self.table.delete(keys::budget(scope), None).await.map(drop)
    }
}
