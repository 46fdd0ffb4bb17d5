//! Deliveries become effects: stored first, then split, then applied entry by entry. Applying twice, late or out of order
//! changes nothing that is newer; a process that dies on the way is followed by one that goes on.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::domain::engagement::{self, EngagementEvent, EngagementKind};
use crate::domain::identity::Email;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::RemoteId;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::ports::Kept;
use crate::sync::services::Desk;

use super::entry::{Entry, EntryKind, Told, UNDATED};
use super::opt_out::opts_out;
use super::proof::Verified;

/// What became of a delivery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// What became of each entry, in order.
    pub entries: Vec<EntryReceipt>,
    /// Whether the delivery had been taken before.
    pub repeated: bool,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryReceipt {
    /// The contact's address, for the answer.
    pub email: Option<Email>,
    /// What happened.
    pub name: &'static str,
    /// Whether it is applied, or will be by a job.
    pub processed: bool,
    /// What is wrong with it.
    pub issue: Option<FieldIssue>,
}

/// The largest delivery that fits on the queue, in bytes: SQS takes 256 KB, and base64 adds a third.
const LARGEST_QUEUED: usize = 180 * 1024;
/// How long the source waits to be told, so that one telling covers many events.
const WRITE_BACK_DELAY: Duration = Duration::from_secs(2);
/// How long a job waits that looks at a contact which nobody knows: by then, who made it for Tandem has said so.
const STRANGER_DELAY: Duration = Duration::from_secs(5);
/// A delivery that is not finished with after this time was left by a process that died.
const ABANDONED: SignedDuration = SignedDuration::from_secs(60);
/// How many abandoned deliveries one look picks up.
const PICKED_UP: usize = 500;

impl Desk {
    /// Takes a delivery: once this returns well, nothing of it is lost. Two table writes and one for each entry's effect.
    ///
    /// # Errors
    /// `Storage` when neither table nor queue took it.
    pub async fn receive(&self, delivery: &Verified, correlation_id: &str) -> Result<Receipt> {
        let digest = delivery.digest();
        let kept = self.services.events.keep(&self.integration.scope, &digest, delivery.body(), self.now()).await;
        match kept {
            Ok(Kept::Finished) => Ok(self.receipt_of_repeat(delivery)),
            Ok(Kept::New | Kept::Unfinished) => self.apply_now(delivery, &digest, correlation_id).await,
            Err(failure) => self.queue_unkept(delivery, failure, correlation_id).await,
        }
    }

    /// The table does not take it: the queue does.
    async fn queue_unkept(&self, delivery: &Verified, failure: Failure, correlation_id: &str) -> Result<Receipt> {
        if delivery.body().len() > LARGEST_QUEUED {
            return Err(failure);
        }
        tracing::warn!(kind = ?failure.kind, "a delivery goes to the queue, the table does not take it: {failure}");
        let body = STANDARD.encode(delivery.body());
        self.defer(Task::TakeDelivery { body }, correlation_id, Duration::from_secs(1)).await?;
        Ok(self.receipt_of_repeat(delivery))
    }

    fn receipt_of_repeat(&self, delivery: &Verified) -> Receipt {
        let entries = match self.integration.deliveries.split(delivery.body()) {
            Ok(told) => told.iter().map(receipt).collect(),
            Err(failure) => vec![unreadable(failure)],
        };
        Receipt { entries, repeated: true }
    }

    async fn apply_now(&self, delivery: &Verified, digest: &str, correlation_id: &str) -> Result<Receipt> {
        let told = match self.integration.deliveries.split(delivery.body()) {
            Ok(told) => told,
            Err(failure) => return self.keep_unreadable(digest, failure).await,
        };
        match self.apply_all(&told, digest, correlation_id).await {
            Ok(()) => self.finish(digest).await,
            Err(failure) => {
                tracing::warn!(kind = ?failure.kind, %digest, "a delivery will be applied by a job: {failure}");
                self.apply_later(digest, correlation_id).await;
            }
        }
        Ok(Receipt { entries: told.iter().map(receipt).collect(), repeated: false })
    }

    /// Proved, and yet no JSON: it stays stored for a person to look at.
    async fn keep_unreadable(&self, digest: &str, failure: Failure) -> Result<Receipt> {
        tracing::warn!(kind = ?failure.kind, %digest, "a delivery can't be read: {failure}");
        self.finish(digest).await;
        Ok(Receipt { entries: vec![unreadable(failure)], repeated: false })
    }

