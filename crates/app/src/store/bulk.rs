//! Records, links and marks, many at a time.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::link::{Link, RemoteId};
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::error::Result;
use tandem_core::ports::bulk::{Adoption, BulkStore, Mark, MarkCursor, Taken};
use tandem_core::ports::integrations::{Doorbell, Peers};
use tandem_core::ports::{Attempt, Commit, Resolved, Save, Stored};

use super::consent;
use super::contacts::parts::Parts;
use super::contacts::rows;
use super::forgetting;
use super::keys::{self, Key};
use super::outbox::{self, Outbox};
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
        let groups = saves.iter().map(|(save, mark)| self.save(scope, save, if *mark { &all } else { &others }, now));
        let attempts = self.table.transact_many(groups.collect::<Result<_>>()?).await?;
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
        let group = |one: &Taken| Ok(vec![self.parts(scope, &one.key).leased_link(&one.link, &one.lease, now)?]);
        self.table.transact_many(taken.iter().map(group).collect::<Result<_>>()?).await
    }

    async fn commit_many(&self, scope: &Scope, commits: &[Commit]) -> Result<Vec<Attempt>> {
        let others = self.outbox.others(scope).await?;
        let groups = commits.iter().map(|commit| {
            let mut group = self.parts(scope, &commit.key).commit(commit)?;
            group.extend(self.outbox.of_commit(&others, commit)?);
            Ok(group)
        });
        let attempts = self.table.transact_many(groups.collect::<Result<_>>()?).await?;
        if commits.iter().any(|commit| commit.consent.is_some()) {
            self.outbox.wake_after(&others, &attempts).await;
        }
        Ok(attempts)
    }

    async fn relink_many(&self, scope: &Scope, links: &[(RecordKey, Link)], now: Timestamp) -> Result<Vec<Attempt>> {
        let group = |(key, link): &(RecordKey, Link)| {
            Ok(vec![self.parts(scope, key).unheld_link(link, link.revision.saturating_sub(1), now)?])
        };
        self.table.transact_many(links.iter().map(group).collect::<Result<_>>()?).await
    }

    async fn mark_many(&self, scope: &Scope, marks: &[Mark]) -> Result<()> {
        let groups = marks.iter().map(|mark| Ok(vec![self.outbox.putting(scope, mark)?]));
        self.table.transact_many(groups.collect::<Result<_>>()?).await.map(drop)
    }

    async fn unmark_many(&self, scope: &Scope, marks: &[Mark]) -> Result<()> {
        let groups = marks.iter().map(|mark| Ok(vec![self.outbox.deleting(scope, mark)?]));
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
        let partition = keys::outbox_partition(scope, after.shard);
        let items = self.table.partition_after(partition, after.after.as_ref().map(RecordKey::as_str), limit).await?;
        let full = items.len() >= limit;
        let marks = items.into_iter().map(outbox::read).collect::<Result<Vec<_>>>()?;
        let last = marks.last().filter(|_| full).map(|mark| &mark.record);
        let next = next_cursor(after, last, keys::OUTBOX_SHARDS);
        Ok((marks, next))
    }
}

/// Where to read on: behind the last of a full page, else in the next shard.
fn next_cursor(after: &MarkCursor, last: Option<&RecordKey>, shards: usize) -> Option<MarkCursor> {
    match last {
        Some(last) => Some(MarkCursor { shard: after.shard, after: Some(last.clone()) }),
        None if after.shard + 1 < shards => Some(MarkCursor { shard: after.shard + 1, after: None }),
        None => None,
    }
}

fn resolved(
    found: &HashMap<Key, Item>,
    scope: &Scope,
    external: Option<&Identity>,
    email: Option<&Identity>,
) -> Result<Resolved> {
    let pointer = |identity: Option<&Identity>| match identity {
        Some(identity) => pointed_to(found, &keys::identity(&scope.tenant, identity)),
        None => Ok(None),
    };
    let ledger = email.and_then(|email| found.get(&keys::consent(&scope.tenant, email)));
    Ok(Resolved {
        by_external_id: pointer(external)?,
        by_email: pointer(email)?,
        consent: ledger.cloned().map(consent::ledger).transpose()?.unwrap_or_default(),
    })
}

fn pointed_to(found: &HashMap<Key, Item>, key: &Key) -> Result<Option<RecordKey>> {
    found.get(key).cloned().map(rows::pointed_to).transpose()
}
