//! Looking at events and how far they have come.

use jiff::Timestamp;

use crate::domain::identity::{Email, ExternalId, RecordKey};
use crate::error::Result;
use crate::ports::lifecycle::EventPage;
use crate::ports::place::TimePlace;
use crate::sync::services::Desk;

use super::stored::{EventStatus, StoredEvent};

/// How many places one listing looks at for events that are wanted; the next one goes on.
const LOOKED_AT: usize = 2_000;
/// How many of them a read asks for where most may not be wanted.
const AT_A_TIME: usize = 200;

/// Which events a list is of.
#[derive(Clone, Debug)]
pub struct EventQuery {
    /// Those that have come this far; all, when nothing is said.
    pub status: Option<EventStatus>,
    /// Those that came on the day of this moment or later.
    pub from: Timestamp,
    /// Those that come behind this place.
    pub behind: Option<TimePlace>,
}

impl Default for EventQuery {
    fn default() -> Self {
        Self { status: None, from: Timestamp::MIN, behind: None }
    }
}

impl Desk {
    /// An event as it is stored.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn stored_event(&self, id: &str) -> Result<Option<StoredEvent>> {
        self.services.lifecycle.event(&self.integration.scope, id).await
    }

    /// Events by when they came, the newest first, at most `limit`. A page can be short, and even empty, before the end: 2,000 places
    /// are looked at for those that are wanted.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn newest_events(&self, query: &EventQuery, limit: usize) -> Result<EventPage> {
        self.filled(None, query, limit).await
    }

    /// A user's events by when they happened, as [`Desk::newest_events`]. None for a user whom nobody knows.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn events_of_user(
        &self,
        id: Option<&ExternalId>,
        email: Option<&Email>,
        query: &EventQuery,
        limit: usize,
    ) -> Result<EventPage> {
        let (external, email) = (id.map(ExternalId::identity), email.map(Email::identity));
        let (services, scope) = (&self.services, &self.integration.scope);
        let found = services.contacts.resolve(scope, external.as_ref(), email.as_ref()).await?;
        let Some(key) = found.by_external_id.or(found.by_email) else { return Ok(EventPage::default()) };
        self.filled(Some(&key), query, limit).await
    }

    /// Reads on until there are enough events that are wanted, the list is at its end, or enough places were looked at. Events that
    /// were forgotten are none, so that one read may give less than it was asked for.
    async fn filled(&self, of: Option<&RecordKey>, query: &EventQuery, limit: usize) -> Result<EventPage> {
        let (mut page, mut looked_at, mut behind) = (EventPage::default(), 0, query.behind.clone());
        loop {
            let left = limit - page.events.len();
            let size = if query.status.is_some() { left.max(AT_A_TIME) } else { left };
            let EventPage { events, next } = self.events_behind(of, behind.as_ref(), query.from, size).await?;
            looked_at += size;
            let is_wanted = |event: &StoredEvent| query.status.is_none_or(|status| event.status == status);
            let mut wanted = events.into_iter().filter(|(_, event)| is_wanted(event));
            page.events.extend(wanted.by_ref().take(left));
            let is_full = page.events.len() >= limit;
            // Of what was read more than is taken, the next page begins behind the last that is.
            page.next = match page.events.last() {
                Some((place, _)) if is_full && (wanted.next().is_some() || next.is_some()) => Some(place.clone()),
                _ => next.filter(|_| !is_full),
            };
            if is_full || page.next.is_none() || looked_at >= LOOKED_AT.max(limit) {
                return Ok(page);
            }
            behind = page.next.clone();
        }
    }

    /// A read of the list of a user, or of all.
    async fn events_behind(
        &self,
        of: Option<&RecordKey>,
        behind: Option<&TimePlace>,
        from: Timestamp,
        size: usize,
    ) -> Result<EventPage> {
        let (lifecycle, scope) = (&self.services.lifecycle, &self.integration.scope);
        if let Some(key) = of {
            return lifecycle.events_of(scope, key, behind, size).await;
        }
        let now = TimePlace::behind(self.now());
        let behind = behind.map_or_else(|| now.clone(), |behind| behind.clone().min(now.clone()));
        lifecycle.events(scope, &behind, from, size).await
    }
}
