//! Outbox entries about lists that lifecycle events decided. They stand in the order in which they are due.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::lists::{ListOutbox, OpenLists};

use super::keys::{self, Key};
use super::row::{Item, item, moment, row};
use super::table::Table;

/// An entry. Moments are in microseconds.
#[derive(Serialize, Deserialize)]
struct OpenListsRow {
    record_key: String,
    all_segments: bool,
    since_at: i64,
    due_at: i64,
    tried_times: u32,
}

/// [`ListOutbox`] over the table.
pub struct OpenListsTable {
    table: Table,
}

impl OpenListsTable {
    /// The entries in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

/// An entry, for the transaction that decides the lists.
pub(super) fn putting(table: &Table, scope: &Scope, entry: &OpenLists) -> Result<TransactWriteItem> {
    table.putting(item_of(scope, entry)?, None)
}

fn key_of(scope: &Scope, entry: &OpenLists) -> Key {
    keys::open_lists(scope, entry.due_at, &entry.record, entry.all_segments)
}

fn item_of(scope: &Scope, entry: &OpenLists) -> Result<Item> {
    let row = OpenListsRow {
        record_key: entry.record.as_str().to_owned(),
        all_segments: entry.all_segments,
        since_at: entry.since.as_microsecond(),
        due_at: entry.due_at.as_microsecond(),
        tried_times: entry.attempts,
    };
    item(key_of(scope, entry), &row)
}

fn entry(item: Item) -> Result<OpenLists> {
    let row: OpenListsRow = row(item)?;
    Ok(OpenLists {
        record: RecordKey::from_stored(row.record_key),
        all_segments: row.all_segments,
        since: moment(row.since_at)?,
        due_at: moment(row.due_at)?,
        attempts: row.tried_times,
    })
}

#[async_trait]
impl ListOutbox for OpenListsTable {
    async fn due(&self, scope: &Scope, now: Timestamp, limit: usize) -> Result<(Vec<OpenLists>, bool)> {
        let items = self.table.partition(keys::open_lists_partition(scope), Some(limit)).await?;
        let is_full = items.len() >= limit;
        let read = items.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
        let (due, early): (Vec<OpenLists>, Vec<OpenLists>) = read.into_iter().partition(|entry| entry.due_at <= now);
        Ok((due, is_full || !early.is_empty()))
    }

    async fn put(&self, scope: &Scope, entries: &[OpenLists]) -> Result<()> {
        self.table.put_many(entries.iter().map(|entry| item_of(scope, entry)).collect::<Result<_>>()?).await
    }

    async fn remove(&self, scope: &Scope, entries: &[OpenLists]) -> Result<()> {
        self.table.delete_many(entries.iter().map(|entry| key_of(scope, entry)).collect()).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is stored today is read by every later release.
    #[test]
    fn an_entry_has_this_form() {
        let entry = OpenLists {
            record: RecordKey::from_stored("x-1".to_owned()),
            all_segments: true,
            since: "2026-11-21T10:20:30.000001Z".parse().unwrap(),
            due_at: "2026-11-21T10:21:30Z".parse().unwrap(),
            attempts: 2,
        };
        let scope = Scope::default_mautic();
        let item = item_of(&scope, &entry).unwrap();
        let stored: serde_json::Value = serde_dynamo::from_item(item.clone()).unwrap();
        let expected = json!({
            "pk": "I#default#mautic#outbox#lists", "sk": "001795256490000000#x-1#all", "record_key": "x-1",
            "all_segments": true, "since_at": 1_795_256_430_000_001_i64, "due_at": 1_795_256_490_000_000_i64, "tried_times": 2,
        });
        assert_eq!(stored, expected);
        assert_eq!(super::entry(item).unwrap(), entry);
    }
}
