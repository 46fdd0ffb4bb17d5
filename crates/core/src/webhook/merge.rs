//! What a delivery shows of a contact comes back to the record at once. It is a quick way, and the look for changes
//! ([`crate::sync::pull`]) is the sure one: whatever may be older than what is known is left to that.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::domain::identity::RecordKey;
use crate::domain::link::{Link, RemoteId};
use crate::domain::record::{Fields, Record};
use crate::error::Result;
use crate::jobs::message::Task;
use crate::ports::{Attempt, Save, Stored};
use crate::sync::conflict::address::ShownAddress;
use crate::sync::conflict::{self, Merged, Shown};
use crate::sync::pull::RECENT;
use crate::sync::services::Desk;
use crate::sync::take_back::HandedOver;

use super::entry::{Entry, EntryKind};

/// The platform's field that shows a contact's points.
const POINTS: &str = "points";
/// How often another writer may come first.
const ATTEMPTS: u32 = 3;
/// How long the source waits to be handed what changed: by then it is stored.
const TAKE_BACK_DELAY: Duration = Duration::from_secs(2);

/// The contact that an entry tells of, as it was read.
struct Told<'a> {
    key: &'a RecordKey,
    contact: &'a RemoteId,
    record: &'a Record,
    link: &'a Link,
}

impl Desk {
    /// Merges what an entry shows. Two reads; two writes and a job when it is news. Fields that are blank are not told of.
    pub(super) async fn merge_told(&self, entry: &Entry, contact: &RemoteId, correlation_id: &str) -> Result<()> {
        let Some(fields) = told(entry) else { return Ok(()) };
        if self.now().duration_since(entry.at) > RECENT {
            return Ok(());
        }
        let Some(key) = self.services.contacts.by_remote_id(&self.integration.scope, contact).await? else {
            return Ok(());
        };
        for _ in 0..ATTEMPTS {
            let stored = self.services.contacts.load(&self.integration.scope, &key).await?;
            let Some((record, link)) = self.mergeable(stored, contact, entry) else { return Ok(()) };
            let merged = self.merged_with(
                &record,
                &link,
                &Shown::fields(&fields, entry.at).by(&self.integration.scope.integration),
            );
            if merged.is_echo() || self.keep(&key, &merged, entry.at, &link, correlation_id).await? == Attempt::Done {
                let told = Told { key: &key, contact, record: &record, link: &link };
                return self.settle_told_address(&told, &fields, entry.at, correlation_id).await;
            }
        }
        Ok(())
    }

    /// What an entry can be merged with: a contact that nobody writes, and that was not merged or written since.
    fn mergeable(&self, stored: Stored, contact: &RemoteId, entry: &Entry) -> Option<(Record, Link)> {
        let (record, link) = stored.record.zip(stored.link)?;
        let is_free = !stored.lease.is_some_and(|lease| lease.is_held(self.now())) && link.base().is_some();
        // Points come from the platform alone: what Tandem wrote since says nothing of them.
        let is_news = matches!(entry.kind, EntryKind::Points { .. }) || conflict::is_newer(&link, entry.at);
        (is_free && is_news && link.remote_id.as_ref() == Some(contact)).then_some((record, link))
    }

    fn merged_with(&self, record: &Record, link: &Link, shown: &Shown<'_>) -> Merged {
        conflict::merge(record, link, shown, &self.rulebook(None), self.integration.conflict, self.now())
    }

    /// The address that an entry shows. Nothing is read where it is known.
    async fn settle_told_address(
        &self,
        told: &Told<'_>,
        fields: &Fields,
        at: Timestamp,
        correlation_id: &str,
    ) -> Result<()> {
        let name = self.integration.rules.address().and_then(|rule| rule.remote.as_ref());
        let Some(text) = name.and_then(|name| fields.get(name)?.as_str()) else { return Ok(()) };
        let shown = ShownAddress { text, at };
        if self.is_address_news(told.record, told.link, &shown) {
            self.settle_address(told.key, told.contact, &shown, correlation_id).await?;
        }
        Ok(())
    }

    /// The record first: with the link behind it, the next look finds both sides agreed.
    pub(super) async fn keep(
        &self,
        key: &RecordKey,
        merged: &Merged,
        at: Timestamp,
        before: &Link,
        correlation_id: &str,
    ) -> Result<Attempt> {
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        if let Some(record) = &merged.record {
            if self.services.source.keeps_changes() {
                self.hand_over(HandedOver::of(key, record, merged.pulled.clone(), at).into_iter().collect()).await?;
            } else if record.external_id.is_some() {
                let fields = merged.pulled.keys().cloned().collect();
                let task = Task::TakeBack { record: key.clone(), at, fields };
                self.defer(task, correlation_id, TAKE_BACK_DELAY).await?;
            }
            if contacts.save_record(scope, &Save::of(key, record)).await? == Attempt::Contended {
                return Ok(Attempt::Contended);
            }
        }
        match &merged.link {
            Some(link) => contacts.relink(scope, key, link, before.revision, self.now()).await,
            None => Ok(Attempt::Done),
        }
    }
}

/// The fields that an entry shows. The contact of a saved one may still have its old points: they are told on their own.
fn told(entry: &Entry) -> Option<Fields> {
    match &entry.kind {
        EntryKind::Saved { fields, .. } => {
            let mut fields = fields.clone();
            fields.remove(POINTS);
            Some(fields)
        }
        EntryKind::Points { points } => Some(Fields::from([(POINTS.to_owned(), json!(points))])),
        EntryKind::Engagement(_)
        | EntryKind::Segment { .. }
        | EntryKind::Company { .. }
        | EntryKind::Gone
        | EntryKind::Noted => None,
    }
}
