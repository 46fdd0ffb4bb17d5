//! The rows that are known, a few bytes each: parts that are only ever added to.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;
use tandem_core::ports::runs::RosterEntry;

use super::failure::storage;
use super::keys;
use super::row::{Item, attributes};
use super::table::Table;

/// Bytes of an entry: the digest of the id, the digest of the content.
const ENTRY: usize = 24;
/// How many entries one item holds: 240 KB.
const AT_MOST: usize = 10_000;
/// The attribute with the entries.
const ENTRIES: &str = "roster_entries";

/// Adds entries, under a name that follows from them: adding them twice is adding them once.
pub(super) async fn enrol(table: &Table, tenant: &TenantId, generation: u64, entries: &[RosterEntry]) -> Result<()> {
    for some in entries.chunks(AT_MOST) {
        let bytes: Vec<u8> = some.iter().flat_map(packed).collect();
        let part = hex::encode(&Sha256::digest(&bytes)[..16]);
        let mut item = attributes(keys::roster(tenant, generation, &part));
        item.insert(ENTRIES.to_owned(), AttributeValue::B(Blob::new(bytes)));
        table.put(item).await?;
    }
    Ok(())
}

/// All entries of a generation.
pub(super) async fn read(table: &Table, tenant: &TenantId, generation: u64) -> Result<Vec<RosterEntry>> {
    let items = table.partition(keys::roster_partition(tenant, generation), None).await?;
    let mut entries = Vec::new();
    for item in items {
        entries.extend(bytes(&item)?.chunks_exact(ENTRY).filter_map(unpacked));
    }
    Ok(entries)
}

fn packed(entry: &RosterEntry) -> impl Iterator<Item = u8> {
    entry.id.into_iter().chain(entry.content.to_be_bytes())
}

fn unpacked(bytes: &[u8]) -> Option<RosterEntry> {
    let (id, content) = bytes.split_at_checked(16)?;
    Some(RosterEntry { id: id.try_into().ok()?, content: u64::from_be_bytes(content.try_into().ok()?) })
}

fn bytes(item: &Item) -> Result<&[u8]> {
    match item.get(ENTRIES) {
        Some(AttributeValue::B(blob)) => Ok(blob.as_ref()),
        _ => Err(storage("a part of the roster can't be read")),
    }
}
