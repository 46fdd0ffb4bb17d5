//! Does what a queued message says, and decides by the policy what follows when it fails.

use futures::FutureExt;
use std::time::Duration;

use crate::domain::identity::RecordKey;
use crate::domain::link::RemoteId;
use crate::domain::whom::Whom;
use crate::error::{Failure, FailureKind, Result};
use crate::policy::{self, Decision};
use crate::sync::change::{ContactChange, Outcome, Visitor};
use crate::sync::decision;
use crate::sync::erase::Erasure;
use crate::sync::push::For;
use crate::sync::services::Desk;

use super::message::{Job, ParkedJob, Task};

/// What the queue is told about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message is finished with: done, superseded, or parked.
    Done,
    /// Bring it back after this time.
    RetryIn(Duration),
}

/// How long a job waits when it could not even be parked.
const PARKING_FAILED: Duration = Duration::from_secs(60);

impl Desk {
    /// Runs a job for the `attempt`-th time (from 1). Never fails: what can't be done is retried or parked.
    pub async fn run(&self, job: &Job, attempt: u32) -> Verdict {
        let done = self.services.recorder().during(&job.correlation_id, None, self.perform(job).boxed()).await;
        self.judge(job, attempt, done).await
    }

    /// What follows from how a job's `attempt`-th run ended.
    pub(super) async fn judge(&self, job: &Job, attempt: u32, done: Result<()>) -> Verdict {
        let Err(failure) = done else { return Verdict::Done };
        match policy::after_failure(&failure, attempt, job.queued_at, self.now(), self.services.entropy.unit()) {
            Decision::Retry(delay) => {
                tracing::info!(job = %job.id, attempt, kind = ?failure.kind, ?delay, "a job will be retried: {failure}");
                Verdict::RetryIn(delay)
            }
            Decision::Park(advice) => self.park(job, failure, advice, attempt).await,
        }
    }

    pub(super) async fn perform(&self, job: &Job) -> Result<()> {
        self.is_ours(job)?;
        match &job.task {
            Task::PushContact { record } => self.push_again(record, None, job).await,
            Task::Identify { record, visitor, trusted } => {
                let visitor = visitor.clone().map(|id| Visitor { id, trusted: *trusted });
                self.push_again(record, visitor, job).await
            }
            Task::TakeDelivery { body } => self.take_later(body, &job.correlation_id).await,
            Task::ApplyDelivery { digest } => self.apply_kept(digest, &job.correlation_id).await,
            Task::CheckGone { contact } => self.check_gone(contact).await,
            Task::TakeNewcomer { contact } => self.take_newcomer(contact, &job.correlation_id).await,
            Task::CheckAllowed { contact, at } => self.check_allowed(contact, *at, &job.correlation_id).await,
            Task::WriteBack { contact } => self.write_back(contact).await,
            Task::TakeBack { record, at, fields } => self.take_back(record, *at, fields).await,
            Task::Sync => self.continue_sync(&job.correlation_id).await,
            Task::StartRun(order) => Box::pin(self.run_ordered(order, &job.correlation_id)).await,
            Task::LookAfter => Box::pin(self.look_after(&job.correlation_id)).await,
            Task::SendOutbox => self.send_outbox(&job.correlation_id).await,
            Task::ApplyEvent { event } => self.apply_event(event).await,
            Task::BringLists { record } => self.bring_lists_again(record).await,
            Task::SetMembership(wish) => self.carry_out_wish(wish).await,
            Task::RequestMembership(request) => self.fulfil_request(request).await,
            Task::Erase { whom, at, keep_row } => {
                self.erase_again(whom, Erasure { at: *at, keep_row: *keep_row }, job).await
            }
            Task::DeleteContact { contact } => self.delete_later(contact, job).await,
            Task::DeletePerson { contacts, email, at } => self.delete_person(contacts, email.as_ref(), *at).await,
        }
    }

    /// A job is run for its own integration and for no other.
    pub(super) fn is_ours(&self, job: &Job) -> Result<()> {
        if job.scope == self.integration.scope {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Invalid, "the job is another integration's"))
    }

    /// Nobody is left to delete when an earlier try, or somebody else, did it.
    async fn erase_again(&self, whom: &Whom, erasure: Erasure, job: &Job) -> Result<()> {
        match self.erase(whom, erasure, &job.correlation_id).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// A contact that a record leads to again was brought back since the deletion was asked for: it stays.
    async fn delete_later(&self, contact: &RemoteId, job: &Job) -> Result<()> {
        if self.services.contacts.by_remote_id(&self.integration.scope, contact).await?.is_some() {
            tracing::info!(job = %job.id, "the contact was written again since: it stays");
            return Ok(());
        }
        self.integration.platform.delete(contact).await.map(drop)
    }

    pub(super) async fn push_again(&self, record: &RecordKey, visitor: Option<Visitor>, job: &Job) -> Result<()> {
        let stored = self.services.contacts.load(&self.integration.scope, record).await?;
        if stored.record.is_none() {
            tracing::info!(job = %job.id, "the record was deleted since: nothing to do");
            return Ok(());
        }
        let change = ContactChange { visitor, ..ContactChange::refresh(record.clone()) };
        match self.push(&change, &job.correlation_id, For::Job).await? {
            Outcome::Done(pushed) => tracing::info!(job = %job.id, action = ?pushed.action, "a queued write is done"),
            Outcome::Queued(queued) => tracing::info!(job = %job.id, next = %queued.job_id, "a queued write goes on"),
        }
        Ok(())
    }

    async fn park(&self, job: &Job, reason: Failure, advice: &str, attempts: u32) -> Verdict {
        tracing::warn!(job = %job.id, kind = ?reason.kind, attempts, advice, "a job is parked: {reason}");
        if let Task::ApplyEvent { event } = &job.task
            && job.scope.tenant == self.integration.scope.tenant
            && let Err(failure) = self.park_event(event, &reason, advice).await
        {
            tracing::error!(kind = ?failure.kind, job = %job.id, "an event could not be noted as parked: {failure}");
            return Verdict::RetryIn(PARKING_FAILED);
        }
        let is_contact = matches!(job.task, Task::PushContact { .. } | Task::Identify { .. });
        if is_contact && decision::needs_person(&reason) {
            // The write parked the contact itself, once for all its jobs.
            return Verdict::Done;
        }
        let parked = ParkedJob { job: job.clone(), reason, advice: advice.to_owned(), attempts, parked_at: self.now() };
        match self.services.parked.park(&parked).await {
            Ok(()) => Verdict::Done,
            Err(failure) => {
                tracing::error!(kind = ?failure.kind, job = %job.id, "a job could not be parked: {failure}");
                Verdict::RetryIn(PARKING_FAILED)
            }
        }
    }
}
