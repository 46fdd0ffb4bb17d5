//! Deleting a contact everywhere. What stays is the digest of an opted-out address, so that nobody mails it again.

use std::time::Duration;

use crate::domain::link::RemoteId;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::policy;

use super::change::{Outcome, Queued};
use super::services::Desk;
use super::whom::{Known, unknown};
use crate::domain::whom::Whom;

/// What a deletion did.
#[derive(Clone, Debug, PartialEq)]
pub struct Erased {
    /// The contacts that were asked to go.
    pub contacts: Vec<RemoteId>,
    /// Whether any of them was there.
    pub existed: bool,
}

impl Desk {
    /// Deletes a contact on the platform and in the table; the platform's part is queued when it can't be done now.
    ///
    /// # Errors
    /// `NotFound` when nobody knows the contact; `Conflict` while it is being written.
    pub async fn erase(&self, whom: &Whom, correlation_id: &str) -> Result<Outcome<Erased>> {
        let known = match self.know(whom).await {
            Err(reason) if policy::may_be_done_later(reason.kind) => {
                let task = Task::Erase { whom: whom.clone() };
                let job_id = self.defer(task, correlation_id, Duration::from_secs(1)).await?;
                return Ok(Outcome::Queued(Queued { job_id, reason, issues: Vec::new() }));
            }
            known => known?,
        };
        if known.contacts.is_empty() && known.record.is_none() {
            return Err(unknown());
        }
        self.refuse_while_written(&known)?;
        let mut existed = known.record.is_some();
        for contact in &known.contacts {
            match self.integration.platform.delete(contact).await {
                Ok(deleted) => existed |= deleted,
                Err(reason) if policy::may_be_done_later(reason.kind) => {
                    return self.erase_later(&known, reason, correlation_id).await;
                }
                Err(failure) => return Err(failure),
            }
        }
        self.forget(&known).await?;
        Ok(Outcome::Done(Erased { contacts: known.contacts, existed }))
    }

    /// The record goes at once, so that no push brings the contact back; the platform's contacts go by jobs.
    async fn erase_later(&self, known: &Known, reason: Failure, correlation_id: &str) -> Result<Outcome<Erased>> {
        let mut last = String::new();
        for contact in &known.contacts {
            let task = Task::DeleteContact { contact: contact.clone() };
            last = self.defer(task, correlation_id, Duration::from_secs(1)).await?;
        }
        self.forget(known).await?;
        Ok(Outcome::Queued(Queued { job_id: last, reason, issues: Vec::new() }))
    }

    async fn forget(&self, known: &Known) -> Result<()> {
        let Some((key, stored)) = &known.record else { return self.forget_contacts(known).await };
        let id = stored.record.as_ref().and_then(|record| record.external_id.as_ref());
        if let Some(id) = id {
            // First of all: a row that is left behind would bring the contact back.
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
