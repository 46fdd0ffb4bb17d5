//! The log of what was written to platforms: packs of calls in the order of time, a partition for each month.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tandem_core::domain::operation::WriteCall;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::operations::{OperationLog, Pack};
use tandem_core::ports::place::TimePlace;

use super::failure::storage;
use super::keys;
use super::packing::{Packed, Packing};
use super::row::{Item, LONGEST_TEXT, item, key_of, row};
use super::table::Table;

/// How long operations are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// [`OperationLog`] over the table.
pub struct OperationTable {
    table: Table,
}

/// A pack of calls, as JSON that is compressed when it is long.
#[derive(Serialize, Deserialize)]
struct PackRow {
    packing: Packing,
    #[serde(with = "serde_bytes")]
    content: Vec<u8>,
    expires_at: i64,
}

impl OperationTable {
    /// The log in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}

#[async_trait]
impl OperationLog for OperationTable {
    async fn keep(&self, scope: &Scope, pack: &Pack) -> Result<()> {
        let expires_at = pack.place.at.as_second().saturating_add(KEPT.as_secs());
        let mut contents = Vec::new();
        pack_into(pack.calls.clone(), &mut contents)?;
        for (number, packed) in contents.into_iter().enumerate() {
            let name = if number == 0 { pack.place.name.clone() } else { format!("{}-{number:04}", pack.place.name) };
            let place = TimePlace { at: pack.place.at, name };
            let row = PackRow { packing: packed.packing, content: packed.bytes, expires_at };
            self.table.put(item(keys::operation_pack(scope, &place), &row)?).await?;
        }
        Ok(())
    }

    async fn packs(&self, scope: &Scope, down_from: &TimePlace, from: Timestamp, limit: usize) -> Result<Vec<Pack>> {
        let mut packs = Vec::new();
        for month in keys::months_down(down_from.at, from) {
            let left = limit.saturating_sub(packs.len());
            let (low, high) = (keys::time_place(&TimePlace::before(from)), keys::time_place(down_from));
            if left == 0 || low > high {
                break;
            }
            let partition = keys::operation_partition(scope, &month);
            for item in self.table.partition_between_from_end(partition, &low, &high, left).await? {
                packs.push(pack_of(item)?);
            }
        }
        Ok(packs)
    }
}

/// Packs calls into as few items as hold them; what does not fit into one is halved.
fn pack_into(mut calls: Vec<WriteCall>, packed: &mut Vec<Packed>) -> Result<()> {
    let text = serde_json::to_vec(&calls).map_err(|_| storage("operations could not be written as JSON"))?;
    let whole = Packed::of(&text)?;
    let parts: usize = calls.iter().map(|call| call.parts.len()).sum();
    if whole.bytes.len() <= LONGEST_TEXT || parts < 2 {
        packed.push(whole);
        return Ok(());
    }
    let rest = if calls.len() > 1 {
        calls.split_off(calls.len() / 2)
    } else {
        let half = |call: &mut WriteCall| {
            let parts = call.parts.split_off(call.parts.len() / 2);
            WriteCall { parts, ..call.clone() }
        };
        calls.iter_mut().map(half).collect()
    };
    pack_into(calls, packed)?;
    pack_into(rest, packed)
}

fn pack_of(item: Item) -> Result<Pack> {
    let place = key_of(&item).and_then(|key| keys::place_of(&key.sk));
    let place = place.ok_or_else(|| storage("an item of the operation log has no place"))?;
    let row: PackRow = row(item)?;
    let text = Packed { packing: row.packing, bytes: row.content }.unpacked()?;
    let calls = serde_json::from_slice(&text).map_err(|_| storage("an item of the operation log can't be read"))?;
    Ok(Pack { place, calls })
}
