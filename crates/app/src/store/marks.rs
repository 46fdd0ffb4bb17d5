//! An outbox, read page by page: entries of single records, and packs, of which a page may end in the middle.

use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::bulk::{Mark, MarkCursor};

use super::row::Item;
use super::table::Table;
use super::{keys, outbox, packs};

/// As many marks as a pack mostly has at least.
const OF_A_PACK: usize = 100;

/// Marks behind a place, at most `limit`; `None` instead of a place behind the last. One read call.
pub(super) async fn page(
    table: &Table,
    scope: &Scope,
    after: &MarkCursor,
    limit: usize,
) -> Result<(Vec<Mark>, Option<MarkCursor>)> {
    let partition = keys::outbox_partition(scope, after.shard);
    let (most, items) = match &after.pack {
        None => (limit, table.partition_after(partition, after.after.as_ref().map(RecordKey::as_str), limit).await?),
        Some(pack) => {
            // The pack that was read last, and those that fill a page.
            let (most, low) = (1 + limit.div_ceil(OF_A_PACK), keys::pack(scope, pack).sk);
            (most, table.partition_between(partition, &low, keys::BEHIND_PACKS, most).await?)
        }
    };
    let is_full = items.len() >= most;
    let (mut marks, mut at) = (Vec::new(), after.clone());
    for item in items {
        let (pack, mut read) = read(item, after)?;
        let left = read.len() > limit - marks.len();
        read.truncate(limit - marks.len());
        if let Some(last) = read.last() {
            at = MarkCursor { shard: after.shard, pack, after: Some(last.record.clone()) };
        }
        marks.extend(read);
        if left {
            return Ok((marks, Some(at)));
        }
    }
    let next_shard = (after.shard + 1 < keys::OUTBOX_SHARDS).then(|| MarkCursor::shard(after.shard + 1));
    Ok((marks, if is_full { Some(at) } else { next_shard }))
}

/// The marks of an item that come behind a place, and the name of the pack that it is.
fn read(item: Item, after: &MarkCursor) -> Result<(Option<String>, Vec<Mark>)> {
    if !packs::is_pack(&item) {
        return Ok((None, vec![outbox::read(item)?]));
    }
    let (name, mut marks) = packs::read(item)?;
    if after.pack.as_ref() == Some(&name) {
        marks.retain(|mark| after.after.as_ref().is_none_or(|last| mark.record > *last));
    }
    Ok((Some(name), marks))
}
