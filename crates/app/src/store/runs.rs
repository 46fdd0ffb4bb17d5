//! Runs and takes: how far they came, and the logs.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::error::Result;
use tandem_core::policy;
use tandem_core::ports::Attempt;
use tandem_core::ports::runs::{Leased, RosterEntry, RowIssue, RunLease, RunLog, RunStore, SendState, TakeState};

use super::access::Put;
use super::condition::Condition;
use super::keys;
use super::leased;
use super::roster;
use super::row::{document, item, parsed, row};
use super::table::Table;

/// [`RunStore`] over the table.
pub struct RunTable {
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct LogRow {
    document: String,
    expires_at: i64,
    /// Of the lease that a run's log was written under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fence_number: Option<u64>,
}

/// The run that was asked to stop.
#[derive(Serialize, Deserialize)]
struct StopRow {
    run_id: String,
    expires_at: i64,
}

/// How long it is kept that a run was asked to stop: no run goes on for longer under one lease.
const STOP_KEPT_SECONDS: i64 = 86_400;

/// How long a run's log is kept: 90 days.
const KEPT_SECONDS: i64 = 90 * 86_400;

impl RunTable {
    /// The runs in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl RunStore for RunTable {
    async fn begin(
        &self,
        scope: &Scope,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(RunLease, SendState)>> {
        leased::begin(&self.table, keys::run_state(scope), owner, until, now).await
    }

    async fn save(&self, scope: &Scope, lease: &RunLease, state: &SendState) -> Result<Attempt> {
        leased::save(&self.table, keys::run_state(scope), Leased { lease, state }).await
    }

    async fn is_under_way(&self, scope: &Scope, now: Timestamp) -> Result<bool> {
        let holder = leased::holder(&self.table, keys::run_state(scope), now).await?;
        Ok(holder.is_some_and(|owner| !owner.starts_with(RunLease::QUICK)))
    }

    async fn ask_to_stop(&self, scope: &Scope, run: &str, now: Timestamp) -> Result<()> {
        let row = StopRow { run_id: run.to_owned(), expires_at: now.as_second().saturating_add(STOP_KEPT_SECONDS) };
        self.table.put(item(keys::run_stop(scope), &row)?).await
    }

    async fn asked_to_stop(&self, scope: &Scope) -> Result<Option<String>> {
        let asked = self.table.get(keys::run_stop(scope)).await?.map(row::<StopRow>).transpose()?;
        Ok(asked.map(|asked| asked.run_id))
    }

    async fn prolong(&self, scope: &Scope, lease: &RunLease, until: Timestamp) -> Result<Attempt> {
        leased::prolong(&self.table, keys::run_state(scope), lease, until).await
    }

    async fn end(&self, scope: &Scope, lease: &RunLease, state: &SendState) -> Result<Attempt> {
        leased::end(&self.table, keys::run_state(scope), Leased { lease, state }).await
    }

    async fn state(&self, scope: &Scope) -> Result<SendState> {
        leased::state(&self.table, keys::run_state(scope)).await
    }

    async fn begin_take(
        &self,
        tenant: &TenantId,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(RunLease, TakeState)>> {
        leased::begin(&self.table, keys::take_state(tenant), owner, until, now).await
    }

    async fn save_with_take(
        &self,
        scope: &Scope,
        run: Leased<'_, SendState>,
        take: Leased<'_, TakeState>,
    ) -> Result<Attempt> {
        let (run, take) = (leased::kept(run)?, leased::kept(take)?);
        leased::save_both(&self.table, (keys::run_state(scope), run), (keys::take_state(&scope.tenant), take)).await
    }

    async fn prolong_take(&self, tenant: &TenantId, lease: &RunLease, until: Timestamp) -> Result<Attempt> {
        leased::prolong(&self.table, keys::take_state(tenant), lease, until).await
    }

    async fn end_take(
        &self,
        scope: &Scope,
        run: Leased<'_, SendState>,
        take: Leased<'_, TakeState>,
    ) -> Result<Attempt> {
        let (run, take) = (leased::kept(run)?, leased::given_back(take)?);
        leased::save_both(&self.table, (keys::run_state(scope), run), (keys::take_state(&scope.tenant), take)).await
    }

    async fn take_state(&self, tenant: &TenantId) -> Result<TakeState> {
        leased::state(&self.table, keys::take_state(tenant)).await
    }

    async fn enrol(&self, tenant: &TenantId, generation: u64, entries: &[RosterEntry]) -> Result<()> {
        roster::enrol(&self.table, tenant, generation, entries).await
    }

    async fn roster(&self, tenant: &TenantId, generation: u64) -> Result<Vec<RosterEntry>> {
        roster::read(&self.table, tenant, generation).await
    }

    async fn forget_roster(&self, tenant: &TenantId, generation: u64) -> Result<()> {
        self.table.clear(keys::roster_partition(tenant, generation)).await
    }

    async fn log(&self, scope: &Scope, lease: &RunLease, run: &RunLog) -> Result<Attempt> {
        let row = LogRow { document: document(run)?, expires_at: expires_at(run), fence_number: Some(lease.fence) };
        let ours = Condition::new("attribute_not_exists(fence_number) OR fence_number <= :fence");
        let item = item(keys::run_log(scope, &run.id), &row)?;
        match self.table.put_if(item, ours.number(":fence", lease.fence)).await? {
            Put::Done => Ok(Attempt::Done),
            Put::Refused(_) => Ok(Attempt::Contended),
        }
    }

    async fn keep_issues(&self, scope: &Scope, run: &RunLog, part: &str, issues: &[RowIssue]) -> Result<()> {
        let row = LogRow { document: document(&issues)?, expires_at: expires_at(run), fence_number: None };
        self.table.put(item(keys::run_issues(scope, &run.id, part), &row)?).await
    }

    async fn issues(&self, scope: &Scope, run: &str) -> Result<Vec<RowIssue>> {
        let items = self.table.partition(keys::run_issues_partition(scope, run), None).await?;
        let parts: Result<Vec<Vec<RowIssue>>> =
            items.into_iter().map(|item| parsed(&row::<LogRow>(item)?.document)).collect();
        // A run that crashed may have kept a row's issue that the next one kept again.
        let mut seen = HashSet::new();
        Ok(parts?.into_iter().flatten().filter(|issue| seen.insert(issue.clone())).collect())
    }

    async fn runs(&self, scope: &Scope, before: Option<&str>, limit: usize) -> Result<Vec<RunLog>> {
        let items = self.table.partition_before(keys::run_partition(scope), before, limit).await?;
        items.into_iter().map(|item| parsed(&row::<LogRow>(item)?.document)).collect()
    }

    async fn run(&self, scope: &Scope, id: &str) -> Result<Option<RunLog>> {
        let Some(item) = self.table.get(keys::run_log(scope, id)).await? else { return Ok(None) };
        parsed(&row::<LogRow>(item)?.document).map(Some)
    }

    async fn keep_plan(&self, scope: &Scope, run: &RunLog, part: u32, changes: &[Value]) -> Result<()> {
        let expires_at = run.started_at.as_second().saturating_add(policy::PLAN_KEPT.as_secs());
        let row = LogRow { document: document(&changes)?, expires_at, fence_number: None };
        self.table.put(item(keys::run_plan(scope, &run.id, part), &row)?).await
    }

    async fn plan(&self, scope: &Scope, run: &str, part: u32) -> Result<Option<Vec<Value>>> {
        let Some(item) = self.table.get(keys::run_plan(scope, run, part)).await? else { return Ok(None) };
        parsed(&row::<LogRow>(item)?.document).map(Some)
    }
}

fn expires_at(run: &RunLog) -> i64 {
    run.started_at.as_second().saturating_add(KEPT_SECONDS)
}
