//! From Tandem's table to the platform: marked records are planned anew, sorted by what they need, and sent in batches.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::consent::ConsentLedger;
use crate::domain::identity::Email;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::RemoteId;
use crate::error::{Failure, Result};
use crate::jobs::message::Task;
use crate::mapping::casts_to_zero;
use crate::policy;
use crate::ports::Stored;
use crate::ports::bulk::{BATCH, LOOK_UP, Mark, MarkCursor};
use crate::ports::source::RowStatus;
use crate::sync::change::ContactChange;
use crate::sync::plan::{self, Draft, Found};
use crate::sync::services::Desk;
use crate::sync::vanished::Vanished;

use super::memberships::Joining;
use super::pace::Pace;
use super::{Run, Step, Stopped};

/// A contact that waits for its batch.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) mark: Mark,
    pub(super) draft: Draft,
    /// Fields that the platform refused, by its names.
    pub(super) refused: Vec<String>,
    /// A create was sent for it whose reply was lost.
    pub(super) maybe_made: bool,
    /// The contact that leads to the record already.
    pub(super) pointed: Option<RemoteId>,
    /// What the platform holds was looked at since the run began.
    pub(super) looked: bool,
}

/// Contacts by what they need.
pub(super) struct Queues {
    pub(super) look_up: VecDeque<Item>,
    pub(super) create: VecDeque<Item>,
    pub(super) update: VecDeque<Item>,
    pub(super) rewrite: VecDeque<Item>,
    pub(super) delete: VecDeque<Item>,
    pub(super) joining: Vec<Joining>,
    pub(super) pace: Pace,
    pub(super) failures: u32,
}

/// Memberships are set when so many contacts wait for theirs: a few bytes each.
const MOST_JOINING: usize = 20_000;
/// How long a contact that another writer holds is left alone at least.
const HELD: SignedDuration = SignedDuration::from_secs(2);
/// When a contact that a job of its own writes is looked at again.
const JOB: SignedDuration = SignedDuration::from_mins(10);
/// A pause that is no longer than this is worth a continuation of the run.
const WORTH_WAITING: SignedDuration = SignedDuration::from_mins(3);

impl Default for Queues {
    fn default() -> Self {
        Self {
            look_up: VecDeque::new(),
            create: VecDeque::new(),
            update: VecDeque::new(),
            rewrite: VecDeque::new(),
            delete: VecDeque::new(),
            joining: Vec::new(),
            pace: Pace::new(BATCH, BATCH),
            failures: 0,
        }
    }
}

impl Queues {
    fn enough(&self) -> bool {
        let most = [&self.create, &self.update, &self.rewrite, &self.delete].map(VecDeque::len);
        self.look_up.len() >= LOOK_UP || most.into_iter().max().unwrap_or_default() >= self.pace.size()
    }

    fn is_empty(&self) -> bool {
        let lengths = [&self.look_up, &self.create, &self.update, &self.rewrite, &self.delete].map(VecDeque::len);
        lengths.into_iter().all(|length| length == 0)
    }
}

