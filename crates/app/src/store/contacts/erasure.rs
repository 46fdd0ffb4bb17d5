//! The end of a record and of all that is known of the person.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tandem_core::domain::identity::Identity;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::LinkOf;

use super::parts::Parts;
use super::rows;
use crate::store::transaction::Transacted;
use crate::store::{keys, void};

/// Erases a record, its links and outbox entries, what its source was told, its pointers, and the ledgers of its contacts:
/// events, what follows from them, what was observed. Pointers and ledgers that belong to another record by now stay. The consent
/// of the address stays too, and raw deliveries go when their time is over. A void stays in the place of a person's record.
///
/// The ledgers go first: who dies on the way finds the record again, and by it the contacts whose ledgers are left.
pub(super) async fn erase(
    parts: &Parts<'_>,
    identities: &[Identity],
    remote: &[RemoteId],
    links: &[LinkOf],
    now: Timestamp,
) -> Result<()> {
    let tenant = &parts.scope.tenant;
    // Others are known by their ids alone, and have one key each for ever.
    let mut writes = match parts.key.kind().is_person() {
        true => void::in_place(parts, now)?,
        false => vec![parts.deletion(keys::record(tenant, parts.key))?],
    };
    for item in [keys::feedback, keys::listed_record] {
        writes.push(parts.deletion(item(tenant, parts.key))?);
    }
    for identity in identities {
        writes.push(parts.deletion_if_mine(keys::identity(tenant, identity))?);
    }
    for (scope, contacts) in by_integration(parts.scope, remote, links) {
        clear_ledgers(parts, &scope, &contacts).await?;
        for item in [keys::link, keys::contested, keys::outbox] {
            writes.push(parts.deletion(item(&scope, parts.key))?);
        }
        for contact in &contacts {
            writes.push(parts.deletion_if_mine(keys::remote(&scope, contact))?);
        }
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

/// The contacts of a record by integration, the scope's own one included.
fn by_integration(own: &Scope, remote: &[RemoteId], links: &[LinkOf]) -> Vec<(Scope, BTreeSet<RemoteId>)> {
    let mut all = vec![(own.clone(), remote.iter().cloned().collect::<BTreeSet<_>>())];
    for LinkOf { integration, link, .. } in links {
        match all.iter_mut().find(|(scope, _)| scope.integration == *integration) {
            Some((_, contacts)) => contacts.extend(link.contacts()),
            None => {
                let scope = Scope { integration: integration.clone(), ..own.clone() };
                all.push((scope, link.contacts().into_iter().collect()));
            }
        }
    }
    all
}

/// Deletes the ledgers of those contacts that do not belong to another record.
async fn clear_ledgers(parts: &Parts<'_>, scope: &Scope, contacts: &BTreeSet<RemoteId>) -> Result<()> {
    for contact in contacts {
        let pointer = parts.table.get(keys::remote(scope, contact)).await?;
        let owner = pointer.map(rows::pointed_to).transpose()?;
        if owner.is_none_or(|owner| owner == *parts.key) {
            parts.table.clear(keys::ledger_partition(scope, contact)).await?;
        }
    }
    Ok(())
}
