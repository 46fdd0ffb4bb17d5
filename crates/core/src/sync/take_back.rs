//! Handing over to the source what people changed on the platform.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::identity::RecordKey;
use crate::domain::record::{Fields, Record};
use crate::error::Result;
use crate::mapping::RuleSet;
use crate::ports::source::{Pulled, RecordChange};

use super::services::Desk;

/// Values of a record that people changed on the platform, by the application's names.
pub(crate) struct HandedOver {
    key: RecordKey,
    id: Option<String>,
    fields: Fields,
    at: Timestamp,
}

impl HandedOver {
    /// What is handed over of a record; `None` when there is nothing.
    pub(crate) fn of(key: &RecordKey, record: &Record, fields: Fields, at: Timestamp) -> Option<Self> {
        let id = record.external_id.as_ref().map(|id| id.as_str().to_owned());
        (!fields.is_empty()).then(|| Self { key: key.clone(), id, fields, at })
    }
}

impl Desk {
    /// Hands over the values of the platform that stand in a record's place, as far as the application did not say anything
    /// since, and those of `came` as they are now: what was changed back stands in nobody's place, and may have been handed over as
    /// it was in between. `at` is when the platform says that they were changed.
    ///
    /// # Errors
    /// As table and source fail.
    pub async fn take_back(&self, key: &RecordKey, at: Timestamp, came: &BTreeSet<String>) -> Result<()> {
        let scope = &self.integration.scope;
        let Some(record) = self.services.contacts.load(scope, key).await?.record else { return Ok(()) };
        let mut fields = standing_in(&record, self.rules_of(key.kind()));
        let now = |name: &String| Some((name.clone(), record.fields.get(name)?.clone()));
        fields.extend(came.iter().filter_map(now));
        self.hand_over(HandedOver::of(key, &record, fields, at).into_iter().collect()).await
    }

    /// Hands values over: writes them to the source, where that is the application's own database and the record has a row there,
    /// or keeps for the application that they changed.
    pub(crate) async fn hand_over(&self, handed: Vec<HandedOver>) -> Result<()> {
        if handed.is_empty() {
            return Ok(());
        }
        let (source, scope) = (&self.services.source, &self.integration.scope);
        if source.keeps_changes() {
            let changes: Vec<RecordChange> = handed.into_iter().map(|one| self.change_of(one)).collect();
            return source.note_changes(scope, &changes).await;
        }
        let pulled =
            |one: HandedOver| Some(Pulled { kind: one.key.kind(), id: one.id?, fields: one.fields, at: one.at });
        let pulled: Vec<Pulled> = handed.into_iter().filter_map(pulled).collect();
        if pulled.is_empty() { Ok(()) } else { source.take_back(scope, &pulled).await }
    }

    fn change_of(&self, handed: HandedOver) -> RecordChange {
        RecordChange {
            record: handed.key,
            fields: handed.fields.into_keys().collect(),
            integration: self.integration.scope.integration.clone(),
            at: handed.at,
            appeared: false,
        }
    }
}

/// The record's values that took the place of the application's.
fn standing_in(record: &Record, rules: &RuleSet) -> Fields {
    let rules = record.overlaid.keys().filter_map(|local| rules.rule_of(local));
    let names = rules.flat_map(|rule| rule.names());
    names.filter_map(|name| Some((name.to_owned(), record.fields.get(name)?.clone()))).collect()
}
