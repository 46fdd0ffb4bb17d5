//! Telling the source what is known of a person: consent, whether mail arrives, what was done.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::consent::ConsentLedger;
use crate::domain::engagement::{self, EmailStatus, EngagementEvent, EngagementKind, Standing};
use crate::domain::identity::Email;
use crate::domain::link::{Link, RemoteId};
use crate::error::Result;
use crate::ports::Feedback;
use crate::ports::source::Person;
use crate::sync::services::Desk;

/// Whether mail reaches the person. An opt-out that the person took back is none any more; what it outweighed counts. One that
/// somebody else took away on the platform stands.
fn status(standing: &Standing, events: &[EngagementEvent], consent: &ConsentLedger) -> EmailStatus {
    let unsubscribed = || events.iter().any(|event| event.kind == EngagementKind::Unsubscribe);
    match standing.email_status {
        EmailStatus::Active if consent.opted_out() && unsubscribed() => EmailStatus::Unsubscribed,
        EmailStatus::Unsubscribed if consent.opted_in() => {
            let others = events.iter().filter(|event| event.kind != EngagementKind::Unsubscribe);
            engagement::standing(&others.cloned().collect::<Vec<_>>()).email_status
        }
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
        let stored = services.contacts.load(scope, &key).await?;
        let Some(record) = stored.record else { return Ok(()) };
        let events = self.events_of_person(contact, stored.link.as_ref()).await?;
        let standing = engagement::standing(&events);
        let identity = record.email.as_ref().map(Email::identity);
        let consent = match &identity {
            Some(identity) => services.contacts.resolve(scope, None, Some(identity)).await?.consent,
            None => Default::default(),
        };
        let feedback = Feedback {
            marketing_opt_in: consent.word().map(|_| consent.opted_in()),
            consent: consent.word().cloned(),
            email_status: status(&standing, &events, &consent),
            standing,
        };
        services.feedback.note(scope, &key, &feedback).await?;
        let person = Person { id: record.external_id, email: record.email };
        services.source.tell(scope, &person, &feedback, &events).await
    }

    /// What the person did under all numbers of theirs: the platform may still tell of one that it merged away, and gives a
    /// contact that was deleted and made anew another.
    async fn events_of_person(&self, contact: &RemoteId, link: Option<&Link>) -> Result<Vec<EngagementEvent>> {
        let linked = link.into_iter().flat_map(|link| link.remote_id.iter().chain(&link.aliases));
        let numbers: BTreeSet<&RemoteId> = linked.chain([contact]).collect();
        let mut events = BTreeMap::new();
        for number in numbers {
            let told = self.services.events.events(&self.integration.scope, number).await?;
            events.extend(told.into_iter().map(|event| (event.natural_id.clone(), event)));
        }
        Ok(events.into_values().collect())
    }
}
