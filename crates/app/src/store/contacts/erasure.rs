//! The end of a record and of all that is known of the person.

use tandem_core::domain::identity::Identity;
use tandem_core::domain::link::RemoteId;
use tandem_core::error::{Failure, FailureKind, Result};

use super::parts::Parts;
use super::rows;
use crate::store::keys;
use crate::store::transaction::Transacted;

/// Erases a record, its link and mark, what its source was told, its pointers, and the ledgers of its contacts: events, what
/// follows from them, what was observed. Pointers and ledgers that belong to another record by now stay. The consent of
/// the address stays too, and raw deliveries go when their time is over.
///
/// The ledgers go first: who dies on the way finds the record again, and by it the contacts whose ledgers are left.
pub(super) async fn erase(parts: &Parts<'_>, identities: &[Identity], remote: &[RemoteId]) -> Result<()> {
    clear_ledgers(parts, remote).await?;
    let tenant = &parts.scope.tenant;
    let shared = [keys::record, keys::feedback].map(|item| item(tenant, parts.key));
    let own = [keys::link, keys::contested, keys::outbox].map(|item| item(parts.scope, parts.key));
    let items = shared.into_iter().chain(own).map(|item| parts.deletion(item));
    let mut writes = items.collect::<Result<Vec<_>>>()?;
    let pointers = identities.iter().map(|identity| keys::identity(tenant, identity));
    for pointer in pointers.chain(remote.iter().map(|id| keys::remote(parts.scope, id))) {
        writes.push(parts.deletion_if_mine(pointer)?);
    }
    let Transacted::Refused(foreign) = parts.table.transact(writes.clone()).await? else { return Ok(()) };
    // Pointers that lead elsewhere by now are somebody else's: they stay, and the rest goes.
    let own = writes.into_iter().enumerate().filter(|(position, _)| !foreign.contains(position));
    match parts.table.transact(own.map(|(_, write)| write).collect()).await? {
        Transacted::Done => Ok(()),
        Transacted::Refused(_) => {
            Err(Failure::new(FailureKind::Conflict, "the record is being written and could not be erased"))
        }
    }
}

/// Deletes the ledgers of those contacts that do not belong to another record.
async fn clear_ledgers(parts: &Parts<'_>, remote: &[RemoteId]) -> Result<()> {
    for contact in remote {
        let pointer = parts.table.get(keys::remote(parts.scope, contact)).await?;
        let owner = pointer.map(rows::pointed_to).transpose()?;
        if owner.is_none_or(|owner| owner == *parts.key) {
            parts.table.clear(keys::ledger_partition(parts.scope, contact)).await?;
        }
    }
    Ok(())
}
