//! Packs: the outbox entries of many people in one item, which costs a hundredth of an entry for each.
//!
//! A pack is written *before* the records that it is about, so that none of them is ever stored without a mark, and is not due
//! until these writes are over: then it is written once more, with those that came through, as due at once. Of a process that
//! died between the two it is due a little later, when what was under way has ended one way or another, and what it says of
//! records that are not there is dropped by whoever reads it. Once a pack is due it only shrinks: whoever is done with some of its
//! records takes these out, and what is put off gets an entry of its own before.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::policy::after;
use tandem_core::ports::bulk::{Mark, Origin, Pack};
use tandem_core::ports::{Attempt, Entropy};

use super::condition::Condition;
use super::keys::{self, Key};
use super::outbox::UNKNOWN;
use super::row::{Item, item, key_of, moment, row};
use super::table::Table;
use crate::system::SystemEntropy;

/// So many new marks are worth a pack, which takes two writes.
pub(super) const WORTH_IT: usize = 10;
/// The most marks of one pack: 20 KB.
const AT_MOST: usize = 500;
/// How long a write that was begun may take to be committed when its process has died: the SDK tries three times, three seconds
/// each, and clocks differ. A process that lives and takes longer writes its pack anew at the end.
const SETTLED: SignedDuration = SignedDuration::from_secs(15);
/// After so long what is said of when a pack is due is said anew.
const LONG: SignedDuration = SignedDuration::from_secs(3);
/// How often a pack is tried anew that another run takes records out of.
const TRIES: usize = 5;

/// A pack. Moments are in microseconds.
#[derive(Clone, Serialize, Deserialize)]
struct PackRow {
    due_at: i64,
    /// Another one for each time that it is written by who makes it.
    entry_stamp: String,
    /// How many records there are: those who take some out at the same time notice each other by it.
    keys_left: usize,
    /// The records, in their order.
    record_keys: BTreeSet<RecordKey>,
}

impl PackRow {
    fn of(record_keys: BTreeSet<RecordKey>, due_at: Timestamp) -> Self {
        let (due_at, entry_stamp) = (due_at.as_microsecond(), SystemEntropy.id());
        Self { due_at, entry_stamp, keys_left: record_keys.len(), record_keys }
    }

    /// The same without some of its records.
    fn without(&self, ended: &BTreeSet<&RecordKey>) -> Self {
        let mut left = self.clone();
        left.record_keys.retain(|key| !ended.contains(key));
        left.keys_left = left.record_keys.len();
        left
    }
}

/// Packs of records that are being written.
#[derive(Default)]
pub(super) struct Announced {
    packs: Vec<(Key, BTreeSet<RecordKey>)>,
}

impl Announced {
    /// Packs of these records for an integration.
    pub(super) fn add(&mut self, scope: &Scope, records: Vec<RecordKey>) {
        for some in records.chunks(AT_MOST) {
            self.packs.push((keys::pack(scope, &SystemEntropy.id()), some.iter().cloned().collect()));
        }
    }

    /// The packs before the records are written: they are not due yet.
    pub(super) fn early(&self, now: Timestamp) -> Result<Vec<Item>> {
        self.packs.iter().map(|(key, all)| pack(key, all.clone(), after(now, SETTLED))).collect()
    }

    /// Writes the packs anew, if it took long until now, where the first record is to be written: they must not be due before it can be
    /// there.
    pub(super) async fn put_off(&self, table: &Table, now: Timestamp, elapsed: Duration) -> Result<()> {
        match SignedDuration::try_from(elapsed) {
            Ok(elapsed) if elapsed > LONG => table.put_many(self.early(after(now, elapsed))?).await,
            _ => Ok(()),
        }
    }

