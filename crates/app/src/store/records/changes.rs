//! Changes that come from platforms, for the application to read: in the order in which they were noted, a partition for each
//! month.
//!
//! A change's place is the moment just before it is written, and writing takes a while: one with an earlier place may be
//! committed after one with a later place was read. So a reader is shown only what is [`SETTLED`], which is longer than a write
//! takes. A write that took longer all the same is made once more, at its end: read twice is better than never.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::policy::after;
use tandem_core::ports::place::TimePlace;
use tandem_core::ports::source::{RecordChange, RecordChanges};

use super::RecordsTable;
use crate::store::failure::storage;
use crate::store::keys;
use crate::store::row::{Item, document, item, key_of, parsed, row};

/// How long changes are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How old a change is before a reader is shown it: the SDK tries three times, three seconds each, and clocks differ.
const SETTLED: SignedDuration = SignedDuration::from_secs(15);
/// A write that took no longer than this was committed before its place was settled, also by a clock that is fast.
const IN_TIME: SignedDuration = SignedDuration::from_secs(12);
/// How often a write is made once more because it took too long.
const TRIES: usize = 5;

/// A change of a record.
#[derive(Serialize, Deserialize)]
struct ChangeRow {
    document: String,
    expires_at: i64,
}

impl RecordsTable {
    /// One write call for each.
    pub(super) async fn note(&self, scope: &Scope, changes: &[RecordChange]) -> Result<()> {
        for change in changes {
            self.note_one(scope, change).await?;
        }
        Ok(())
    }

    async fn note_one(&self, scope: &Scope, change: &RecordChange) -> Result<()> {
        let document = document(change)?;
        // Of what it says: two changes of one moment are told apart, and one is not told twice.
        let name = keys::row_digest(&document);
        for _ in 0..TRIES {
            let place = TimePlace { at: self.clock.now(), name: name.clone() };
            let expires_at = place.at.as_second().saturating_add(KEPT.as_secs());
            let row = ChangeRow { document: document.clone(), expires_at };
            self.table.put(item(keys::change(&scope.tenant, &place), &row)?).await?;
            if self.clock.now().duration_since(place.at) <= IN_TIME {
                return Ok(());
            }
        }
        Err(storage("the table takes too long to note what changed"))
    }

    /// One read call, and one more at the turn of a month.
    pub(super) async fn noted(&self, scope: &Scope, behind: Option<&TimePlace>, limit: usize) -> Result<RecordChanges> {
        let now = self.clock.now();
        let (settled, oldest) = (after(now, -SETTLED), TimePlace::before(after(now, -KEPT)));
        let behind = behind.filter(|place| **place > oldest).unwrap_or(&oldest);
        let mut changes = Vec::new();
        for month in keys::months_down(settled, behind.at).into_iter().rev() {
            let left = limit.saturating_sub(changes.len());
            let (low, high) = (keys::behind_place(behind), keys::time_place(&TimePlace::behind(settled)));
            if left == 0 || low > high {
                break;
            }
            let partition = keys::change_partition(&scope.tenant, &month);
            for item in self.table.partition_between(partition, &low, &high, left).await? {
                changes.push(change_of(item)?);
            }
        }
        Ok(RecordChanges { more: changes.len() >= limit, changes })
    }
}

fn change_of(item: Item) -> Result<(TimePlace, RecordChange)> {
    let place = key_of(&item).and_then(|key| keys::place_of(&key.sk));
    let place = place.ok_or_else(|| storage("a change has no place"))?;
    let row: ChangeRow = row(item)?;
    Ok((place, parsed(&row.document)?))
}
