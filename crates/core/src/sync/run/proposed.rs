//! What would be written of chosen records, with the rules that the desk has: how a mapping set is tried before it is taken.
//! Nothing is written, and the platform is not changed.

use crate::domain::identity::{ExternalId, RecordKey};
use crate::error::Result;
use crate::ports::bulk::Mark;
use crate::sync::services::Desk;

use super::dry_run::{PlannedChange, action_of_known, change_of};

impl Desk {
    /// Plans the records of these external ids by their state of now; `None` for an id that no record has. The platform's list
    /// of fields may be asked for, if it is not known; nothing else.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn proposed(&self, ids: &[ExternalId]) -> Result<Vec<(String, Option<PlannedChange>)>> {
        let identities: Vec<_> = ids.iter().map(|id| (Some(id.identity()), None)).collect();
        let resolved = self.services.bulk.resolve_many(&self.integration.scope, &identities).await?;
        let mut proposed = Vec::new();
        for (id, found) in ids.iter().zip(resolved) {
            let change = match found.by_external_id {
                Some(record) => self.proposed_of(id, record).await?,
                None => None,
            };
            proposed.push((id.as_str().to_owned(), change));
        }
        Ok(proposed)
    }

    async fn proposed_of(&self, id: &ExternalId, record: RecordKey) -> Result<Option<PlannedChange>> {
        let mark = Mark::new(record, 0, self.now());
        let planned = self.plan_marked(vec![mark]).await?.into_iter().next();
        let Some(draft) = planned.and_then(|(_, draft)| draft) else { return Ok(None) };
        Ok(Some(change_of(id.as_str().to_owned(), action_of_known(&draft), draft)))
    }
}
