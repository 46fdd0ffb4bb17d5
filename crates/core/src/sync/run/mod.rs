//! A sync run: what changed at the source is taken into Tandem's table ([`take`]), and what the table says is brought to
//! the platform, many contacts a call ([`send`]).
//!
//! A take belongs to the tenant's source, and whichever integration's run comes first takes for all: the next one finds nothing
//! new, and sends what its own outbox holds. A run that finds another one taking goes on with its send.
//!
//! The two halves meet in marks: a record that is taken is marked in the same transaction, and loses its mark when the
//! platform has all of it. So a run may die anywhere: what was taken is not read again, what is marked is sent by the next.

pub mod chosen;
pub mod dry_run;
mod enrolment;
mod issues;
mod lease;
mod lists;
mod losses;
mod memberships;
mod objects;
pub mod ordered;
mod pass;
mod planned;
mod progress;
mod prompt;
pub mod proposed;
mod relationships;
mod row;
mod send;
pub mod stop;
mod take;
mod taking;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use jiff::Timestamp;

use crate::error::{Failure, FailureKind, Result};
use crate::policy;
use crate::ports::bulk::Usage;
use crate::ports::runs::{RowIssue, RunEnd, RunLease, RunLog, SendState, TakeState};
use crate::ports::source::SourceRow;

use super::pull::{PullCounts, PullEnd, pull_is_due};
use super::services::Desk;
use taking::Taking;

/// Told how far a run came.
pub type Observer<'a> = dyn Fn(&RunLog) + Send + Sync + 'a;

/// What a run shall do.
#[derive(Clone, Copy)]
pub struct SyncOptions<'a> {
    /// Read all rows and compare each with what was sent. Of a run that goes on, it counts until it has begun with that.
    pub full: bool,
    /// A person says that the deletions and blanks are meant, however many.
    pub accept_losses: bool,
    /// Only take what changed at the source; leave the platform alone.
    pub take_only: bool,
    /// Look for what marketing changed, though the last look was not long ago.
    pub pull: bool,
    /// Stop before this moment.
    pub until: Option<Timestamp>,
    /// The id of the run, unless it goes on with one that paused; a new one when nobody says.
    pub id: Option<&'a str>,
    /// Told how far the run came.
    pub observer: &'a Observer<'a>,
}

impl Default for SyncOptions<'_> {
    fn default() -> Self {
        Self {
            full: false,
            accept_losses: false,
            take_only: false,
            pull: false,
            until: None,
            id: None,
            observer: &|_| {},
        }
    }
}

/// How a run went.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// Its log.
    pub log: RunLog,
    /// Why it did not come to its end.
    pub stopped: Option<Stopped>,
}

/// Why a run ended before its work was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Stopped {
    /// It goes on from this moment: its time ran out, the platform's budget is used up, or somebody else holds contacts.
    Paused(Timestamp),
    /// It would have deleted or blanked too much; the sentence says how much.
    Halted(String),
    /// A person asked it to stop.
    Asked,
    /// Something failed.
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        match (failure.kind, failure.retry_at) {
            (FailureKind::RateLimited, Some(reset)) => Self::Paused(reset),
            _ => Self::Failed(failure),
        }
    }
}

/// The result of a part of a run.
type Step<T> = std::result::Result<T, Stopped>;

/// A run under way.
struct Run<'a> {
    desk: &'a Desk,
    options: SyncOptions<'a>,
    lease: RunLease,
    state: SendState,
    /// How far the rows of the source were taken.
    take: TakeState,
    /// The right to take, while this run has it.
    taking: &'a Taking,
    /// Whether a person asked it to stop, as the sign of life found.
    stop: &'a AtomicBool,
    log: RunLog,
    used_before: Usage,
    /// What the log said of use and time when this process took it over.
    logged_before: (u64, u64, u64),
    began_at: Timestamp,
    /// Rows that the run before rejected.
    rejected_before: BTreeMap<String, u64>,
    /// What is wrong with rows, and not kept yet.
    row_issues: Vec<RowIssue>,
    /// Whether rows that change nothing may not have been told of: the take before crashed after it had stored them.
    tells_anew: bool,
    /// Contacts that others hold come free at this moment.
    held_until: Option<Timestamp>,
    /// A field of the platform that the rows were not compared with.
    new_field: Option<Timestamp>,
    /// Whether it only sends what waits, and keeps no log of its own.
    is_prompt: bool,
}

impl Desk {
    /// Brings what changed at the source to the platform.
    ///
    /// Without changes: four table reads for the marks, two for the states, two writes for the lease, one call of the source,
    /// none of the platform.
    ///
    /// # Errors
    /// `Conflict` while another run of the integration is under way; `Storage` when the lease can't be taken. What ends
    /// the run later is told by [`Ran::stopped`].
    pub async fn sync(&self, options: SyncOptions<'_>) -> Result<Ran> {
        let (lease, state) = self.begin_run().await?;
        let (desk, taking, stop) = (self.in_background(), Taking::default(), AtomicBool::new(false));
        let mut run = Run::new(&desk, options, lease.clone(), state, (&taking, &stop));
        let id = run.log.id.clone();
        let noted = async {
            let worked = self.while_held(&lease, &taking, (&id, &stop), run.work()).await?;
            run.conclude(worked).await
        };
        self.services.recorder().during(&id, Some(&id), noted.boxed()).await
    }
}

