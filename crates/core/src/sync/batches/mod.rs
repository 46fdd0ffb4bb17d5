//! Contacts written many at a time: what sync runs and jobs that are done together have in common. A [`Sender`] is given
//! records, plans them by their state of now ([`place`]), sorts them by what they need, and makes the batch calls, each from
//! lease to commit ([`batch`], [`look_up`]). What became of each contact it tells as an [`Ended`]: what follows from that
//! (marks, logs, the state of an event) is its caller's business.

mod batch;
mod forbid;
mod held;
mod look_up;
mod pace;
mod place;

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::domain::issue::FieldIssue;
use crate::domain::link::RemoteId;
use crate::error::{Failure, FailureKind, Result};
use crate::mapping::casts_to_zero;
use crate::policy;
use crate::ports::bulk::{BATCH, LOOK_UP, Mark};

use super::operations::About;
use super::plan::Draft;
use super::pull::PullCounts;
use super::services::Desk;

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

/// Contacts by what they need.
pub(super) struct Queues {
    look_up: VecDeque<Item>,
    create: VecDeque<Item>,
    update: VecDeque<Item>,
    rewrite: VecDeque<Item>,
    delete: VecDeque<Item>,
    pace: Pace,
    failures: u32,
    /// How many calls in a row ended with no contact done with.
    idle: u32,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            look_up: VecDeque::new(),
            create: VecDeque::new(),
            update: VecDeque::new(),
            rewrite: VecDeque::new(),
            delete: VecDeque::new(),
            pace: Pace::new(BATCH, BATCH),
            failures: 0,
            idle: 0,
        }
    }
}

impl Queues {
    /// Whether a call can be filled.
    pub(super) fn enough(&self) -> bool {
        let most = [&self.create, &self.update, &self.rewrite, &self.delete].map(VecDeque::len);
        self.look_up.len() >= LOOK_UP || most.into_iter().max().unwrap_or_default() >= self.pace.size()
    }

    pub(super) fn is_empty(&self) -> bool {
        let lengths = [&self.look_up, &self.create, &self.update, &self.rewrite, &self.delete].map(VecDeque::len);
        lengths.into_iter().all(|length| length == 0)
    }

    /// All that waits.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        let queues = [&self.look_up, &self.create, &self.update, &self.rewrite, &self.delete];
        queues.into_iter().flatten()
    }
}

/// Brings contacts to the platform.
pub(super) struct Sender<'a> {
    desk: &'a Desk,
    /// Names the work in the log and in jobs that it leaves.
    id: String,
    /// Whether a known contact is read before it is changed, and what people changed there is taken back first.
    looks_before: bool,
    /// What became of contacts since it was asked last.
    pub(super) ended: Vec<Ended>,
    /// What looks found since it was asked last.
    pub(super) pulled: PullCounts,
}

impl<'a> Sender<'a> {
    /// A sender for a sync run.
    pub(super) fn of_run(desk: &'a Desk, id: &str) -> Self {
        Self { desk, id: id.to_owned(), looks_before: true, ended: Vec::new(), pulled: PullCounts::default() }
    }

    /// A sender for jobs: as the write of a single contact, it changes what differs from what was sent last, and looks at
    /// nothing before.
    pub(super) fn of_jobs(desk: &'a Desk, id: &str) -> Self {
        Self { looks_before: false, ..Self::of_run(desk, id) }
    }

    /// Makes one batch call, of the longest of the queues, as much of it as one call takes.
    ///
    /// # Errors
    /// What keeps the others from being sent for now, too. What waits goes on waiting.
    pub(super) async fn advance(&mut self, queues: &mut Queues) -> Result<()> {
        let before = self.ended.len();
        let advanced = self.make_a_call(queues).await;
        queues.idle = if self.ended.len() > before { 0 } else { queues.idle + 1 };
        if advanced.is_ok() && queues.idle >= policy::IDLE_CALLS {
            return Err(Failure::new(
                FailureKind::Garbled,
                "the platform answers, and no contact gets done: see its log",
            ));
        }
        advanced
    }

    async fn make_a_call(&mut self, queues: &mut Queues) -> Result<()> {
        let size = queues.pace.size();
        // Looked-up contacts join the other queues, so they come first.
        if !queues.look_up.is_empty() && (queues.look_up.len() >= LOOK_UP || queues.create.len() < size) {
            return self.look_up(queues).await;
        }
        let longest = [&queues.create, &queues.update, &queues.rewrite, &queues.delete].map(VecDeque::len);
        match longest.iter().enumerate().max_by_key(|(_, length)| **length).map(|(index, _)| index) {
            Some(0) => self.create_batch(queues).await,
            Some(1) => self.update_batch(queues).await,
            Some(2) => self.rewrite_batch(queues).await,
            _ => self.delete_batch(queues).await,
        }
    }

    fn now(&self) -> Timestamp {
        self.desk.now()
    }

    /// Whether the failure of a whole batch keeps the others from being sent for now.
    fn after_batch_failure(&self, queues: &mut Queues, failure: Failure) -> Result<()> {
        queues.failures += 1;
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
