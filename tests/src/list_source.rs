//! A source in memory, for tests of what a run makes of rows: it counts its calls and remembers what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::Value;
use tandem_core::domain::engagement::EngagementEvent;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::runs::RunLog;
use tandem_core::ports::source::{
    Appeared, Person, Pulled, RowStatus, SourceCursor, SourceOrder, SourcePage, SourceRow,
};
use tandem_core::ports::{Feedback, RecordSource};

use crate::customers::Row;

/// The source. Clones share their rows.
#[derive(Clone, Default)]
pub struct ListSource {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    rows: BTreeMap<String, SourceRow>,
    untold: bool,
    calls: u64,
    pass_next: u32,
    fail_next: u32,
    statuses: BTreeMap<String, RowStatus>,
    runs: Vec<RunLog>,
    pulled: Vec<Pulled>,
    appeared: Vec<Appeared>,
}

impl ListSource {
    /// A source with these rows.
    #[must_use]
    pub fn of(rows: impl IntoIterator<Item = SourceRow>) -> Self {
        let source = Self::default();
        source.put(rows);
        source
    }

    /// Puts rows in the place of those with their ids.
    pub fn put(&self, rows: impl IntoIterator<Item = SourceRow>) {
        self.held().rows.extend(rows.into_iter().map(|row| (row.id.clone(), row)));
    }

    /// Takes rows away, without a word.
    pub fn lose(&self, ids: &BTreeSet<String>) {
        self.held().rows.retain(|id, _| !ids.contains(id));
    }

    /// Rows do not say when they were changed.
    pub fn without_updated_at(&self) {
        let mut held = self.held();
        held.untold = true;
        held.rows.values_mut().for_each(|row| row.updated_at = None);
    }

    /// As many of the next calls fail.
    pub fn fail_next(&self, calls: u32) {
        self.fail_after(0, calls);
    }

    /// As many of the calls fail that come after some that don't.
    pub fn fail_after(&self, pass: u32, calls: u32) {
        let mut held = self.held();
        (held.pass_next, held.fail_next) = (pass, calls);
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.held().calls
    }

    /// What was last told of a row.
    #[must_use]
    pub fn status(&self, id: &str) -> Option<RowStatus> {
        self.held().statuses.get(id).cloned()
    }

    /// The runs that were told of.
    #[must_use]
    pub fn runs(&self) -> Vec<RunLog> {
        self.held().runs.clone()
    }

    /// What was pulled.
    #[must_use]
    pub fn pulled(&self) -> Vec<Pulled> {
        self.held().pulled.clone()
    }

    /// The people who appeared on the platform.
    #[must_use]
    pub fn appeared(&self) -> Vec<Appeared> {
        self.held().appeared.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self) -> Result<MutexGuard<'_, Held>> {
        let mut held = self.held();
        held.calls += 1;
        if held.pass_next > 0 {
            held.pass_next -= 1;
        } else if held.fail_next > 0 {
            held.fail_next -= 1;
            return Err(Failure::new(FailureKind::Unavailable, "the source is away"));
        }
        Ok(held)
    }
}

/// A customer of the file as a row of a source.
#[must_use]
pub fn source_row(row: &Row) -> SourceRow {
    let value = |text: &String| if text.is_empty() { Value::Null } else { Value::String(text.clone()) };
    let columns = row.iter().filter(|(name, _)| !["id", "updated_at"].contains(&name.as_str()));
    SourceRow {
        id: row["id"].clone(),
        updated_at: row["updated_at"].parse().ok(),
        fields: columns.map(|(name, text)| (name.clone(), value(text))).collect(),
        deleted: false,
    }
}

#[async_trait]
impl RecordSource for ListSource {
    async fn tells_changes(&self, _: &Scope) -> Result<bool> {
        Ok(!self.held().untold)
    }

    fn overlap(&self) -> SignedDuration {
        SignedDuration::from_mins(5)
    }

    async fn page(&self, _: &Scope, order: SourceOrder, after: &SourceCursor, limit: usize) -> Result<SourcePage> {
        let held = self.called()?;
        let mut rows: Vec<&SourceRow> = held.rows.values().filter(|row| is_after(row, order, after)).collect();
        if order == SourceOrder::Changed {
            rows.sort_by(|a, b| (a.updated_at, &a.id).cmp(&(b.updated_at, &b.id)));
        }
        let more = rows.len() > limit;
        let rows: Vec<SourceRow> = rows.into_iter().take(limit).cloned().collect();
        let next = rows.last().map_or_else(
            || after.clone(),
            |row| SourceCursor {
                updated_at: row.updated_at.filter(|_| order == SourceOrder::Changed),
                id: Some(row.id.clone()),
            },
        );
        Ok(SourcePage { rows, next, more })
    }

    async fn rows(&self, _: &Scope, ids: &[String]) -> Result<Vec<SourceRow>> {
        let held = self.called()?;
        Ok(ids.iter().filter_map(|id| held.rows.get(id).cloned()).collect())
    }

    async fn report(&self, _: &Scope, statuses: &[RowStatus]) -> Result<()> {
        let mut held = self.called()?;
        held.statuses.extend(statuses.iter().map(|status| (status.id.clone(), status.clone())));
        Ok(())
    }

    async fn report_run(&self, _: &Scope, run: &RunLog) -> Result<()> {
        self.called()?.runs.push(run.clone());
        Ok(())
    }

    async fn appeared(&self, _: &Scope, people: &[Appeared]) -> Result<()> {
        self.called()?.appeared.extend_from_slice(people);
        Ok(())
    }

    async fn take_back(&self, _: &Scope, pulled: &[Pulled]) -> Result<()> {
        self.called()?.pulled.extend(pulled.iter().cloned());
        Ok(())
    }

    async fn forget(&self, _: &Scope, id: &ExternalId) -> Result<()> {
        self.called()?.rows.remove(id.as_str());
        Ok(())
    }

    async fn tell(&self, _: &Scope, _: &Person, _: &Feedback, _: &[EngagementEvent]) -> Result<()> {
        self.called().map(drop)
    }
}

fn is_after(row: &SourceRow, order: SourceOrder, after: &SourceCursor) -> bool {
    match (order, after.updated_at, &after.id) {
        (SourceOrder::Id, _, None) | (SourceOrder::Changed, None, _) => true,
        (SourceOrder::Id, _, Some(id)) => row.id > *id,
        (SourceOrder::Changed, Some(moment), None) => row.updated_at >= Some(moment),
        (SourceOrder::Changed, Some(moment), Some(id)) => (row.updated_at, &row.id) > (Some(moment), id),
    }
}
