//! A person who is deleted is deleted on the tenant's other platforms, too: by a job of each of them, in its own scope.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::identity::{Email, RecordKey};
use crate::domain::link::RemoteId;
use crate::domain::scope::{IntegrationId, Scope};
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{Job, Task};
use crate::mapping::Vanished;
use crate::ports::lifecycle::Burial;

use super::services::Desk;
use super::whom::Known;
use crate::domain::whom::Whom;

/// What another integration has of a person.
pub(super) struct Elsewhere {
    scope: Scope,
    contacts: Vec<RemoteId>,
}

/// How long the jobs wait: by then the record is gone.
const DELAY: Duration = Duration::from_secs(2);

impl Desk {
    /// Whether the tenant has other integrations, whose rules are their own. A read now and then.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn has_peers(&self) -> Result<bool> {
        let own = &self.integration.scope;
        Ok(self.services.peers.of(&own.tenant).await?.iter().any(|peer| *peer != own.integration))
    }

    /// Whether anything may follow for a contact whose row is gone: by the integration's own rule, or by that of another one.
    pub(super) async fn acts_on_gone_rows(&self) -> Result<bool> {
        let keeps = *self.integration.situations().when_gone() == Vanished::Keep;
        Ok(!keeps || self.has_peers().await?)
    }

    /// Whether a record has an object on another platform of the tenant, too. A read; none where there is no other integration.
    ///
    /// # Errors
    /// `Storage`.
    pub(super) async fn is_linked_elsewhere(&self, key: &RecordKey) -> Result<bool> {
        let own = &self.integration.scope;
        if !self.has_peers().await? {
            return Ok(false);
        }
        let links = self.services.contacts.links(&own.tenant, key).await?;
        Ok(links.iter().any(|one| one.integration != own.integration && one.link.remote_id.is_some()))
    }

    /// What the tenant's other integrations have of a person; those that nothing is known of may have somebody with the address.
    /// One read; none where there is no other integration.
    ///
    /// # Errors
    /// `Conflict` while one of the contacts is being written; `Storage`.
    pub(super) async fn elsewhere(&self, known: &Known) -> Result<Vec<Elsewhere>> {
        let own = &self.integration.scope;
        let scope_of = |integration: &IntegrationId| Scope { integration: integration.clone(), ..own.clone() };
        let peers = self.services.peers.of(&own.tenant).await?;
        let mut all: Vec<Elsewhere> = Vec::new();
        if peers.iter().all(|peer| *peer == own.integration) {
            return Ok(all);
        }
        if let Some((key, _)) = &known.record {
            for one in self.services.contacts.links(&own.tenant, key).await? {
                if one.integration == own.integration {
                    continue;
                }
                if let Some(lease) = one.lease.filter(|lease| lease.is_held(self.now())) {
                    return Err(Failure::new(FailureKind::Conflict, "the contact is being written just now")
                        .not_before(lease.until));
                }
                all.push(Elsewhere { scope: scope_of(&one.integration), contacts: one.link.contacts() });
            }
        }
        for peer in peers.iter().filter(|peer| **peer != own.integration) {
            if !all.iter().any(|one| one.scope.integration == *peer) {
                all.push(Elsewhere { scope: scope_of(peer), contacts: Vec::new() });
            }
        }
        Ok(all)
    }

    /// Notes the person's other contacts as deleted and queues their deletion, before the record goes.
    pub(super) async fn erase_elsewhere(
        &self,
        elsewhere: &[Elsewhere],
        whom: &Whom,
        known: &Known,
        at: Timestamp,
        correlation_id: &str,
    ) -> Result<()> {
        let email = known.email().or(whom.email.as_ref());
        for Elsewhere { scope, contacts } in elsewhere {
            if contacts.is_empty() && email.is_none() {
                continue;
            }
            let burial = Burial { identities: Vec::new(), contacts: contacts.clone(), at };
            self.services.lifecycle.bury(scope, &burial).await?;
            let task = Task::DeletePerson { contacts: contacts.clone(), email: email.cloned(), at };
            self.defer_for(scope, task, correlation_id, DELAY).await?;
        }
        Ok(())
    }

    /// Queues a task for another integration of the tenant.
    pub(crate) async fn defer_for(
        &self,
        scope: &Scope,
        task: Task,
        correlation_id: &str,
        delay: Duration,
    ) -> Result<()> {
        let job = Job {
            id: self.services.entropy.id(),
            scope: scope.clone(),
            correlation_id: correlation_id.to_owned(),
            queued_at: self.now(),
            task,
        };
        self.services.queue.send(&job, delay).await
    }

    /// Deletes the contacts of a person who was deleted at `at`, and whoever else has the address here. A contact that leads to
    /// somebody who began anew stays.
    ///
    /// # Errors
    /// `Conflict` while the record is still there; as table and platform fail.
    pub(crate) async fn delete_person(
        &self,
        contacts: &[RemoteId],
        email: Option<&Email>,
        at: Timestamp,
    ) -> Result<()> {
        for contact in contacts {
            self.delete_unless_known(contact, at).await?;
        }
        let Some(email) = email else { return Ok(()) };
        if self.is_known(None, Some(email)).await? {
            return Ok(());
        }
        let found = self.integration.platform.find_by_email(email).await?;
        let strays: Vec<RemoteId> = found.into_iter().map(|one| one.id).filter(|id| !contacts.contains(id)).collect();
        let burial = Burial { identities: Vec::new(), contacts: strays.clone(), at };
        self.services.lifecycle.bury(&self.integration.scope, &burial).await?;
        for contact in &strays {
            self.delete_unless_known(contact, at).await?;
            self.services.events.forget(&self.integration.scope, contact).await?;
        }
        Ok(())
    }

    async fn delete_unless_known(&self, contact: &RemoteId, at: Timestamp) -> Result<()> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        if let Some(key) = contacts.by_remote_id(scope, contact).await?
            && let Some(record) = contacts.load(scope, &key).await?.record
        {
            if record.updated_at > at {
                tracing::info!(record = key.as_str(), "the person began anew since: the contact stays");
                return Ok(());
            }
            return Err(Failure::new(FailureKind::Conflict, "the person is being deleted just now"));
        }
        self.integration.platform.delete(contact).await.map(drop)
    }
}
