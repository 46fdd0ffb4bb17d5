//! Is a contact that is said to be gone merged or deleted? A merge looks like a deletion: the known number dies, and asking
//! for it answers the survivor (recordings `164-merge-get-known`, `039-mautic.lead_post_delete`).

use jiff::Timestamp;

use crate::domain::engagement;
use crate::domain::identity::RecordKey;
use crate::domain::link::{Link, LinkState, RemoteId};
use crate::domain::platform::{DoNotContactReason, RemoteContact};
use crate::domain::record::Record;
use crate::domain::situation::{self, Known, Match, Shown, Situation};
use crate::error::{Failure, FailureKind, Result};
use crate::mapping::Response;
use crate::ports::{Attempt, Stored};
use crate::sync::conflict::{self, Merged, Shown as Whole};
use crate::sync::plan::MAIL;
use crate::sync::services::Desk;
use crate::sync::settle;

impl Desk {
    /// Asks the platform and follows what it says: the link goes over to the survivor, or loses its contact. One call.
    ///
    /// # Errors
    /// As table and platform fail; `Conflict` while the contact is being written.
    pub async fn check_gone(&self, contact: &RemoteId) -> Result<()> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let Some(key) = contacts.by_remote_id(scope, contact).await? else { return Ok(()) };
        let Stored { record, link: Some(link), .. } = contacts.load(scope, &key).await? else { return Ok(()) };
        if link.remote_id.as_ref() != Some(contact) {
            return Ok(());
        }
        let answered = match self.integration.platform.get(contact).await {
            Ok(answered) => Some(answered),
            Err(failure) if failure.kind == FailureKind::NotFound => None,
            Err(failure) => return Err(failure),
        };
        match (self.situation_shown(&key, contact, answered.as_ref()).await?, answered) {
            (Situation::Merged, Some(survivor)) => self.follow(&key, record, link, survivor).await,
            // One contact belongs to one record: this one gets a contact of its own with its next write.
            (Situation::Taken, _) => self.let_contact_go(&key, link, None).await,
            (Situation::Missing, _) => {
                self.let_contact_go(&key, link, Some(self.now())).await?;
                self.tell_if_missing_is_an_issue(&key, record).await
            }
            (
                Situation::Linked
                | Situation::Merged
                | Situation::Absent
                | Situation::Found
                | Situation::Ambiguous
                | Situation::Gone
                | Situation::NotMapped
                | Situation::Erased,
                _,
            ) => Ok(()),
        }
    }

    /// What the platform's answer makes of a link. Whatever the application says of the record, the link follows the platform.
    async fn situation_shown(
        &self,
        key: &RecordKey,
        contact: &RemoteId,
        answered: Option<&RemoteContact>,
    ) -> Result<Situation> {
        let known = Known { object: Some(contact), ..Known::default() };
        let Some(answered) = answered else { return Ok(situation::of(&known, Shown::NotThere)) };
        let anothers = answered.id != *contact && self.other_owner(&answered.id, key).await?.is_some();
        Ok(situation::of(&known, Shown::Object(Match { id: &answered.id, anothers })))
    }

    /// Where a person is to decide what becomes of a contact that was deleted, the next run tells so.
    async fn tell_if_missing_is_an_issue(&self, key: &RecordKey, record: Option<Record>) -> Result<()> {
        let follows = self.integration.situations().response(Situation::Missing, false);
        match record.filter(|_| follows == Response::Issue) {
            Some(record) => self.mark(key, &record).await,
            None => Ok(()),
        }
    }

    /// The values of the visitor's form stand in the survivor, and are news: both sides are brought together before anything
    /// is sent, so that the next write carries only what the application changed.
    async fn follow(
        &self,
        key: &RecordKey,
        record: Option<Record>,
        mut link: Link,
        survivor: RemoteContact,
    ) -> Result<()> {
        self.join_ledgers(&link, &survivor.id).await?;
        tracing::info!(record = key.as_str(), "the platform merged a contact into another: the link follows");
        link.follow_merge(survivor.id.clone());
        let Some(record) = record else {
            link.state = LinkState::Pending;
            return self.relink(key, link).await;
        };
        self.learn_of_survivor(key, &record, &link, &survivor).await?;
        let (now, before) = (self.now(), link.clone());
        let times = self.times_of(std::slice::from_ref(&survivor.id)).await?.remove(&survivor.id).unwrap_or_default();
        let at = times.values().max().copied().unwrap_or(now);
        let catalog = self.catalog().await;
        let (book, shown) = (
            self.rulebook(catalog.as_deref()),
            Whole::whole(&survivor, at, &times).by(&self.integration.scope.integration),
        );
        let merged = conflict::merge(&record, &link, &shown, &book, self.integration.conflict, now);
        let next = conflict::rebased(merged.link.clone().unwrap_or(link), &shown, &self.integration.rules);
        let next = Link { revision: before.revision + 1, updated_at: now, ..next };
        let merged = Merged { link: Some(next), ..merged };
        match self.keep(key, &merged, at, &before, key.as_str()).await? {
            Attempt::Done => self.mark(key, merged.record.as_ref().unwrap_or(&record)).await,
            Attempt::Contended => Err(being_written()),
        }
    }

    /// What forbids mail to the survivor forbids it to the person: whoever opted out between the merge and now did so under a
    /// number that nobody knew.
    async fn learn_of_survivor(
        &self,
        key: &RecordKey,
        record: &Record,
        link: &Link,
        survivor: &RemoteContact,
    ) -> Result<()> {
        let entry = survivor.mail_forbidden().filter(|entry| entry.reason != DoNotContactReason::Bounced);
        let Some((entry, email)) = entry.zip(record.email.as_ref()) else { return Ok(()) };
        let (contacts, scope, identity) = (&self.services.contacts, &self.integration.scope, email.identity());
        let ledger = contacts.resolve(scope, None, Some(&identity)).await?.consent;
        if link.snapshot.contains_key(MAIL) || settle::is_known(entry, &ledger) {
            return Ok(());
        }
        contacts.amend_consent(scope, &identity, settle::statement(entry, self.now())).await?;
        tracing::info!(record = key.as_str(), "an opt-out was learnt with a merge");
        Ok(())
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

    /// The link loses its contact: it was deleted, or is another record's.
    async fn let_contact_go(&self, key: &RecordKey, mut link: Link, missing_since: Option<Timestamp>) -> Result<()> {
        tracing::info!(record = key.as_str(), "the contact was deleted on the platform");
        link.aliases.extend(link.remote_id.take());
        link.missing_since = missing_since;
        link.unmade = missing_since.is_some();
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
            Attempt::Contended => Err(being_written()),
        }
    }
}

fn being_written() -> Failure {
    Failure::new(FailureKind::Conflict, "the contact is being written just now")
}
