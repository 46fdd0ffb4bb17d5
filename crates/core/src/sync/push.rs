//! The loop around one contact's write: read, plan, take the lease, write, commit; or wait, or defer.

use futures::FutureExt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::catalog::FieldCatalog;
use crate::domain::consent::ConsentLedger;
use crate::domain::identity::{Identity, RecordKey};
use crate::domain::issue::FieldIssue;
use crate::domain::link::{Lease, LinkState};
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::mapping::Response;
use crate::policy;
use crate::ports::bulk::Mark;
use crate::ports::{Attempt, Begin, Save};

use super::change::{ContactChange, IdentifyCase, Outcome, PushAction, Pushed, Queued, Visitor};
use super::decision;
use super::operations;
use super::plan::{self, Draft, Found};
use super::services::Desk;
use super::write::{Writing, Wrote};

mod choice;

pub(crate) use choice::forgotten;
pub(super) use choice::{Choice, choose, is_dead_end};

/// For whom a push is made, and so what follows when it can't be finished now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// A caller waits for the answer: wait a little for another writer, then queue the write.
    Caller,
    /// A job of the queue: fail, so that the queue brings it back by the policy, with its attempts counted.
    Job,
}

impl Desk {
    /// Brings a contact to the platform, exactly once, or says why not.
    ///
    /// Unchanged: two table reads, no write, no call; one write when only the table has news. Changed: two reads, two
    /// writes, one call to the platform; a number that becomes zero takes two calls. After a write that was interrupted or
    /// refused, the contact is read before: one call more.
    ///
    /// # Errors
    /// What the platform refuses, and what can't be put on the queue. Anything that may succeed later is queued.
    pub async fn push(&self, change: &ContactChange, correlation_id: &str, whom: For) -> Result<Outcome<Pushed>> {
        let give_up_at = policy::after(self.now(), policy::LEASE_PATIENCE);
        let (mut pause, mut looked) = (Duration::from_millis(25), false);
        loop {
            let draft = self.draft(change).await?;
            if let Some(wanted) = &draft.record.awaited
                && self.exchange(&draft.key, wanted, correlation_id).await?
            {
                continue;
            }
            if draft.is_settled() {
                return unchanged(draft);
            }
            if draft.platform_is_settled() && self.save(&draft).await? == Attempt::Done {
                self.leave_memberships(&draft).await?;
                return unchanged(draft);
            }
            let now = self.now();
            let holder = draft.lease.clone().filter(|lease| lease.is_held(now));
            if holder.is_none() && draft.is_to_be_unlinked() {
                // Before the record's news are stored: who dies in between has the caller say them again.
                self.unlink(&draft.key).await?;
                continue;
            }
            if holder.is_none() && !looked && !draft.platform_is_settled() && draft.link.needs_look() {
                looked = true;
                match (self.look_at_contact(&draft, correlation_id).await, whom) {
                    (Err(failure), For::Caller) if policy::may_be_done_later(failure.kind) => {
                        return self.queue_instead(change, draft, failure, correlation_id).await;
                    }
                    (done, _) => done?,
                }
                continue;
            }
            if holder.is_none()
                && !draft.platform_is_settled()
                && let Some(writing) = self.begin(&draft).await?
            {
                return self.carry_out(writing, correlation_id, whom).await;
            }
            let wait_over = self.now() > give_up_at;
            match (whom, holder) {
                (For::Job, Some(lease)) => return Err(busy(lease.until)),
                (For::Job, None) if wait_over => return Err(busy(now)),
                (For::Caller, _) if wait_over => {
                    let reason = Failure::new(FailureKind::Conflict, "another writer holds the contact");
                    return self.queue_instead(change, draft, reason, correlation_id).await;
                }
                (For::Caller | For::Job, _) => {}
            }
            self.services.sleep.sleep(pause.mul_f64(0.5 + self.services.entropy.unit())).await;
            pause = (pause * 2).min(Duration::from_millis(400));
        }
    }

    /// Stores a change and queues it, without trying it: for a caller who can't wait any longer.
    ///
    /// # Errors
    /// `Invalid` when the change says too little; `Storage` when table or queue fail.
    pub async fn push_later(&self, change: &ContactChange, correlation_id: &str) -> Result<Queued> {
        let draft = self.store_only(change, self.draft_with(change, None).await?).await?;
        let task = task_of(&draft.key, change.visitor.as_ref());
        let job_id = self.defer(task, correlation_id, Duration::from_secs(1)).await?;
        let reason = Failure::new(FailureKind::Timeout, "the platform takes longer than the caller can wait");
        Ok(Queued { job_id, reason, issues: draft.issues })
    }

    async fn draft(&self, change: &ContactChange) -> Result<Draft> {
        let catalog = self.catalog().await;
        self.draft_with(change, catalog.as_deref()).await
    }

    /// The platform's fields, as last read.
    pub(crate) async fn catalog(&self) -> Option<Arc<FieldCatalog>> {
        let Self { services, integration } = self;
        let reference = &integration.reference;
        reference.catalog(&integration.scope, self.now(), &*services.catalogs, &*integration.platform).await
    }

