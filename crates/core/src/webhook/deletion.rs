//! Is a contact that is said to be gone merged or deleted? A merge looks like a deletion: the known number dies, and asking
//! for it answers the survivor (recordings `164-merge-get-known`, `039-mautic.lead_post_delete`).

use crate::domain::engagement;
use crate::domain::identity::RecordKey;
use crate::domain::link::{Link, LinkState, RemoteId};
use crate::error::{Failure, FailureKind, Result};
use crate::ports::Attempt;
use crate::sync::services::Desk;

impl Desk {
    /// Asks the platform and follows what it says: the link goes over to the survivor, or loses its contact. One call.
    ///
    /// # Errors
    /// As table and platform fail; `Conflict` while the contact is being written.
    pub async fn check_gone(&self, contact: &RemoteId) -> Result<()> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let Some(key) = contacts.by_remote_id(scope, contact).await? else { return Ok(()) };
        let Some(link) = contacts.load(scope, &key).await?.link else { return Ok(()) };
        if link.remote_id.as_ref() != Some(contact) {
            return Ok(());
        }
        match self.integration.platform.get(contact).await {
            Ok(found) if found.id == *contact => Ok(()),
            Ok(survivor) => match self.other_owner(&survivor.id, &key).await? {
                None => self.follow(&key, link, survivor.id).await,
                // One contact belongs to one record: this one gets a contact of its own with its next write.
                Some(_) => self.let_contact_go(&key, link).await,
            },
            Err(failure) if failure.kind == FailureKind::NotFound => self.let_contact_go(&key, link).await,
            Err(failure) => Err(failure),
        }
    }

    async fn follow(&self, key: &RecordKey, mut link: Link, survivor: RemoteId) -> Result<()> {
        self.join_ledgers(&link, &survivor).await?;
        tracing::info!(record = key.as_str(), "the platform merged a contact into another: the link follows");
        link.follow_merge(survivor);
        // What the survivor holds of the fields is not known: the next write sends all of them.
        link.state = LinkState::Pending;
        self.relink(key, link).await
    }

    /// What the known number did, the survivor did: else its standing would begin anew.
    async fn join_ledgers(&self, link: &Link, survivor: &RemoteId) -> Result<()> {
        let (events, scope) = (&self.services.events, &self.integration.scope);
        let Some(old) = &link.remote_id else { return Ok(()) };
        for event in events.events(scope, old).await? {
            events.add(scope, survivor, &event).await?;
        }
        let all = events.events(scope, survivor).await?;
        events.save_standing(scope, survivor, &engagement::standing(&all)).await
    }

    async fn let_contact_go(&self, key: &RecordKey, mut link: Link) -> Result<()> {
        tracing::info!(record = key.as_str(), "the contact was deleted on the platform");
        link.aliases.extend(link.remote_id.take());
        link.state = LinkState::Error;
        link.error = Some("the contact was deleted on the platform".to_owned());
        self.relink(key, link).await
    }

    async fn relink(&self, key: &RecordKey, mut link: Link) -> Result<()> {
        let (revision, now) = (link.revision, self.now());
        link.revision += 1;
        link.updated_at = now;
        let relinked = self.services.contacts.relink(&self.integration.scope, key, &link, revision, now).await?;
        match relinked {
            Attempt::Done => Ok(()),
            Attempt::Contended => Err(Failure::new(FailureKind::Conflict, "the contact is being written just now")),
        }
    }
}
