//! Deliveries as they came, what people did, and how far the platform's feeds were read.

mod deliveries;
mod ledger;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::engagement::{EngagementEvent, Standing};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::{EventStore, Feed, FeedCursor, Kept, KeptDelivery};
use tandem_core::webhook::entry::{Entry, Observed};

use super::keys;
use super::row::{document, item, parsed, row};
use super::table::Table;

/// [`EventStore`] over the table.
pub struct EventTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct CursorRow {
    document: String,
}

impl EventTable {
    /// The deliveries and events in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl EventStore for EventTable {
    async fn keep(&self, scope: &Scope, digest: &str, body: &[u8], now: Timestamp) -> Result<Kept> {
        deliveries::keep(&self.table, scope, digest, body, now).await
    }

    async fn kept(&self, scope: &Scope, digest: &str) -> Result<Option<Vec<u8>>> {
        deliveries::kept(&self.table, scope, digest).await
    }

    async fn finish(&self, scope: &Scope, digest: &str) -> Result<()> {
        deliveries::finish(&self.table, scope, digest).await
    }

    async fn unfinished(&self, scope: &Scope, before: Timestamp, limit: usize) -> Result<Vec<String>> {
        deliveries::unfinished(&self.table, scope, before, limit).await
    }

    async fn count_unfinished(&self, scope: &Scope, most: usize) -> Result<usize> {
        self.table.partition_count(keys::unfinished_partition(scope), most).await
    }

    async fn unfinished_behind(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Result<Vec<KeptDelivery>> {
        deliveries::unfinished_behind(&self.table, scope, after, limit).await
    }

    async fn delivery(&self, scope: &Scope, digest: &str, now: Timestamp) -> Result<Option<KeptDelivery>> {
        deliveries::delivery(&self.table, scope, digest, now).await
    }

    async fn add(&self, scope: &Scope, contact: &RemoteId, event: &EngagementEvent) -> Result<bool> {
        ledger::add(&self.table, scope, contact, event).await
    }

    async fn forget(&self, scope: &Scope, contact: &RemoteId) -> Result<()> {
        self.table.clear(keys::ledger_partition(scope, contact)).await
    }

    async fn events(&self, scope: &Scope, contact: &RemoteId) -> Result<Vec<EngagementEvent>> {
        ledger::events(&self.table, scope, contact).await
    }

    async fn standing(&self, scope: &Scope, contact: &RemoteId) -> Result<Option<Standing>> {
        ledger::standing(&self.table, scope, contact).await
    }

    async fn save_standing(&self, scope: &Scope, contact: &RemoteId, standing: &Standing) -> Result<()> {
        ledger::save_standing(&self.table, scope, contact, standing).await
    }

    async fn observe(&self, scope: &Scope, contact: &RemoteId, entry: &Entry) -> Result<bool> {
        ledger::observe(&self.table, scope, contact, entry).await
    }

    async fn observed(&self, scope: &Scope, contact: &RemoteId) -> Result<Observed> {
        ledger::observed(&self.table, scope, contact).await
    }

    async fn mark_for_write_back(&self, scope: &Scope, contact: &RemoteId, by: &str) -> Result<bool> {
        ledger::mark(&self.table, scope, contact, by).await
    }

    async fn unmark_for_write_back(&self, scope: &Scope, contact: &RemoteId) -> Result<()> {
        ledger::unmark(&self.table, scope, contact).await
    }

    async fn cursor(&self, scope: &Scope, feed: Feed) -> Result<Option<FeedCursor>> {
        let Some(item) = self.table.get(keys::cursor(scope, feed)).await? else { return Ok(None) };
        parsed(&row::<CursorRow>(item)?.document).map(Some)
    }

    async fn save_cursor(&self, scope: &Scope, feed: Feed, cursor: &FeedCursor) -> Result<()> {
        let row = CursorRow { document: document(cursor)? };
        self.table.put(item(keys::cursor(scope, feed), &row)?).await
    }
}
