//! What is kept of sync runs: the lease with its fencing number, how far a run came, which rows are known, and the log.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Attempt;
use super::bulk::{ChangeCursor, MarkCursor};
use super::source::SourceCursor;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::scope::{IntegrationId, Scope, TenantId};
use crate::domain::situation::Situation;
use crate::error::Result;

/// How far the rows of a tenant's source were taken. Written with the take's lease, so that a run that lost it can't set it
/// back. One for all integrations: whichever run comes first takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TakeState {
    /// Up to where changed rows were read.
    pub cursor: SourceCursor,
    /// When the last page was read, by Tandem's clock.
    pub read_at: Option<Timestamp>,
    /// The pass over all rows that is under way.
    pub pass: Option<Pass>,
    /// When the last pass over all rows ended.
    pub reconciled_at: Option<Timestamp>,
    /// The generation of the roster.
    pub generation: u64,
    /// How many rows the roster names.
    pub known: u64,
    /// How many known contacts the take under way found gone or blanked.
    pub losses: u64,
    /// How many known contacts the take under way met: before the first take has ended, the roster names nobody yet.
    pub met: u64,
    /// Rows that were rejected of late, by digests of their ids, with digests of their content: they are reported once.
    pub rejected: BTreeMap<String, u64>,
    /// Since when every take halts.
    pub halted_since: Option<Timestamp>,
    /// Why it does.
    pub halted_for: Option<String>,
}

impl TakeState {
    /// Whether no row was read so far.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.read_at.is_none() && self.pass.is_none() && self.reconciled_at.is_none()
    }

    /// Whether the take found known contacts gone or blanked, and has not come to its end since: they may be more than a run may
    /// take away, and wait in the outboxes.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.losses > 0 || self.halted_since.is_some()
    }
}

/// How far an integration's runs came. Written with the run's lease, so that a run that lost it can't set it back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SendState {
    /// The youngest field of the platform that the rows were compared with ([`crate::domain::catalog::RemoteField::since`]).
    pub fields_seen: Option<Timestamp>,
    /// When the youngest mapping set came into use that the rows were compared with.
    pub rules_seen: Timestamp,
    /// Whether all records that the tenant had before were put into the integration's outbox.
    pub enrolled: bool,
    /// Up to where they were, while that is under way.
    pub enrolling: Option<MarkCursor>,
    /// Up to where records were compared with what is new on the platform or in the mapping set, while that is under way.
    pub comparing: Option<MarkCursor>,
    /// Where the look for changes on the platform stands.
    pub pull: Option<ChangeCursor>,
    /// When the last look for changes on the platform began.
    pub pulled_at: Option<Timestamp>,
    /// What the look that is under way found so far.
    pub look: Look,
    /// Where the look through the platform's things that are no people stands.
    #[serde(skip_serializing_if = "ObjectLook::is_nothing")]
    pub objects: ObjectLook,
    /// Whether lists may be left that lifecycle events decided, and another integration worked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lists_left: bool,
    /// When the run that paused goes on by itself.
    pub resume_at: Option<Timestamp>,
    /// When the last run came to its end.
    pub succeeded_at: Option<Timestamp>,
    /// The log of the run under way; it goes on in a continuation.
    pub run: Option<RunLog>,
}

/// What a look for changes on the platform found so far. Moments are by the platform's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The newest change.
    pub newest: Option<Timestamp>,
    /// The oldest change of a contact that was left for the next look: somebody was writing it.
    pub left: Option<Timestamp>,
    /// The same by the log: its row.
    #[serde(default)]
    pub left_row: Option<u64>,
}

/// Where a look through the platform's things that are no people stands: all of them are gone through, for nothing tells which
/// were changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectLook {
    /// Whether records were ever sent that may be such things: else there is nothing to look for.
    pub any: bool,
    /// Where the look that is under way goes on.
    pub under_way: Option<ObjectPlace>,
    /// When it began.
    pub began_at: Option<Timestamp>,
    /// When the last look that came to its end began.
    pub seen_at: Option<Timestamp>,
}

impl ObjectLook {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A place in the lists of the platform's things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPlace {
    /// What they are called there.
    pub object: String,
    /// How many of them were seen.
    pub after: usize,
}

impl ObjectPlace {
    /// The beginning of an object's list.
    #[must_use]
    pub fn at(object: &str) -> Self {
        Self { object: object.to_owned(), after: 0 }
    }
}

/// A pass over all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// Up to where rows were read.
    pub cursor: SourceCursor,
    /// The generation of the roster that it writes.
    pub generation: u64,
    /// How many rows it saw.
    pub seen: u64,
    /// Whether every row is compared with what was sent, though it is as it was in the last pass.
    pub thorough: bool,
    /// The integration whose links the rows are compared with then.
    #[serde(default)]
    pub compares: Option<IntegrationId>,
    /// When it began, by Tandem's clock.
    pub started_at: Timestamp,
    /// The youngest field of the platform that it compares every row with.
    #[serde(default)]
    pub fields_seen: Option<Timestamp>,
    /// The same of the mapping set.
    #[serde(default)]
    pub rules_seen: Timestamp,
}

