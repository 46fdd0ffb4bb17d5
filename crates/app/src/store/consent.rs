//! The consent ledger's item. A ledger is only ever replaced by one that continues it.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};
use tandem_core::domain::consent::{ConsentEntry, ConsentLedger, ConsentOutcome, ConsentStatus};
use tandem_core::domain::identity::Identity;
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;

use super::condition::Condition;
use super::keys;
use super::row::{Item, document, item, parsed, row};
use super::table::Table;

#[derive(Serialize, Deserialize)]
struct ConsentRow {
    /// The mark of the statement that stands.
    standing_mark: String,
    document: String,
}

/// What an item has besides the document.
#[derive(Serialize)]
struct StandingRow {
    standing_mark: Option<String>,
}

/// The ledger that an item holds.
pub(super) fn ledger(item: Item) -> Result<ConsentLedger> {
    parsed(&row::<ConsentRow>(item)?.document)
}

/// The part of a transaction that writes a ledger; `None` for one in which nobody said anything.
///
/// It holds only when the statement that stands in the table is one of the new ledger's: otherwise somebody added one
/// (an opt-out, perhaps) that the new ledger does not know and would undo.
pub(super) fn writing(
    table: &Table,
    tenant: &TenantId,
    email: &Identity,
    ledger: &ConsentLedger,
) -> Result<Option<TransactWriteItem>> {
    let Some(item) = written(tenant, email, ledger)? else { return Ok(None) };
    table.putting(item, Some(continued_by(ledger))).map(Some)
}

fn written(tenant: &TenantId, email: &Identity, ledger: &ConsentLedger) -> Result<Option<Item>> {
    let Some(standing) = ledger.standing() else { return Ok(None) };
    let row = ConsentRow { standing_mark: mark(standing), document: document(ledger)? };
    item(keys::consent(tenant, email), &row).map(Some)
}

/// The write of what was said first of an address, if nobody said anything there before; `None` for a ledger without a statement.
pub(super) fn first(
    table: &Table,
    tenant: &TenantId,
    email: &Identity,
    ledger: &ConsentLedger,
) -> Result<Option<TransactWriteItem>> {
    let Some(item) = written(tenant, email, ledger)? else { return Ok(None) };
    table.putting(item, Some(Condition::absent())).map(Some)
}

/// Takes a statement into a ledger, and writes what follows from it (`beside`) in the same transaction. One read call and, when
/// it changes the ledger, one write.
pub(super) async fn amend(
    table: &Table,
    tenant: &TenantId,
    email: &Identity,
    entry: &ConsentEntry,
    beside: Vec<TransactWriteItem>,
) -> Result<ConsentOutcome> {
    let take = |ledger: &mut ConsentLedger| ledger.take(entry.clone());
    let attributes = |ledger: &ConsentLedger| StandingRow { standing_mark: ledger.standing().map(mark) };
    table.amend_with(keys::consent(tenant, email), take, attributes, beside).await
}

fn continued_by(ledger: &ConsentLedger) -> Condition {
    let known: Vec<_> = (0..ledger.entries().len()).map(|i| format!(":known{i}")).collect();
    let text = format!("attribute_not_exists(pk) OR standing_mark IN ({})", known.join(", "));
    let entries = known.into_iter().zip(ledger.entries());
    entries.fold(Condition::new(text), |condition, (name, entry)| condition.text(name, mark(entry)))
}

/// Tells statements of one ledger apart, without what later releases may add to them.
fn mark(entry: &ConsentEntry) -> String {
    let status = match entry.status {
        ConsentStatus::OptedIn => "in",
        ConsentStatus::OptedOut => "out",
        ConsentStatus::Unclear => "unclear",
    };
    format!("{status}@{}", entry.at.as_microsecond())
}
