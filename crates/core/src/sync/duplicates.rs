//! Several contacts of one address. The platform takes no change of any of them (recordings `201-duplicates-post-new` to
//! `205-duplicates-batch-put-no-id`), but forbids mail to each (`207-duplicates-dnc-add`) and takes each into lists
//! (`208-duplicates-segment-add`). What can be done is done; the rest waits for a person, who merges them there.

use crate::domain::identity::RecordKey;
use crate::domain::link::RemoteId;
use crate::domain::platform::{DoNotContact, DoNotContactReason, RemoteContact};
use crate::domain::scope::Scope;
use crate::error::{Failure, Result};
use crate::jobs::message::{Job, ParkedJob, Task};
use crate::policy;
use crate::ports::bulk::Mark;

use super::decision;
use super::services::Desk;
use super::settle;
use super::write::Writing;

impl Writing<'_> {
    /// Carries the person's word about mail to each of the contacts, and the oldest into its campaign; gives the failure that
    /// names them.
    pub(super) async fn several(&mut self, found: &[RemoteContact]) -> Result<Failure> {
        self.still_ours().await?;
        let ids: Vec<RemoteId> = found.iter().map(|contact| contact.id.clone()).collect();
        if !self.draft.consent.opted_out()
            && !self.draft.opted_in_by_person
            && let Some(word) = found.iter().find_map(word_against_mail)
        {
            settle::learn(&mut self.draft.consent, word, self.desk.now());
            self.draft.enrol = None;
        }
        for contact in found {
            self.settle_mail(contact).await?;
        }
        if let Some(oldest) = ids.first() {
            self.enrol(oldest).await?;
        }
        let failure = decision::several(&ids);
        self.duplicates = ids;
        Ok(failure)
    }

    async fn settle_mail(&self, contact: &RemoteContact) -> Result<()> {
        match (self.draft.consent.opted_out(), contact.mail_forbidden()) {
            (true, None) => {
                let entry = DoNotContact::of_opt_out(self.draft.consent.standing());
                self.platform().forbid_mail(&contact.id, &entry).await
            }
            (false, Some(entry)) if self.draft.opted_in_by_person && entry.reason != DoNotContactReason::Bounced => {
                self.platform().allow_mail(&contact.id).await
            }
            (true, Some(_)) | (false, Some(_) | None) => Ok(()),
        }
    }
}

/// What the contact shows of the person's own word against mail: no bounce, and not what Tandem set itself.
fn word_against_mail(contact: &RemoteContact) -> Option<&DoNotContact> {
    let entry = contact.mail_forbidden()?;
    (entry.reason != DoNotContactReason::Bounced && !entry.is_own()).then_some(entry)
}

impl Desk {
    /// Parks a contact that needs a person, once however often that is found out, and has the next runs try it again now and
    /// then: somebody may have seen to it. Two writes.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn leave_to_person(
        &self,
        key: &RecordKey,
        version: u64,
        failure: &Failure,
        correlation_id: &str,
    ) -> Result<()> {
        let now = self.now();
        let due_at = policy::contact_due(failure, 1, now, self.services.entropy.unit());
        let mark = Mark { attempts: 1, ..Mark::new(key.clone(), version, due_at) };
        self.services.bulk.mark_many(&self.integration.scope, &[mark]).await?;
        self.park_contact(key, failure, correlation_id).await
    }

    /// Parks the job that writes the contact once somebody has seen to it. One write.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn park_contact(&self, key: &RecordKey, failure: &Failure, correlation_id: &str) -> Result<()> {
        let now = self.now();
        let job = Job {
            id: parked_id(&self.integration.scope, key),
            scope: self.integration.scope.clone(),
            correlation_id: correlation_id.to_owned(),
            queued_at: now,
            task: Task::PushContact { record: key.clone() },
        };
        let advice = decision::advice(failure).to_owned();
        let parked = ParkedJob { job, reason: failure.clone(), advice, attempts: 1, parked_at: now };
        self.services.parked.park(&parked).await
    }

    /// The record's contact, when others have its address. One read.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn one_of_several(&self, key: &RecordKey) -> Result<Option<RemoteId>> {
        let link = self.services.contacts.load(&self.integration.scope, key).await?.link;
        Ok(link.filter(|link| !link.duplicates.is_empty()).and_then(|link| link.remote_id))
    }

    /// The contact was written: it needs nobody any more. One write.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn no_person_needed(&self, key: &RecordKey) -> Result<()> {
        self.services.parked.remove(&self.integration.scope.tenant, &parked_id(&self.integration.scope, key)).await
    }
}

/// The id under which a record's contact of an integration is parked: always the same.
pub(crate) fn parked_id(scope: &Scope, key: &RecordKey) -> String {
    format!("contact-{}-{}", scope.integration, key.as_str())
}
