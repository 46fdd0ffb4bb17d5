//! An address that people corrected on the platform: it comes back to the record, or is left to a person.
//!
//! The application goes on saying the address that it has. It leads to the record all the same, and is no change, until the
//! application says another one ([`Record::corrected`]).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::identity::{Email, RecordKey};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::{FieldConflict, Link, RemoteId};
use crate::domain::record::{Corrected, Fields, Record, Said};
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{Job, ParkedJob, Task};
use crate::mapping::FieldRule;
use crate::ports::{Attempt, Save, Stored};

use super::change::ContactChange;
use super::conflict::address::{self, Correction, Reason, ShownAddress};
use super::plan;
use super::push;
use super::services::Desk;
use super::take_back::HandedOver;

/// How often another writer may come first.
const ATTEMPTS: u32 = 3;

/// What became of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It says nothing new, or the application's goes over it.
    Known,
    /// It is the record's.
    TakenBack,
    /// A person has to see to it.
    LeftToPerson,
    /// Somebody was writing the contact: it is to be looked at once more.
    Held,
}

impl Desk {
    /// Whether the address that is shown says anything new. Without a call.
    pub(crate) fn is_address_news(&self, record: &Record, link: &Link, shown: &ShownAddress<'_>) -> bool {
        self.correction(record, link, shown) != Correction::Nothing
    }

    fn correction(&self, record: &Record, link: &Link, shown: &ShownAddress<'_>) -> Correction {
        address::correction(record, link, shown, &self.integration.rules, self.integration.conflict)
    }

    /// Takes back the address that is shown of a record's contact, or leaves it to a person. Three reads, and two or three writes.
    /// The source has it before the record, and the record before the link says so: who dies on the way is followed by a look
    /// that finds both sides agreed.
    ///
    /// # Errors
    /// As table and source fail.
    pub(crate) async fn settle_address(
        &self,
        key: &RecordKey,
        contact: &RemoteId,
        shown: &ShownAddress<'_>,
        correlation_id: &str,
    ) -> Result<Settled> {
        let mut settled = Settled::Known;
        for _ in 0..ATTEMPTS {
            let stored = self.services.contacts.load(&self.integration.scope, key).await?;
            let Stored { record: Some(record), link: Some(link), lease, .. } = stored.clone() else {
                return Ok(settled);
            };
            if link.remote_id.as_ref() != Some(contact) {
                return Ok(settled);
            }
            if lease.is_some_and(|lease| lease.is_held(self.now())) {
                return Ok(Settled::Held);
            }
            let next = match self.checked(key, self.correction(&record, &link, shown)).await? {
                Correction::Nothing => return Ok(settled),
                Correction::Agreed => self.agreed(&link, shown),
                Correction::Contest => self.contested_address(&record, &link, shown),
                Correction::Leave(reason) => {
                    self.leave_address_to_person(key, reason, correlation_id).await?;
                    settled = Settled::LeftToPerson;
                    self.seen_address(&link, shown)
                }
                Correction::Take(email) => {
                    if self.take_address(key, stored, &email, shown.at).await? == Attempt::Done {
                        settled = Settled::TakenBack;
                    }
                    // The link follows once it is read again: both sides agree then.
                    continue;
                }
            };
            if self.relink_address(key, &next, link.revision).await? == Attempt::Done {
                return Ok(settled);
            }
        }
        Ok(Settled::Held)
    }

    /// The correction, unless something stands against the address: then it is left to a person.
    async fn checked(&self, key: &RecordKey, correction: Correction) -> Result<Correction> {
        let Correction::Take(email) = correction else { return Ok(correction) };
        let obstacle = self.obstacle(key, &email).await?;
        Ok(obstacle.map_or(Correction::Take(email), Correction::Leave))
    }

    async fn relink_address(&self, key: &RecordKey, link: &Link, revision: u64) -> Result<Attempt> {
        self.services.contacts.relink(&self.integration.scope, key, link, revision, self.now()).await
    }

    /// Why an address can't be the record's.
    async fn obstacle(&self, key: &RecordKey, email: &Email) -> Result<Option<Reason>> {
        if self.address_flaw(email).is_some() {
            return Ok(Some(Reason::Unsound));
        }
        if self.other_holder(key, email).await?.is_some() {
            return Ok(Some(Reason::Anothers));
        }
        let gone = self.services.lifecycle.tombstones(&self.integration.scope, &[email.identity()]).await?;
        Ok((!gone.is_empty()).then_some(Reason::Erased))
    }

