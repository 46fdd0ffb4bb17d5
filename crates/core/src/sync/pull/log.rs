//! One page of the platform's log. Merges come first, so that what is told of a survivor finds its record; then mail; then
//! the contacts whose edits are not explained by what was sent are read and merged.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::link::RemoteId;
use crate::error::{FailureKind, Result};
use crate::ports::Stored;
use crate::ports::bulk::{BATCH, ChangeCursor, ChangedContact};
use crate::ports::changes::{Change, Edit, LogPage, MailChange, News};
use crate::ports::runs::Look;
use crate::sync::conflict;
use crate::sync::plan::{STAGE, TAGS};
use crate::sync::services::Desk;

use super::PullCounts;

/// How many contacts' records are held at once: a page may tell of thousands.
const AT_ONCE: usize = 500;

/// What a page tells of one contact.
struct Told {
    /// The first row.
    row: u64,
    /// The newest change.
    at: Timestamp,
    edits: Vec<Edit>,
    times: BTreeMap<String, Timestamp>,
    /// Who took the entry away that forbids mail, unless there is one again.
    lifted: Option<Change>,
}

impl Desk {
    /// Takes in a page of the log; gives whether there may be more.
    pub(super) async fn look_at_log(
        &self,
        page: LogPage,
        cursor: &mut ChangeCursor,
        look: &mut Look,
        counts: &mut PullCounts,
        correlation_id: &str,
    ) -> Result<bool> {
        look.newest = page.changes.iter().map(|change| change.at).max().max(look.newest);
        let mut left = self.follow_ends(&page.changes).await?;
        let mut strangers = made(&page.changes);
        let mut told = told(page.changes).into_iter();
        loop {
            let some: BTreeMap<RemoteId, Told> = told.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            left.extend(self.take_in_edits(some, &mut strangers, counts, correlation_id).await?);
        }
        left.extend(self.take_in_strangers(strangers, counts, correlation_id).await?);
        look.left_row = left.into_iter().chain(look.left_row).min();
        cursor.row = cursor.row.max(page.last);
        cursor.open = page.more;
        Ok(page.more)
    }

    /// Contacts that are no more: their links go over to the survivors, or lose their contact. Gives the rows of those that
    /// somebody writes just now.
    async fn follow_ends(&self, changes: &[Change]) -> Result<Vec<u64>> {
        let mut ended: BTreeMap<&RemoteId, u64> = BTreeMap::new();
        for change in changes {
            match change.news {
                News::Merged { .. } | News::Gone => {
                    ended.entry(&change.contact).or_insert(change.row);
                }
                News::Edited(_) | News::Made => {}
            }
        }
        let mut left = Vec::new();
        for (contact, row) in ended {
            match self.check_gone(contact).await {
                Ok(()) => {}
                Err(failure) if failure.kind == FailureKind::Conflict => left.push(row),
                Err(failure) => return Err(failure),
            }
        }
        Ok(left)
    }

    /// People who appeared: made, or changed, and no record belongs to them. Gives the rows of those of whom somebody makes a
    /// record just now. Where no rule takes anybody in, nothing is read.
    async fn take_in_strangers(
        &self,
        strangers: BTreeMap<RemoteId, u64>,
        counts: &mut PullCounts,
        correlation_id: &str,
    ) -> Result<Vec<u64>> {
        let mut left = Vec::new();
        let contacts: Vec<RemoteId> = strangers.keys().cloned().collect();
        for some in contacts.chunks(BATCH) {
            let arrived = self.look_at_newcomers(some, correlation_id).await?;
            counts.appeared += arrived.taken;
            left.extend(arrived.left.iter().filter_map(|contact| strangers.get(contact)));
        }
        Ok(left)
    }

