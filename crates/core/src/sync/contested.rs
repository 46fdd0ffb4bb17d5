//! Fields that both sides changed and that a person has to decide.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::identity::{Email, RecordKey};
use crate::domain::link::{FieldConflict, RemoteId};
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::mapping::rules::FieldRole;
use crate::ports::bulk::Mark;
use crate::ports::{Attempt, Save, Stored};

use super::conflict::{self, Side};
use super::services::Desk;
use super::take_back::HandedOver;
use crate::domain::whom::Whom;

/// A person with fields that have to be decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contested {
    /// The record.
    pub record: RecordKey,
    /// The address.
    pub email: Option<Email>,
    /// The contact on the platform.
    pub contact: Option<RemoteId>,
    /// Both values of each field, by its local name.
    pub fields: BTreeMap<String, FieldConflict>,
}

impl Desk {
    /// Whose fields have to be decided, of the `limit` people behind `after` in the list of those of whom it was noted; and where
    /// the list goes on. Who was decided since is passed over. One read, and one for 50 people.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn contested(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<(Vec<Contested>, Option<RecordKey>)> {
        let scope = &self.integration.scope;
        let keys = self.services.contacts.contested(scope, after, limit).await?;
        let next = keys.last().filter(|_| keys.len() >= limit).cloned();
        let stored = self.services.bulk.load_many(scope, &keys).await?;
        let people = keys.into_iter().zip(stored).filter_map(|(record, stored)| {
            let (known, link) = stored.record.zip(stored.link)?;
            let contested = !link.conflicts.is_empty();
            contested.then_some(Contested {
                record,
                email: known.email,
                contact: link.remote_id,
                fields: link.conflicts,
            })
        });
        Ok((people.collect(), next))
    }

    /// Ends the conflict of a field: the chosen side's value goes to the other side, to the platform by a job.
    ///
    /// # Errors
    /// `NotFound` when nobody has such a conflict; `Conflict` while the contact is being written; as table, source and queue
    /// fail. Done again, it goes on where it stopped.
    pub async fn decide(&self, whom: &Whom, field: &str, side: Side, correlation_id: &str) -> Result<()> {
        let (key, stored) = self.remember(whom).await?.record.ok_or_else(undisputed)?;
        self.decide_of(key, stored, field, side, correlation_id).await
    }

    /// The same of a record that is known by its key.
    ///
    /// # Errors
    /// As [`Desk::decide`].
    pub async fn decide_record(&self, key: &RecordKey, field: &str, side: Side, correlation_id: &str) -> Result<()> {
        let stored = self.services.contacts.load(&self.integration.scope, key).await?;
        self.decide_of(key.clone(), stored, field, side, correlation_id).await
    }

    /// That a person has to decide a field of a record.
    ///
    /// # Errors
    /// `NotFound` when nobody has to; as the table fails.
    pub async fn must_decide(&self, key: &RecordKey, field: &str, side: Side) -> Result<()> {
        let stored = self.services.contacts.load(&self.integration.scope, key).await?;
        let (record, link) = stored.record.zip(stored.link).ok_or_else(undisputed)?;
        let rule = self.rules_of(key.kind()).rule_of(field).ok_or_else(undisputed)?;
        conflict::resolve(&record, &link, rule, side, self.now()).map(drop).ok_or_else(undisputed)
    }

    async fn decide_of(
        &self,
        key: RecordKey,
        stored: Stored,
        field: &str,
        side: Side,
        correlation_id: &str,
    ) -> Result<()> {
        let (services, scope) = (&self.services, &self.integration.scope);
        let (record, link) = stored.record.clone().zip(stored.link.clone()).ok_or_else(undisputed)?;
        let rule = self.rules_of(key.kind()).rule_of(field).ok_or_else(undisputed)?;
        let now = self.now();
        let mut merged = conflict::resolve(&record, &link, rule, side, now).ok_or_else(undisputed)?;
        if side == Side::Application {
            self.send_after(&key, record.version, correlation_id).await?;
        }
        if side == Side::Platform && rule.role == Some(FieldRole::Address) {
            let chosen = link.conflicts.get(&rule.local).map(|conflict| conflict.platform.clone()).unwrap_or_default();
            self.take_contested_address(&key, stored, &chosen).await?;
            merged.record = None;
        }
        let handed = merged.record.as_ref().and_then(|next| HandedOver::of(&key, next, merged.pulled.clone(), now));
        self.hand_over(handed.into_iter().collect()).await?;
        if let Some(next) = &merged.record {
            done(services.contacts.save_record(scope, &Save::of(&key, next)).await?)?;
        }
        match &merged.link {
            Some(next) => done(services.contacts.relink(scope, &key, next, link.revision, now).await?),
            None => Ok(()),
        }
    }
}

impl Desk {
    /// Sees to it that the record is sent. Queued first: a contact's job waits until the link says what the platform has; anything
    /// else is sent by the next run.
    async fn send_after(&self, key: &RecordKey, version: u64, correlation_id: &str) -> Result<()> {
        if key.kind().is_person() {
            let task = Task::PushContact { record: key.clone() };
            return self.defer(task, correlation_id, PUSH_DELAY).await.map(drop);
        }
        let mark = Mark::new(key.clone(), version, self.now());
        self.services.bulk.mark_many(&self.integration.scope, &[mark]).await
    }
}

/// How long the push that follows a decision waits.
const PUSH_DELAY: Duration = Duration::from_secs(1);

fn done(attempt: Attempt) -> Result<()> {
    match attempt {
        Attempt::Done => Ok(()),
        Attempt::Contended => Err(Failure::new(FailureKind::Conflict, "the contact is being written just now")),
    }
}

fn undisputed() -> Failure {
    Failure::new(FailureKind::NotFound, "nobody has to decide such a field of this person")
}
