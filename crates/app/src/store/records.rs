//! The source for applications that hand over their records: rows in the table.
//!
//! A row stands there by the digest of its id, and a place that leads to it in the order in which newest states arrived. That
//! order is the one of [`SourceOrder::Changed`]. By the application's own `updated_at`, a state that is handed over late, or by a
//! slow clock, would stand before rows that a reader has passed long ago.

mod arrivals;
mod changes;
mod writing;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tandem_core::domain::engagement::EngagementEvent;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::place::TimePlace;
use tandem_core::ports::runs::RunLog;
use tandem_core::ports::source::{
    Appeared, Person, Pulled, RecordChange, RecordChanges, RowStatus, SourceCursor, SourceOrder, SourcePage, SourceRow,
};
use tandem_core::ports::{Clock, Feedback, RecordSource};

use super::keys::{self, ROW_SHARDS};
use super::row::{DOCUMENT, moment, parsed, row, text};
use super::table::Table;

pub use writing::RowOutcome;

/// [`RecordSource`] over the table. Rows that the application deleted stay as rows without fields.
pub struct RecordsTable {
    table: Table,
    clock: Arc<dyn Clock>,
    /// Partitions of arrivals that are listed, as far as this process knows.
    listed: Mutex<HashSet<String>>,
}

/// A row's newest state.
#[derive(Serialize, Deserialize)]
struct State {
    /// Grows by one with every state that is stored.
    state_version: u64,
    /// When it arrived, in microseconds.
    arrived_at: i64,
    /// The row.
    document: String,
}

impl RecordsTable {
    /// The rows in `table`; `clock` tells when they arrive.
    #[must_use]
    pub fn new(table: Table, clock: Arc<dyn Clock>) -> Self {
        Self { table, clock, listed: Mutex::default() }
    }

    /// The months in which rows arrived, the earliest first. One read call.
    async fn months(&self, scope: &Scope) -> Result<BTreeSet<String>> {
        let item = self.table.get(keys::arrival_months(&scope.tenant)).await?.unwrap_or_default();
        text(&item, DOCUMENT).map_or_else(|| Ok(BTreeSet::new()), parsed)
    }

    /// One read call for each shard from the cursor's on, as far as rows are wanted.
    async fn by_id(&self, scope: &Scope, after: &SourceCursor, limit: usize) -> Result<SourcePage> {
        let behind = after.id.as_deref().map(keys::row_digest);
        let mut found = Vec::new();
        for shard in behind.as_deref().map_or(0, keys::row_shard_of)..ROW_SHARDS {
            if found.len() < limit {
                let partition = keys::row_shard(&scope.tenant, shard);
                found.extend(self.table.partition_after(partition, behind.as_deref(), limit - found.len()).await?);
            }
        }
        let more = found.len() >= limit;
        page_of(found.into_iter().map(row).collect::<Result<_>>()?, SourceOrder::Id, after, more)
    }
}

/// A page of these rows, with where to read on.
fn page_of(states: Vec<State>, order: SourceOrder, after: &SourceCursor, more: bool) -> Result<SourcePage> {
    let rows: Vec<SourceRow> = states.iter().map(|state| parsed(&state.document)).collect::<Result<_>>()?;
    let next = match (states.last(), rows.last()) {
        (Some(state), Some(row)) => {
            let arrival = (order == SourceOrder::Changed).then(|| moment(state.arrived_at)).transpose()?;
            SourceCursor { updated_at: arrival, id: Some(row.qualified_id().into_owned()) }
        }
        _ => after.clone(),
    };
    Ok(SourcePage { more, rows, next })
}

#[async_trait]
impl RecordSource for RecordsTable {
    async fn tells_changes(&self, _scope: &Scope) -> Result<bool> {
        Ok(true)
    }

    /// A state's arrival is noted before its place and itself are written: the SDK tries each three times, three seconds each.
    fn overlap(&self) -> SignedDuration {
        SignedDuration::from_secs(24)
    }

    async fn page(&self, scope: &Scope, order: SourceOrder, after: &SourceCursor, limit: usize) -> Result<SourcePage> {
        match order {
            SourceOrder::Changed => self.by_arrival(scope, after, limit).await,
            SourceOrder::Id => self.by_id(scope, after, limit).await,
        }
    }

    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<SourceRow>> {
        let wanted = ids.iter().map(|id| keys::row(&scope.tenant, &keys::row_digest(id))).collect();
        let found = self.table.get_many(wanted).await?;
        found.into_values().map(|item| parsed(&row::<State>(item)?.document)).collect()
    }

    /// The link beside the record says it already, in the same table.
    async fn report(&self, _: &Scope, _: &[RowStatus]) -> Result<()> {
        Ok(())
    }

    /// The log of runs is in the same table.
    async fn report_run(&self, _: &Scope, _: &RunLog) -> Result<()> {
        Ok(())
    }

    /// A row is what the application said, and only the application changes it: to write the platform's values into it
    /// would hand them over as the application's. They are in the record's link, where `tandem contact show` finds them.
    async fn take_back(&self, _: &Scope, _: &[Pulled]) -> Result<()> {
        Ok(())
    }

    async fn appeared(&self, scope: &Scope, people: &[Appeared]) -> Result<()> {
        let change = |one: &Appeared| RecordChange {
            record: one.record.clone(),
            fields: one.fields.keys().cloned().collect(),
            integration: one.integration.clone(),
            at: one.at,
            appeared: true,
        };
        self.note(scope, &people.iter().map(change).collect::<Vec<_>>()).await
    }

    fn keeps_rows(&self) -> bool {
        true
    }

    fn keeps_changes(&self) -> bool {
        true
    }

    async fn note_changes(&self, scope: &Scope, changes: &[RecordChange]) -> Result<()> {
        self.note(scope, changes).await
    }

    async fn changes(&self, scope: &Scope, after: Option<&TimePlace>, limit: usize) -> Result<RecordChanges> {
        self.noted(scope, after, limit).await
    }

    async fn forget(&self, scope: &Scope, id: &ExternalId) -> Result<()> {
        self.erase(scope, id.as_str()).await
    }

    /// The feedback beside the record and the ledger of events say it already, in the same table.
    async fn tell(&self, _: &Scope, _: &Person, _: &Feedback, _: &[EngagementEvent]) -> Result<()> {
        Ok(())
    }
}