impl Pass {
    /// Whether it compares rows with a field or a mapping set that the integration's records were not compared with.
    #[must_use]
    pub fn compares_what_is_new(&self, state: &SendState) -> bool {
        self.thorough && (self.fields_seen > state.fields_seen || self.rules_seen > state.rules_seen)
    }
}

/// The lease of an integration's run, or of a tenant's take.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLease {
    /// A random name of the run.
    pub owner: String,
    /// Grows with every lease: the run with a lower one has lost.
    pub fence: u64,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Whether whoever had it before never gave it back: what that one did last may not be noted anywhere.
    pub inherited: bool,
}

impl RunLease {
    /// How those name themselves that have the lease of runs and are none: they send the outbox, in seconds.
    pub const QUICK: &str = "quick-";
}

/// A state with the lease that allows to write it.
#[derive(Debug)]
pub struct Leased<'a, S> {
    /// The lease.
    pub lease: &'a RunLease,
    /// The state.
    pub state: &'a S,
}

/// A row that is known, by the digest of its id, with a digest of its content (0 when that is not kept).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterEntry {
    /// The first 16 bytes of SHA-256 of the id.
    pub id: [u8; 16],
    /// A digest of the row.
    pub content: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// It is under way, or its process died.
    #[default]
    Running,
    /// All was done.
    Finished,
    /// It came to its end, and contacts could not be written: they are tried again by themselves.
    Incomplete,
    /// It goes on later: the budget or the time ran out.
    Paused,
    /// It stopped: it would have deleted or blanked too much, and a person has to decide.
    Halted,
    /// It failed.
    Failed,
    /// A person stopped it: what is left is done by the next one.
    Stopped,
    /// It was a dry run, and nothing was changed: its plan says what a run would do.
    Planned,
    /// It was ordered, and its job has not begun it yet.
    Queued,
}

impl RunEnd {
    /// Whether nothing follows: runs that paused, halted or failed are gone on with.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Finished | Self::Incomplete | Self::Stopped | Self::Planned => true,
            Self::Running | Self::Paused | Self::Halted | Self::Failed | Self::Queued => false,
        }
    }
}

/// The log of a run, its continuations included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RunLog {
    /// Names the run; time-ordered.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, or was last heard of.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub end: RunEnd,
    /// How often it was continued.
    pub continuations: u32,
    /// Whether it compares every row with what was sent because a person wanted that; it does so once, however often it is
    /// continued.
    pub full: bool,
    /// Rows read from the source.
    pub rows: u64,
    /// Rows that changed nothing, those among them whose rejection was reported before.
    pub unchanged: u64,
    /// Rows of which nothing was taken, because a newer state of the record is known.
    pub stale: u64,
    /// Rows whose news were stored. With `unchanged`, `stale`, `rejected`, `skipped`, `deleted` and
    /// `put_off` they are all `rows`.
    pub taken: u64,
    /// Rows that the source marks as deleted.
    pub deleted: u64,
    /// Rows that were left to the next run, because their record is being changed all the time.
    pub put_off: u64,
    /// Contacts made, and other things on the platform.
    pub created: u64,
    /// The same of those changed.
    pub updated: u64,
    /// Contacts that could not be written, by this run or, when they are not due again, by one before; they are tried again.
    pub failed: u64,
    /// Rows that are no contact: no address, or none that can be mailed.
    pub rejected: u64,
    /// Rows of people who were deleted, and whom they do not bring back.
    pub skipped: u64,
    /// Rows that joined the contact of another row; they are among `taken`.
    pub shared: u64,
    /// Rows whose records are left out on the platform, as their situations say; they are among `taken`.
    pub left_out: u64,
    /// Contacts whose rows are gone from the source.
    pub gone: u64,
    /// Memberships of segments set, and relationships.
    pub memberships: u64,
    /// Segments that were made or changed.
    pub segments: u64,
    /// Contacts that marketing changed.
    pub pulled: u64,
    /// People who appeared on the platform and became records.
    pub appeared: u64,
    /// Fields that both sides changed and a person has to decide.
    pub conflicts: u64,
    /// Calls of the platform, token requests included.
    pub calls: u64,
    /// Bytes sent to the platform and received from it.
    pub bytes: u64,
    /// Contacts that are still to be brought to the platform.
    pub waiting: u64,
    /// Milliseconds that the run was at work.
    pub busy_ms: u64,
    /// How often each field was left out, by `field: code`.
    pub issues: BTreeMap<String, u64>,
    /// The first rows that were rejected or failed, with the reason.
    pub problems: Vec<RowProblem>,
    /// Why it failed or halted.
    pub error: Option<String>,
    /// What a dry run found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanLog>,
}

/// What a dry run found, in numbers; the changes themselves are kept beside the log for a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PlanLog {
    /// How many rows each thing would be done about, by its name.
    pub counts: BTreeMap<String, u64>,
    /// How many of the changes are in which situation.
    pub situations: BTreeMap<Situation, u64>,
    /// Why the run would halt before it sends anything.
    pub would_halt: Option<String>,
    /// Contacts that wait from runs before and are due: they are among the counts.
    pub due: u64,
    /// Contacts that wait from runs before and are not due yet.
    pub waiting: u64,
    /// How many changes are kept; a plan of more is counted and not told in full.
    pub kept: u64,
    /// Whether all was looked at: else the time ran out before.
    pub complete: bool,
}

