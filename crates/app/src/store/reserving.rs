//! New people, many at a time, by single writes: a transaction is billed twice for each of its items.
//!
//! What a transaction guarantees, that no two records are known by one identity, is kept by the order of the writes and a condition
//! on each. First every identity is *reserved*: its pointer is written if there is none. Who gets all of a person's writes what the
//! person said of being mailed, if nobody said anything before, and then the record, if nothing is in its place. Whoever is
//! refused reads again.
//!
//! A process that dies on the way leaves identities that lead to a record which is not there. They are not given back: another
//! writer may have gone on with the same key by then. Whoever finds such a pointer goes on with its key, where all that is known of the person
//! leads to it: the transaction of a new record claims all of the record's identities once more. Else the key is given up
//! for good ([`super::void`]), and the one who was slow is refused.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::{Attempt, Save};

use super::consent;
use super::contacts::parts::Parts;
use super::contacts::rows;
use super::keys::{self, Key};
use super::table::Table;

/// A new person whose identities are reserved, or were not to be had.
pub(super) struct Reserved<'a> {
    save: &'a Save,
    attempt: Attempt,
}

/// Whether a new person can be stored by single writes. What was said of an address before stands in a ledger that is
/// replaced under a condition of its own, which no single statement can make of both cases.
pub(super) fn fits(save: &Save) -> bool {
    save.release.is_empty() && save.consent.as_ref().is_none_or(|(_, ledger)| ledger.entries().len() <= 1)
}

/// Reserves the identities of new people, and stores what those said of being mailed whose identities were all to be had. A write
/// call for 25 identities and for 25 ledgers; two reads for 100 identities that are refused.
pub(super) async fn reserve<'a>(
    table: &Table,
    scope: &Scope,
    saves: Vec<&'a Save>,
    now: Timestamp,
) -> Result<Vec<Reserved<'a>>> {
    let mut reserved: Vec<Reserved<'a>> =
        saves.into_iter().map(|save| Reserved { save, attempt: Attempt::Done }).collect();
    point(table, scope, &mut reserved, now).await?;
    let said = |save: &Save, parts: &Parts<'_>| match &save.consent {
        Some((email, ledger)) => consent::first(parts.table, &parts.scope.tenant, email, ledger),
        None => Ok(None),
    };
    write(table, scope, &mut reserved, said).await?;
    Ok(reserved)
}

/// Stores the records of those whose identities are reserved. A write call for 25.
pub(super) async fn store(table: &Table, scope: &Scope, reserved: &mut [Reserved<'_>]) -> Result<Vec<Attempt>> {
    write(table, scope, reserved, |save, parts| parts.record(&save.record).map(Some)).await?;
    Ok(reserved.iter().map(|one| one.attempt).collect())
}

async fn point(table: &Table, scope: &Scope, people: &mut [Reserved<'_>], now: Timestamp) -> Result<()> {
    let (mut writes, mut of): (Vec<TransactWriteItem>, Vec<(usize, Key)>) = (Vec::new(), Vec::new());
    for (index, Reserved { save, .. }) in people.iter().enumerate() {
        let parts = Parts { table, scope, key: &save.key };
        for identity in parts.claims(&save.record, &save.claim) {
            writes.push(parts.reservation(&identity, now)?);
            of.push((index, keys::identity(&scope.tenant, &identity)));
        }
    }
    let attempts = table.write_each(writes, &[]).await?;
    let refused = of.into_iter().zip(attempts).filter(|(_, attempt)| *attempt == Attempt::Contended);
    let refused: Vec<(usize, Key)> = refused.map(|(one, _)| one).collect();
    let there: HashMap<_, _> = table.get_many(refused.iter().map(|(_, key)| key.clone()).collect()).await?;
    for (index, key) in refused {
        // It may lead to the same record: somebody began with the same person, and may have died since.
        let leads_to = there.get(&key).cloned().map(rows::pointed_to).transpose()?;
        if leads_to.as_ref() != Some(&people[index].save.key) {
            people[index].attempt = Attempt::Contended;
        }
    }
    Ok(())
}

/// Makes a write for each of those who were not refused yet, if there is one to be made.
async fn write(
    table: &Table,
    scope: &Scope,
    people: &mut [Reserved<'_>],
    write: impl Fn(&Save, &Parts<'_>) -> Result<Option<TransactWriteItem>>,
) -> Result<()> {
    let (mut writes, mut of) = (Vec::new(), Vec::new());
    for (index, Reserved { save, .. }) in people.iter().enumerate().filter(|(_, one)| one.attempt == Attempt::Done) {
        if let Some(one) = write(save, &Parts { table, scope, key: &save.key })? {
            writes.push(one);
            of.push(index);
        }
    }
    for (index, attempt) in of.into_iter().zip(table.write_each(writes, &[]).await?) {
        people[index].attempt = attempt;
    }
    Ok(())
}
