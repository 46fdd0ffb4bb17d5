//! A user who was deleted in the application is deleted everywhere.

use crate::domain::identity::RecordKey;
use crate::domain::whom::Whom;
use crate::error::{FailureKind, Result};
use crate::sync::change::Outcome;
use crate::sync::erase::Erasure;
use crate::sync::services::Desk;
use crate::sync::whom::Known;

use super::event::EventUser;
use super::stored::{Step, StepAction, StepStatus, StoredEvent};

impl Desk {
    /// Deletes the person, unless something later than the event is known: then somebody signed up again.
    ///
    /// # Errors
    /// `Conflict` while the contact is being written; as table and platform fail.
    pub(super) async fn apply_deletion(&self, mut event: StoredEvent) -> Result<()> {
        let Some(payload) = event.payload.clone() else { return Ok(()) };
        let whom = self.whom_of(&payload.user).await?;
        let known = self.know(&whom).await?;
        event.attempts += 1;
        event.revision += 1;
        let mut step = Step::pending(StepAction::Erase);
        if self.is_outlived(&known, &event).await? {
            step.end(StepStatus::Superseded, Some("later events of the user are known".to_owned()));
        } else {
            let note = self.erase_user(&whom, &known, &event).await?;
            step.end(StepStatus::Done, note);
        }
        event.steps = vec![step];
        event.note = None;
        event.complete(self.now());
        self.services.lifecycle.save(&self.integration.scope, &event).await.map(drop)
    }

    async fn whom_of(&self, user: &EventUser) -> Result<Whom> {
        let (external_id, email) = (user.external_id.clone(), user.email.clone());
        let whom = Whom { contact: None, external_id, email };
        let (None, None, Some(customer)) = (&whom.external_id, &whom.email, &user.customer) else { return Ok(whom) };
        let scope = &self.integration.scope;
        let Some(key) = self.services.lifecycle.customer(scope, customer).await? else { return Ok(whom) };
        let record = self.services.contacts.load(scope, &key).await?.record;
        Ok(record.map_or(whom, |record| Whom { contact: None, external_id: record.external_id, email: record.email }))
    }

    async fn is_outlived(&self, known: &Known, event: &StoredEvent) -> Result<bool> {
        let Some((key, _)) = &known.record else { return Ok(false) };
        let (subject, _) = self.services.lifecycle.subject(&self.integration.scope, key).await?;
        // Of one moment the deletion is the last.
        Ok(subject.newest.is_some_and(|newest| newest.at > event.by.at))
    }

    /// Whoever nobody knows yet is noted as gone, too: what is still on its way must not bring anybody back.
    async fn erase_user(&self, whom: &Whom, known: &Known, event: &StoredEvent) -> Result<Option<String>> {
        let erasure = Erasure { at: event.by.at, keep_row: false };
        match self.erase(whom, erasure, &event.correlation_id).await {
            Ok(Outcome::Done(_)) => Ok(None),
            Ok(Outcome::Queued(_)) => Ok(Some("the platform's contact is deleted by a job".to_owned())),
            Err(failure) if failure.kind == FailureKind::NotFound => {
                self.bury(whom, known, event.by.at).await?;
                Ok(Some("nobody was known".to_owned()))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Forgets what events left of a person.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn forget_events(&self, key: &RecordKey) -> Result<()> {
        self.services.lifecycle.forget(&self.integration.scope, key).await
    }
}