    /// A draft that makes no call to the platform.
    async fn draft_with(&self, change: &ContactChange, catalog: Option<&FieldCatalog>) -> Result<Draft> {
        let found = self.find(change).await?;
        Ok(self.draft_of(change, found, catalog))
    }

    /// A draft of a change of what was found.
    pub(crate) fn draft_of(&self, change: &ContactChange, found: Found, catalog: Option<&FieldCatalog>) -> Draft {
        plan::plan(change, found, &self.rulebook(catalog), self.now())
    }

    /// Takes the lease and stores the record's new state; `None` when somebody else came first.
    async fn begin(&self, draft: &Draft) -> Result<Option<Writing<'_>>> {
        self.note_relationships(std::iter::once(draft)).await?;
        let now = self.now();
        let mut link = draft.link.clone();
        link.revision += 1;
        link.state = LinkState::Pending;
        link.sending = draft.sending();
        link.unmade = false;
        link.updated_at = now;
        let lease = Lease { owner: self.services.entropy.id(), until: policy::after(now, policy::LEASE) };
        let begin = Begin {
            key: draft.key.clone(),
            record: draft.record.clone(),
            link: link.clone(),
            lease: lease.clone(),
            claim: draft.claim.clone(),
            consent: consent_of(draft),
            is_news: draft.record_changed || draft.consent_changed || !draft.claim.is_empty(),
        };
        match self.services.contacts.begin(&self.integration.scope, &begin).await? {
            Attempt::Done => Ok(Some(Writing::new(self, draft.clone(), link, lease))),
            Attempt::Contended => Ok(None),
        }
    }

    async fn carry_out(&self, mut writing: Writing<'_>, correlation_id: &str, whom: For) -> Result<Outcome<Pushed>> {
        let about = vec![writing.about.clone()];
        let written = operations::about(about, writing.run().boxed()).await;
        match (written, whom) {
            (Ok(wrote), _) => self.conclude(writing, wrote, correlation_id, whom).await,
            (Err(failure), whom) if policy::may_be_done_later(failure.kind) => {
                let failure = self.interrupt(&writing, failure).await?;
                match whom {
                    For::Caller => {
                        let task = task_of(writing.key(), writing.visitor());
                        self.queued(task, failure, writing.issues(), correlation_id).await
                    }
                    For::Job => Err(failure),
                }
            }
            (Err(failure), _) => self.give_back(writing, failure, correlation_id).await,
        }
    }

    /// The write succeeded: the link now says so.
    async fn conclude(
        &self,
        writing: Writing<'_>,
        wrote: Wrote,
        correlation_id: &str,
        whom: For,
    ) -> Result<Outcome<Pushed>> {
        self.leave_memberships(&writing.draft).await?;
        let was_refused = writing.draft.link.error.is_some();
        let is_unlinked = writing.draft.follows == Response::Unlink;
        let (commit, pushed, not_enrolled) = writing.concluded(wrote);
        if self.services.contacts.commit(&self.integration.scope, &commit).await? == Attempt::Contended {
            // Our lease ran out under us. The platform has our values, but another writer may be at work: compare again.
            let reason = Failure::new(FailureKind::Conflict, "another writer took over the contact").maybe_done();
            return match whom {
                For::Caller => {
                    let task = Task::PushContact { record: commit.key };
                    self.queued(task, reason, pushed.issues, correlation_id).await
                }
                For::Job => Err(reason),
            };
        }
        if was_refused {
            self.no_person_needed(&commit.key).await?;
        }
        if is_unlinked {
            self.unlink(&commit.key).await?;
        }
        match (not_enrolled, whom) {
            (None, _) => {}
            (Some(_), For::Caller) => {
                self.defer(Task::PushContact { record: commit.key }, correlation_id, Duration::from_secs(1)).await?;
            }
            (Some(failure), For::Job) => return Err(failure),
        }
        Ok(Outcome::Done(pushed))
    }

    /// Memberships of segments are left to the next sync run, which sets many in one call, and so is an address that another
    /// record has. One write, if there are any.
    async fn leave_memberships(&self, draft: &Draft) -> Result<()> {
        if !draft.has_open_memberships() && draft.record.awaited.is_none() {
            return Ok(());
        }
        let (record, version) = (draft.key.clone(), draft.record.version);
        let mark = Mark::new(record, version, self.now());
        self.services.bulk.mark_many(&self.integration.scope, &[mark]).await
    }

    /// The write may succeed later: makes the contact free for the next writer, and says from when on.
    async fn interrupt(&self, writing: &Writing<'_>, failure: Failure) -> Result<Failure> {
        tracing::info!(kind = ?failure.kind, effect = ?failure.effect, "a write was interrupted: {failure}");
        if writing.creation_is_in_doubt() {
            // The create may still be under way: the lease stays, so that nobody makes a second one before it has settled.
            return Ok(failure.not_before(writing.lease_until()));
        }
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        match writing.unmade() {
            // Whoever comes first meanwhile has read the link anew.
            Some(commit) => contacts.commit(scope, &commit).await.map(drop)?,
            None => contacts.let_go(scope, writing.key(), writing.owner()).await?,
        }
        Ok(failure)
    }

    /// The platform refused, or the record's situation keeps it from being written: the link says why, and the caller is told.
    async fn give_back(&self, writing: Writing<'_>, failure: Failure, correlation_id: &str) -> Result<Outcome<Pushed>> {
        let (version, left_out) = (writing.draft.record.version, writing.is_left_out(&failure));
        let (commit, draft) = writing.refused(&failure);
        self.services.contacts.commit(&self.integration.scope, &commit).await?;
        if left_out {
            return unchanged(draft);
        }
        if decision::needs_person(&failure) {
            self.leave_to_person(&commit.key, version, &failure, correlation_id).await?;
        }
        Err(failure)
    }

    /// Gives up the link of a record: what stands on the platform stays there. A few calls of the table.
    pub(super) async fn unlink(&self, key: &RecordKey) -> Result<()> {
        tracing::info!(record = key.as_str(), "no mapping holds of a record any more: its link is given up");
        self.services.bulk.unlink(&self.integration.scope, key).await
    }

    /// Takes back what people changed there since the write that was interrupted. One call.
    async fn look_at_contact(&self, draft: &Draft, correlation_id: &str) -> Result<()> {
        match draft.remote_id() {
            Some(contact) => Box::pin(self.look_at_values(contact, correlation_id)).await,
            None => Ok(()),
        }
    }

    /// Nobody can write the contact just now: the change is stored, and a job will write it.
    async fn queue_instead(
        &self,
        change: &ContactChange,
        draft: Draft,
        reason: Failure,
        correlation_id: &str,
    ) -> Result<Outcome<Pushed>> {
        let draft = self.store_only(change, draft).await?;
        let task = task_of(&draft.key, change.visitor.as_ref());
        self.queued(task, reason, draft.issues, correlation_id).await
    }

    /// Stores the record's new state and nothing else.
    async fn store_only(&self, change: &ContactChange, mut draft: Draft) -> Result<Draft> {
        while draft.record_changed || draft.consent_changed || !draft.claim.is_empty() {
            if self.save(&draft).await? == Attempt::Done {
                break;
            }
            draft = self.draft(change).await?;
        }
        Ok(draft)
    }

    async fn save(&self, draft: &Draft) -> Result<Attempt> {
        self.note_relationships(std::iter::once(draft)).await?;
        self.services.contacts.save_record(&self.integration.scope, &save_of(draft)).await
    }

    async fn queued(
        &self,
        task: Task,
        reason: Failure,
        issues: Vec<FieldIssue>,
        correlation_id: &str,
    ) -> Result<Outcome<Pushed>> {
        let told = reason.retry_at.and_then(|moment| Duration::try_from(moment.duration_since(self.now())).ok());
        let delay = told.unwrap_or(Duration::ZERO).max(Duration::from_secs(1));
        let job_id = self.defer(task, correlation_id, delay).await?;
        Ok(Outcome::Queued(Queued { job_id, reason, issues }))
    }
}

