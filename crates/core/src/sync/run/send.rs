//! From Tandem's table to the platform: marked records are handed to the sender in the order of the marks, and marks, log and
//! source are told what became of them.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::identity::RecordKey;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::RemoteId;
use crate::error::{Failure, Result};
use crate::jobs::message::Task;
use crate::mapping::Response;
use crate::policy;
use crate::ports::bulk::{BATCH, Mark, MarkCursor, Origin};
use crate::ports::source::RowStatus;
use crate::sync::batches::{Advanced, Ended, Item, Joining, Sender};
use crate::sync::decision;
use crate::sync::left_out;
use crate::sync::objects::ObjectSender;
use crate::sync::plan::{self, Draft};
use crate::sync::services::Desk;

use super::{Run, Step, Stopped};

/// What a run sends with.
struct Sending<'a> {
    sender: Sender<'a>,
    objects: ObjectSender<'a>,
    /// Contacts whose memberships are open.
    joining: Vec<Joining>,
    met: Met,
}

/// Which people this run came to. A record may have two marks: one by itself, and one of a pack.
#[derive(Default)]
struct Met {
    /// Eight bytes for each: that one is taken for another does no harm.
    records: HashSet<u64>,
    /// Second marks, whose turn comes when nothing is under way of the records any more.
    again: BTreeMap<RecordKey, Mark>,
}

/// What follows from the results of a call, before it is written.
#[derive(Default)]
pub(super) struct Following {
    pub(super) finished: Vec<Mark>,
    pub(super) put_off: Vec<Mark>,
    /// Their records wait for an address that another one has.
    pub(super) awaiting: Vec<Mark>,
    alone: Vec<Mark>,
    failed: Vec<(Item, Failure)>,
    synced: Vec<(Draft, RemoteId)>,
    pub(super) joining: Vec<Joining>,
    /// Contacts that belong to what other records are, or did.
    pub(super) relating: Vec<(Mark, RemoteId)>,
}

/// Memberships are set when so many contacts wait for theirs: a few bytes each.
const MOST_JOINING: usize = 20_000;
/// So many second marks are gone through by one run; others wait for the next one.
const MOST_AGAIN: usize = 20_000;
/// How long a contact that another writer holds is left alone at least.
const HELD: SignedDuration = SignedDuration::from_secs(2);
/// When a contact that a job of its own writes is looked at again.
const JOB: SignedDuration = SignedDuration::from_mins(10);
/// How long a job has for a contact that it writes alone because it is astray.
const ALONE: SignedDuration = SignedDuration::from_secs(60);
/// A pause that is no longer than this is worth a continuation of the run.
const WORTH_WAITING: SignedDuration = SignedDuration::from_mins(3);

