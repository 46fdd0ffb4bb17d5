//! The end of an integration: links, what leads to them, outbox, tokens, cursors and ledgers go; records and other links stay.
//! Doing it again goes on where it stopped. Deliveries, which stand under digests alone, go when their time is over; what is kept for
//! good of contacts that were deleted goes with the tenant.

use jiff::{SignedDuration, Timestamp};
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::policy::after;
use tandem_core::ports::bulk::{BulkStore, MarkCursor};

use super::contacts::parts::Parts;
use super::contacts::rows;
use super::keys;
use super::row::key_of;
use super::table::Table;
use super::{BulkTable, transaction::Transacted};

/// How many records are read at once.
const PAGE: usize = 500;
/// Operations are kept for 90 days, and a few more until the table deletes them.
const OPERATIONS_ARE_KEPT: SignedDuration = SignedDuration::from_hours(100 * 24);
/// What is written just now may be of the next day's month by another clock.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Forgets an integration that nobody works for any more. `now` tells which months it worked in. Four calls for each record that is linked, and
/// one read for 500.
///
/// # Errors
/// `Storage`; what was forgotten until then stays forgotten.
pub async fn forget_integration(table: &Table, bulk: &BulkTable, scope: &Scope, now: Timestamp) -> Result<()> {
    let mut cursor = Some(MarkCursor::default());
    while let Some(after) = cursor {
        let (records, next) = bulk.records(&scope.tenant, &after, PAGE).await?;
        for stored in records.chunks(100) {
            let linked = bulk.load_many(scope, stored).await?;
            for (record, stored) in stored.iter().zip(linked) {
                if stored.link.is_some() {
                    bulk.unlink(scope, record).await?;
                }
            }
        }
        cursor = next;
    }
    for run in table.partition(keys::run_partition(scope), None).await? {
        if let Some(key) = key_of(&run) {
            table.clear(keys::run_issues_partition(scope, &key.sk)).await?;
            table.clear(keys::run_plan_partition(scope, &key.sk)).await?;
        }
    }
    for month in keys::months_down(after(now, A_DAY), after(now, -OPERATIONS_ARE_KEPT)) {
        table.clear(keys::operation_partition(scope, &month)).await?;
    }
    let outboxes = (0..keys::OUTBOX_SHARDS).map(|shard| keys::outbox_partition(scope, shard));
    let own = [
        keys::open_lists_partition(scope),
        keys::contested_partition(scope),
        keys::unfinished_partition(scope),
        keys::run_partition(scope),
        keys::run_state(scope).pk,
        keys::token(scope).pk,
        keys::mappings_partition(scope),
    ];
    for partition in outboxes.chain(own) {
        table.clear(partition).await?;
    }
    Ok(())
}

/// Forgets a link. The ledgers go first: who dies on the way finds the link again.
pub(super) async fn unlink(parts: &Parts<'_>) -> Result<()> {
    let items = parts.table.partition(keys::record_partition(&parts.scope.tenant, parts.key), None).await?;
    let Some(link) = rows::stored(items, &parts.scope.integration)?.link else { return Ok(()) };
    let contacts = link.contacts();
    for contact in &contacts {
        parts.table.clear(keys::ledger_partition(parts.scope, contact)).await?;
        parts.table.clear(keys::wish_partition(parts.scope, contact)).await?;
    }
    let pointers = contacts.iter().map(|contact| parts.deletion_if_mine(keys::remote(parts.scope, contact)));
    let writes = pointers.collect::<Result<Vec<_>>>()?;
    if !writes.is_empty()
        && let Transacted::Refused(foreign) = parts.table.transact(writes.clone()).await?
    {
        // Contacts that another record has by now: that one's link goes in its own turn.
        let own = writes.into_iter().enumerate().filter(|(place, _)| !foreign.contains(place));
        let own: Vec<_> = own.map(|(_, write)| write).collect();
        if !own.is_empty() {
            parts.table.transact(own).await?;
        }
    }
    // An entry of the outbox may be a newer change, by which the record is linked once more.
    for item in [keys::link, keys::contested] {
        parts.table.delete(item(parts.scope, parts.key), None).await?;
    }
    Ok(())
}
