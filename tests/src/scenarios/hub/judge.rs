//! Every side held against the oracle.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tandem_app::desks::Desks;
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::record::Record;
use tandem_core::domain::whom::Whom;
use tandem_core::sync::changes::SeenChange;
use tandem_core::sync::services::Desk;

use super::oracle::{FIELDS, Person, Way};
use super::tenants::{Contacts, Tenant, told};
use super::{Hub, TWO, judge_firms};

/// How long a change has to be noted before a reader is shown it.
const SETTLED: std::time::Duration = std::time::Duration::from_secs(16);

/// How many wrong things are told.
const MOST_TOLD: usize = 12;

impl Hub {
    /// Everybody in every Mautic that can be reached, and in the table.
    pub(super) async fn judge(&self, away: Option<usize>) -> Result<(), String> {
        let mut wrong = Vec::new();
        for (number, tenant) in self.tenants.iter().enumerate() {
            let desk = self.desk_of(tenant).await?;
            for person in &tenant.people.all {
                let stored = record_of(&desk, person).await?;
                wrong.extend(differences_of_record(person, stored.as_ref()));
                if person.opted_out
                    && !person.erased
                    && consent_of(&desk, person).await? != Some(ConsentStatus::OptedOut)
                {
                    wrong.push(format!("{}: the ledger does not know the opt-out", person.address));
                }
            }
            wrong.extend(judge_firms::records(&tenant.people, &desk).await?);
            for (place, office) in tenant.offices.iter().enumerate() {
                if number != TWO || away != Some(place) {
                    let contacts = office.contacts();
                    wrong.extend(judge_firms::companies(&tenant.people, office, &contacts, place).await?);
                    wrong.extend(tenant.people.all.iter().flat_map(|one| differences(one, &contacts, place)));
                    wrong.extend(strangers(tenant, &contacts));
                }
            }
        }
        match wrong.first() {
            None => Ok(()),
            Some(_) => {
                let first: Vec<&str> = wrong.iter().map(String::as_str).take(MOST_TOLD).collect();
                Err(format!("{} things are wrong: {}", wrong.len(), first.join("; ")))
            }
        }
    }

    async fn desk_of(&self, tenant: &Tenant) -> Result<Desk, String> {
        self.desks.of(&tenant.scopes[0]).await.map_err(told)?.ok_or_else(|| "an integration is missing".to_owned())
    }

    /// What the applications read of it all, and nobody else's.
    pub(super) async fn judge_end(&self) -> Result<String, String> {
        tokio::time::sleep(SETTLED).await;
        let (mut changes, mut appeared) = (0, 0);
        for tenant in &self.tenants {
            let told = self.changes_of(tenant).await?;
            let own = |change: &SeenChange| {
                change.email.as_ref().is_none_or(|email| email.as_str().ends_with(tenant.people.domain))
            };
            if !told.iter().all(own) {
                return Err(format!("the changes of {} tell of somebody else's people", tenant.people.domain));
            }
            for person in tenant.people.all.iter().filter(|person| !person.erased) {
                untold(person, &told)?;
                appeared += usize::from(person.appeared);
            }
            judge_firms::all_told(&tenant.people, &told)?;
            changes += told.len();
            if tenant.people.way == Way::Events && !told.is_empty() {
                return Err("who is told by events alone has changes".to_owned());
            }
        }
        Ok(format!("{changes} changes told, of which {appeared} people appeared"))
    }

    async fn changes_of(&self, tenant: &Tenant) -> Result<Vec<SeenChange>, String> {
        if let Some(database) = &tenant.database {
            return database.changes().await;
        }
        let desk = self.desk_of(tenant).await?;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let seen =
                desk.changes(after.as_ref(), &Kind::ALL, 500).await.map_err(told)?.ok_or("no changes are kept")?;
            all.extend(seen.changes);
            after = seen.next;
            if !seen.more {
                return Ok(all);
            }
        }
    }
}