impl Run<'_> {
    /// Sends what is marked and due.
    pub(super) async fn send_all(&mut self) -> Step<()> {
        self.send_some(usize::MAX).await.map(drop)
    }

    /// Looks at so many marks, in whole pages, and sends those that are due; gives how many were, and whether there are more.
    pub(super) async fn send_some(&mut self, most: usize) -> Step<(usize, bool)> {
        let sender = Sender::of_run(self.desk, &self.log.id);
        let objects = ObjectSender::new(self.desk, self.state.objects.seen_at);
        let mut sending = Sending { sender, objects, joining: Vec::new(), met: Met::default() };
        let sent = self.send_marked(&mut sending, most).await;
        let finished = sending.sender.finish().await;
        self.note_ended(&mut sending).await?;
        let sent = sent.and_then(|sent| finished.map(|()| sent).map_err(Stopped::from));
        // What was written is settled, whatever came then: or its memberships would be set once more.
        let joined = self.settle_memberships(&mut sending.joining).await;
        sent.and_then(|sent| joined.map(|()| sent))
    }

    async fn send_marked(&mut self, sending: &mut Sending<'_>, most: usize) -> Step<(usize, bool)> {
        let (mut cursor, mut read, mut due) = (Some(MarkCursor::default()), 0, 0);
        while let Some(after) = cursor.take_if(|_| read < most) {
            let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
            let (marks, next) = bulk.marks(scope, &after, BATCH).await?;
            read += marks.len();
            due += self.sort_in(marks, sending).await?;
            while sending.sender.enough() {
                self.flush(sending).await?;
            }
            cursor = next;
        }
        self.flush_all(sending).await?;
        self.send_again(sending).await?;
        Ok((due, cursor.is_some()))
    }

    /// Goes through the second marks of records: mostly, nothing is left to do for them.
    async fn send_again(&mut self, sending: &mut Sending<'_>) -> Step<()> {
        let again: Vec<Mark> = std::mem::take(&mut sending.met.again).into_values().collect();
        if !again.is_empty() {
            self.settle_memberships(&mut sending.joining).await?;
        }
        for some in again.chunks(BATCH) {
            self.place(some.to_vec(), sending).await?;
            self.flush_all(sending).await?;
        }
        Ok(())
    }

    async fn flush_all(&mut self, sending: &mut Sending<'_>) -> Step<()> {
        while !sending.sender.is_done() {
            self.flush(sending).await?;
        }
        Ok(())
    }

    /// Begins batch calls, or settles one that ended.
    async fn flush(&mut self, sending: &mut Sending<'_>) -> Step<()> {
        self.in_time()?;
        if sending.joining.len() >= MOST_JOINING {
            self.settle_memberships(&mut sending.joining).await?;
        }
        let advanced = sending.sender.advance().await;
        // What became of contacts is noted, whatever came then.
        self.note_ended(sending).await?;
        match advanced? {
            Advanced::Began => Ok(()),
            Advanced::Settled => self.save().await,
        }
    }

    /// Plans marked records anew and sorts them by what they need; gives how many are due.
    async fn sort_in(&mut self, marks: Vec<Mark>, sending: &mut Sending<'_>) -> Step<usize> {
        let now = self.now();
        let (due, early): (Vec<Mark>, Vec<Mark>) = marks.into_iter().partition(|mark| mark.due_at <= now);
        self.log.waiting += early.len() as u64;
        // What failed before and is not due yet has failed all the same.
        self.log.failed += early.iter().filter(|mark| mark.attempts > 0).count() as u64;
        for mark in early {
            self.wait_for(mark.due_at);
        }
        let count = due.len();
        // Their part of the outbox is the first: people come after what they belong to.
        let (due, others): (Vec<Mark>, Vec<Mark>) = due.into_iter().partition(|mark| mark.record.kind().is_person());
        self.send_objects(others, &mut sending.objects).await?;
        let due = due.into_iter().filter_map(|mark| sending.met.first_of(mark)).collect();
        self.place(due, sending).await?;
        Ok(count)
    }

    async fn place(&mut self, marks: Vec<Mark>, sending: &mut Sending<'_>) -> Step<()> {
        sending.sender.place_all(marks).await?;
        self.note_ended(sending).await?;
        Ok(())
    }

    /// Notes what became of contacts: on their marks, in the log and at the source.
    async fn note_ended(&mut self, sending: &mut Sending<'_>) -> Result<()> {
        self.note_pulled(&sending.sender.take_pulled());
        let ended = sending.sender.take_ended();
        if ended.is_empty() {
            return Ok(());
        }
        let mut following = Following::default();
        for one in ended {
            self.note(one, &mut following);
        }
        self.settle_relationships(&mut following).await?;
        let Following { finished, mut put_off, awaiting, alone, failed, synced, joining, .. } = following;
        for mark in alone {
            let task = Task::PushContact { record: mark.record };
            self.desk.defer(task, &self.log.id, Duration::ZERO).await?;
        }
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let later = policy::after(self.now(), JOB);
        put_off.extend(awaiting.into_iter().map(|mark| Mark { due_at: later, ..mark }));
        bulk.mark_many(scope, &put_off).await?;
        self.put_off(failed).await?;
        // Before anything takes the marks away: a source that can't be told now is told by the next run. The run before may
        // have died between the write and the report.
        let told: Vec<(&Draft, &RemoteId)> = synced.iter().map(|(draft, contact)| (draft, contact)).collect();
        self.report_synced(&told).await?;
        sending.joining.extend(joining);
        bulk.unmark_many(scope, &finished).await
    }

    fn note(&mut self, ended: Ended, following: &mut Following) {
        match ended {
            Ended::Written { item, contact, created, unfinished, left_out } => {
                if created {
                    self.log.created += 1
                } else {
                    self.log.updated += 1
                }
                let Item { mark, mut draft, .. } = *item;
                let row = draft.record.external_id.as_ref().map_or("", |id| id.as_str());
                left_out.iter().for_each(|issue| self.note_left_out(row, issue));
                draft.issues.extend(left_out);
                if !unfinished {
                    following.leave(mark, &draft, &contact);
                }
                // Of a record that is left out only its person's word about mail was told.
                if draft.follows != Response::Ignore {
                    following.synced.push((draft, contact));
                }
            }
            Ended::Settled(mark, Some(draft)) if draft.follows == Response::Ignore => match draft.record.awaited {
                Some(_) => following.awaiting.push(mark),
                None => following.finished.push(mark),
            },
            Ended::Settled(mark, Some(draft)) => match draft.remote_id().cloned() {
                Some(contact) => {
                    following.leave(mark, &draft, &contact);
                    following.synced.push((*draft, contact));
                }
                None => following.finished.push(mark),
            },
            Ended::Settled(mark, None) | Ended::Forgotten(mark) | Ended::Deleted(mark) => following.finished.push(mark),
            Ended::Held(mark, until, _) => following.put_off.push(self.held(mark, until)),
            Ended::Single(mark) => {
                following.put_off.push(Mark { due_at: policy::after(self.now(), JOB), ..mark.clone() });
                following.alone.push(mark);
            }
            Ended::Astray(mark) => {
                following.put_off.push(self.held(mark.clone(), policy::after(self.now(), ALONE)));
                following.alone.push(mark);
            }
            Ended::Failed(item, failure) => {
                following.join_duplicates(&item);
                following.failed.push((*item, failure));
            }
        }
    }

    /// Another writer has the contact until then.
    pub(super) fn held(&mut self, mark: Mark, until: Timestamp) -> Mark {
        let due_at = until.max(policy::after(self.now(), HELD));
        self.log.waiting += 1;
        self.wait_for(due_at);
        Mark { due_at, ..mark }
    }

    /// A run that ends soon before this moment is continued at it.
    pub(super) fn wait_for(&mut self, moment: Timestamp) {
        if moment <= policy::after(self.now(), WORTH_WAITING) {
            self.held_until = Some(self.held_until.map_or(moment, |held| held.min(moment)));
        }
    }

    /// Contacts that could not be written: noted at the source and in the log, and tried again later.
    async fn put_off(&mut self, failed: Vec<(Item, Failure)>) -> Result<()> {
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
            if decision::needs_person(&failure) {
                self.desk.park_contact(&item.mark.record, &failure, &self.log.id).await?;
            }
            marks.push(Mark { attempts, due_at, ..item.mark });
        }
        let Desk { services, integration } = self.desk;
        services.bulk.mark_many(&integration.scope, &marks).await?;
        services.source.report(&integration.scope, &statuses).await
    }

    /// Tells the source which rows are on the platform by now.
    async fn report_synced(&self, synced: &[(&Draft, &RemoteId)]) -> Result<()> {
        let now = self.now();
        let status = |(draft, contact): &(&Draft, &RemoteId)| {
            let id = draft.record.external_id.as_ref()?.as_str().to_owned();
            let hash = Some(plan::digest(&draft.wanted));
            let error = what_was_left_out(&draft.issues);
            Some(RowStatus { id, contact: Some((*contact).clone()), hash, synced_at: Some(now), error })
        };
        let statuses: Vec<RowStatus> = synced.iter().filter_map(status).collect();
        if statuses.is_empty() {
            return Ok(());
        }
        self.desk.services.source.report(&self.desk.integration.scope, &statuses).await
    }
}