    /// What is not marked as finished is found by [`Desk::pick_up_abandoned`], so that nothing hangs on these two.
    async fn finish(&self, digest: &str) {
        if let Err(failure) = self.services.events.finish(&self.integration.scope, digest).await {
            tracing::warn!(kind = ?failure.kind, %digest, "a delivery could not be marked as finished: {failure}");
        }
    }

    async fn apply_later(&self, digest: &str, correlation_id: &str) {
        let task = Task::ApplyDelivery { digest: digest.to_owned() };
        if let Err(failure) = self.defer(task, correlation_id, Duration::from_secs(1)).await {
            tracing::warn!(kind = ?failure.kind, %digest, "a delivery could not be queued: {failure}");
        }
    }

    /// Takes a delivery that came by the queue.
    ///
    /// # Errors
    /// As the table fails; `Invalid` for what is no base64.
    pub async fn take_later(&self, body: &str, correlation_id: &str) -> Result<()> {
        let body =
            STANDARD.decode(body).map_err(|_| Failure::new(FailureKind::Invalid, "the job's delivery is no base64"))?;
        let delivery = Verified::stored(body);
        let digest = delivery.digest();
        self.services.events.keep(&self.integration.scope, &digest, delivery.body(), self.now()).await?;
        self.apply_kept(&digest, correlation_id).await
    }

