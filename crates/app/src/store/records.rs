//! The source for applications that hand over their records: rows in the table.

use async_trait::async_trait;
use tandem_core::domain::engagement::EngagementEvent;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::runs::RunLog;
use tandem_core::ports::source::{Person, Pulled, RowStatus, SourceCursor, SourceOrder, SourcePage, SourceRow};
use tandem_core::ports::{Feedback, RecordSource};

use super::table::Table;

/// [`RecordSource`] over the table.
pub struct RecordsTable {
    _table: Table,
}

impl RecordsTable {
    /// The rows in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { _table: table }
    }
}

#[async_trait]
impl RecordSource for RecordsTable {
    async fn tells_changes(&self, _scope: &Scope) -> Result<bool> {
        Ok(true)
    }
    async fn page(&self, _: &Scope, _: SourceOrder, after: &SourceCursor, _: usize) -> Result<SourcePage> {
        Ok(SourcePage { next: after.clone(), ..SourcePage::default() })
    }
    async fn rows(&self, _: &Scope, _: &[String]) -> Result<Vec<SourceRow>> {
        Ok(Vec::new())
    }
    async fn report(&self, _: &Scope, _: &[RowStatus]) -> Result<()> {
        Ok(())
    }
    async fn report_run(&self, _: &Scope, _: &RunLog) -> Result<()> {
        Ok(())
    }
    async fn take_back(&self, _: &Scope, _: &[Pulled]) -> Result<()> {
        Ok(())
    }
    async fn tell(&self, _: &Scope, _: &Person, _: &Feedback, _: &[EngagementEvent]) -> Result<()> {
        Ok(())
    }
}
