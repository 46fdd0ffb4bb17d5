//! That a job is queued which sends an integration's outbox: whoever finds it rung need not ring.

use jiff::Timestamp;
use serde::Serialize;
use tandem_core::domain::link::Lease;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;

use super::access::Put;
use super::condition::Condition;
use super::keys;
use super::row::item;
use super::table::Table;

/// The rings of all integrations.
pub struct RingTable {
    table: Table,
}

/// A ring counts until its job must have begun; in microseconds. After that, the job was lost.
#[derive(Serialize)]
struct RingRow {
    ring_until: i64,
    expires_at: i64,
}

impl RingTable {
    /// The rings in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Rings, unless it was rung and nobody answered yet; says whether it did. One write call.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn ring(&self, scope: &Scope, until: Timestamp, now: Timestamp) -> Result<bool> {
        let row = RingRow { ring_until: until.as_microsecond(), expires_at: until.as_second().saturating_add(1) };
        let unrung = Condition::new("attribute_not_exists(pk) OR ring_until < :now OR ring_until > :too_far")
            .moment(":now", now)
            .moment(":too_far", Lease::farthest(now));
        Ok(matches!(self.table.put_if(item(keys::ring(scope), &row)?, unrung).await?, Put::Done))
    }

    /// Takes the ring away. One write call.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn answer(&self, scope: &Scope) -> Result<()> {
        self.table.delete(keys::ring(scope), None).await.map(drop)
    }
}
