//! All that is held about a person, for that person to read.

use serde_json::{Value, json};

use crate::domain::consent::ConsentLedger;
use crate::domain::identity::Email;
use crate::error::Result;

use super::services::Desk;
use super::whom::{Whom, unknown};

impl Desk {
    /// The record, the link, the consent ledger, the events and all that the platform holds, as JSON. Two reads, up to four calls.
    ///
    /// # Errors
    /// `NotFound` when nobody knows the contact; as the platform fails: half an export is none.
    pub async fn export(&self, whom: &Whom) -> Result<Value> {
        let known = self.know(whom).await?;
        let stored = known.record.as_ref().map(|(_, stored)| stored);
        let mut platform = Vec::new();
        for contact in &known.contacts {
            platform.push(self.integration.platform.export(contact).await?);
        }
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
            "platform": platform,
        }))
    }

    async fn consent_of(&self, email: Option<&Email>) -> Result<ConsentLedger> {
        let Some(identity) = email.map(Email::identity) else { return Ok(ConsentLedger::default()) };
        let resolved = self.services.contacts.resolve(&self.integration.scope, None, Some(&identity)).await?;
        Ok(resolved.consent)
    }
}
