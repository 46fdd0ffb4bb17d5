//! Until when a platform takes no more calls.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::BudgetStore;

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

    async fn exhaust(&self, scope: &Scope, reset: Timestamp) -> Result<()> {
        let row =
            BudgetRow { exhausted_until: reset.as_microsecond(), expires_at: reset.as_second().saturating_add(1) };
        self.table.put(item(keys::budget(scope), &row)?).await
    }
}
