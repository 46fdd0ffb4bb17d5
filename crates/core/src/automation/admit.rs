//! The start of an event's effects: whose it is, what it changes, and the steps that are left. Stored in one transaction, so
//! that a crash repeats nothing: a payment is added once, and a later event finds what was decided.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::identity::RecordKey;
use crate::domain::link::Lease;
use crate::domain::scope::IntegrationId;
use crate::error::{Failure, FailureKind, Result};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::lifecycle::Admission;
use crate::sync::change::{ContactChange, Subject as Whom};
use crate::sync::plan::Found;
use crate::sync::push::save_of;
use crate::sync::services::Desk;
use crate::sync::tombstone::{self, SKIPPED};

use super::derive::derive;
use super::event::{Customer, EventUser};
use super::outcome::{consent, is_late_with_its_address, note, patch, spread, steps};
use super::stored::{EventStatus, Payload, Step, StoredEvent};
use super::subject::{Past, Subject};
use super::work::Work;

/// Whether there is something left to do.
pub(super) enum Begun {
    Working(Box<Work>),
    Ended,
}

/// How long an event waits for its user to become known: a subscription is often told of before its checkout.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

impl Desk {
    /// Begins an event that was only stored so far.
    ///
    /// # Errors
    /// `Conflict` while another event of the user is worked on, or nobody is known for it yet; `Invalid` and `NotFound` for
    /// what the rules can't take; `Storage`.
    pub(super) async fn admit(&self, event: StoredEvent, patience: SignedDuration) -> Result<Begun> {
        let mut patience = Patience::new(self, patience);
        loop {
            let Some(payload) = event.payload.clone() else { return Ok(Begun::Ended) };
            let mut next = event.clone();
            next.revision += 1;
            next.attempts += 1;
            let gone = self.gone_since(&payload.user).await?;
            if gone.is_some_and(|gone| event.by.at <= gone) {
                return self.end_at_once(next, "older than the user's deletion").await;
            }
            let found = match self.find_user(&payload.user, &event).await {
                Ok(found) if found.stored.record.is_some() => found,
                Err(failure) if failure.kind == FailureKind::Storage => return Err(failure),
                _ if self.brings_back(gone, &payload.user, &event).await? => {
                    return self.end_at_once(next, SKIPPED).await;
                }
                found => found?,
            };
            let key = found.key.clone();
            let (subject, holder) = self.services.lifecycle.subject(&self.integration.scope, &key).await?;
            if holder.is_some_and(|lease| lease.is_held(self.now())) {
                patience.wait(self).await?;
                continue;
            }
            let is_late = is_late_with_its_address(&subject, &payload.user, found.stored.record.as_ref(), &event);
            let (found, whom) = if is_late {
                (self.find(&ContactChange::refresh(key.clone())).await?, Whom::Known(key))
            } else {
                (found, self.whom(&payload.user).await?)
            };
            let admission = self.admission(next, &payload, found, whom, &subject).await?;
            match self.services.lifecycle.admit(&self.integration.scope, &admission, self.now()).await? {
                Attempt::Done => return Ok(begun(admission)),
                Attempt::Contended => {
                    patience.wait(self).await?;
                    self.still_unbegun(&event).await?;
                }
            }
        }
    }

    /// When the last of the people was deleted whom the event's identities were those of.
    async fn gone_since(&self, user: &EventUser) -> Result<Option<Timestamp>> {
        let identities = tombstone::identities(user.external_id.as_ref(), user.email.as_ref());
        let gone = self.services.lifecycle.tombstones(&self.integration.scope, &identities).await?;
        Ok(gone.into_values().max())
    }

