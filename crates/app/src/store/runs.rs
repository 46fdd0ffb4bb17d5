//! Runs: the lease with its fencing number and the state in one item, and the logs.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::link::Lease;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::Attempt;
use tandem_core::ports::runs::{RosterEntry, RowIssue, RunLease, RunLog, RunStore, SyncState};

use super::access::Put;
use super::condition::Condition;
use super::keys;
use super::roster;
use super::row::{Item, document, item, parsed, row};
use super::table::Table;

/// [`RunStore`] over the table.
pub struct RunTable {
    table: Table,
}

/// The state, and who may change it. `lease_until` is in microseconds.
#[derive(PartialEq, Serialize, Deserialize)]
struct StateRow {
    fence_number: u64,
    document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct LogRow {
    document: String,
    expires_at: i64,
}

/// How long a run's log is kept: 90 days.
const KEPT_SECONDS: i64 = 90 * 86_400;

impl RunTable {
    /// The runs in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    async fn stored(&self, scope: &Scope) -> Result<Option<StateRow>> {
        self.table.get(keys::run_state(scope)).await?.map(row).transpose()
    }

    /// Writes the state if the lease is still the one given.
    async fn write(&self, scope: &Scope, lease: &RunLease, row: &StateRow) -> Result<Attempt> {
        let written = match self.table.put_if(item(keys::run_state(scope), row)?, held_by(lease)).await? {
            Put::Done => true,
            Put::Refused(there) => is_written(there, row)?,
        };
        Ok(if written { Attempt::Done } else { Attempt::Contended })
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
    ) -> Result<Option<(RunLease, SyncState)>> {
        let stored = self.stored(scope).await?;
        let ends = stored.as_ref().and_then(|row| row.lease_until);
        let held =
            ends.is_some_and(|ends| ends > now.as_microsecond() && ends <= Lease::farthest(now).as_microsecond());
        if held {
            return Ok(None);
        }
        let as_read = as_read(stored.as_ref());
        let (fence, document_before) = match stored {
            Some(row) => (row.fence_number + 1, row.document),
            None => (1, document(&SyncState::default())?),
        };
        let state = parsed(&document_before)?;
        let row = StateRow {
            fence_number: fence,
            document: document_before,
            lease_owner: Some(owner.to_owned()),
            lease_until: Some(until.as_microsecond()),
        };
        match self.table.put_if(item(keys::run_state(scope), &row)?, as_read).await? {
            Put::Done => Ok(Some((RunLease { owner: owner.to_owned(), fence, until }, state))),
            Put::Refused(there) => begun_by(there, owner, fence)
                .map(|mine| mine.then(|| (RunLease { owner: owner.to_owned(), fence, until }, state))),
        }
    }

    async fn save(&self, scope: &Scope, lease: &RunLease, state: &SyncState) -> Result<Attempt> {
        let row = StateRow {
            fence_number: lease.fence,
            document: document(state)?,
            lease_owner: Some(lease.owner.clone()),
            lease_until: Some(lease.until.as_microsecond()),
        };
        self.write(scope, lease, &row).await
    }

    async fn prolong(&self, scope: &Scope, lease: &RunLease, until: Timestamp) -> Result<Attempt> {
        let mine = held_by(lease).moment(":until", until);
        self.table.update(keys::run_state(scope), "SET lease_until = :until", mine).await
    }

    async fn end(&self, scope: &Scope, lease: &RunLease, state: &SyncState) -> Result<Attempt> {
        let row =
            StateRow { fence_number: lease.fence, document: document(state)?, lease_owner: None, lease_until: None };
        self.write(scope, lease, &row).await
    }

    async fn state(&self, scope: &Scope) -> Result<SyncState> {
        match self.stored(scope).await? {
            Some(row) => parsed(&row.document),
            None => Ok(SyncState::default()),
        }
    }

    async fn enrol(&self, scope: &Scope, generation: u64, entries: &[RosterEntry]) -> Result<()> {
        roster::enrol(&self.table, scope, generation, entries).await
    }

    async fn roster(&self, scope: &Scope, generation: u64) -> Result<Vec<RosterEntry>> {
        roster::read(&self.table, scope, generation).await
    }

    async fn forget_roster(&self, scope: &Scope, generation: u64) -> Result<()> {
        self.table.clear(keys::roster_partition(&scope.tenant, generation)).await
    }

    async fn log(&self, scope: &Scope, run: &RunLog) -> Result<()> {
        let row = LogRow { document: document(run)?, expires_at: expires_at(run) };
        self.table.put(item(keys::run_log(scope, &run.id), &row)?).await
    }

    async fn keep_issues(&self, scope: &Scope, run: &RunLog, part: &str, issues: &[RowIssue]) -> Result<()> {
        let row = LogRow { document: document(&issues)?, expires_at: expires_at(run) };
        self.table.put(item(keys::run_issues(scope, &run.id, part), &row)?).await
    }

    async fn issues(&self, scope: &Scope, run: &str) -> Result<Vec<RowIssue>> {
        let items = self.table.partition(keys::run_issues_partition(scope, run), None).await?;
        let parts: Result<Vec<Vec<RowIssue>>> =
            items.into_iter().map(|item| parsed(&row::<LogRow>(item)?.document)).collect();
        Ok(parts?.into_iter().flatten().collect())
    }

    async fn runs(&self, scope: &Scope, limit: usize) -> Result<Vec<RunLog>> {
        let items = self.table.partition_from_end(keys::run_partition(scope), limit).await?;
        items.into_iter().map(|item| parsed(&row::<LogRow>(item)?.document)).collect()
    }
}

fn expires_at(run: &RunLog) -> i64 {
    run.started_at.as_second().saturating_add(KEPT_SECONDS)
}

/// Nothing was written since the state was read: a run whose lease is over can still save and end, until another takes it.
fn as_read(stored: Option<&StateRow>) -> Condition {
    let Some(row) = stored else { return Condition::absent() };
    let same_lease = match row.lease_until {
        None => Condition::new("fence_number = :before AND attribute_not_exists(lease_until)"),
        Some(seen) => Condition::new("fence_number = :before AND lease_until = :seen").number(":seen", seen),
    };
    same_lease.number(":before", row.fence_number)
}

fn held_by(lease: &RunLease) -> Condition {
    Condition::new("fence_number = :fence AND lease_owner = :owner")
        .number(":fence", lease.fence)
        .text(":owner", &lease.owner)
}

/// The SDK repeats a request whose answer was lost: then what refuses it is its own first try. Here the end of a lease,
/// which only its owner can write.
fn is_written(there: Item, written: &StateRow) -> Result<bool> {
    Ok(!there.is_empty() && row::<StateRow>(there)? == *written)
}

/// The same for a lease that was taken.
fn begun_by(there: Item, owner: &str, fence: u64) -> Result<bool> {
    if there.is_empty() {
        return Ok(false);
    }
    let row: StateRow = row(there)?;
    Ok(row.fence_number == fence && row.lease_owner.as_deref() == Some(owner))
}
