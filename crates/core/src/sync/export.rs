//! All that is held about a person, for that person to read.

use serde_json::{Value, json};

use crate::automation::stored::StoredEvent;
use crate::domain::consent::ConsentLedger;
use crate::domain::identity::Email;
use crate::domain::link::RemoteId;
use crate::error::{FailureKind, Result};

use super::services::Desk;
use super::whom::{Known, unknown};
use crate::domain::whom::Whom;

/// The most lifecycle events of an export.
const MOST_EVENTS: usize = 1_000;

impl Desk {
    /// The record, the link, the consent ledger, the events and all that the platform holds, as JSON. Four reads, up to
    /// four calls.
    ///
    /// # Errors
    /// `NotFound` when nobody knows the contact; as the platform fails: half an export is none.
    pub async fn export(&self, whom: &Whom) -> Result<Value> {
        let known = self.know(whom).await?;
        let stored = known.record.as_ref().map(|(_, stored)| stored).filter(|stored| stored.record.is_some());
        let platform = self.platforms_part(&known).await?;
        if platform.is_empty() && stored.is_none() {
            return Err(unknown());
        }
        let mut events = Vec::new();
        for contact in &known.contacts {
            events.extend(self.services.events.events(&self.integration.scope, contact).await?);
        }
        let record = stored.and_then(|stored| stored.record.as_ref());
        let consent = self.consent_of(record.and_then(|record| record.email.as_ref()).or(whom.email.as_ref())).await?;
        Ok(json!({
            "contactId": known.contacts.first(),
            "record": record,
            "link": stored.and_then(|stored| stored.link.as_ref()),
            "consent": consent,
            "events": events,
            "lifecycleEvents": self.lifecycle_events_of(&known).await?,
            "platform": platform,
        }))
    }

    /// What the platform holds. Ids that it merged into another are not asked for: they lead to the same contact.
    async fn platforms_part(&self, known: &Known) -> Result<Vec<Value>> {
        let link = known.record.as_ref().and_then(|(_, stored)| stored.link.as_ref());
        let merged = |contact: &RemoteId| link.is_some_and(|link| link.aliases.contains(contact));
        let mut parts = Vec::new();
        for contact in known.contacts.iter().filter(|contact| !merged(contact)) {
            match self.integration.platform.export(contact).await {
                Ok(part) => parts.push(part),
                Err(failure) if failure.kind == FailureKind::NotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(parts)
    }

    /// What happened to the person in the application, as far as it is kept.
    async fn lifecycle_events_of(&self, known: &Known) -> Result<Vec<StoredEvent>> {
        let Some((key, _)) = &known.record else { return Ok(Vec::new()) };
        let page = self.services.lifecycle.events_of(&self.integration.scope, key, None, MOST_EVENTS).await?;
        Ok(page.events.into_iter().map(|(_, event)| event).collect())
    }

    async fn consent_of(&self, email: Option<&Email>) -> Result<ConsentLedger> {
        let Some(identity) = email.map(Email::identity) else { return Ok(ConsentLedger::default()) };
        let resolved = self.services.contacts.resolve(&self.integration.scope, None, Some(&identity)).await?;
        Ok(resolved.consent)
    }
}
