//! Records, links and marks, many at a time.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::link::{Link, RemoteId};
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::error::Result;
use tandem_core::ports::bulk::{Adoption, BulkStore, Mark, MarkCursor, Origin, Taken};
use tandem_core::ports::integrations::{Doorbell, Peers};
use tandem_core::ports::{Attempt, Commit, Resolved, Save, Stored};
use tokio::time::Instant;

use super::consent;
use super::contacts::parts::{Parts, is_new};
use super::contacts::rows;
use super::forgetting;
use super::keys::{self, Key};
use super::marks;
use super::outbox::{self, Outbox};
use super::packs::{self, Announced};
use super::reserving;
use super::row::Item;
use super::table::Table;
use super::transactions::Group;

/// [`BulkStore`] over the table.
pub struct BulkTable {
    table: Table,
    outbox: Outbox,
}

impl BulkTable {
    /// The contacts in `table`; `peers` tells which integrations a tenant has.
    #[must_use]
    pub fn new(table: Table, peers: Arc<dyn Peers>) -> Self {
        Self { outbox: Outbox::new(table.clone(), peers), table }
    }

    /// The same, which wakes the integrations that a change concerns.
    #[must_use]
    pub fn with_doorbell(self, doorbell: Arc<dyn Doorbell>) -> Self {
        Self { outbox: self.outbox.with_doorbell(doorbell), ..self }
    }

    fn parts<'a>(&'a self, scope: &'a Scope, key: &'a RecordKey) -> Parts<'a> {
        Parts { table: &self.table, scope, key }
    }

    /// A record's newer state with its outbox entries.
    fn save(&self, scope: &Scope, save: &Save, due: &[Scope], now: Timestamp) -> Result<Group> {
        let mut group = self.parts(scope, &save.key).save(save)?;
        group.extend(self.outbox.entries(due, &save.key, save.record.version, now)?);
        Ok(group)
    }
}

#[async_trait]
impl BulkStore for BulkTable {
    async fn resolve_many(
        &self,
        scope: &Scope,
        identities: &[(Option<Identity>, Option<Identity>)],
    ) -> Result<Vec<Resolved>> {
        let mut wanted = Vec::new();
        for (external, email) in identities {
            wanted.extend(external.iter().chain(email).map(|identity| keys::identity(&scope.tenant, identity)));
            wanted.extend(email.iter().map(|email| keys::consent(&scope.tenant, email)));
        }
        let found = self.table.get_many(wanted).await?;
        identities.iter().map(|(external, email)| resolved(&found, scope, external.as_ref(), email.as_ref())).collect()
    }

    async fn load_many(&self, scope: &Scope, records: &[RecordKey]) -> Result<Vec<Stored>> {
        let both = |key: &RecordKey| [keys::record(&scope.tenant, key), keys::link(scope, key)];
        let found = self.table.get_many(records.iter().flat_map(both).collect()).await?;
        let stored = |key| {
            let items = both(key).iter().filter_map(|key| found.get(key).cloned()).collect();
            rows::stored(items, &scope.integration)
        };
        records.iter().map(stored).collect()
    }

    async fn by_remote_ids(&self, scope: &Scope, ids: &[RemoteId]) -> Result<Vec<Option<RecordKey>>> {
        let found = self.table.get_many(ids.iter().map(|id| keys::remote(scope, id)).collect()).await?;
        ids.iter().map(|id| pointed_to(&found, &keys::remote(scope, id))).collect()
    }