impl Run<'_> {
    /// Sends what is marked and due.
    pub(super) async fn send_all(&mut self) -> Step<()> {
        let mut queues = Queues::default();
        let sent = self.send_marked(&mut queues).await;
        // What was written is settled, whatever came then: or its memberships would be set once more.
        let joined = self.settle_memberships(&mut queues.joining).await;
        sent.and(joined)
    }

    async fn send_marked(&mut self, queues: &mut Queues) -> Step<()> {
        let mut cursor = MarkCursor::default();
        loop {
            let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
            let (marks, next) = bulk.marks(scope, &cursor, BATCH).await?;
            self.sort_in(marks, queues).await?;
            while queues.enough() {
                self.flush(queues).await?;
            }
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        while !queues.is_empty() {
            self.flush(queues).await?;
        }
        Ok(())
    }

    /// Sends the longest of the queues, as much of it as one call takes.
    async fn flush(&mut self, queues: &mut Queues) -> Step<()> {
        self.in_time()?;
        if queues.joining.len() >= MOST_JOINING {
            self.settle_memberships(&mut queues.joining).await?;
        }
        let size = queues.pace.size();
        // Looked-up contacts join the other queues, so they come first.
        if !queues.look_up.is_empty() && (queues.look_up.len() >= LOOK_UP || queues.create.len() < size) {
            self.look_up(queues).await?;
        } else {
            let longest = [&queues.create, &queues.update, &queues.rewrite, &queues.delete].map(VecDeque::len);
            match longest.iter().enumerate().max_by_key(|(_, length)| **length).map(|(index, _)| index) {
                Some(0) => self.create_batch(queues).await?,
                Some(1) => self.update_batch(queues).await?,
                Some(2) => self.rewrite_batch(queues).await?,
                _ => self.delete_batch(queues).await?,
            }
        }
        self.save().await
    }

    /// Plans marked records anew and sorts them by what they need.
    async fn sort_in(&mut self, marks: Vec<Mark>, queues: &mut Queues) -> Step<()> {
        let now = self.now();
        let (due, early): (Vec<Mark>, Vec<Mark>) = marks.into_iter().partition(|mark| mark.due_at <= now);
        self.log.waiting += early.len() as u64;
        for mark in early {
            self.wait_for(mark.due_at);
        }
        self.place_all(due, false, queues).await
    }

    /// Plans records and puts each where it belongs. `looked` says that what the platform holds of them was looked at.
    pub(super) async fn place_all(&mut self, marks: Vec<Mark>, looked: bool, queues: &mut Queues) -> Step<()> {
        if marks.is_empty() {
            return Ok(());
        }
        let (mut finished, mut put_off) = (Vec::new(), Vec::new());
        let (mut synced, mut joining) = (Vec::new(), Vec::new());
        for (mark, draft) in self.desk.plan_marked(marks).await? {
            let Some(draft) = draft else {
                finished.push(mark);
                continue;
            };
            match self.place(mark, draft, looked, queues).await? {
                Placed::Queued => {}
                Placed::Settled(mark, draft) => {
                    finished.push(mark);
                    synced.extend(draft);
                }
                Placed::Joining(draft, open) => {
                    joining.push(open);
                    synced.push(draft);
                }
                Placed::PutOff(mark) => put_off.push(mark),
            }
        }
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        bulk.mark_many(scope, &put_off).await?;
        // The run before may have died between the write and the report. Memberships wait for it: they take marks away.
        let told: Vec<_> = synced.iter().filter_map(|draft| Some((draft, draft.remote_id()?))).collect();
        self.report_synced(&told).await?;
        queues.joining.extend(joining);
        bulk.unmark_many(scope, &finished).await?;
        Ok(())
    }

    async fn place(&mut self, mark: Mark, draft: Draft, looked: bool, queues: &mut Queues) -> Result<Placed> {
        let now = self.now();
        let held = draft.lease.as_ref().map(|lease| lease.until).filter(|until| *until > now);
        if let Some(until) = held {
            return Ok(Placed::PutOff(self.held(mark, until)));
        }
        if self.is_to_be_deleted(&draft) {
            queues.delete.push_back(Item::new(mark, draft, looked));
            return Ok(Placed::Queued);
        }
        if draft.platform_is_settled() {
            return Ok(Self::place_settled(mark, draft));
        }
        if draft.opted_in_by_person || draft.enrol.is_some() {
            // There is no batch call for these: a job writes the contact alone.
            let task = Task::PushContact { record: draft.key.clone() };
            self.desk.defer(task, &self.log.id, Duration::ZERO).await?;
            return Ok(Placed::PutOff(Mark { due_at: policy::after(now, JOB), ..mark }));
        }
        let item = Item::new(mark, draft, looked);
        match (item.draft.remote_id().is_some(), item.needs_rewrite()) {
            (true, true) => queues.rewrite.push_back(item),
            (true, false) => queues.update.push_back(item),
            (false, _) if item.draft.may_have_been_created() => queues.look_up.push_back(item),
            (false, _) if item.draft.record.email.is_some() => queues.create.push_back(item),
            // A contact needs an address: the record was refused when it was taken.
            (false, _) => return Ok(Placed::Settled(item.mark, None)),
        }
        Ok(Placed::Queued)
    }

    /// The platform has all of the contact's values; memberships may be open.
    fn place_settled(mark: Mark, draft: Draft) -> Placed {
        let (add, remove) = draft.segment_changes();
        let Some(contact) = draft.remote_id().cloned() else { return Placed::Settled(mark, None) };
        if add.is_empty() && remove.is_empty() {
            return Placed::Settled(mark, Some(draft));
        }
        Placed::Joining(draft, Joining { mark, contact, add, remove })
    }

    fn is_to_be_deleted(&self, draft: &Draft) -> bool {
        draft.record.gone_since.is_some() && self.desk.integration.vanished == Vanished::Delete
    }

    /// Another writer has the contact until then.
    pub(super) fn held(&mut self, mark: Mark, until: Timestamp) -> Mark {
        let due_at = until.max(policy::after(self.now(), HELD));
        self.log.waiting += 1;
        self.wait_for(due_at);
        Mark { due_at, ..mark }
    }

    /// A run that ends soon before this moment is continued at it.
    fn wait_for(&mut self, moment: Timestamp) {
        if moment <= policy::after(self.now(), WORTH_WAITING) {
            self.held_until = Some(self.held_until.map_or(moment, |held| held.min(moment)));
        }
    }

    /// Contacts that could not be written: noted at the source and in the log, and tried again later.
    pub(super) async fn put_off(&mut self, failed: Vec<(Item, Failure)>) -> Result<()> {
        if failed.is_empty() {
            return Ok(());
        }
        let (now, mut marks, mut statuses) = (self.now(), Vec::new(), Vec::new());
        for (item, failure) in failed {
            self.log.failed += 1;
            let attempts = item.mark.attempts + 1;
            let due_at = policy::contact_due(&failure, attempts, now, self.desk.services.entropy.unit());
            self.log.waiting += 1;
            self.wait_for(due_at);
            if let Some(id) = &item.draft.record.external_id {
                let named = failure.fields.first().cloned();
                let issue = named.unwrap_or_else(|| {
                    FieldIssue::new("contact", IssueCode::RefusedByPlatform, failure.message.clone())
                });
                let error = Some(format!("{}: {}", issue.field, issue.message));
                self.note_row(id.as_str(), &issue);
                self.problem(id.as_str(), issue);
                let id = id.as_str().to_owned();
                statuses.push(RowStatus { id, contact: None, hash: None, synced_at: None, error });
            }
            marks.push(Mark { attempts, due_at, ..item.mark });
        }
        let Desk { services, integration } = self.desk;
        services.bulk.mark_many(&integration.scope, &marks).await?;
        services.source.report(&integration.scope, &statuses).await
    }

    /// Tells the source which rows are on the platform by now.
    pub(super) async fn report_synced(&self, synced: &[(&Draft, &RemoteId)]) -> Result<()> {
        let now = self.now();
        let status = |(draft, contact): &(&Draft, &RemoteId)| {
            let id = draft.record.external_id.as_ref()?.as_str().to_owned();
            let hash = Some(plan::digest(&draft.wanted));
            Some(RowStatus { id, contact: Some((*contact).clone()), hash, synced_at: Some(now), error: None })
        };
        let statuses: Vec<RowStatus> = synced.iter().filter_map(status).collect();
        if statuses.is_empty() {
            return Ok(());
        }
        self.desk.services.source.report(&self.desk.integration.scope, &statuses).await
    }

    /// Whether the failure of a whole batch ends the run for now.
    pub(super) fn after_batch_failure(&self, queues: &mut Queues, failure: Failure) -> Step<()> {
        queues.failures += 1;
        let hopeless = !policy::may_pass_soon(failure.kind) || queues.failures >= policy::BATCH_FAILURES;
        if hopeless { Err(Stopped::from(failure)) } else { Ok(()) }
    }
}

