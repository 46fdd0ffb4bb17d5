//! Looking at events and how far they have come.

use jiff::{SignedDuration, Timestamp};

use crate::domain::identity::{Email, ExternalId};
use crate::error::Result;
use crate::policy;
use crate::sync::services::Desk;

use super::stored::{EventStatus, StoredEvent};

/// How many of the newest events are looked at for those of one status.
const LOOKED_AT: usize = 2_000;

impl Desk {
    /// An event as it is stored.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn stored_event(&self, id: &str) -> Result<Option<StoredEvent>> {
        self.services.lifecycle.event(&self.integration.scope, id).await
    }

    /// The newest events, at most `limit`, or those that come after one in such a list; those of one status among the 2,000
    /// that are looked at.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn newest_events(
        &self,
        status: Option<EventStatus>,
        after: Option<&StoredEvent>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>> {
        let looked_at = looked_at(status, limit);
        let events = self.services.lifecycle.events(&self.integration.scope, self.now(), after, looked_at).await?;
        Ok(chosen(events, status, limit))
    }

    /// The same of those that came before a moment.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn events_before(
        &self,
        moment: Timestamp,
        status: Option<EventStatus>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>> {
        let just_before = policy::after(moment, SignedDuration::from_micros(-1));
        let from = just_before.min(self.now());
        let looked_at = looked_at(status, limit);
        let events = self.services.lifecycle.events(&self.integration.scope, from, None, looked_at).await?;
        Ok(chosen(events, status, limit))
    }

    /// A user's newest events by when they happened, at most `limit`, or those that come after one in such a list; those of one status among the newest 2,000. None for a user whom nobody
    /// knows.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn events_of_user(
        &self,
        id: Option<&ExternalId>,
        email: Option<&Email>,
        status: Option<EventStatus>,
        after: Option<&StoredEvent>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>> {
        let (external, email) = (id.map(ExternalId::identity), email.map(Email::identity));
        let scope = &self.integration.scope;
        let found = self.services.contacts.resolve(scope, external.as_ref(), email.as_ref()).await?;
        let Some(key) = found.by_external_id.or(found.by_email) else { return Ok(Vec::new()) };
        let looked_at = if after.is_some() { LOOKED_AT } else { looked_at(status, limit) };
        let mut events = self.services.lifecycle.events_of(scope, &key, looked_at).await?;
        if let Some(after) = after {
            events.retain(|event| event.by < after.by);
        }
        Ok(chosen(events, status, limit))
    }
}

fn looked_at(status: Option<EventStatus>, limit: usize) -> usize {
    if status.is_some() { LOOKED_AT } else { limit }
}

fn chosen(mut events: Vec<StoredEvent>, status: Option<EventStatus>, limit: usize) -> Vec<StoredEvent> {
    events.retain(|event| status.is_none_or(|status| event.status == status));
    events.truncate(limit);
    events
}
