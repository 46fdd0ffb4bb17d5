//! Contacts written many at a time: what sync runs and jobs that are done together have in common. A [`Sender`] is given
//! records, plans them by their state of now ([`place`]), sorts them by what they need, and makes the batch calls, each from
//! lease to commit ([`batch`], [`look_up`]). What became of each contact it tells as an [`Ended`]: what follows from that
//! (marks, logs, the state of an event) is its caller's business.
//!
//! As many calls as the platform bears are under way at the same time ([`calls`], [`width`]); before and after its call, each
//! batch has the table for itself.

mod batch;
mod calls;
mod forbid;
mod held;
mod look_up;
mod pace;
mod place;
mod queues;
mod width;

use futures::FutureExt;
use jiff::Timestamp;

use crate::domain::issue::FieldIssue;
use crate::domain::link::RemoteId;
use crate::error::{Failure, FailureKind, Result};
use crate::mapping::casts_to_zero;
use crate::policy;
use crate::ports::bulk::Mark;

use super::operations::About;
use super::plan::Draft;
use super::pull::PullCounts;
use super::services::Desk;

use self::batch::Kind;
use self::calls::Calls;
use self::held::Held;
use self::queues::{Next, Queues};

pub(super) use pace::Pace;

/// A contact that waits for its batch.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) mark: Mark,
    pub(super) draft: Draft,
    /// Fields that the platform refused, by its names.
    pub(super) refused: Vec<String>,
    /// A create was sent for it whose reply was lost.
    maybe_made: bool,
    /// An earlier writer may have created it, and did not say so.
    in_doubt: bool,
    /// The contact that leads to the record already.
    pointed: Option<RemoteId>,
    /// What the platform holds was looked at since the work began.
    looked: bool,
    /// How often a create and a change of it failed.
    creates: u8,
    changes: u8,
    /// The platform says that somebody has the address: who it is is to be looked up.
    is_taken: bool,
}

/// A contact that waits to be put into segments, or taken out of them.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    pub(super) mark: Mark,
    pub(super) contact: RemoteId,
    /// Names of segments.
    pub(super) add: Vec<String>,
    /// Names of segments.
    pub(super) remove: Vec<String>,
}

/// What became of a contact.
pub(super) enum Ended {
    /// It was written; the boxed item is as it was sent.
    Written {
        item: Box<Item>,
        contact: RemoteId,
        created: bool,
        /// It is to be planned once more: an opt-out was learnt there, or mail could not be forbidden.
        unfinished: bool,
        /// Values that the platform did not take, as far as that is news.
        left_out: Vec<FieldIssue>,
    },
    /// The platform had all of it already, or the record is left out; without a draft there is nothing that could be written.
    Settled(Mark, Option<Box<Draft>>),
    /// The record was deleted.
    Forgotten(Mark),
    /// The contact was deleted, as its record says.
    Deleted(Mark),
    /// Another writer has it, or a create of it may be under way, until then; with what failed, if something did.
    Held(Mark, Timestamp, Option<Failure>),
    /// No batch call does what it needs: it has to be written by itself.
    Single(Mark),
    /// The platform does not know its number any more, merged or deleted: it has to be written by itself.
    Astray(Mark),
    /// It could not be written.
    Failed(Box<Item>, Failure),
}

/// Brings contacts to the platform.
pub(super) struct Sender<'a> {
    writer: Writer<'a>,
    queues: Queues,
    calls: Calls<'a>,
}

/// Plans contacts, gets calls ready, and settles what came of them.
struct Writer<'a> {
    desk: &'a Desk,
    /// Names the work in the log and in jobs that it leaves.
    id: String,
    /// Whether a known contact is read before it is changed, and what people changed there is taken back first.
    looks_before: bool,
    /// What became of contacts since it was asked last.
    ended: Vec<Ended>,
    /// What looks found since it was asked last.
    pulled: PullCounts,
}

/// What a sender did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advanced {
    /// It began calls, whose ends are still to come.
    Began,
    /// It settled a call that ended, looked contacts up, or deleted some.
    Settled,
}

impl<'a> Sender<'a> {
    /// A sender for a sync run.
    pub(super) fn of_run(desk: &'a Desk, id: &str) -> Self {
        Self::new(desk, id, true)
    }

    /// A sender for jobs: as the write of a single contact, it changes what differs from what was sent last, and looks at
    /// nothing before.
    pub(super) fn of_jobs(desk: &'a Desk, id: &str) -> Self {
        Self::new(desk, id, false)
    }

    fn new(desk: &'a Desk, id: &str, looks_before: bool) -> Self {
        let (ended, pulled) = (Vec::new(), PullCounts::default());
        let writer = Writer { desk, id: id.to_owned(), looks_before, ended, pulled };
        Self { writer, queues: Queues::new(desk.integration.parallel_batches), calls: Calls::default() }
    }

    /// Plans records and puts each where it belongs.
    ///
    /// # Errors
    /// `Storage`; nothing was placed then.
    pub(super) async fn place_all(&mut self, marks: Vec<Mark>) -> Result<()> {
        self.calls.beside(self.writer.place_all(marks, false, &mut self.queues).boxed()).await
    }