    /// Gives the first rows of contacts that somebody writes just now; those that no record belongs to go to `strangers`.
    async fn take_in_edits(
        &self,
        told: BTreeMap<RemoteId, Told>,
        strangers: &mut BTreeMap<RemoteId, u64>,
        counts: &mut PullCounts,
        correlation_id: &str,
    ) -> Result<Vec<u64>> {
        let known = self.known_of(told.keys().cloned().collect()).await?;
        let is_known = |contact: &RemoteId| known.iter().any(|(one, _)| one == contact);
        for (contact, told) in told.iter().filter(|(contact, _)| !is_known(contact)) {
            strangers.entry(contact.clone()).and_modify(|row| *row = told.row.min(*row)).or_insert(told.row);
        }
        counts.contacts += (told.len() - known.len()) as u64;
        counts.unknown += (told.len() - known.len()) as u64;
        let mut news: Vec<RemoteId> = Vec::new();
        for (contact, stored) in &known {
            let Some((told, link)) = told.get(contact).zip(stored.link.as_ref()) else { continue };
            if let Some(lifted) = &told.lifted {
                self.mail_was_allowed(contact, lifted.at, &lifted.author, correlation_id).await?;
            }
            let is_lift = |edit: &Edit| edit.mail == Some(MailChange::Allowed);
            let rest = |edit: &Edit| Edit { mail: edit.mail.clone().filter(|_| !is_lift(edit)), ..edit.clone() };
            let rules = &self.integration.rules;
            if told.edits.iter().all(|edit| conflict::is_explained(link, &rest(edit), rules)) {
                counts.contacts += 1;
                counts.echoes += 1;
            } else {
                news.push(contact.clone());
            }
        }
        let mut left = Vec::new();
        for contacts in news.chunks(BATCH) {
            let shown = self.integration.bulk.read_many(contacts).await?;
            let shown = shown.into_iter().map(|changed| dated(changed, &told)).collect();
            let held = self.take_in(shown, counts, correlation_id).await?;
            left.extend(held.into_iter().filter_map(|(contact, _)| Some(told.get(&contact)?.row)));
        }
        Ok(left)
    }

    /// Those of the contacts that a record belongs to.
    async fn known_of(&self, contacts: Vec<RemoteId>) -> Result<Vec<(RemoteId, Stored)>> {
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let keys = bulk.by_remote_ids(scope, &contacts).await?;
        let found: Vec<_> = contacts.into_iter().zip(keys).filter_map(|(contact, key)| Some((contact, key?))).collect();
        let keys: Vec<_> = found.iter().map(|(_, key)| key.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let linked = found.into_iter().zip(stored).map(|((contact, _), stored)| (contact, stored));
        Ok(linked
            .filter(|(contact, stored)| {
                stored.record.is_some()
                    && stored.link.as_ref().is_some_and(|link| link.remote_id.as_ref() == Some(contact))
            })
            .collect())
    }

    /// When each field of these contacts was changed last, as the log tells it; nothing where it can't be read. One call.
    pub(crate) async fn times_of(
        &self,
        contacts: &[RemoteId],
    ) -> Result<BTreeMap<RemoteId, BTreeMap<String, Timestamp>>> {
        let edits = self.integration.changes.edits_of(contacts).await?.unwrap_or_default();
        Ok(told(edits).into_iter().map(|(contact, told)| (contact, told.times)).collect())
    }
}

/// The contacts that were made, and the rows that tell it.
fn made(changes: &[Change]) -> BTreeMap<RemoteId, u64> {
    let made = changes.iter().filter(|change| change.news == News::Made);
    made.map(|change| (change.contact.clone(), change.row)).collect()
}

/// What a page tells, contact by contact.
fn told(changes: Vec<Change>) -> BTreeMap<RemoteId, Told> {
    let mut all: BTreeMap<RemoteId, Told> = BTreeMap::new();
    for change in changes {
        let News::Edited(edit) = &change.news else { continue };
        let told = all.entry(change.contact.clone()).or_insert_with(|| Told {
            row: change.row,
            at: change.at,
            edits: Vec::new(),
            times: BTreeMap::new(),
            lifted: None,
        });
        told.row = told.row.min(change.row);
        told.at = told.at.max(change.at);
        for name in names(edit) {
            let time = told.times.entry(name).or_insert(change.at);
            *time = (*time).max(change.at);
        }
        let edit = edit.clone();
        match &edit.mail {
            Some(MailChange::Allowed) => told.lifted = Some(change),
            Some(MailChange::Forbidden { .. }) => told.lifted = None,
            None => {}
        }
        told.edits.push(edit);
    }
    all
}

/// What an edit changed, by the names that times are kept under.
fn names(edit: &Edit) -> BTreeSet<String> {
    let tags = edit.tags.as_ref().map(|_| TAGS.to_owned());
    let stage = edit.stage.then(|| STAGE.to_owned());
    edit.fields.keys().cloned().chain(tags).chain(stage).collect()
}

fn dated(changed: ChangedContact, told: &BTreeMap<RemoteId, Told>) -> ChangedContact {
    match told.get(&changed.contact.id) {
        Some(told) => ChangedContact { at: told.at, times: told.times.clone(), ..changed },
        None => changed,
    }
}
