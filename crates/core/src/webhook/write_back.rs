//! Telling the source what is known of a person: consent, whether mail arrives, what was done.

use crate::domain::engagement::{EmailStatus, Standing};
use crate::domain::identity::Email;
use crate::domain::link::RemoteId;
use crate::error::Result;
use crate::ports::Feedback;
use crate::sync::services::Desk;

/// Whether mail reaches the person. An opt-out that the person took back is none any more.
fn status(standing: &Standing, opted_in: bool) -> EmailStatus {
    match standing.email_status {
        EmailStatus::Unsubscribed if opted_in => EmailStatus::Active,
        status => status,
    }
}

impl Desk {
    /// Tells the source of a contact's record; nothing, when no record belongs to the contact.
    ///
    /// # Errors
    /// As table and source fail.
    pub async fn write_back(&self, contact: &RemoteId) -> Result<()> {
        let (services, scope) = (&self.services, &self.integration.scope);
        // Unmarked before reading: what happens from here on queues the next telling.
        services.events.unmark_for_write_back(scope, contact).await?;
        let Some(key) = services.contacts.by_remote_id(scope, contact).await? else { return Ok(()) };
        let Some(record) = services.contacts.load(scope, &key).await?.record else { return Ok(()) };
        let standing = services.events.standing(scope, contact).await?.unwrap_or_default();
        let identity = record.email.as_ref().map(Email::identity);
        let consent = match &identity {
            Some(identity) => services.contacts.resolve(scope, None, Some(identity)).await?.consent,
            None => Default::default(),
        };
        let feedback = Feedback {
            marketing_opt_in: consent.standing().map(|_| consent.opted_in()),
            consent: consent.standing().cloned(),
            email_status: status(&standing, consent.opted_in()),
            standing,
        };
        services.source.write_back(scope, &key, &feedback).await
    }
}