    /// Makes the packs due when the writes of their records are over. Of those that did not come through, whoever tries again makes
    /// another mark.
    pub(super) async fn settle(&self, table: &Table, now: Timestamp, written: &HashSet<&RecordKey>) -> Result<()> {
        let mut items = Vec::new();
        for (key, all) in &self.packs {
            let held: BTreeSet<RecordKey> = all.iter().filter(|key| written.contains(key)).cloned().collect();
            match held.is_empty() {
                true => table.delete(key.clone(), None).await.map(drop)?,
                false => items.push(pack(key, held, now)?),
            }
        }
        table.put_many(items).await
    }
}

/// Packs of records that are stored already.
pub(super) fn of(scope: &Scope, records: Vec<RecordKey>, now: Timestamp) -> Result<Vec<Item>> {
    let mut packs = Announced::default();
    packs.add(scope, records);
    packs.packs.into_iter().map(|(key, all)| pack(&key, all, now)).collect()
}

fn pack(key: &Key, records: BTreeSet<RecordKey>, due_at: Timestamp) -> Result<Item> {
    item(key.clone(), &PackRow::of(records, due_at))
}

/// Whether an item of the outbox is a pack.
pub(super) fn is_pack(item: &Item) -> bool {
    name_of(item).is_some()
}

fn name_of(item: &Item) -> Option<String> {
    Some(key_of(item)?.sk.strip_prefix(keys::PACKS)?.to_owned())
}

/// The marks that a pack holds, in the order of their records; the pack's name.
pub(super) fn read(item: Item) -> Result<(String, Vec<Mark>)> {
    let name = name_of(&item).unwrap_or_default();
    let row: PackRow = row(item)?;
    let (due_at, pack) = (moment(row.due_at)?, Arc::new(Pack { name: name.clone(), stamp: row.entry_stamp }));
    let mark = |record| Mark { origin: Origin::Pack(Arc::clone(&pack)), ..Mark::new(record, UNKNOWN, due_at) };
    Ok((name, row.record_keys.into_iter().map(mark).collect()))
}

/// Takes the marks that were read of packs out of them, unless a pack was written anew since. A read call and a write call for 100
/// packs. Who loses against others for good leaves them: they are read once more, and need nothing.
pub(super) async fn take_out(table: &Table, scope: &Scope, marks: &[Mark]) -> Result<()> {
    let mut open: BTreeMap<&Pack, BTreeSet<&RecordKey>> = BTreeMap::new();
    for mark in marks {
        if let Origin::Pack(pack) = &mark.origin {
            open.entry(pack).or_default().insert(&mark.record);
        }
    }
    for _ in 0..TRIES {
        if open.is_empty() {
            return Ok(());
        }
        let found = table.get_many(open.keys().map(|pack| keys::pack(scope, &pack.name)).collect()).await?;
        let (mut begun, mut groups) = (Vec::new(), Vec::new());
        for (pack, ended) in &open {
            let Some(found) = found.get(&keys::pack(scope, &pack.name)) else { continue };
            let stored: PackRow = row(found.clone())?;
            if stored.entry_stamp == pack.stamp {
                groups.push(vec![shrinking(table, scope, pack, &stored, ended)?]);
                begun.push(*pack);
            }
        }
        let attempts = table.transact_many(groups).await?;
        let lost = begun.iter().zip(attempts).filter(|(_, attempt)| *attempt == Attempt::Contended);
        let lost: HashSet<&Pack> = lost.map(|(pack, _)| *pack).collect();
        open.retain(|pack, _| lost.contains(pack));
    }
    Ok(())
}

/// A pack without those of its records that are done with, if it is as it was read.
fn shrinking(
    table: &Table,
    scope: &Scope,
    pack: &Pack,
    stored: &PackRow,
    ended: &BTreeSet<&RecordKey>,
) -> Result<TransactWriteItem> {
    let as_read = Condition::new("entry_stamp = :stamp AND keys_left = :left")
        .text(":stamp", pack.stamp.as_str())
        .number(":left", stored.keys_left);
    let (key, left) = (keys::pack(scope, &pack.name), stored.without(ended));
    match left.record_keys.is_empty() {
        true => table.deleting(key, Some(as_read)),
        false => table.putting(item(key, &left)?, Some(as_read)),
    }
}