    async fn save_many(&self, scope: &Scope, saves: &[(Save, bool)], now: Timestamp) -> Result<Vec<Attempt>> {
        let others = self.outbox.others(scope).await?;
        let all: Vec<Scope> = others.iter().chain([scope]).cloned().collect();
        let begun = Instant::now();
        let Some(announced) = self.announce(scope, &others, saves, now).await? else {
            let due = |mark: &bool| if *mark { &all } else { &others };
            let groups = saves.iter().map(|(save, mark)| self.save(scope, save, due(mark), now));
            let attempts = self.table.transact_many(groups.collect::<Result<_>>()?).await?;
            self.outbox.wake_after(&others, &attempts).await;
            return Ok(attempts);
        };
        let (apart, whole): (Vec<_>, Vec<_>) = saves.iter().partition(|(save, _)| is_apart(save));
        let mut reserved =
            reserving::reserve(&self.table, scope, apart.iter().map(|(save, _)| save).collect(), now).await?;
        announced.put_off(&self.table, now, begun.elapsed()).await?;
        let groups = whole.iter().map(|(save, mark)| match is_new_person(save) {
            true => self.parts(scope, &save.key).save_listed(save),
            false => self.save(scope, save, if *mark { &all } else { &others }, now),
        });
        let groups = groups.collect::<Result<_>>()?;
        let mut of_apart = reserving::store(&self.table, scope, &mut reserved).await?.into_iter();
        let mut of_whole = self.table.transact_many(groups).await?.into_iter();
        let next = |(save, _): &(Save, bool)| if is_apart(save) { of_apart.next() } else { of_whole.next() };
        let attempts: Vec<Attempt> = saves.iter().filter_map(next).collect();
        let came = saves.iter().zip(&attempts).filter(|((save, _), attempt)| {
            // Whose record is another writer's by now may not have been told of what was said.
            **attempt == Attempt::Done || is_apart(save) && save.consent.is_some()
        });
        announced.settle(&self.table, now, &came.map(|((save, _), _)| &save.key).collect()).await?;
        self.outbox.wake_after(&others, &attempts).await;
        Ok(attempts)
    }

    async fn adopt_many(&self, scope: &Scope, adoptions: &[Adoption], now: Timestamp) -> Result<Vec<Attempt>> {
        let others = self.outbox.others(scope).await?;
        let all: Vec<Scope> = others.iter().chain([scope]).cloned().collect();
        let group = |one: &Adoption| {
            let mut group = self.save(scope, &one.save, if one.is_due { &all } else { &others }, now)?;
            group.extend(self.parts(scope, &one.save.key).adopted(&one.link)?);
            Ok(group)
        };
        let groups = adoptions.iter().map(group).collect::<Result<_>>()?;
        let attempts = self.table.transact_many(groups).await?;
        let woken = if adoptions.iter().any(|one| one.is_due) { &all } else { &others };
        self.outbox.wake_after(woken, &attempts).await;
        Ok(attempts)
    }

    async fn take_many(&self, scope: &Scope, taken: &[Taken], now: Timestamp) -> Result<Vec<Attempt>> {
        let link = |one: &Taken| self.parts(scope, &one.key).leased_link(&one.link, &one.lease, now);
        self.table.write_each(taken.iter().map(link).collect::<Result<_>>()?, rows::OPTIONAL_OF_LINK).await
    }

    async fn commit_many(&self, scope: &Scope, commits: &[Commit]) -> Result<Vec<Attempt>> {
        let others = self.outbox.others(scope).await?;
        let pointed = self.point_before(scope, commits).await?;
        let is_apart = |commit: &&Commit| is_link_alone(commit) || pointed && is_plain(commit);
        let (apart, whole): (Vec<&Commit>, Vec<&Commit>) = commits.iter().partition(is_apart);
        let links =
            apart.iter().map(|commit| self.parts(scope, &commit.key).released_link(&commit.link, &commit.owner));
        let groups = whole.iter().map(|commit| {
            let mut group = self.parts(scope, &commit.key).commit(commit)?;
            group.extend(self.outbox.of_commit(&others, commit)?);
            Ok(group)
        });
        let (links, groups) = (links.collect::<Result<_>>()?, groups.collect::<Result<_>>()?);
        let mut of_apart = self.table.write_each(links, rows::OPTIONAL_OF_LINK).await?.into_iter();
        let mut of_whole = self.table.transact_many(groups).await?.into_iter();
        let next = |commit| if is_apart(&commit) { of_apart.next() } else { of_whole.next() };
        let attempts: Vec<Attempt> = commits.iter().filter_map(next).collect();
        if commits.iter().any(|commit| commit.consent.is_some()) {
            self.outbox.wake_after(&others, &attempts).await;
        }
        Ok(attempts)
    }