async fn record_of(desk: &Desk, person: &Person) -> Result<Option<Record>, String> {
    let known = desk.remember(&whom(person)?).await.map_err(told)?;
    Ok(known.record.and_then(|(_, stored)| stored.record))
}

async fn consent_of(desk: &Desk, person: &Person) -> Result<Option<ConsentStatus>, String> {
    let whom = whom(person)?;
    let address = whom.email.as_ref().map(|email| email.identity());
    let (contacts, scope) = (&desk.services.contacts, &desk.integration.scope);
    let resolved = contacts.resolve(scope, None, address.as_ref()).await.map_err(told)?;
    Ok(resolved.consent.standing().map(|standing| standing.status))
}

fn whom(person: &Person) -> Result<Whom, String> {
    Ok(Whom { email: Some(person.address.parse().map_err(told)?), ..Whom::default() })
}

fn differences_of_record(person: &Person, record: Option<&Record>) -> Vec<String> {
    let Some(record) = record.filter(|_| !person.erased) else {
        let is_right = person.erased == record.is_none();
        return if is_right {
            Vec::new()
        } else {
            vec![format!("{}: erased {}, and a record: {}", person.address, person.erased, record.is_some())]
        };
    };
    let held = |name: &str| record.fields.get(name).cloned().unwrap_or_default();
    let wrong = person.values.iter().filter(|(name, value)| held(name) != json!(value));
    wrong
        .map(|(name, value)| format!("{name} of {} is {} in the record, not {value}", person.address, held(name)))
        .collect()
}

fn differences(person: &Person, contacts: &Contacts, place: usize) -> Vec<String> {
    let found = contacts.get(&person.address).map(Vec::as_slice).unwrap_or_default();
    let expected = if person.erased { usize::from(person.ghosts.contains(&place)) } else { 1 };
    if found.len() != expected {
        return vec![format!("{}: {} contacts in Mautic {place}, not {expected}", person.address, found.len())];
    }
    let Some(contact) = found.first().filter(|_| !person.erased) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (name, remote) in FIELDS {
        let held = contact.fields.get(remote).cloned().unwrap_or_default();
        let wanted = person.values.get(name).map_or(Value::Null, |value| json!(value));
        if held != wanted {
            wrong.push(format!("{name} of {} is {held} in Mautic {place}, not {wanted}", person.address));
        }
    }
    let forbidden = contact.dnc.iter().any(|entry| entry["channel"] == "email");
    if forbidden != person.opted_out {
        wrong.push(format!("{}: mail forbidden in Mautic {place}: {forbidden}", person.address));
    }
    wrong
}

/// People of another tenant, or of nobody.
fn strangers(tenant: &Tenant, contacts: &Contacts) -> Vec<String> {
    let known: BTreeSet<&str> = tenant.people.all.iter().map(|person| person.address.as_str()).collect();
    let strange = contacts.iter().filter(|(address, _)| !known.contains(address.as_str())).flat_map(|(_, found)| found);
    strange.map(|contact| format!("contact {} of {} is nobody's", contact.id, tenant.people.domain)).collect()
}

/// What came from a Mautic and stands is told, with the value that stands.
fn untold(person: &Person, told: &[SeenChange]) -> Result<(), String> {
    let of_person = |change: &&SeenChange| {
        change.email.as_ref().is_some_and(|email| email.as_str().eq_ignore_ascii_case(&person.address))
    };
    let own: Vec<&SeenChange> = told.iter().filter(of_person).collect();
    if person.appeared && !own.iter().any(|change| change.change == "appeared") {
        return Err(format!("nobody is told that {} appeared", person.address));
    }
    for name in &person.told {
        let last = own.iter().rev().find_map(|change| change.fields.get(*name));
        if last != Some(&json!(person.values[name])) {
            return Err(format!("{name} of {} is told as {last:?}", person.address));
        }
    }
    Ok(())
}
