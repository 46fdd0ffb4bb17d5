//! Keys under which nothing can be stored for a while.
//!
//! Of many new people the identities are reserved before their records are written ([`super::reserving`]). Whoever finds that an
//! identity leads to a record that is not there, and can't go on where the other writer stopped, puts a void in the record's
//! place: if that writer lives after all, its record is refused, and it looks again. A void is no record to anybody who reads, and
//! stays longer than any process may be held up between two of its writes. An erased person leaves one, too: a record of theirs that
//! is still on its way would have nothing left that leads to it.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tandem_core::domain::identity::Identity;
use tandem_core::error::Result;

use super::condition::Condition;
use super::contacts::parts::Parts;
use super::inventory;
use super::keys;
use super::row::{Item, item};
use super::transaction::Transacted;

/// How long a void stays: a computer that is put to sleep over some days goes on where it was.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The attribute that no record has.
const SINCE: &str = "void_since";

/// A void. Its moment is in microseconds.
#[derive(Serialize)]
struct VoidRow {
    void_since: i64,
    expires_at: i64,
}

/// Whether an item in the place of a record says that none can be stored there.
pub(super) fn is_void(item: &Item) -> bool {
    item.contains_key(SINCE)
}

/// A void in the place of the record, whatever is there, with its place in the list of what nothing else leads to.
pub(super) fn in_place(parts: &Parts<'_>, now: Timestamp) -> Result<Vec<TransactWriteItem>> {
    placing(parts, None, now)
}

/// Puts an end to what was begun under a key that no record has: a void in its place, and those of the identities that lead to it lead
/// nowhere any more. Nothing is done when there is a record. Two writes.
pub(super) async fn end(parts: &Parts<'_>, identities: &[Identity], now: Timestamp) -> Result<()> {
    let no_record = Condition::new("attribute_not_exists(record_version)");
    match parts.table.transact(placing(parts, Some(no_record), now)?).await? {
        // There is a record by now, or somebody is writing it: whoever asks looks again.
        Transacted::Refused(_) => return Ok(()),
        Transacted::Done => {}
    }
    let pointers = identities.iter().map(|identity| keys::identity(&parts.scope.tenant, identity));
    let groups = pointers.map(|pointer| Ok(vec![parts.deletion_if_mine(pointer)?]));
    // Refused where an identity leads to another record by now.
    parts.table.transact_many(groups.collect::<Result<_>>()?).await.map(drop)
}

fn placing(parts: &Parts<'_>, condition: Option<Condition>, now: Timestamp) -> Result<Vec<TransactWriteItem>> {
    let (tenant, expires_at) = (&parts.scope.tenant, now.as_second().saturating_add(KEPT.as_secs()));
    let place = keys::record(tenant, parts.key);
    let listed = inventory::listing_until(parts.table, tenant, &place, expires_at)?;
    let row = VoidRow { void_since: now.as_microsecond(), expires_at };
    Ok(vec![parts.table.putting(item(place, &row)?, condition)?, listed])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::Key;

    /// What is stored today is understood by every later release.
    #[test]
    fn a_void_is_what_it_was_and_ends_by_itself() {
        let place = Key { pk: "T#acme#record#x-1".to_owned(), sk: keys::RECORD.to_owned() };
        let row = VoidRow { void_since: 1_795_000_000_000_000, expires_at: 1_795_604_800 };
        let void: Item = item(place, &row).unwrap();
        let number = |name: &str| void[name].as_n().unwrap().as_str();
        assert_eq!((number("void_since"), number("expires_at"), void.len()), ("1795000000000000", "1795604800", 4));
        assert!(is_void(&void));
    }
}