    /// Applies a stored delivery.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn apply_kept(&self, digest: &str, correlation_id: &str) -> Result<()> {
        let scope = &self.integration.scope;
        let Some(body) = self.services.events.kept(scope, digest).await? else { return Ok(()) };
        let told = self.integration.deliveries.split(&body).unwrap_or_default();
        self.apply_all(&told, digest, correlation_id).await?;
        self.services.events.finish(scope, digest).await
    }

    /// Queues deliveries whose taker died; gives how many.
    ///
    /// # Errors
    /// As table and queue fail.
    pub async fn pick_up_abandoned(&self, correlation_id: &str) -> Result<usize> {
        let before = self.now().checked_sub(ABANDONED).unwrap_or(Timestamp::MIN);
        let digests = self.services.events.unfinished(&self.integration.scope, before, PICKED_UP).await?;
        let count = digests.len();
        for digest in digests {
            self.defer(Task::ApplyDelivery { digest }, correlation_id, Duration::ZERO).await?;
        }
        Ok(count)
    }

    async fn apply_all(&self, told: &[Told], digest: &str, correlation_id: &str) -> Result<()> {
        let mut first = Ok(());
        for entry in told.iter().flatten() {
            match self.apply(entry, digest, correlation_id).await {
                Ok(()) => {}
                // No retry makes it smaller or sound: it stays in the stored delivery, and the others are applied.
                Err(failure) if failure.kind == FailureKind::Invalid => {
                    tracing::warn!(kind = ?failure.kind, %digest, entry = entry.name, "an entry has no effect: {failure}");
                }
                Err(failure) => first = first.and(Err(failure)),
            }
        }
        first
    }

    /// Applies one entry; `source` says where it came from.
    ///
    /// # Errors
    /// As table and queue fail; applying it again is sound.
    pub async fn apply(&self, entry: &Entry, source: &str, correlation_id: &str) -> Result<()> {
        let entry = &dated(entry, source, self.now());
        let Some(contact) = self.contact_of(entry).await? else { return self.opt_out_without_contact(entry).await };
        if self.services.lifecycle.contact_gone_since(&self.integration.scope, &contact).await?.is_some() {
            tracing::info!(%source, entry = entry.name, "an entry about a contact that was deleted is skipped");
            return Ok(());
        }
        match &entry.kind {
            EntryKind::Engagement(_) if entry.echo => Ok(()),
            EntryKind::Engagement(event) => self.engage(entry, &contact, event, source, correlation_id).await,
            EntryKind::Saved { .. } if self.is_echo(entry, &contact).await? => Ok(()),
            EntryKind::Saved { .. }
            | EntryKind::Points { .. }
            | EntryKind::Segment { .. }
            | EntryKind::Company { .. } => self.take_note(entry, &contact, correlation_id).await,
            EntryKind::Gone => {
                self.defer(Task::CheckGone { contact }, correlation_id, Duration::from_secs(1)).await.map(drop)
            }
            EntryKind::Noted => Ok(()),
        }
    }

    /// What is newest of a contact is observed, and what marketing changed comes back to the record.
    async fn take_note(&self, entry: &Entry, contact: &RemoteId, correlation_id: &str) -> Result<()> {
        if self.services.events.observe(&self.integration.scope, contact, entry).await? {
            self.merge_told(entry, contact, correlation_id).await?;
            self.notice_stranger(entry, contact, correlation_id).await?;
        }
        Ok(())
    }

    /// A contact that no record belongs to may be somebody who appeared: a job looks, once a write of Tandem's own that made it
    /// is over. One read, if any rule takes people in.
    async fn notice_stranger(&self, entry: &Entry, contact: &RemoteId, correlation_id: &str) -> Result<()> {
        let rule = &self.integration.newcomers;
        let may_appear = match &entry.kind {
            EntryKind::Saved { .. } => !rule.is_nobody() && entry.email.is_some(),
            EntryKind::Segment { alias, member } => *member && rule.may_mean(alias),
            EntryKind::Engagement(_)
            | EntryKind::Points { .. }
            | EntryKind::Company { .. }
            | EntryKind::Gone
            | EntryKind::Noted => false,
        };
        let contacts = &self.services.contacts;
        if !may_appear || contacts.by_remote_id(&self.integration.scope, contact).await?.is_some() {
            return Ok(());
        }
        self.defer(Task::TakeNewcomer { contact: contact.clone() }, correlation_id, STRANGER_DELAY).await.map(drop)
    }

    /// The contact's number; for older shapes that carry an address only, by the record that has it.
    async fn contact_of(&self, entry: &Entry) -> Result<Option<RemoteId>> {
        if entry.contact.is_some() || matches!(entry.kind, EntryKind::Noted) {
            return Ok(entry.contact.clone());
        }
        let Some(email) = &entry.email else { return Ok(None) };
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let known = contacts.resolve(scope, None, Some(&email.identity())).await?.by_email;
        let Some(key) = known else { return Ok(None) };
        Ok(contacts.load(scope, &key).await?.link.and_then(|link| link.remote_id))
    }

    /// Consent goes first: whatever breaks off after it, the opt-out stands.
    async fn engage(
        &self,
        entry: &Entry,
        contact: &RemoteId,
        event: &EngagementEvent,
        source: &str,
        correlation_id: &str,
    ) -> Result<()> {
        if opts_out(event) {
            self.opt_out_contact(entry, contact, event).await?;
        }
        if event.kind == EngagementKind::Contactable {
            self.hear_of_allowed(contact, entry.at, &entry.author, correlation_id).await?;
        }
        let (events, scope) = (&self.services.events, &self.integration.scope);
        let event = EngagementEvent { source: source.to_owned(), ..event.clone() };
        events.add(scope, contact, &event).await?;
        let all = events.events(scope, contact).await?;
        events.save_standing(scope, contact, &engagement::standing(&all)).await?;
        self.tell_source(contact, &event.natural_id, correlation_id).await
    }

    /// One job tells the source about all that happens until it runs.
    pub(crate) async fn tell_source(&self, contact: &RemoteId, by: &str, correlation_id: &str) -> Result<()> {
        if !self.services.events.mark_for_write_back(&self.integration.scope, contact, by).await? {
            return Ok(());
        }
        let task = Task::WriteBack { contact: contact.clone() };
        let queued = self.defer(task, correlation_id, WRITE_BACK_DELAY).await;
        if queued.is_err() {
            // Without the job, the mark would keep everybody from queueing another.
            self.services.events.unmark_for_write_back(&self.integration.scope, contact).await?;
        }
        queued.map(drop)
    }
}

/// An entry that tells no time happened when it came, and is told apart by the delivery that it came in. One from the
/// future comes from a clock that is wrong: it must not win over all that happens until then.
fn dated(entry: &Entry, source: &str, now: Timestamp) -> Entry {
    let mut entry = entry.clone();
    let undated = entry.at == UNDATED;
    if !undated && entry.at <= now {
        return entry;
    }
    entry.at = now;
    if let EntryKind::Engagement(event) = &mut entry.kind {
        event.at = now;
        if undated {
            event.natural_id = format!("{}:{source}", event.natural_id);
        }
    }
    entry
}

/// What is told of a delivery that is no JSON.
fn unreadable(failure: Failure) -> EntryReceipt {
    let issue = FieldIssue::new("body", IssueCode::Invalid, failure.message);
    EntryReceipt { email: None, name: "unknown", processed: false, issue: Some(issue) }
}

fn receipt(told: &Told) -> EntryReceipt {
    match told {
        Ok(entry) => EntryReceipt { email: entry.email.clone(), name: entry.name, processed: true, issue: None },
        Err(issue) => EntryReceipt { email: None, name: "unknown", processed: false, issue: Some(issue.clone()) },
    }
}
