//! What the person, or somebody for the person, said against mail: into the consent ledger, and from there to the field that
//! still shows an opt-in on the platform.

use crate::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};
use crate::domain::engagement::{EngagementEvent, EngagementKind};
use crate::domain::identity::{Email, Identity, RecordKey};
use crate::domain::link::RemoteId;
use crate::domain::record::Record;
use crate::error::Result;
use crate::ports::Stored;
use crate::ports::bulk::Mark;
use crate::sync::plan::MAIL;
use crate::sync::services::Desk;

use super::entry::{Entry, EntryKind};

impl Desk {
    /// No contact is known that the entry is about, and yet an opt-out is one.
    pub(super) async fn opt_out_without_contact(&self, entry: &Entry) -> Result<()> {
        match (&entry.kind, &entry.email) {
            (EntryKind::Engagement(event), Some(email)) if opts_out(event) && !entry.echo => {
                self.opt_out(&email.identity(), event).await
            }
            _ => Ok(()),
        }
    }

    /// Notes an opt-out for the address told and for the record's. The record is marked after that, so that the run that
    /// finds the mark finds the opt-out, too; whoever dies in between is followed by one that does both.
    pub(super) async fn opt_out_contact(
        &self,
        entry: &Entry,
        contact: &RemoteId,
        event: &EngagementEvent,
    ) -> Result<()> {
        let stored = self.stored_of(contact).await?;
        let own = stored.iter().filter_map(|(_, stored)| stored.record.as_ref()?.email.as_ref());
        let mut identities: Vec<Identity> = entry.email.iter().chain(own).map(Email::identity).collect();
        identities.dedup();
        for identity in &identities {
            self.opt_out(identity, event).await?;
        }
        match stored.as_ref().and_then(|(key, stored)| Some((key, to_correct(stored)?))) {
            Some((key, record)) => self.mark(key, record).await,
            None => Ok(()),
        }
    }

    async fn opt_out(&self, identity: &Identity, event: &EngagementEvent) -> Result<()> {
        let entry = ConsentEntry {
            status: ConsentStatus::OptedOut,
            source: ConsentSource::Platform,
            at: event.at,
            proof: Some(event.natural_id.clone()),
        };
        self.services.contacts.amend_consent(&self.integration.scope, identity, entry).await.map(drop)
    }

    async fn stored_of(&self, contact: &RemoteId) -> Result<Option<(RecordKey, Stored)>> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let Some(key) = contacts.by_remote_id(scope, contact).await? else { return Ok(None) };
        let stored = contacts.load(scope, &key).await?;
        Ok(Some((key, stored)))
    }

    pub(super) async fn mark(&self, key: &RecordKey, record: &Record) -> Result<()> {
        let mark = Mark::new(key.clone(), record.version, self.now());
        self.services.bulk.mark_many(&self.integration.scope, &[mark]).await
    }
}

/// The record, unless the last write knew that mail is forbidden: then the field says so already.
fn to_correct(stored: &Stored) -> Option<&Record> {
    let knew = stored.link.as_ref().is_some_and(|link| link.snapshot.contains_key(MAIL));
    stored.record.as_ref().filter(|_| !knew)
}

/// What the person, or somebody for the person, said. A bounce is nobody's word.
pub(super) fn opts_out(event: &EngagementEvent) -> bool {
    match event.kind {
        EngagementKind::Unsubscribe | EngagementKind::Complaint => true,
        EngagementKind::Open
        | EngagementKind::Click
        | EngagementKind::HardBounce
        | EngagementKind::SoftBounce
        | EngagementKind::Contactable
        | EngagementKind::Form
        | EngagementKind::Page => false,
    }
}
