//! Deleting a contact everywhere. What stays are digests: of an opted-out address, so that nobody mails it again, and of address
//! and ids, so that nobody comes back by what was said of the person before.

use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;

use crate::domain::link::RemoteId;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::policy;

use super::change::{Outcome, Queued};
use super::operations::{self, About};
use super::services::Desk;
use super::whom::{Known, unknown};
use crate::domain::whom::Whom;

/// How a contact is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// When the person was deleted.
    pub at: Timestamp,
    /// Whether the application's row stays where Tandem itself keeps it.
    pub keep_row: bool,
}

/// What a deletion did.
#[derive(Clone, Debug, PartialEq)]
pub struct Erased {
    /// The contacts that were asked to go.
    pub contacts: Vec<RemoteId>,
    /// Whether any of them was there.
    pub existed: bool,
}

impl Desk {
    /// Deletes a contact on the platform and in the table; the platform's part is queued when it can't be done now, and that of
    /// the tenant's other platforms always.
    ///
    /// # Errors
    /// `NotFound` when nobody knows the contact; `Conflict` while it is being written.
    pub async fn erase(&self, whom: &Whom, erasure: Erasure, correlation_id: &str) -> Result<Outcome<Erased>> {
        let known = match self.know(whom).await {
            Err(reason) if policy::may_be_done_later(reason.kind) => {
                // From now on nothing that was said of the person before brings anybody back, though nobody is deleted yet.
                self.bury(whom, &Known::default(), erasure.at).await?;
                let task = Task::Erase { whom: whom.clone(), at: erasure.at, keep_row: erasure.keep_row };
                let job_id = self.defer(task, correlation_id, Duration::from_secs(1)).await?;
                return Ok(Outcome::Queued(Queued { job_id, reason, issues: Vec::new() }));
            }
            known => known?,
        };
        let elsewhere = self.elsewhere(&known).await?;
        if known.contacts.is_empty() && known.record.is_none() && (elsewhere.is_empty() || whom.email.is_none()) {
            return Err(unknown());
        }
        self.refuse_while_written(&known)?;
        self.bury(whom, &known, erasure.at).await?;
        self.erase_elsewhere(&elsewhere, whom, &known, erasure.at, correlation_id).await?;
        let mut existed = known.record.is_some();
        for contact in &known.contacts {
            match self.delete_for_good(&known, contact).await {
                Ok(deleted) => existed |= deleted,
                Err(reason) if policy::may_be_done_later(reason.kind) => {
                    return self.erase_later(&known, erasure, reason, correlation_id).await;
                }
                Err(failure) => return Err(failure),
            }
        }
        self.forget(&known, erasure).await?;
        Ok(Outcome::Done(Erased { contacts: known.contacts, existed }))
    }

    async fn delete_for_good(&self, known: &Known, contact: &RemoteId) -> Result<bool> {
        let about = known.record.iter().map(|(key, _)| About::new(key, Situation::Erased)).collect();
        operations::about(about, self.integration.platform.delete(contact).boxed()).await
    }

    /// The record goes at once, so that no push brings the contact back; the platform's contacts go by jobs.
    async fn erase_later(
        &self,
        known: &Known,
        erasure: Erasure,
        reason: Failure,
        correlation_id: &str,
    ) -> Result<Outcome<Erased>> {
        let mut last = String::new();
        for contact in &known.contacts {
            let task = Task::DeleteContact { contact: contact.clone() };
            last = self.defer(task, correlation_id, Duration::from_secs(1)).await?;
        }
        self.forget(known, erasure).await?;
        Ok(Outcome::Queued(Queued { job_id: last, reason, issues: Vec::new() }))
    }

    async fn forget(&self, known: &Known, erasure: Erasure) -> Result<()> {
        let Some((key, stored)) = &known.record else { return self.forget_contacts(known).await };
        let id = stored.record.as_ref().and_then(|record| record.external_id.as_ref());
        if let Some(id) = id.filter(|_| !erasure.keep_row) {
            self.services.source.forget(&self.integration.scope, id).await?;
        }
        self.forget_events(key).await?;
        self.services.contacts.erase(&self.integration.scope, key, &known.identities(), &known.contacts).await
    }

    /// Tandem has no record of the person, and yet what the platform told about the contacts.
    async fn forget_contacts(&self, known: &Known) -> Result<()> {
        for contact in &known.contacts {
            self.services.events.forget(&self.integration.scope, contact).await?;
        }
        Ok(())
    }

    fn refuse_while_written(&self, known: &Known) -> Result<()> {
        let lease = known.record.as_ref().and_then(|(_, stored)| stored.lease.as_ref());
        match lease {
            Some(lease) if lease.is_held(self.now()) => {
                Err(Failure::new(FailureKind::Conflict, "the contact is being written just now")
                    .not_before(lease.until))
            }
            _ => Ok(()),
        }
    }
}