    async fn relink_many(&self, scope: &Scope, links: &[(RecordKey, Link)], now: Timestamp) -> Result<Vec<Attempt>> {
        let link = |(key, link): &(RecordKey, Link)| {
            self.parts(scope, key).unheld_link(link, link.revision.saturating_sub(1), now)
        };
        self.table.write_each(links.iter().map(link).collect::<Result<_>>()?, rows::OPTIONAL_OF_LINK).await
    }

    async fn mark_many(&self, scope: &Scope, marks: &[Mark]) -> Result<()> {
        let groups = marks.iter().map(|mark| Ok(vec![self.outbox.putting(scope, mark)?]));
        let attempts = self.table.transact_many(groups.collect::<Result<_>>()?).await?;
        let of_packs = marks.iter().zip(attempts).filter(|(mark, _)| matches!(mark.origin, Origin::Pack(_)));
        let (noted, refused): (Vec<_>, Vec<_>) = of_packs.partition(|(_, attempt)| *attempt == Attempt::Done);
        // Refused because there is an entry, or because somebody was writing one: only what has an entry need not be in a pack.
        let refused = refused.into_iter().map(|(mark, _)| (keys::outbox(scope, &mark.record), mark));
        let refused: Vec<(Key, &Mark)> = refused.collect();
        let there = self.table.get_many(refused.iter().map(|(key, _)| key.clone()).collect()).await?;
        let known = refused.into_iter().filter(|(key, _)| there.contains_key(key)).map(|(_, mark)| mark);
        let single: Vec<Mark> = noted.into_iter().map(|(mark, _)| mark).chain(known).cloned().collect();
        packs::take_out(&self.table, scope, &single).await
    }

    async fn mark_all(&self, scope: &Scope, records: Vec<RecordKey>, now: Timestamp) -> Result<()> {
        let is_packed = records.len() >= packs::WORTH_IT;
        let (packed, single): (Vec<RecordKey>, Vec<RecordKey>) =
            records.into_iter().partition(|record| is_packed && record.kind().is_person());
        let single: Vec<Mark> = single.into_iter().map(|record| Mark::new(record, outbox::UNKNOWN, now)).collect();
        self.mark_many(scope, &single).await?;
        self.table.put_many(packs::of(scope, packed, now)?).await
    }

    async fn unmark_many(&self, scope: &Scope, marks: &[Mark]) -> Result<()> {
        packs::take_out(&self.table, scope, marks).await?;
        let single = marks.iter().filter(|mark| matches!(mark.origin, Origin::New | Origin::Entry { .. }));
        let groups = single.map(|mark| Ok(vec![self.outbox.deleting(scope, mark)?]));
        self.table.transact_many(groups.collect::<Result<_>>()?).await.map(drop)
    }

    async fn records(
        &self,
        tenant: &TenantId,
        after: &MarkCursor,
        limit: usize,
    ) -> Result<(Vec<RecordKey>, Option<MarkCursor>)> {
        let partition = keys::records_partition(tenant, after.shard);
        let items = self.table.partition_after(partition, after.after.as_ref().map(RecordKey::as_str), limit).await?;
        let full = items.len() >= limit;
        let records = items.into_iter().map(rows::pointed_to).collect::<Result<Vec<_>>>()?;
        let next = next_cursor(after, records.last().filter(|_| full), keys::RECORD_SHARDS);
        Ok((records, next))
    }

    async fn unlink(&self, scope: &Scope, record: &RecordKey) -> Result<()> {
        forgetting::unlink(&self.parts(scope, record)).await
    }

    async fn marks(&self, scope: &Scope, after: &MarkCursor, limit: usize) -> Result<(Vec<Mark>, Option<MarkCursor>)> {
        marks::page(&self.table, scope, after, limit).await
    }
}

