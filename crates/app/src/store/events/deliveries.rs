//! Raw deliveries under their digests, for 35 days, and the list of those that nobody finished with.
//!
//! A delivery is a head, written last and together with its place in the list: without a head it does not count as kept.
//! What does not fit into the head stands in parts, written before it.

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::{Kept, KeptDelivery};

use crate::store::condition::Condition;
use crate::store::failure::storage;
use crate::store::keys;
use crate::store::packing::{Packed, Packing};
use crate::store::row::{Item, item, key_of, moment, row};
use crate::store::table::Table;
use crate::store::transaction::Transacted;

/// How long a delivery is kept: longer than anybody repeats one, or needs to find out what went wrong with it.
const KEPT: SignedDuration = SignedDuration::from_hours(35 * 24);
/// The most bytes that an item holds: DynamoDB takes 400 KB, with keys and names.
const LARGEST_PART: usize = 350_000;
/// How many parts are written at a time.
const PARTS_AT_ONCE: usize = 4;

/// The head of a delivery: with its bytes, or with the number of parts that hold them.
#[derive(Serialize, Deserialize)]
struct HeadRow {
    packing: Packing,
    part_count: u32,
    #[serde(with = "serde_bytes")]
    content: Vec<u8>,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct PartRow {
    #[serde(with = "serde_bytes")]
    content: Vec<u8>,
    expires_at: i64,
}

/// A place in the list of the unfinished. `kept_at` is in microseconds.
#[derive(Serialize, Deserialize)]
struct UnfinishedRow {
    kept_at: i64,
    expires_at: i64,
}

/// Stores a delivery. One write call, and one read call for one that is known; one more of each for every part.
pub(super) async fn keep(table: &Table, scope: &Scope, digest: &str, body: &[u8], now: Timestamp) -> Result<Kept> {
    let packed = Packed::of(body)?;
    let expires_at = now.as_second().saturating_add(KEPT.as_secs());
    let mut head = HeadRow { packing: packed.packing, part_count: 0, content: packed.bytes, expires_at };
    if head.content.len() > LARGEST_PART {
        // A look first, so that the repeat of a large delivery does not write all of it again.
        if let Some(known) = known(table, scope, digest, now).await? {
            return Ok(known);
        }
        let bytes = std::mem::take(&mut head.content);
        head.part_count = keep_parts(table, scope, digest, &bytes, expires_at).await?;
    }
    let listed = UnfinishedRow { kept_at: now.as_microsecond(), expires_at };
    // The table deletes expired items late.
    let news = Condition::new("attribute_not_exists(pk) OR expires_at <= :second").number(":second", now.as_second());
    let writes = vec![
        table.putting(item(keys::delivery(scope, digest), &head)?, Some(news))?,
        table.putting(item(keys::unfinished(scope, digest), &listed)?, None)?,
    ];
    match table.transact(writes).await? {
        Transacted::Done => Ok(Kept::New),
        Transacted::Refused(_) => known(table, scope, digest, now)
            .await?
            .ok_or_else(|| storage("the delivery is being stored by another call just now")),
    }
}

/// Whether a delivery is finished with; `None` when it is not kept. One read call.
async fn known(table: &Table, scope: &Scope, digest: &str, now: Timestamp) -> Result<Option<Kept>> {
    let (head, listed) = (keys::delivery(scope, digest), keys::unfinished(scope, digest));
    let mut found = table.get_all(vec![head.clone(), listed.clone()]).await?;
    match found.remove(&head).map(row::<HeadRow>).transpose()? {
        Some(head) if head.expires_at > now.as_second() => {
            Ok(Some(if found.contains_key(&listed) { Kept::Unfinished } else { Kept::Finished }))
        }
        _ => Ok(None),
    }
}

/// A delivery without its bytes. One read call.
pub(super) async fn delivery(
    table: &Table,
    scope: &Scope,
    digest: &str,
    now: Timestamp,
) -> Result<Option<KeptDelivery>> {
    let (head, listed) = (keys::delivery(scope, digest), keys::unfinished(scope, digest));
    let mut found = table.get_all(vec![head.clone(), listed.clone()]).await?;
    let Some(head) = found.remove(&head).map(row::<HeadRow>).transpose()? else { return Ok(None) };
    if head.expires_at <= now.as_second() {
        return Ok(None);
    }
    let kept_at = Timestamp::from_second(head.expires_at.saturating_sub(KEPT.as_secs()));
    let kept_at = kept_at.map_err(|_| storage("a delivery holds no moment where it should"))?;
    Ok(Some(KeptDelivery { digest: digest.to_owned(), kept_at, finished: !found.contains_key(&listed) }))
}

/// The unfinished in the order of their digests. One read call.
pub(super) async fn unfinished_behind(
    table: &Table,
    scope: &Scope,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<KeptDelivery>> {
    let items = table.partition_after(keys::unfinished_partition(scope), after, limit).await?;
    let of = |item: Item| {
        let digest = key_of(&item).map(|key| key.sk).unwrap_or_default();
        let kept_at = moment(row::<UnfinishedRow>(item)?.kept_at)?;
        Ok(KeptDelivery { digest, kept_at, finished: false })
    };
    items.into_iter().map(of).collect()
}

/// Writes the parts and gives their number. Who writes them at the same time writes the same.
async fn keep_parts(table: &Table, scope: &Scope, digest: &str, bytes: &[u8], expires_at: i64) -> Result<u32> {
    let parts = bytes.chunks(LARGEST_PART).zip(0_u32..).map(|(content, number)| {
        let row = PartRow { content: content.to_vec(), expires_at };
        item(keys::delivery_part(scope, digest, number), &row)
    });
    let parts: Vec<_> = parts.collect::<Result<_>>()?;
    let count = u32::try_from(parts.len()).map_err(|_| storage("a delivery has too many parts"))?;
    stream::iter(parts.into_iter().map(Ok)).try_for_each_concurrent(PARTS_AT_ONCE, |part| table.put(part)).await?;
    Ok(count)
}

/// A stored delivery. One read call, and one more for each part.
pub(super) async fn kept(table: &Table, scope: &Scope, digest: &str) -> Result<Option<Vec<u8>>> {
    let Some(head) = table.get(keys::delivery(scope, digest)).await? else { return Ok(None) };
    let head: HeadRow = row(head)?;
    let mut bytes = head.content;
    let parts = stream::iter((0..head.part_count).map(|number| table.get(keys::delivery_part(scope, digest, number))));
    let mut parts = parts.buffered(PARTS_AT_ONCE);
    while let Some(part) = parts.next().await {
        // Its time is over: the table deletes the items of a delivery one by one.
        let Some(part) = part? else { return Ok(None) };
        bytes.extend(row::<PartRow>(part)?.content);
    }
    Packed { packing: head.packing, bytes }.unpacked().map(Some)
}

/// Takes a delivery off the list of the unfinished. One write call.
pub(super) async fn finish(table: &Table, scope: &Scope, digest: &str) -> Result<()> {
    table.delete(keys::unfinished(scope, digest), None).await?;
    Ok(())
}

/// The unfinished that were kept before a moment, oldest first. One read call for some thousands.
pub(super) async fn unfinished(table: &Table, scope: &Scope, before: Timestamp, limit: usize) -> Result<Vec<String>> {
    let mut listed = Vec::new();
    for item in table.partition(keys::unfinished_partition(scope), None).await? {
        let digest = key_of(&item).map(|key| key.sk);
        let kept_at = row::<UnfinishedRow>(item)?.kept_at;
        listed.extend(digest.filter(|_| kept_at < before.as_microsecond()).map(|digest| (kept_at, digest)));
    }
    listed.sort_unstable();
    Ok(listed.into_iter().take(limit).map(|(_, digest)| digest).collect())
}