impl<'a> Run<'a> {
    fn new(
        desk: &'a Desk,
        options: SyncOptions<'a>,
        lease: RunLease,
        mut state: SendState,
        (taking, stop): (&'a Taking, &'a AtomicBool),
    ) -> Self {
        let now = desk.now();
        // An ordered run has a log of its own, though it does what one that paused has left.
        let paused = state.run.take().filter(|paused| options.id.is_none_or(|id| id == paused.id));
        let log = match paused {
            Some(paused) => RunLog { continuations: paused.continuations + 1, end: RunEnd::Running, ..paused },
            None => {
                let id = options.id.map_or_else(|| desk.services.entropy.id(), str::to_owned);
                RunLog { id, started_at: now, ..RunLog::default() }
            }
        };
        // Or a run that takes longer than one process has would begin with all rows again and again.
        let options = SyncOptions { full: options.full && !log.full, ..options };
        Self {
            desk,
            options,
            lease,
            rejected_before: BTreeMap::new(),
            state,
            take: TakeState::default(),
            taking,
            stop,
            used_before: desk.integration.bulk.usage(),
            logged_before: (log.calls, log.bytes, log.busy_ms),
            log,
            row_issues: Vec::new(),
            tells_anew: false,
            began_at: now,
            held_until: None,
            new_field: None,
            is_prompt: false,
        }
    }

    async fn work(&mut self) -> Step<()> {
        self.log.error = None;
        self.log.waiting = 0;
        self.enrol_everybody().await?;
        let taken = self.take_from_source().await;
        if self.options.take_only || taken.as_ref().is_err_and(|stopped| !self.leaves_sending(stopped)) {
            return taken;
        }
        let sent = self.pull_and_send().await;
        taken.and(sent)
    }

    async fn pull_and_send(&mut self) -> Step<()> {
        self.state.resume_at = None;
        self.log.failed = 0;
        self.expect_lists().await?;
        self.pull_if_due().await?;
        self.send_all().await?;
        self.bring_lists().await?;
        match self.held_until {
            Some(moment) => Err(Stopped::Paused(moment)),
            None => Ok(()),
        }
    }

    /// Whether what waits can be sent though the take did not come to its end: a source that is away holds up nothing but itself.
    /// One that lost too much does: until a person has decided, nothing is sent, by whichever integration's run.
    fn leaves_sending(&self, stopped: &Stopped) -> bool {
        match stopped {
            Stopped::Halted(_) | Stopped::Asked => false,
            Stopped::Paused(moment) => *moment > self.now(),
            Stopped::Failed(failure) => !matches!(failure.kind, FailureKind::Storage | FailureKind::Conflict),
        }
    }

    /// Looks for what marketing changed, when the last look is long enough ago. The first run of all only notes from when on
    /// changes count: before it, nothing was agreed.
    async fn pull_if_due(&mut self) -> Step<()> {
        let (now, interval) = (self.now(), self.desk.integration.pull_interval);
        if self.state.pulled_at.is_none() {
            self.desk.begin_look(&mut self.state);
            return Ok(());
        }
        if !pull_is_due(&self.state, now, interval) && !self.options.pull {
            return Ok(());
        }
        let until = self.options.until.map_or(Timestamp::MAX, |until| policy::after(until, -policy::LONGEST_STEP));
        let counts = self.desk.pull(&mut self.state, until, &self.log.id).await?;
        self.note_pulled(&counts);
        // Now and then, whether or not there is anything to plan: fields that were made since make rows due.
        self.desk.catalog().await;
        self.save().await?;
        match counts.end {
            PullEnd::Finished | PullEnd::OutOfBudget(None) => Ok(()),
            PullEnd::OutOfTime => Err(Stopped::Paused(now)),
            PullEnd::OutOfBudget(Some(reset)) => Err(Stopped::Paused(reset)),
        }
    }

    fn note_pulled(&mut self, counts: &PullCounts) {
        self.log.pulled += counts.changed;
        self.log.appeared += counts.appeared;
        self.log.conflicts += counts.contested;
    }

    /// Goes on only while there is time for another step, which takes a minute at most, and nobody asked it to stop.
    fn in_time(&self) -> Step<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Stopped::Asked);
        }
        let Some(until) = self.options.until else { return Ok(()) };
        let now = self.now();
        if policy::after(now, policy::LONGEST_STEP) < until { Ok(()) } else { Err(Stopped::Paused(now)) }
    }

    fn now(&self) -> Timestamp {
        self.desk.now()
    }
}

/// How many rows are read at once.
const PAGE: usize = 500;

/// The ids of rows that the application deleted, and the others.
fn deleted_apart(rows: Vec<SourceRow>) -> (Vec<SourceRow>, Vec<SourceRow>) {
    rows.into_iter().partition(|row| row.deleted)
}