    /// Whether an event about somebody whom nobody knows would bring back who was deleted: what others than the application still
    /// send of the person (bills), and what is no sign-up (a login). One read, or two.
    async fn brings_back(&self, gone: Option<Timestamp>, user: &EventUser, event: &StoredEvent) -> Result<bool> {
        if gone.is_some() {
            return Ok(user.customer.is_some() || !self.integration.lifecycle.is_signup(event.name.as_str()));
        }
        // Customers are known by their records. One without was deleted with it.
        let Some(key) = self.customer_of(user).await? else { return Ok(false) };
        Ok(self.services.contacts.load(&self.integration.scope, &key).await?.record.is_none())
    }

    /// The record of a payment provider's customer, by the customer's id or by what was paid. One read for each that is unknown.
    async fn customer_of(&self, user: &EventUser) -> Result<Option<RecordKey>> {
        for customer in customers(user) {
            if let Some(key) = self.services.lifecycle.customer(&self.integration.scope, customer).await? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The event may have two jobs: then the other one has begun it.
    async fn still_unbegun(&self, event: &StoredEvent) -> Result<()> {
        let stored = self.stored_event(&event.by.id).await?;
        if stored.is_some_and(|stored| stored.revision == event.revision) {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Conflict, "another worker has begun the event"))
    }

    /// Goes on with an event whose steps are known.
    ///
    /// # Errors
    /// `Conflict` while another event of the user is worked on; `Storage`.
    pub(super) async fn resume(&self, id: &str, key: RecordKey, patience: SignedDuration) -> Result<Begun> {
        let (lifecycle, scope) = (&self.services.lifecycle, &self.integration.scope);
        let mut patience = Patience::new(self, patience);
        loop {
            let (subject, holder) = lifecycle.subject(scope, &key).await?;
            let lease = self.steps_lease();
            if !holder.is_some_and(|lease| lease.is_held(self.now()))
                && lifecycle.take(scope, &key, subject.version, &lease, self.now()).await? == Attempt::Done
            {
                return self.taken_up(id, key, subject, lease).await;
            }
            patience.wait(self).await?;
        }
    }

    /// Goes on from where the event stands now that nobody else can work on it.
    async fn taken_up(&self, id: &str, key: RecordKey, subject: Subject, lease: Lease) -> Result<Begun> {
        let left = self.stored_event(id).await?.filter(|event| event.status != EventStatus::Completed);
        let Some(mut event) = left else {
            self.services.lifecycle.let_go(&self.integration.scope, &key, &lease.owner).await?;
            return Ok(Begun::Ended);
        };
        event.attempts += 1;
        if event.status == EventStatus::Parked {
            event.reopen();
        }
        Ok(Begun::Working(Work::new(event, key, subject, lease, true)))
    }

    fn steps_lease(&self) -> Lease {
        Lease { owner: self.services.entropy.id(), until: policy::after(self.now(), policy::LEASE) }
    }

    /// Ends an event that has no effect.
    async fn end_at_once(&self, mut event: StoredEvent, why: &str) -> Result<Begun> {
        event.note = Some(why.to_owned());
        event.complete(self.now());
        self.services.lifecycle.save(&self.integration.scope, &event).await?;
        Ok(Begun::Ended)
    }

    /// The record of the event's user, or a new one.
    async fn find_user(&self, user: &EventUser, event: &StoredEvent) -> Result<Found> {
        let change = ContactChange { subject: self.whom(user).await?, ..ContactChange::refresh(nobody()) };
        match self.find(&change).await {
            Err(failure) if matches!(failure.kind, FailureKind::Invalid | FailureKind::NotFound) => {
                Err(self.nobody_yet(event))
            }
            found => found,
        }
    }

    /// The address of a payment provider's customer is where bills go: it tells who somebody is as long as nothing else
    /// does, and never takes the place of the one that is known.
    async fn whom(&self, user: &EventUser) -> Result<Whom> {
        let person = Whom::Person { external_id: user.external_id.clone(), email: user.email.clone() };
        if user.customer.is_none() {
            return Ok(person);
        }
        let (scope, contacts) = (&self.integration.scope, &self.services.contacts);
        let known = match &user.external_id {
            Some(id) => contacts.resolve(scope, Some(&id.identity()), None).await?.by_external_id,
            None => self.customer_of(user).await?,
        };
        let Some(key) = known else { return Ok(person) };
        let record = contacts.load(scope, &key).await?.record;
        Ok(if record.is_some_and(|record| record.email.is_some()) { Whom::Known(key) } else { person })
    }

    /// Events come in any order: the one that makes the user known may be on its way.
    fn nobody_yet(&self, event: &StoredEvent) -> Failure {
        let waited = self.now().duration_since(event.received_at);
        let kind = if waited < PATIENCE { FailureKind::Conflict } else { FailureKind::NotFound };
        let message = "nobody is known for this user: no event with an email address, and no record, has come";
        Failure::new(kind, message)
    }

    async fn admission(
        &self,
        mut event: StoredEvent,
        payload: &Payload,
        found: Found,
        whom: Whom,
        subject: &Subject,
    ) -> Result<Admission> {
        let book = &self.integration.lifecycle;
        let past = Past { by: event.by.clone(), name: event.name.clone(), facts: book.facts(&payload.properties) };
        let mut derived = derive(book, subject, &past, &payload.properties)?;
        derived.subject.heard_at = subject.heard_at.max(Some(event.received_at));
        let lists_for = spread(&mut derived, book, &self.other_integrations().await?);
        let key = found.key.clone();
        let fields = patch(&mut derived, payload, found.stored.record.as_ref(), &event);
        let change = ContactChange {
            subject: whom,
            fields,
            consent: consent(&derived, payload, &event),
            visitor: payload.user.visitor.clone(),
            issues: Vec::new(),
        };
        let draft = self.draft_of(&change, found, self.catalog().await.as_deref());
        event.subject = Some(key.clone());
        event.contact = draft.link.remote_id.clone();
        event.steps = steps(&derived, &draft);
        event.note = note(&derived);
        event.status = EventStatus::Processing;
        if !event.steps.iter().any(Step::is_open) {
            event.complete(self.now());
        }
        let changed = draft.record_changed || draft.consent_changed || !draft.claim.is_empty();
        Ok(Admission {
            key,
            event,
            subject: derived.subject,
            lease: self.steps_lease(),
            save: changed.then(|| save_of(&draft)),
            customers: customers(&payload.user).cloned().collect(),
            lists_for,
        })
    }

    /// The tenant's other integrations. A read now and then.
    async fn other_integrations(&self) -> Result<BTreeSet<IntegrationId>> {
        let own = &self.integration.scope;
        let all = self.services.peers.of(&own.tenant).await?;
        Ok(all.iter().filter(|peer| **peer != own.integration).cloned().collect())
    }
}

fn begun(admission: Admission) -> Begun {
    let Admission { key, event, subject, lease, .. } = admission;
    match event.status {
        EventStatus::Completed => Begun::Ended,
        EventStatus::Pending | EventStatus::Processing | EventStatus::Parked => {
            Begun::Working(Work::new(event, key, subject, lease, false))
        }
    }
}

/// What of a payment provider an event's user is given by, each once.
fn customers(user: &EventUser) -> impl Iterator<Item = &Customer> {
    user.customer.iter().chain(user.payments.iter().filter(|one| Some(*one) != user.customer.as_ref()))
}

/// A key that no record has.
fn nobody() -> RecordKey {
    RecordKey::from_stored(String::new())
}

/// Waiting for another event of the same user.
struct Patience {
    until: Timestamp,
    pause: Duration,
}

impl Patience {
    fn new(desk: &Desk, patience: SignedDuration) -> Self {
        Self { until: policy::after(desk.now(), patience), pause: Duration::from_millis(25) }
    }

    async fn wait(&mut self, desk: &Desk) -> Result<()> {
        if desk.now() > self.until {
            return Err(Failure::new(FailureKind::Conflict, "another event of the user is being worked on"));
        }
        desk.services.sleep.sleep(self.pause.mul_f64(0.5 + desk.services.entropy.unit())).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(200));
        Ok(())
    }
}
