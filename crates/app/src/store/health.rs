//! The platform's answer to the last health check, for all functions.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;

use super::keys;
use super::row::{document, item, moment, parsed, row};
use super::table::Table;

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// Answers of platforms in the table.
pub struct HealthTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct HealthRow {
    asked_at: i64,
    document: String,
    expires_at: i64,
}

impl HealthTable {
    /// The answers in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// When the platform was asked last, and what came of it. One read call.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn last(&self, scope: &Scope) -> Result<Option<(Timestamp, Value)>> {
        let Some(item) = self.table.get(keys::health(scope)).await? else { return Ok(None) };
        let row: HealthRow = row(item)?;
        Ok(Some((moment(row.asked_at)?, parsed(&row.document)?)))
    }

    /// Notes what came of asking the platform. One write call.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn note(&self, scope: &Scope, asked_at: Timestamp, answer: &Value) -> Result<()> {
        let expires_at = asked_at.as_second().saturating_add(KEPT.as_secs());
        let row = HealthRow { asked_at: asked_at.as_microsecond(), document: document(answer)?, expires_at };
        self.table.put(item(keys::health(scope), &row)?).await
    }
}