    /// Whether a call can be filled.
    pub(super) fn enough(&self) -> bool {
        self.queues.enough()
    }

    /// Whether nothing waits, and nothing is under way.
    pub(super) fn is_done(&self) -> bool {
        self.queues.is_empty() && self.calls.is_empty()
    }

    /// What waits for its call.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Item> {
        self.queues.items()
    }

    /// What became of contacts since it was asked last.
    pub(super) fn ended(&self) -> &[Ended] {
        &self.writer.ended
    }

    /// Takes what became of contacts.
    pub(super) fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.writer.ended)
    }

    /// Takes what looks found.
    pub(super) fn take_pulled(&mut self) -> PullCounts {
        std::mem::take(&mut self.writer.pulled)
    }

    /// Begins as many calls as the platform bears and as can be filled; where none is to be begun, waits for one that is under
    /// way, and settles it. What does not fill a call goes out when no other is under way.
    ///
    /// # Errors
    /// What keeps the others from being sent for now, too. What waits goes on waiting; calls under way are to be finished
    /// ([`Sender::finish`]).
    pub(super) async fn advance(&mut self) -> Result<Advanced> {
        let before = self.writer.ended.len();
        let advanced = self.begin_or_settle().await;
        if matches!(advanced, Ok(Advanced::Began)) {
            return advanced;
        }
        self.queues.idle = if self.writer.ended.len() > before { 0 } else { self.queues.idle + 1 };
        if advanced.is_ok() && self.queues.idle >= policy::IDLE_CALLS {
            return Err(Failure::new(
                FailureKind::Garbled,
                "the platform answers, and no contact gets done: see its log",
            ));
        }
        advanced
    }

    async fn begin_or_settle(&mut self) -> Result<Advanced> {
        let mut began = false;
        while self.calls.len() < self.queues.width.now() {
            let Some(next) = self.queues.next(self.writer.desk, self.calls.is_empty()) else { break };
            let ready = self.calls.beside(self.writer.get_ready(&mut self.queues, next).boxed()).await?;
            let Some((kind, held)) = ready else { return Ok(Advanced::Settled) };
            self.calls.begin(self.writer.desk, kind, held);
            began = true;
        }
        if began {
            return Ok(Advanced::Began);
        }
        self.settle_next().await?;
        Ok(Advanced::Settled)
    }

    /// Waits for the next call that ends, and settles it; says whether there was one.
    async fn settle_next(&mut self) -> Result<bool> {
        let Some(landed) = self.calls.next().await else { return Ok(false) };
        self.calls.beside(self.writer.settle(&mut self.queues, landed).boxed()).await?;
        Ok(true)
    }

    /// Settles the calls that are under way, and begins no other: before the work ends, for whatever reason.
    ///
    /// # Errors
    /// The first failure. The calls behind it are settled all the same.
    pub(super) async fn finish(&mut self) -> Result<()> {
        let mut finished = Ok(());
        while !self.calls.is_empty() {
            finished = finished.and(self.settle_next().await.map(drop));
        }
        finished
    }
}

impl Writer<'_> {
    /// Gets the next call ready: the leases of its contacts are taken. `None` when there is no such call to make: contacts were
    /// looked up or deleted instead, or somebody else has them by now.
    async fn get_ready(&mut self, queues: &mut Queues, next: Next) -> Result<Option<(Kind, Vec<Held>)>> {
        match next {
            Next::LookUp => self.look_up(queues).await.map(|()| None),
            Next::Delete => self.delete_batch(queues).await.map(|()| None),
            Next::Write(kind) => Ok(self.take_batch(queues, kind).await?.map(|held| (kind, held))),
        }
    }

    fn now(&self) -> Timestamp {
        self.desk.now()
    }

    /// Whether the failure of a whole batch keeps the others from being sent for now. Calls that were under way together fail
    /// together: `began_at` is when the failed one began.
    fn after_batch_failure(&self, queues: &mut Queues, failure: Failure, began_at: Timestamp) -> Result<()> {
        if queues.failed_at.is_none_or(|failed_at| failed_at <= began_at) {
            queues.failures += 1;
        }
        queues.failed_at = Some(self.now());
        let hopeless = !policy::may_pass_soon(failure.kind) || queues.failures >= policy::BATCH_FAILURES;
        if hopeless { Err(failure) } else { Ok(()) }
    }
}

impl Item {
    fn new(mark: Mark, draft: Draft, looked: bool) -> Self {
        let (pointed, refused) = (draft.link.remote_id.clone(), draft.refused.keys().cloned().collect());
        Self {
            in_doubt: draft.may_have_been_created(),
            mark,
            draft,
            refused,
            maybe_made: false,
            pointed,
            looked,
            creates: 0,
            changes: 0,
            is_taken: false,
        }
    }

    /// What the operation log says of its write.
    fn about(&self) -> About {
        About::new(&self.draft.key, self.draft.situation)
    }

    /// Zeros and blanks reach a known contact only when it is written as a whole.
    fn needs_rewrite(&self) -> bool {
        !self.draft.clear.is_empty() || self.draft.set.values().any(casts_to_zero)
    }
}
