//! Outbox entries: notes that the link to an integration has to be brought up to its record. Whatever changes a record, or
//! what the person said about mail, puts one for each other integration of the tenant into its own transaction. Those of many new
//! people are packed ([`super::packs`]).

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::bulk::{Mark, Origin};
use tandem_core::ports::integrations::{Doorbell, Peers};
use tandem_core::ports::{Attempt, Commit, Entropy};

use super::condition::Condition;
use super::keys;
use super::row::{Item, item, key_of, moment, row};
use super::table::Table;
use crate::system::SystemEntropy;

/// The version of a record that was not read: what was said of mail concerns whatever version there is.
pub(super) const UNKNOWN: u64 = 0;

/// An entry. Moments are in microseconds.
#[derive(Serialize, Deserialize)]
struct EntryRow {
    mark_version: u64,
    tried_times: u32,
    due_at: i64,
    /// A name that no other entry of the record has: who takes an entry away has read this one, and none that came since.
    entry_stamp: String,
}

/// How long the job waits that sends new entries, so that it sends those of a burst together.
const GATHERING: Duration = Duration::from_secs(3);

/// Makes entries, and knows who else has to hear of a change.
pub(super) struct Outbox {
    table: Table,
    peers: Arc<dyn Peers>,
    doorbell: Option<Arc<dyn Doorbell>>,
}

impl Outbox {
    pub(super) fn new(table: Table, peers: Arc<dyn Peers>) -> Self {
        Self { table, peers, doorbell: None }
    }

    /// The same, and whom entries were made for is woken.
    pub(super) fn with_doorbell(self, doorbell: Arc<dyn Doorbell>) -> Self {
        Self { doorbell: Some(doorbell), ..self }
    }

    /// Wakes those whom entries were made for, once these are stored.
    pub(super) async fn wake(&self, others: &[Scope]) {
        if let Some(doorbell) = &self.doorbell {
            doorbell.ring(others, GATHERING).await;
        }
    }

    /// The same after writes of which some may not have come through.
    pub(super) async fn wake_after(&self, others: &[Scope], attempts: &[Attempt]) {
        if attempts.contains(&Attempt::Done) {
            self.wake(others).await;
        }
    }

    /// The other integrations of the tenant. No call of the table but now and then.
    pub(super) async fn others(&self, scope: &Scope) -> Result<Vec<Scope>> {
        let all = self.peers.of(&scope.tenant).await?;
        let others = all.iter().filter(|peer| **peer != scope.integration);
        Ok(others.map(|peer| Scope { tenant: scope.tenant.clone(), integration: peer.clone() }).collect())
    }

    /// An entry that is due at `now`, in the place of whatever entry is there.
    pub(super) fn entry(
        &self,
        scope: &Scope,
        record: &RecordKey,
        version: u64,
        now: Timestamp,
    ) -> Result<TransactWriteItem> {
        let fresh = Mark::new(record.clone(), version, now);
        self.table.putting(item(keys::outbox(scope, record), &EntryRow::of(&fresh))?, None)
    }

    /// The same for each of these integrations.
    pub(super) fn entries(
        &self,
        scopes: &[Scope],
        record: &RecordKey,
        version: u64,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>> {
        scopes.iter().map(|scope| self.entry(scope, record, version, now)).collect()
    }

    /// For a write that ended: what the platform's answer told of consent concerns the others, too.
    pub(super) fn of_commit(&self, others: &[Scope], commit: &Commit) -> Result<Vec<TransactWriteItem>> {
        let told: &[Scope] = if commit.consent.is_some() { others } else { &[] };
        self.entries(told, &commit.key, UNKNOWN, commit.link.updated_at)
    }

    /// An entry as given: a new one, unless there is one for a newer version; one that was read, with what became of it; one
    /// that was read of a pack, unless the record has an entry of its own by now.
    pub(super) fn putting(&self, scope: &Scope, mark: &Mark) -> Result<TransactWriteItem> {
        self.table.putting(item(keys::outbox(scope, &mark.record), &EntryRow::of(mark))?, Some(as_read(mark)))
    }

    /// The end of an entry, as far as it is the one that was read.
    pub(super) fn deleting(&self, scope: &Scope, mark: &Mark) -> Result<TransactWriteItem> {
        self.table.deleting(keys::outbox(scope, &mark.record), Some(as_read(mark)))
    }
}

impl EntryRow {
    fn of(mark: &Mark) -> Self {
        let entry_stamp = match &mark.origin {
            Origin::Entry { stamp } => stamp.clone(),
            Origin::New | Origin::Pack(_) | Origin::Nowhere => SystemEntropy.id(),
        };
        Self {
            mark_version: mark.version,
            tried_times: mark.attempts,
            due_at: mark.due_at.as_microsecond(),
            entry_stamp,
        }
    }
}

/// Nothing newer is there than what is known.
fn as_read(mark: &Mark) -> Condition {
    let version = |text: &str| Condition::new(text).number(":version", mark.version);
    match &mark.origin {
        Origin::New => version("attribute_not_exists(pk) OR mark_version <= :version"),
        Origin::Entry { stamp } => {
            version("attribute_not_exists(pk) OR mark_version <= :version AND entry_stamp = :stamp")
                .text(":stamp", stamp.as_str())
        }
        Origin::Pack(_) | Origin::Nowhere => Condition::absent(),
    }
}

/// The entry that an item holds.
pub(super) fn read(item: Item) -> Result<Mark> {
    let record = RecordKey::from_stored(key_of(&item).map(|key| key.sk).unwrap_or_default());
    let row: EntryRow = row(item)?;
    Ok(Mark {
        record,
        version: row.mark_version,
        attempts: row.tried_times,
        due_at: moment(row.due_at)?,
        origin: Origin::Entry { stamp: row.entry_stamp },
    })
}
