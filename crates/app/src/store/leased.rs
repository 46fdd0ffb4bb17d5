//! A state that one process at a time may change: the lease with its fencing number and the state, in one item.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tandem_core::domain::link::Lease;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::Attempt;
use tandem_core::ports::runs::{Leased, RunLease};

use super::access::Put;
use super::condition::Condition;
use super::keys::Key;
use super::row::{Item, document, item, parsed, row};
use super::table::Table;
use super::transaction::Transacted;

/// How often two states are tried to be written while one of them is being written by the sign of life.
const TRIES: usize = 5;

/// The state, and who may change it. `lease_until` is in microseconds.
#[derive(PartialEq, Serialize, Deserialize)]
struct StateRow {
    fence_number: u64,
    document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<i64>,
}

/// Takes the lease; `None` while another has it. One read and one write call.
pub(super) async fn begin<T: Default + Serialize + DeserializeOwned>(
    table: &Table,
    key: Key,
    owner: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<(RunLease, T)>> {
    let stored = stored(table, key.clone()).await?;
    let ends = stored.as_ref().and_then(|row| row.lease_until);
    if ends.is_some_and(|ends| is_ahead(ends, now)) {
        return Ok(None);
    }
    let as_read = as_read(stored.as_ref());
    let (fence, document_before) = match stored {
        Some(row) => (row.fence_number + 1, row.document),
        None => (1, document(&T::default())?),
    };
    let state = parsed(&document_before)?;
    let row = StateRow {
        fence_number: fence,
        document: document_before,
        lease_owner: Some(owner.to_owned()),
        lease_until: Some(until.as_microsecond()),
    };
    let lease = || RunLease { owner: owner.to_owned(), fence, until, inherited: ends.is_some() };
    match table.put_if(item(key, &row)?, as_read).await? {
        Put::Done => Ok(Some((lease(), state))),
        Put::Refused(there) => Ok(begun_by(there, owner, fence)?.then(|| (lease(), state))),
    }
}

/// Whether a lease that ends then holds: one that ends too far ahead was written by a clock that is wrong.
fn is_ahead(ends: i64, now: Timestamp) -> bool {
    ends > now.as_microsecond() && ends <= Lease::farthest(now).as_microsecond()
}

/// Who has the lease. One read call.
pub(super) async fn holder(table: &Table, key: Key, now: Timestamp) -> Result<Option<String>> {
    let held = stored(table, key).await?.filter(|row| row.lease_until.is_some_and(|ends| is_ahead(ends, now)));
    Ok(held.and_then(|row| row.lease_owner))
}

/// A state as it is stored, and the lease without which it is not.
pub(super) struct Writing<'a> {
    lease: &'a RunLease,
    row: StateRow,
}

/// The state, the lease prolonged.
pub(super) fn kept<'a, T: Serialize>(Leased { lease, state }: Leased<'a, T>) -> Result<Writing<'a>> {
    let row = StateRow {
        fence_number: lease.fence,
        document: document(state)?,
        lease_owner: Some(lease.owner.clone()),
        lease_until: Some(lease.until.as_microsecond()),
    };
    Ok(Writing { lease, row })
}

/// The state, the lease given back.
pub(super) fn given_back<'a, T: Serialize>(Leased { lease, state }: Leased<'a, T>) -> Result<Writing<'a>> {
    let row = StateRow { fence_number: lease.fence, document: document(state)?, lease_owner: None, lease_until: None };
    Ok(Writing { lease, row })
}

/// Stores the state and prolongs the lease. One write call.
pub(super) async fn save<T: Serialize>(table: &Table, key: Key, state: Leased<'_, T>) -> Result<Attempt> {
    write(table, key, kept(state)?).await
}

/// Writes two states, both or none. One write call; one more for each time that somebody prolongs one of the leases just then.
pub(super) async fn save_both(
    table: &Table,
    (key, one): (Key, Writing<'_>),
    (other_key, other): (Key, Writing<'_>),
) -> Result<Attempt> {
    let parts = vec![
        table.putting(item(key, &one.row)?, Some(held_by(one.lease)))?,
        table.putting(item(other_key, &other.row)?, Some(held_by(other.lease)))?,
    ];
    for _ in 0..TRIES {
        match table.transact(parts.clone()).await? {
            Transacted::Done => return Ok(Attempt::Done),
            Transacted::Refused(conditions) if conditions.is_empty() => {}
            Transacted::Refused(_) => return Ok(Attempt::Contended),
        }
    }
    Err(Failure::new(FailureKind::Storage, "the state of a run is being written by others all the time"))
}

/// Prolongs the lease. One write call.
pub(super) async fn prolong(table: &Table, key: Key, lease: &RunLease, until: Timestamp) -> Result<Attempt> {
    table.update(key, "SET lease_until = :until", held_by(lease).moment(":until", until)).await
}

/// Stores the state and gives the lease back. One write call.
pub(super) async fn end<T: Serialize>(table: &Table, key: Key, state: Leased<'_, T>) -> Result<Attempt> {
    write(table, key, given_back(state)?).await
}

/// The state, whoever has the lease. One read call.
pub(super) async fn state<T: Default + DeserializeOwned>(table: &Table, key: Key) -> Result<T> {
    match stored(table, key).await? {
        Some(row) => parsed(&row.document),
        None => Ok(T::default()),
    }
}

async fn stored(table: &Table, key: Key) -> Result<Option<StateRow>> {
    table.get(key).await?.map(row).transpose()
}

/// Writes the state if the lease is still the one given.
async fn write(table: &Table, key: Key, Writing { lease, row }: Writing<'_>) -> Result<Attempt> {
    let written = match table.put_if(item(key, &row)?, held_by(lease)).await? {
        Put::Done => true,
        Put::Refused(there) => is_written(there, &row)?,
    };
    Ok(if written { Attempt::Done } else { Attempt::Contended })
}

/// Nothing was written since the state was read: a run whose lease is over can still save and end, until another takes it.
fn as_read(stored: Option<&StateRow>) -> Condition {
    let Some(row) = stored else { return Condition::absent() };
    let same_lease = match row.lease_until {
        None => Condition::new("fence_number = :before AND attribute_not_exists(lease_until)"),
        Some(seen) => Condition::new("fence_number = :before AND lease_until = :seen").number(":seen", seen),
    };
    same_lease.number(":before", row.fence_number)
}

fn held_by(lease: &RunLease) -> Condition {
    Condition::new("fence_number = :fence AND lease_owner = :owner")
        .number(":fence", lease.fence)
        .text(":owner", &lease.owner)
}

/// The SDK repeats a request whose answer was lost: then what refuses it is its own first try. Here the end of a lease,
/// which only its owner can write.
fn is_written(there: Item, written: &StateRow) -> Result<bool> {
    Ok(!there.is_empty() && row::<StateRow>(there)? == *written)
}

/// The same for a lease that was taken.
fn begun_by(there: Item, owner: &str, fence: u64) -> Result<bool> {
    if there.is_empty() {
        return Ok(false);
    }
    let row: StateRow = row(there)?;
    Ok(row.fence_number == fence && row.lease_owner.as_deref() == Some(owner))
}