/// The record's new state, as it is stored without a write to the platform.
pub(crate) fn save_of(draft: &Draft) -> Save {
    Save {
        key: draft.key.clone(),
        record: draft.record.clone(),
        claim: draft.claim.clone(),
        release: draft.release.clone(),
        consent: consent_of(draft),
    }
}

/// The job that finishes a write; it remembers the visitor, who is no part of the record.
fn task_of(key: &RecordKey, visitor: Option<&Visitor>) -> Task {
    match visitor {
        None => Task::PushContact { record: key.clone() },
        Some(visitor) => {
            Task::Identify { record: key.clone(), visitor: Some(visitor.id.clone()), trusted: visitor.trusted }
        }
    }
}

/// The ledger to store with the record: it changed, or the person took it along to another address.
pub(super) fn consent_of(draft: &Draft) -> Option<(Identity, ConsentLedger)> {
    let moved = draft.moves && draft.consent.standing().is_some();
    let email = draft.record.email.as_ref()?;
    (draft.consent_changed || moved).then(|| (email.identity(), draft.consent.clone()))
}

/// Nothing was written: the platform has all of it, or the record is left out.
fn unchanged(draft: Draft) -> Result<Outcome<Pushed>> {
    let is_left_out = matches!(draft.follows, Response::Ignore | Response::Delete);
    if draft.link.remote_id.is_none() && !is_left_out {
        return Err(Failure::new(FailureKind::Storage, "a synced link has no contact"));
    }
    Ok(Outcome::Done(Pushed {
        contact: draft.link.remote_id,
        action: if is_left_out { PushAction::NotSent } else { PushAction::Unchanged },
        situation: draft.situation,
        case: IdentifyCase::KnownEmail,
        enrolled_in: draft.link.associations.campaigns().map(str::to_owned).collect(),
        issues: draft.issues,
    }))
}

pub(super) fn busy(until: Timestamp) -> Failure {
    Failure::new(FailureKind::Conflict, "another writer holds the contact").not_before(until)
}
