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
mod losses;
mod memberships;
mod objects;
pub mod ordered;
mod pass;
mod planned;
mod prompt;
pub mod proposed;
mod relationships;
mod row;
mod send;
pub mod stop;
mod take;
mod taking;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use jiff::Timestamp;

use crate::error::{Failure, FailureKind, Result};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::bulk::Usage;
use crate::ports::runs::{Leased, RowIssue, RunEnd, RunLease, RunLog, SendState, TakeState};
use crate::ports::source::SourceRow;

use super::operations;
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

    /// Takes the lease of the integration's runs. A quick send that has it just then is waited for: it does a part of what the
    /// run would, and not the run's work.
    async fn begin_run(&self) -> Result<(RunLease, SendState)> {
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        let (owner, patience) = (self.services.entropy.id(), policy::after(self.now(), policy::LEASE_PATIENCE));
        loop {
            let now = self.now();
            let until = policy::after(now, policy::RUN_LEASE);
            if let Some(begun) = runs.begin(scope, &owner, until, now).await? {
                return Ok(begun);
            }
            if now > patience || runs.is_under_way(scope, now).await? {
                return Err(Failure::new(FailureKind::Conflict, "another sync run of this integration is under way"));
            }
            self.services.sleep.sleep(WHILE_SENDING).await;
        }
    }

    /// Works while the run's leases are its own.
    async fn while_held<T>(
        &self,
        lease: &RunLease,
        taking: &Taking,
        stopping: (&str, &AtomicBool),
        work: impl Future<Output = T>,
    ) -> Result<T> {
        let work = Box::pin(work);
        let lost = pin!(self.keep_alive(lease, taking, stopping));
        match select(work, lost).await {
            Either::Left((worked, _)) => Ok(worked),
            Either::Right(((), _)) => Err(taking::took_over()),
        }
    }

    /// Prolongs a run's leases again and again, and looks whether it is to stop; returns when one of them is another run's.
    async fn keep_alive(&self, lease: &RunLease, taking: &Taking, (id, stop): (&str, &AtomicBool)) {
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        loop {
            self.services.sleep.sleep(policy::RUN_BEAT).await;
            let until = policy::after(self.now(), policy::RUN_LEASE);
            if let Some(take) = taking.lease() {
                match runs.prolong_take(&scope.tenant, &take, until).await {
                    Ok(Attempt::Contended) if taking.lease().as_ref() == Some(&take) => return,
                    Ok(_) => {}
                    Err(failure) => {
                        tracing::warn!(kind = ?failure.kind, "the take's lease could not be prolonged: {failure}")
                    }
                }
            }
            match runs.prolong(scope, lease, until).await {
                Ok(Attempt::Done) => {}
                Ok(Attempt::Contended) => return,
                // Until the lease ends by itself, the next beat may come through.
                Err(failure) => {
                    tracing::warn!(kind = ?failure.kind, "the run's lease could not be prolonged: {failure}")
                }
            }
            match runs.asked_to_stop(scope).await {
                Ok(asked) => stop.store(asked.as_deref() == Some(id), Ordering::Relaxed),
                Err(failure) => {
                    tracing::warn!(kind = ?failure.kind, "it was not seen whether the run is to stop: {failure}")
                }
            }
        }
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
        self.pull_if_due().await?;
        self.send_all().await?;
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

    /// Writes the log and gives the lease back.
    async fn conclude(mut self, worked: Step<()>) -> Result<Ran> {
        let stopped = worked.err();
        let now = self.now();
        // A run that only takes leaves the sending, and with it the end, to the run that paused.
        let is_done = stopped.is_none() && !self.options.take_only;
        // What was stopped is left as it is: the next run goes on with what waits, as a run of its own.
        let is_over = is_done || stopped == Some(Stopped::Asked);
        self.log.finished_at = Some(now);
        self.log.end = match &stopped {
            None if is_done && self.log.failed > 0 => RunEnd::Incomplete,
            None if is_done => RunEnd::Finished,
            Some(Stopped::Asked) => RunEnd::Stopped,
            None | Some(Stopped::Paused(_)) => RunEnd::Paused,
            Some(Stopped::Halted(_)) => RunEnd::Halted,
            Some(Stopped::Failed(_)) => RunEnd::Failed,
        };
        self.log.error = match &stopped {
            None | Some(Stopped::Paused(_) | Stopped::Asked) => None,
            Some(Stopped::Halted(reason)) => Some(reason.clone()),
            Some(Stopped::Failed(failure)) => Some(failure.message.clone()),
        };
        self.keep_issues().await?;
        self.count_use();
        self.state.run = (!is_over).then(|| self.log.clone());
        self.state.resume_at = match (&stopped, self.options.take_only) {
            (Some(Stopped::Paused(moment)), _) => Some(*moment),
            (_, true) => self.state.resume_at,
            (_, false) => None,
        };
        if is_done {
            self.state.succeeded_at = Some(now);
        }
        let (runs, scope) = (&self.desk.services.runs, &self.desk.integration.scope);
        // The log first: a run that crashes between the two goes on, and writes its log once more.
        let logged = runs.log(scope, &self.lease, &self.log).await?;
        if logged == Attempt::Contended || runs.end(scope, &self.lease, &self.state).await? == Attempt::Contended {
            return Err(taking::took_over());
        }
        self.tell_of_run().await;
        self.trace();
        (self.options.observer)(&self.log);
        Ok(Ran { log: self.log, stopped })
    }

    fn trace(&self) {
        let RunLog { id, end, rows, unchanged, created, updated, failed, rejected, gone, .. } = &self.log;
        let RunLog { memberships, pulled, conflicts, calls, bytes, busy_ms, waiting, .. } = &self.log;
        tracing::info!(
            run = %id, ?end, rows, unchanged, created, updated, failed, rejected, gone, memberships, pulled, conflicts,
            calls, bytes, busy_ms, waiting, "a sync run ended"
        );
    }

    /// Tells the source; a run that found nothing to do is not worth a line there.
    async fn tell_of_run(&self) {
        let Desk { services, integration } = self.desk;
        let is_over = matches!(self.log.end, RunEnd::Finished | RunEnd::Incomplete);
        let did_nothing = is_over && self.log.rows == self.log.unchanged && self.log.calls == 0;
        if did_nothing {
            return;
        }
        if let Err(failure) = services.source.report_run(&integration.scope, &self.log).await {
            tracing::warn!(kind = ?failure.kind, "the source was not told of the run: {failure}");
        }
    }

    /// Stores how far the run came, and the take while it does one. The leases are prolonged with it.
    async fn save(&mut self) -> Step<()> {
        operations::flush().await;
        self.note_progress().await?;
        let (runs, scope) = (&self.desk.services.runs, &self.desk.integration.scope);
        let saved = match self.taking.lease() {
            Some(lease) => {
                let lease = RunLease { until: self.lease.until, ..lease };
                let take = Leased { lease: &lease, state: &self.take };
                runs.save_with_take(scope, self.leased(), take).await?
            }
            None => runs.save(scope, &self.lease, &self.state).await?,
        };
        if saved == Attempt::Contended {
            return Err(Stopped::Failed(taking::took_over()));
        }
        (self.options.observer)(&self.log);
        Ok(())
    }

    /// Makes the state say how far the run came. The issues of rows are kept before: no cursor leads past them.
    async fn note_progress(&mut self) -> Result<()> {
        self.keep_issues().await?;
        self.count_use();
        if !self.is_prompt {
            self.state.run = Some(self.log.clone());
        }
        self.lease.until = policy::after(self.now(), policy::RUN_LEASE);
        Ok(())
    }

    fn leased(&self) -> Leased<'_, SendState> {
        Leased { lease: &self.lease, state: &self.state }
    }

    fn count_use(&mut self) {
        let used = self.desk.integration.bulk.usage();
        let (calls, bytes, busy_ms) = self.logged_before;
        self.log.calls = calls + used.calls.saturating_sub(self.used_before.calls);
        self.log.bytes = bytes + used.bytes.saturating_sub(self.used_before.bytes);
        let busy = self.now().duration_since(self.began_at).as_millis();
        self.log.busy_ms = busy_ms + u64::try_from(busy).unwrap_or_default();
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

/// How often a run looks whether a quick send has come to its end.
const WHILE_SENDING: Duration = Duration::from_millis(200);

/// How many rows are read at once.
const PAGE: usize = 500;

/// The ids of rows that the application deleted, and the others.
fn deleted_apart(rows: Vec<SourceRow>) -> (Vec<SourceRow>, Vec<SourceRow>) {
    rows.into_iter().partition(|row| row.deleted)
}
