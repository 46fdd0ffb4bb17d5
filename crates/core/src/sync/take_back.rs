//! Handing over to the source what people changed on the platform.

use jiff::Timestamp;

use crate::domain::identity::RecordKey;
use crate::domain::record::{Fields, Record};
use crate::error::Result;
use crate::mapping::RuleSet;
use crate::ports::source::Pulled;

use super::services::Desk;

impl Desk {
    /// Hands over the values of the platform that stand in a record's place, as far as the application did not say anything
    /// since; `at` is when the platform says that they were changed. A record without the application's id has no row.
    ///
    /// # Errors
    /// As table and source fail.
    pub async fn take_back(&self, key: &RecordKey, at: Timestamp) -> Result<()> {
        let scope = &self.integration.scope;
        let Some(record) = self.services.contacts.load(scope, key).await?.record else { return Ok(()) };
        let fields = standing_in(&record, &self.integration.rules);
        match handed_over(&record, fields, at) {
            Some(pulled) => self.services.source.take_back(scope, &[pulled]).await,
            None => Ok(()),
        }
    }
}

/// What is handed over of a record; `None` when there is nothing, or nobody to hand it to.
pub(super) fn handed_over(record: &Record, fields: Fields, at: Timestamp) -> Option<Pulled> {
    let id = record.external_id.as_ref()?.as_str().to_owned();
    (!fields.is_empty()).then_some(Pulled { id, fields, at })
}

/// The record's values that took the place of the application's.
fn standing_in(record: &Record, rules: &RuleSet) -> Fields {
    let rules = record.overlaid.keys().filter_map(|local| rules.rule_of(local));
    let names = rules.flat_map(|rule| rule.names());
    names.filter_map(|name| Some((name.to_owned(), record.fields.get(name)?.clone()))).collect()
}