/// The most problems that a run's log names.
pub const MOST_PROBLEMS: usize = 500;

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowProblem {
    /// The application's id of the row.
    pub id: String,
    /// What is wrong.
    pub issue: FieldIssue,
}

/// That a value of a row was left out, or that the row was rejected or failed. No value is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowIssue {
    /// The application's id of the row.
    pub id: String,
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub code: IssueCode,
}

/// Runs of an integration, and the takes from its tenant's source.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Takes the lease of an integration's runs; `None` while another run has it. One read and one write call.
    async fn begin(
        &self,
        scope: &Scope,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(RunLease, SendState)>>;
    /// Stores the state and prolongs the lease; `Contended` when the lease is another run's by now. One write call.
    async fn save(&self, scope: &Scope, lease: &RunLease, state: &SendState) -> Result<Attempt>;
    /// Whether a run has the lease, and no quick send. One read call.
    async fn is_under_way(&self, scope: &Scope, now: Timestamp) -> Result<bool>;
    /// Notes that this run is to stop. One write call.
    async fn ask_to_stop(&self, scope: &Scope, run: &str, now: Timestamp) -> Result<()>;
    /// The run that is to stop, as it was noted last. One read call.
    async fn asked_to_stop(&self, scope: &Scope) -> Result<Option<String>>;
    /// Prolongs the lease and nothing else. One write call.
    async fn prolong(&self, scope: &Scope, lease: &RunLease, until: Timestamp) -> Result<Attempt>;
    /// Stores the state and gives the lease back. One write call.
    async fn end(&self, scope: &Scope, lease: &RunLease, state: &SendState) -> Result<Attempt>;
    /// The state, whoever has the lease. One read call.
    async fn state(&self, scope: &Scope) -> Result<SendState>;
    /// As [`RunStore::begin`], of the right to take from a tenant's source.
    async fn begin_take(
        &self,
        tenant: &TenantId,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(RunLease, TakeState)>>;
    /// As [`RunStore::save`], of a run and the take that it does, both or none: what the run's log says of rows is never behind
    /// the cursor that leads past them, nor ahead of it. One write call.
    async fn save_with_take(
        &self,
        scope: &Scope,
        run: Leased<'_, SendState>,
        take: Leased<'_, TakeState>,
    ) -> Result<Attempt>;
    /// As [`RunStore::prolong`].
    async fn prolong_take(&self, tenant: &TenantId, lease: &RunLease, until: Timestamp) -> Result<Attempt>;
    /// As [`RunStore::save_with_take`], and the take's lease is given back. One write call.
    async fn end_take(&self, scope: &Scope, run: Leased<'_, SendState>, take: Leased<'_, TakeState>)
    -> Result<Attempt>;
    /// As [`RunStore::state`].
    async fn take_state(&self, tenant: &TenantId) -> Result<TakeState>;
    /// Adds entries to a generation of the roster. One write call for 10,000.
    async fn enrol(&self, tenant: &TenantId, generation: u64, entries: &[RosterEntry]) -> Result<()>;
    /// A generation of the roster in no order; a row may have several entries. One read call for 40,000.
    async fn roster(&self, tenant: &TenantId, generation: u64) -> Result<Vec<RosterEntry>>;
    /// Forgets a generation of the roster.
    async fn forget_roster(&self, tenant: &TenantId, generation: u64) -> Result<()>;
    /// Stores a run's log, in the place of an earlier one of the same run; `Contended` when one stands there that was written
    /// under a later lease. One write call.
    async fn log(&self, scope: &Scope, lease: &RunLease, run: &RunLog) -> Result<Attempt>;
    /// Keeps issues of a run's rows as the part of this name; 1,000 of them fit. One write call.
    async fn keep_issues(&self, scope: &Scope, run: &RunLog, part: &str, issues: &[RowIssue]) -> Result<()>;
    /// All issues of a run's rows, each once, in no order. One read call per MB.
    async fn issues(&self, scope: &Scope, run: &str) -> Result<Vec<RowIssue>>;
    /// The last runs, the newest first; with `before` those that came before the one of this id. One read call.
    async fn runs(&self, scope: &Scope, before: Option<&str>, limit: usize) -> Result<Vec<RunLog>>;
    /// The log of one run. One read call.
    async fn run(&self, scope: &Scope, id: &str) -> Result<Option<RunLog>>;
    /// Keeps a part of a dry run's plan for a day, as JSON; parts are read in the order of their numbers. One write call.
    async fn keep_plan(&self, scope: &Scope, run: &RunLog, part: u32, changes: &[Value]) -> Result<()>;
    /// A part of a dry run's plan; `None` behind the last, and when its day is over. One read call.
    async fn plan(&self, scope: &Scope, run: &str, part: u32) -> Result<Option<Vec<Value>>>;
}
