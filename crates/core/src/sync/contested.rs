//! Fields that both sides changed and that a person has to decide.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::domain::identity::Email;
use crate::domain::link::{FieldConflict, RemoteId};
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::ports::{Attempt, Save};

use super::conflict::{self, Side};
use super::services::Desk;
use super::take_back::HandedOver;
use crate::domain::whom::Whom;

/// A person with fields that have to be decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contested {
    /// The address.
    pub email: Option<Email>,
    /// The contact on the platform.
    pub contact: Option<RemoteId>,
    /// Both values of each field, by its local name.
    pub fields: BTreeMap<String, FieldConflict>,
}

impl Desk {
    /// Whose fields have to be decided, at most `limit` people.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn contested(&self, limit: usize) -> Result<Vec<Contested>> {
        let scope = &self.integration.scope;
        let keys = self.services.contacts.contested(scope, limit).await?;
        let stored = self.services.bulk.load_many(scope, &keys).await?;
        let people = stored.into_iter().filter_map(|stored| stored.record.zip(stored.link));
        let people = people.filter(|(_, link)| !link.conflicts.is_empty());
        Ok(people
            .map(|(record, link)| Contested { email: record.email, contact: link.remote_id, fields: link.conflicts })
            .collect())
    }

    /// Ends the conflict of a field: the chosen side's value goes to the other side, to the platform by a job.
    ///
    /// # Errors
    /// `NotFound` when nobody has such a conflict; `Conflict` while the contact is being written; as table, source and queue
    /// fail. Done again, it goes on where it stopped.
    pub async fn decide(&self, whom: &Whom, field: &str, side: Side, correlation_id: &str) -> Result<()> {
        let (services, scope) = (&self.services, &self.integration.scope);
        let (key, stored) = self.remember(whom).await?.record.ok_or_else(undisputed)?;
        let (record, link) = stored.record.zip(stored.link).ok_or_else(undisputed)?;
        let rule = self.integration.rules.rule_of(field).ok_or_else(undisputed)?;
        let now = self.now();
        let merged = conflict::resolve(&record, &link, rule, side, now).ok_or_else(undisputed)?;
        if side == Side::Application {
            // Queued first: it waits until the link says what the platform has.
            self.defer(Task::PushContact { record: key.clone() }, correlation_id, PUSH_DELAY).await?;
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
