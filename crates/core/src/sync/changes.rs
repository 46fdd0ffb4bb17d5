//! What came from the platforms, for an application that reads it from Tandem: each change with the values as they are now.

use std::collections::HashMap;

use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::identity::{Email, ExternalId, RecordKey};
use crate::domain::kind::Kind;
use crate::domain::record::{Fields, Record};
use crate::domain::scope::IntegrationId;
use crate::error::Result;
use crate::mapping::RuleSet;
use crate::ports::Feedback;
use crate::ports::place::TimePlace;
use crate::ports::source::{EMAIL_STATUS, MARKETING_OPT_IN, RecordChange};

use super::services::Desk;

/// A change as the application reads it.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenChange {
    /// Its place: a reader that has dealt with it goes on behind it.
    pub cursor: String,
    /// What happened: `changed`; `appeared` for somebody who came by the platform, and whom the application may not know.
    pub change: &'static str,
    /// What kind of record it is.
    pub kind: &'static str,
    /// The record's key in Tandem.
    pub record: RecordKey,
    /// The application's id, when it gave one.
    pub id: Option<ExternalId>,
    /// The address.
    pub email: Option<Email>,
    /// What changed, by the application's names, as it is now; `null` where a value was taken away.
    pub fields: Fields,
    /// Who said it.
    pub said_by: &'static str,
    /// The integration that told it.
    pub integration: IntegrationId,
    /// When it happened, as far as the platform tells.
    pub changed_at: Timestamp,
    /// When Tandem noted it.
    pub noted_at: Timestamp,
}

/// Changes, in order.
#[derive(Clone, Default, PartialEq)]
pub struct SeenChanges {
    /// The changes, at most as many as were asked for.
    pub changes: Vec<SeenChange>,
    /// Where to read on; `None` when nothing was ever there to be read.
    pub next: Option<TimePlace>,
    /// Whether there may be more already.
    pub more: bool,
}

impl Desk {
    /// Changes of records of these kinds behind a place, the oldest first, at most `limit` looked at; `None` where the application has them in its own database.
    /// Changes of people who were erased since are passed over. A read for the changes, and one for 50 records.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn changes(
        &self,
        after: Option<&TimePlace>,
        kinds: &[Kind],
        limit: usize,
    ) -> Result<Option<SeenChanges>> {
        let (services, scope) = (&self.services, &self.integration.scope);
        if !services.source.keeps_changes() {
            return Ok(None);
        }
        let noted = services.source.changes(scope, after, limit).await?;
        let keys: Vec<RecordKey> = noted.changes.iter().map(|(_, change)| change.record.clone()).collect();
        let stored = services.bulk.load_many(scope, &keys).await?;
        let feedback = self.feedback_of(&noted.changes).await?;
        let next = noted.changes.last().map(|(place, _)| place.clone()).or_else(|| after.cloned());
        let mut seen = Vec::new();
        let mut later: Vec<RecordChange> = noted.changes.iter().map(|(_, change)| change.clone()).rev().collect();
        for ((place, change), stored) in noted.changes.into_iter().zip(stored) {
            later.pop();
            // Who noted it may have tried twice: the last one counts.
            let is_wanted = kinds.contains(&change.record.kind()) && !later.contains(&change);
            let Some(record) = stored.record.filter(|_| is_wanted) else { continue };
            let feedback = feedback.get(&change.record);
            seen.push(SeenChange::of(&place, change, &record, feedback, &self.integration.rules));
        }
        Ok(Some(SeenChanges { changes: seen, next, more: noted.more }))
    }
}

impl SeenChange {
    fn of(
        place: &TimePlace,
        change: RecordChange,
        record: &Record,
        feedback: Option<&Feedback>,
        rules: &RuleSet,
    ) -> Self {
        let is_address = |name: &String| rules.address().is_some_and(|rule| rule.local == *name);
        let held = |name: &String| match record.fields.get(name) {
            None if is_address(name) => json!(record.email),
            value => value.cloned().unwrap_or_default(),
        };
        let value = |name: &String| (name.clone(), held(name));
        let mut fields: Fields = change.fields.iter().map(value).collect();
        fields.extend(feedback.into_iter().flat_map(told).filter(|(name, _)| change.fields.contains(name)));
        let by_person = fields.contains_key(MARKETING_OPT_IN)
            && feedback.and_then(|told| told.consent.as_ref()).is_some_and(|consent| consent.source.may_undo());
        Self {
            cursor: place.to_string(),
            change: if change.appeared { "appeared" } else { "changed" },
            kind: change.record.kind().as_str(),
            record: change.record,
            id: record.external_id.clone(),
            email: record.email.clone(),
            fields,
            said_by: if by_person { "person" } else { "platform" },
            integration: change.integration,
            changed_at: change.at,
            noted_at: place.at,
        }
    }
}

impl Desk {
    /// What is known of consent and addresses, of the records of which it changed.
    async fn feedback_of(&self, changes: &[(TimePlace, RecordChange)]) -> Result<HashMap<RecordKey, Feedback>> {
        let concerned =
            |change: &RecordChange| [MARKETING_OPT_IN, EMAIL_STATUS].iter().any(|name| change.fields.contains(*name));
        let mut keys: Vec<&RecordKey> =
            changes.iter().filter(|(_, change)| concerned(change)).map(|(_, change)| &change.record).collect();
        keys.sort();
        keys.dedup();
        let reads = keys.into_iter().map(|key| async move {
            let told = self.services.feedback.feedback(&self.integration.scope, key).await?;
            Ok(told.map(|told| (key.clone(), told)))
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }
}

fn told(feedback: &Feedback) -> [(String, Value); 2] {
    let status = serde_json::to_value(feedback.email_status).unwrap_or_default();
    [(MARKETING_OPT_IN.to_owned(), json!(feedback.marketing_opt_in)), (EMAIL_STATUS.to_owned(), status)]
}
