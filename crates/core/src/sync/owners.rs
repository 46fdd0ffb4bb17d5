//! Whose a contact of the platform is: one contact belongs to one record, and no other is written on it.

use std::time::Duration;

use crate::domain::identity::RecordKey;
use crate::domain::link::{LinkState, RemoteId};
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::ports::Attempt;

use super::decision::{Owner, Owners};
use super::services::Desk;

impl Desk {
    /// The records that contacts belong to. One read, and one more when there are any.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn owners_of<'a>(&self, contacts: impl Iterator<Item = &'a RemoteId>) -> Result<Owners> {
        let ids: Vec<RemoteId> = contacts.cloned().collect();
        if ids.is_empty() {
            return Ok(Owners::new());
        }
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let pointers = bulk.by_remote_ids(scope, &ids).await?;
        let pointed: Vec<(RemoteId, RecordKey)> =
            ids.into_iter().zip(pointers).filter_map(|(id, key)| Some((id, key?))).collect();
        let keys: Vec<RecordKey> = pointed.iter().map(|(_, key)| key.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        // A pointer may be older than the link: of a contact that was deleted, or of a platform that was set up anew.
        let owned = |((id, key), stored): ((RemoteId, RecordKey), _)| {
            let owner = Owner::of(&id, &key, &stored)?;
            Some((id, owner))
        };
        Ok(pointed.into_iter().zip(stored).filter_map(owned).collect())
    }

    /// The record, other than `key`, that a contact belongs to.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn other_owner(&self, contact: &RemoteId, key: &RecordKey) -> Result<Option<RecordKey>> {
        let owners = self.owners_of(std::iter::once(contact)).await?;
        Ok(owners.into_values().map(|owner| owner.key).find(|owner| owner != key))
    }

    /// Has all of a record sent once more, by a job: another record was written on its contact. A run would look at the
    /// contact first, and take what was written for an edit of people there.
    ///
    /// # Errors
    /// `Conflict` while it is being written; `Storage`.
    pub(crate) async fn send_again(&self, key: &RecordKey, correlation_id: &str) -> Result<()> {
        let (services, scope, now) = (&self.services, &self.integration.scope, self.now());
        let Some(mut link) = services.contacts.load(scope, key).await?.link else { return Ok(()) };
        let revision = link.revision;
        link.revision += 1;
        link.state = LinkState::Pending;
        link.overwritten = true;
        link.updated_at = now;
        match services.contacts.relink(scope, key, &link, revision, now).await? {
            Attempt::Done => {
                let task = Task::PushContact { record: key.clone() };
                self.defer(task, correlation_id, Duration::ZERO).await.map(drop)
            }
            Attempt::Contended => Err(Failure::new(FailureKind::Conflict, "the contact is being written just now")),
        }
    }
}