impl BulkTable {
    /// Where many people are new: puts their places in the list of records, and their marks in packs, before their records are
    /// written, as [`packs`] says. A place whose record never comes leads nowhere, as one does whose record was erased since it was
    /// read.
    async fn announce(
        &self,
        scope: &Scope,
        others: &[Scope],
        saves: &[(Save, bool)],
        now: Timestamp,
    ) -> Result<Option<Announced>> {
        let new: Vec<&(Save, bool)> = saves.iter().filter(|(save, _)| is_new_person(save)).collect();
        if new.len() < packs::WORTH_IT {
            return Ok(None);
        }
        let mut announced = Announced::default();
        for other in others {
            announced.add(other, new.iter().map(|(save, _)| save.key.clone()).collect());
        }
        announced.add(scope, new.iter().filter(|(_, mark)| *mark).map(|(save, _)| save.key.clone()).collect());
        let mut items = announced.early(now)?;
        for (save, _) in new {
            items.push(self.parts(scope, &save.key).place_item(save)?);
        }
        self.table.put_many(items).await?;
        Ok(Some(announced))
    }

    /// Where many contacts get their pointers: puts these before their links, which say the same. Who finds a pointer whose link
    /// does not know the contact yet, finds the record that it was made for; the lease on the link ends, and the look-up that
    /// follows shows a contact that leads to the record already. Whether it was done.
    async fn point_before(&self, scope: &Scope, commits: &[Commit]) -> Result<bool> {
        let plain: Vec<&Commit> = commits.iter().filter(|commit| is_plain(commit)).collect();
        if plain.len() < packs::WORTH_IT {
            return Ok(false);
        }
        let mut pointers = Vec::new();
        for commit in plain {
            pointers.extend(self.parts(scope, &commit.key).pointer_items(commit)?);
        }
        self.table.put_many(pointers).await?;
        Ok(true)
    }
}

fn is_new_person(save: &Save) -> bool {
    is_new(&save.record) && save.key.kind().is_person()
}

/// Whether one of many who are new is stored by single writes.
fn is_apart(save: &Save) -> bool {
    is_new_person(save) && reserving::fits(save)
}

/// Whether the end of a write is nothing but the link.
fn is_link_alone(commit: &Commit) -> bool {
    commit.point.is_empty() && commit.release.is_empty() && commit.consent.is_none()
}

/// Whether the end of a write makes a contact known, and changes nothing else that has to be of one piece with it.
fn is_plain(commit: &Commit) -> bool {
    !commit.point.is_empty() && commit.release.is_empty() && commit.consent.is_none()
}

/// Where to read on: behind the last of a full page, else in the next shard.
fn next_cursor(after: &MarkCursor, last: Option<&RecordKey>, shards: usize) -> Option<MarkCursor> {
    match last {
        Some(last) => Some(MarkCursor { after: Some(last.clone()), ..MarkCursor::shard(after.shard) }),
        None => (after.shard + 1 < shards).then(|| MarkCursor::shard(after.shard + 1)),
    }
}

fn resolved(
    found: &HashMap<Key, Item>,
    scope: &Scope,
    external: Option<&Identity>,
    email: Option<&Identity>,
) -> Result<Resolved> {
    let pointer = |identity: Option<&Identity>| found.get(&keys::identity(&scope.tenant, identity?)).cloned();
    let external = pointer(external);
    let ledger = email.and_then(|email| found.get(&keys::consent(&scope.tenant, email)));
    Ok(Resolved {
        reserved_at: external.clone().and_then(|item| rows::reserved_at(item).transpose()).transpose()?,
        by_external_id: external.map(rows::pointed_to).transpose()?,
        by_email: pointer(email).map(rows::pointed_to).transpose()?,
        consent: ledger.cloned().map(consent::ledger).transpose()?.unwrap_or_default(),
    })
}

fn pointed_to(found: &HashMap<Key, Item>, key: &Key) -> Result<Option<RecordKey>> {
    found.get(key).cloned().map(rows::pointed_to).transpose()
}
