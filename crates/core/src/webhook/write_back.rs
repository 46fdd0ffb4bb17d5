//! Telling the source what is known of a person: consent, whether mail arrives, what was done.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::consent::{ConsentLedger, ConsentSource};
use crate::domain::engagement::{self, EmailStatus, EngagementEvent, EngagementKind, Standing};
use crate::domain::identity::{Email, RecordKey};
use crate::domain::link::{Link, RemoteId};
use crate::error::Result;
use crate::ports::Feedback;
use crate::ports::source::{EMAIL_STATUS, MARKETING_OPT_IN, Person, RecordChange};
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

/// What the application does not know of yet. It knows what it said itself.
fn news(before: Option<&Feedback>, now: &Feedback) -> BTreeSet<String> {
    let said_elsewhere = now.consent.as_ref().is_some_and(|consent| consent.source != ConsentSource::Application);
    let opt_in = said_elsewhere && before.and_then(|before| before.marketing_opt_in) != now.marketing_opt_in;
    let status = before.map_or(EmailStatus::Active, |before| before.email_status) != now.email_status;
    let named = [(opt_in, MARKETING_OPT_IN), (status, EMAIL_STATUS)];
    named.into_iter().filter(|(is_news, _)| *is_news).map(|(_, name)| name.to_owned()).collect()
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
        // Before it counts as told: who dies in between tells it once more.
        self.note_feedback(&key, &feedback).await?;
        services.feedback.note(scope, &key, &feedback).await?;
        let person = Person { id: record.external_id, email: record.email };
        services.source.tell(scope, &person, &feedback, &events).await
    }

    /// Keeps for the application that consent or the state of the address is another one than was noted last, where it reads
    /// changes from Tandem. One read, and a write when there is news.
    async fn note_feedback(&self, key: &RecordKey, feedback: &Feedback) -> Result<()> {
        let (services, scope) = (&self.services, &self.integration.scope);
        if !services.source.keeps_changes() {
            return Ok(());
        }
        let before = services.feedback.feedback(scope, key).await?;
        let fields = news(before.as_ref(), feedback);
        if fields.is_empty() {
            return Ok(());
        }
        let said = feedback.consent.as_ref().map(|consent| consent.at).filter(|_| fields.contains(MARKETING_OPT_IN));
        let at = said.or(feedback.standing.last_event_at).unwrap_or_else(|| self.now());
        let integration = scope.integration.clone();
        let change = RecordChange { record: key.clone(), fields, integration, at, appeared: false };
        services.source.note_changes(scope, &[change]).await
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