impl Met {
    /// The mark, if it is the first of its record; a second one is kept for later.
    fn first_of(&mut self, mark: Mark) -> Option<Mark> {
        let mut hasher = DefaultHasher::new();
        mark.record.hash(&mut hasher);
        if self.records.insert(hasher.finish()) {
            return Some(mark);
        }
        if self.again.len() < MOST_AGAIN {
            self.again.entry(mark.record.clone()).or_insert(mark);
        }
        None
    }
}

impl Following {
    /// A contact that can't be written, because others have its address, is put into its segments all the same. Its mark stays:
    /// one that was never stored takes none away.
    fn join_duplicates(&mut self, item: &Item) {
        let (add, remove) = item.draft.segment_changes();
        let Some(contact) = item.draft.remote_id().filter(|_| !item.draft.link.duplicates.is_empty()) else { return };
        if !add.is_empty() || !remove.is_empty() {
            let mark = Mark { origin: Origin::Nowhere, ..item.mark.clone() };
            self.joining.push(Joining { mark, contact: contact.clone(), add, remove });
        }
    }

    /// The platform has all of the contact's values; its mark stays while memberships are open.
    fn leave(&mut self, mark: Mark, draft: &Draft, contact: &RemoteId) {
        if draft.relates() {
            self.relating.push((mark.clone(), contact.clone()));
        }
        let (add, remove) = draft.segment_changes();
        let awaits = draft.record.awaited.is_some();
        match (add.is_empty() && remove.is_empty(), awaits) {
            (true, true) => return self.awaiting.push(mark),
            (true, false) => return self.finished.push(mark),
            (false, _) => {}
        }
        self.joining.push(Joining { mark, contact: contact.clone(), add, remove });
    }
}

/// What of a contact that is on the platform is not there, for the source to show.
fn what_was_left_out(issues: &[FieldIssue]) -> Option<String> {
    let told = issues.iter().filter(|issue| left_out::is_about_a_value(issue));
    let told: Vec<String> = told.map(|issue| format!("{}: {}", issue.field, issue.message)).collect();
    (!told.is_empty()).then(|| told.join(" "))
}
