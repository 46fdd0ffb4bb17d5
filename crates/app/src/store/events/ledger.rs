//! What is known of a contact of the platform: its events, what follows from them, what was observed. It is kept until the
//! contact is erased.

use serde::{Deserialize, Serialize};
use tandem_core::domain::engagement::{EngagementEvent, Standing};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::webhook::entry::{Entry, Observed};

use crate::store::access::Put;
use crate::store::condition::Condition;
use crate::store::keys;
use crate::store::row::{document, item, parsed, row};
use crate::store::table::Table;

/// An event, or what was observed.
#[derive(Serialize, Deserialize)]
struct LedgerRow {
    document: String,
}

/// What follows from `event_count` events.
#[derive(Serialize, Deserialize)]
struct StandingRow {
    event_count: u64,
    document: String,
}

/// The mark that the source has to be told, and the event that set it.
#[derive(Serialize)]
struct MarkRow {
    marked_by: String,
}

/// What stands beside the document of what was observed.
#[derive(Serialize)]
struct Nothing {}

/// Adds an event; `false` when one of its name is there. One write call.
pub(super) async fn add(table: &Table, scope: &Scope, contact: &RemoteId, event: &EngagementEvent) -> Result<bool> {
    let row = LedgerRow { document: document(event)? };
    let item = item(keys::event(scope, contact, &event.natural_id), &row)?;
    Ok(matches!(table.put_if(item, Condition::absent()).await?, Put::Done))
}

/// All events. One read call per megabyte.
pub(super) async fn events(table: &Table, scope: &Scope, contact: &RemoteId) -> Result<Vec<EngagementEvent>> {
    let items = table.partition_with_prefix(keys::ledger_partition(scope, contact), keys::EVENTS).await?;
    items.into_iter().map(|item| parsed(&row::<LedgerRow>(item)?.document)).collect()
}

/// What follows from the events. One read call.
pub(super) async fn standing(table: &Table, scope: &Scope, contact: &RemoteId) -> Result<Option<Standing>> {
    let Some(item) = table.get(keys::standing(scope, contact)).await? else { return Ok(None) };
    parsed(&row::<StandingRow>(item)?.document).map(Some)
}

/// Stores what follows from the events, unless what follows from more of them is there. One write call.
pub(super) async fn save_standing(table: &Table, scope: &Scope, contact: &RemoteId, standing: &Standing) -> Result<()> {
    let row = StandingRow { event_count: standing.events, document: document(standing)? };
    let newest =
        Condition::new("attribute_not_exists(pk) OR event_count <= :events").number(":events", standing.events);
    table.put_if(item(keys::standing(scope, contact), &row)?, newest).await?;
    Ok(())
}

/// Takes an entry into what was observed. One read call and, when it is news, one write.
pub(super) async fn observe(table: &Table, scope: &Scope, contact: &RemoteId, entry: &Entry) -> Result<bool> {
    let take = |observed: &mut Observed| observed.take(entry);
    table.amend(keys::observed(scope, contact), take, |_| Nothing {}).await
}

/// What was observed. One read call.
pub(super) async fn observed(table: &Table, scope: &Scope, contact: &RemoteId) -> Result<Observed> {
    let Some(item) = table.get(keys::observed(scope, contact)).await? else { return Ok(Observed::default()) };
    parsed(&row::<LedgerRow>(item)?.document)
}

/// Marks a contact; `false` when somebody else marked it. One write call.
pub(super) async fn mark(table: &Table, scope: &Scope, contact: &RemoteId, by: &str) -> Result<bool> {
    let item = item(keys::write_back_mark(scope, contact), &MarkRow { marked_by: by.to_owned() })?;
    let mine = Condition::new("attribute_not_exists(pk) OR marked_by = :by").text(":by", by);
    Ok(matches!(table.put_if(item, mine).await?, Put::Done))
}

/// Takes the mark away. One write call.
pub(super) async fn unmark(table: &Table, scope: &Scope, contact: &RemoteId) -> Result<()> {
    table.delete(keys::write_back_mark(scope, contact), None).await?;
    Ok(())
}