/// Where a marked record went.
enum Placed {
    /// Into a queue.
    Queued,
    /// Nowhere: all is done. With the draft, if there is a contact.
    Settled(Mark, Option<Draft>),
    /// Only memberships are open.
    Joining(Draft, Joining),
    /// It can't be sent now.
    PutOff(Mark),
}

impl Item {
    fn new(mark: Mark, draft: Draft, looked: bool) -> Self {
        let pointed = draft.link.remote_id.clone();
        Self { mark, draft, refused: Vec::new(), maybe_made: false, pointed, looked }
    }

    /// Zeros and blanks reach a known contact only when it is written as a whole.
    pub(super) fn needs_rewrite(&self) -> bool {
        !self.draft.clear.is_empty() || self.draft.set.values().any(casts_to_zero)
    }
}

impl Desk {
    /// Plans marked records by their state of now; `None` for one that was deleted.
    pub(super) async fn plan_marked(&self, marks: Vec<Mark>) -> Result<Vec<(Mark, Option<Draft>)>> {
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let keys: Vec<_> = marks.iter().map(|mark| mark.record.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let email = |stored: &Stored| stored.record.as_ref()?.email.as_ref().map(Email::identity);
        let identities: Vec<_> = stored.iter().map(|stored| (None, email(stored))).collect();
        let resolved = bulk.resolve_many(scope, &identities).await?;
        let catalog = self.catalog().await;
        let book = self.rulebook(catalog.as_deref());
        let plan = |((mark, stored), consent): ((Mark, Stored), ConsentLedger)| {
            let draft = stored.record.is_some().then(|| {
                let key = mark.record.clone();
                let change = ContactChange::refresh(key.clone());
                let found = Found { key, stored, consent, unclaimed: Vec::new(), issues: Vec::new(), email: None };
                plan::plan(&change, found, &book, self.now())
            });
            (mark, draft)
        };
        let consents = resolved.into_iter().map(|resolved| resolved.consent);
        Ok(marks.into_iter().zip(stored).zip(consents).map(plan).collect())
    }
}
