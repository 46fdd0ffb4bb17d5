//! Until when a platform that does not answer is not called.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::CircuitStore;

use super::keys;
use super::row::{item, moment, row};
use super::table::Table;

/// [`CircuitStore`] over the table.
pub struct CircuitTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct CircuitRow {
    silent_until: i64,
    expires_at: i64,
}

impl CircuitTable {
    /// What `table` knows of silent platforms.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl CircuitStore for CircuitTable {
    async fn silent_until(&self, scope: &Scope) -> Result<Option<Timestamp>> {
        let Some(item) = self.table.get(keys::circuit(scope)).await? else { return Ok(None) };
        moment(row::<CircuitRow>(item)?.silent_until).map(Some)
    }

    async fn note_silence(&self, scope: &Scope, until: Timestamp) -> Result<()> {
        let row = CircuitRow { silent_until: until.as_microsecond(), expires_at: until.as_second().saturating_add(1) };
        self.table.put(item(keys::circuit(scope), &row)?).await
    }
}