    /// The address becomes the record's, at the source first. What was said of being mailed moves along.
    async fn take_address(&self, key: &RecordKey, stored: Stored, email: &Email, at: Timestamp) -> Result<Attempt> {
        let Some(old) = stored.record.clone() else { return Ok(Attempt::Contended) };
        let found = self.found_with(key, stored, email.clone()).await?;
        let draft = self.draft_of(&ContactChange::refresh(key.clone()), found, None);
        let of_application = old.corrected.as_ref().map(|known| &known.application).or(old.email.as_ref());
        let by = self.integration.scope.integration.clone();
        let corrected = of_application
            .filter(|own| *own != email)
            .map(|own| Corrected { application: own.clone(), said: Said { by, at } });
        // What the application said, and when, is as it was.
        let (updated_at, dated) = (old.updated_at, old.dated.clone());
        let record = Record { corrected, updated_at, dated, ..draft.record.clone() };
        let local = self.integration.rules.address().map(|rule| (rule.local.clone(), json!(email)));
        self.hand_over(HandedOver::of(key, &record, Fields::from_iter(local), at).into_iter().collect()).await?;
        let save = Save {
            key: key.clone(),
            claim: draft.claim.clone(),
            release: plan::given_up(Some(&old), &record),
            consent: push::consent_of(&draft),
            record,
        };
        self.services.contacts.save_record(&self.integration.scope, &save).await
    }

    /// The address that a person chose of the two of a contested field.
    ///
    /// # Errors
    /// `Taken` where it can't be the record's; `Conflict` while the contact is being written; as table and source fail.
    pub(super) async fn take_contested_address(&self, key: &RecordKey, stored: Stored, conflict: &Value) -> Result<()> {
        let email = conflict.as_str().and_then(|text| text.parse::<Email>().ok());
        let email = email.ok_or_else(|| Reason::Unsound.failure())?;
        if let Some(reason) = self.obstacle(key, &email).await? {
            return Err(reason.failure());
        }
        match self.take_address(key, stored, &email, self.now()).await? {
            Attempt::Done => Ok(()),
            Attempt::Contended => Err(Failure::new(FailureKind::Conflict, "the contact is being written just now")),
        }
    }

    /// The link, once both sides have the address.
    fn agreed(&self, link: &Link, shown: &ShownAddress<'_>) -> Link {
        self.with_address(link, |next, rule, name| {
            next.snapshot.insert(name.to_owned(), json!(shown.text.trim().to_lowercase()));
            next.seen.remove(name);
            next.conflicts.remove(&rule.local);
        })
    }

    /// The link, once a person was told of the address: once is enough.
    fn seen_address(&self, link: &Link, shown: &ShownAddress<'_>) -> Link {
        self.with_address(link, |next, _, name| {
            next.seen.insert(name.to_owned(), json!(shown.text.trim()));
        })
    }

    fn contested_address(&self, record: &Record, link: &Link, shown: &ShownAddress<'_>) -> Link {
        let conflict =
            FieldConflict { application: json!(record.email), platform: json!(shown.text.trim()), since: self.now() };
        self.with_address(link, |next, rule, name| {
            next.seen.insert(name.to_owned(), json!(shown.text.trim()));
            next.conflicts.insert(rule.local.clone(), conflict);
        })
    }

    fn with_address(&self, link: &Link, change: impl FnOnce(&mut Link, &FieldRule, &str)) -> Link {
        let mut next = link.clone();
        if let Some((rule, name)) =
            self.integration.rules.address().and_then(|rule| Some((rule, rule.remote.as_ref()?)))
        {
            change(&mut next, rule, name);
        }
        if next.base().is_some() {
            next.state = next.settled_state();
        }
        next.revision += 1;
        next.updated_at = self.now();
        next
    }

    /// Parks what a person has to see to. One write.
    async fn leave_address_to_person(&self, key: &RecordKey, reason: Reason, correlation_id: &str) -> Result<()> {
        let (now, scope) = (self.now(), &self.integration.scope);
        let job = Job {
            id: format!("address-{}-{}", scope.integration, key.as_str()),
            scope: scope.clone(),
            correlation_id: correlation_id.to_owned(),
            queued_at: now,
            task: Task::PushContact { record: key.clone() },
        };
        let advice = reason.advice().to_owned();
        let parked = ParkedJob { job, reason: reason.failure(), advice, attempts: 1, parked_at: now };
        self.services.parked.park(&parked).await
    }
}

impl Reason {
    fn failure(self) -> Failure {
        let (code, message) = match self {
            Self::Unsound => (IssueCode::Invalid, "the contact was given an address there that can't be mailed"),
            Self::Anothers => (IssueCode::Taken, "the contact was given the address of another record there"),
            Self::Erased => (IssueCode::Erased, "the contact was given the address of a person there who was deleted"),
            Self::NotTakenBack => (
                IssueCode::RefusedByPlatform,
                "the contact was given another address there, and the mapping takes none back",
            ),
        };
        let issue = FieldIssue::new("contact.email", code, format!("The record keeps its address: {message}."));
        Failure::new(FailureKind::Taken, message).with_fields(vec![issue])
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Unsound => "Mend the address there, or give the person another one in the application.",
            Self::Anothers => {
                "If both are one person, merge the two contacts there; else put the address right there, or in the application."
            }
            Self::Erased => "Put the address right there, or delete the contact: who was deleted does not come back.",
            Self::NotTakenBack => {
                "Change the address in the application, or back there. `direction = \"both\"` of the address's rule takes corrections back."
            }
        }
    }
}
