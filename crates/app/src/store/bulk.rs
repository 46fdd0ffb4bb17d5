//! Records, links and marks, many at a time.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::identity::{Identity, RecordKey};
use tandem_core::domain::link::{Link, RemoteId};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::bulk::{BulkStore, Mark, MarkCursor, Taken};
use tandem_core::ports::{Attempt, Commit, Resolved, Save, Stored};

use super::condition::Condition;
use super::consent;
use super::contacts::parts::Parts;
use super::contacts::rows;
use super::keys::{self, Key};
use super::row::{Item, item, key_of, moment, row};
use super::table::Table;
use super::transactions::Group;

/// [`BulkStore`] over the table.
pub struct BulkTable {
    table: Table,
}

/// A mark. Moments are in microseconds.
#[derive(Serialize, Deserialize)]
struct MarkRow {
    mark_version: u64,
    tried_times: u32,
    due_at: i64,
}

impl BulkTable {
    /// The contacts in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    fn parts<'a>(&'a self, scope: &'a Scope, key: &'a RecordKey) -> Parts<'a> {
        Parts { table: &self.table, scope, key }
    }

    fn save(&self, scope: &Scope, save: &Save, mark: bool, now: Timestamp) -> Result<Group> {
        let mut group = self.parts(scope, &save.key).save(save)?;
        if mark {
            let row = MarkRow { mark_version: save.record.version, tried_times: 0, due_at: now.as_microsecond() };
            group.push(self.table.putting(item(keys::outbox(scope, &save.key), &row)?, None)?);
        }
        Ok(group)
    }

    fn mark(&self, scope: &Scope, mark: &Mark) -> Result<Group> {
        let row =
            MarkRow { mark_version: mark.version, tried_times: mark.attempts, due_at: mark.due_at.as_microsecond() };
        let item = item(keys::outbox(scope, &mark.record), &row)?;
        Ok(vec![self.table.putting(item, Some(no_newer_than(mark)))?])
    }
}

fn no_newer_than(mark: &Mark) -> Condition {
    Condition::new("attribute_not_exists(pk) OR mark_version <= :version").number(":version", mark.version)
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
        let groups = saves.iter().map(|(save, mark)| self.save(scope, save, *mark, now));
        self.table.transact_many(groups.collect::<Result<_>>()?).await
    }

    async fn take_many(&self, scope: &Scope, taken: &[Taken], now: Timestamp) -> Result<Vec<Attempt>> {
        let group = |one: &Taken| Ok(vec![self.parts(scope, &one.key).leased_link(&one.link, &one.lease, now)?]);
        self.table.transact_many(taken.iter().map(group).collect::<Result<_>>()?).await
    }

    async fn commit_many(&self, scope: &Scope, commits: &[Commit]) -> Result<Vec<Attempt>> {
        let groups = commits.iter().map(|commit| self.parts(scope, &commit.key).commit(commit));
        self.table.transact_many(groups.collect::<Result<_>>()?).await
    }

    async fn relink_many(&self, scope: &Scope, links: &[(RecordKey, Link)], now: Timestamp) -> Result<Vec<Attempt>> {
        let group = |(key, link): &(RecordKey, Link)| {
            Ok(vec![self.parts(scope, key).unheld_link(link, link.revision.saturating_sub(1), now)?])
        };
        self.table.transact_many(links.iter().map(group).collect::<Result<_>>()?).await
    }

    async fn mark_many(&self, scope: &Scope, marks: &[Mark]) -> Result<()> {
        let groups = marks.iter().map(|mark| self.mark(scope, mark));
        self.table.transact_many(groups.collect::<Result<_>>()?).await.map(drop)
    }

    async fn unmark_many(&self, scope: &Scope, marks: &[Mark]) -> Result<()> {
        let group =
            |mark: &Mark| Ok(vec![self.table.deleting(keys::outbox(scope, &mark.record), Some(no_newer_than(mark)))?]);
        self.table.transact_many(marks.iter().map(group).collect::<Result<_>>()?).await.map(drop)
    }

    async fn marks(&self, scope: &Scope, after: &MarkCursor, limit: usize) -> Result<(Vec<Mark>, Option<MarkCursor>)> {
        let partition = keys::outbox_partition(scope, after.shard);
        let items = self.table.partition_after(partition, after.after.as_ref().map(RecordKey::as_str), limit).await?;
        let full = items.len() >= limit;
        let marks = items.into_iter().map(mark_of).collect::<Result<Vec<_>>>()?;
        let next = match marks.last() {
            Some(last) if full => Some(MarkCursor { shard: after.shard, after: Some(last.record.clone()) }),
            _ if after.shard + 1 < keys::OUTBOX_SHARDS => Some(MarkCursor { shard: after.shard + 1, after: None }),
            _ => None,
        };
        Ok((marks, next))
    }
}

fn mark_of(item: Item) -> Result<Mark> {
    let record = RecordKey::from_stored(key_of(&item).map(|key| key.sk).unwrap_or_default());
    let row: MarkRow = row(item)?;
    Ok(Mark { record, version: row.mark_version, attempts: row.tried_times, due_at: moment(row.due_at)? })
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
