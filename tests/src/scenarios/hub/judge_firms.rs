//! Organisations and deals held against the oracle: companies with their values, who belongs to which, and what is stored.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::kind::Kind;
use tandem_core::ports::bulk::{BATCH, MarkCursor};
use tandem_core::sync::changes::SeenChange;
use tandem_core::sync::record_view::RecordView;
use tandem_core::sync::services::Desk;

use super::firms::{Deal, FIELDS, Firm};
use super::oracle::{People, Person};
use super::tenants::{Contacts, Office, told};

/// A Mautic's companies by their ids: all fields.
pub(super) type Companies = BTreeMap<u64, Map<String, Value>>;

/// What is wrong with the companies of a Mautic, and with who belongs to which.
pub(super) async fn companies(
    people: &People,
    office: &Office,
    contacts: &Contacts,
    place: usize,
) -> Result<Vec<String>, String> {
    let companies = office.companies().await?;
    let mut wrong = Vec::new();
    for firm in people.firms.all.iter().filter(|firm| firm.known) {
        wrong.extend(differences(firm, &companies, place));
    }
    let names: Vec<Value> =
        people.firms.all.iter().filter(|firm| firm.known).map(|firm| json!(firm.values["name"])).collect();
    let name = |fields: &Map<String, Value>| fields.get("companyname").cloned().unwrap_or_default();
    let strange = companies.iter().map(|(id, fields)| (id, name(fields))).filter(|(_, name)| !names.contains(name));
    wrong.extend(strange.map(|(id, name)| format!("company {id} in Mautic {place} of {}: {name}", people.domain)));
    let living = people.all.iter().filter(|person| !person.erased);
    wrong.extend(living.filter_map(|person| membership(person, people, &companies, contacts, place)));
    Ok(wrong)
}

fn differences(firm: &Firm, companies: &Companies, place: usize) -> Vec<String> {
    let bears = |fields: &&Map<String, Value>| fields.get("companyname") == Some(&json!(firm.values["name"]));
    let found: Vec<&Map<String, Value>> = companies.values().filter(bears).collect();
    let [company] = found.as_slice() else {
        return vec![format!("{}: {} companies \"{}\" in Mautic {place}", firm.id, found.len(), firm.values["name"])];
    };
    let value = |remote: &str| company.get(remote).cloned().unwrap_or_default();
    let other = FIELDS.iter().filter(|(name, remote)| value(remote) != json!(firm.values[name]));
    other
        .map(|(name, remote)| {
            format!("{name} of {} is {} in Mautic {place}, not {}", firm.id, value(remote), firm.values[name])
        })
        .collect()
}

fn membership(
    person: &Person,
    people: &People,
    companies: &Companies,
    contacts: &Contacts,
    place: usize,
) -> Option<String> {
    let contact = contacts.get(&person.address)?.last()?;
    let name = |id: &u64| companies.get(id).and_then(|fields| fields.get("companyname")).cloned().unwrap_or_default();
    let held: Vec<Value> = contact.companies.iter().map(name).collect();
    let firm = person.firm.map(|firm| &people.firms.all[firm]).filter(|firm| firm.known);
    let wanted: Vec<Value> = firm.iter().map(|firm| json!(firm.values["name"])).collect();
    (held != wanted).then(|| format!("{} belongs to {held:?} in Mautic {place}, not {wanted:?}", person.address))
}

/// What is wrong with what is stored of organisations and deals.
pub(super) async fn records(people: &People, desk: &Desk) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    for firm in &people.firms.all {
        let view = view(desk, Kind::Organisation, &firm.id).await?;
        if view.is_some() != firm.known {
            wrong.push(format!("{} is stored: {}, known: {}", firm.id, view.is_some(), firm.known));
        }
        let held = |name: &str| view.as_ref().and_then(|view| view.record.fields.get(name)).cloned();
        for (name, value) in firm.values.iter().filter(|(name, value)| firm.known && held(name) != Some(json!(value))) {
            wrong.push(format!("{name} of {} is {:?} in the record, not {value}", firm.id, held(name)));
        }
    }
    for deal in &people.firms.deals {
        let view = view(desk, Kind::Deal, &deal.id).await?;
        wrong.extend(view.is_some().ne(&deal.known).then(|| format!("{} is stored: {}", deal.id, !deal.known)));
        wrong.extend(view.and_then(|view| deal_as_held(deal, people, &view)));
    }
    wrong.extend(listed(people, desk).await?);
    Ok(wrong)
}

async fn view(desk: &Desk, kind: Kind, id: &str) -> Result<Option<RecordView>, String> {
    let id = ExternalId::try_from(id.to_owned()).map_err(told)?;
    desk.look_at(kind, &id).await.map_err(told)
}

/// Whom a deal names is open as long as that one is not known, and it is on no platform.
fn deal_as_held(deal: &Deal, people: &People, view: &RecordView) -> Option<String> {
    let (firm, person) = (&people.firms.all[deal.firm], &people.all[deal.person]);
    let wanted = [
        (Kind::Organisation, Some(firm.id.as_str()), !firm.known),
        (Kind::Person, person.id.as_deref(), person.erased),
    ];
    let held: Vec<_> = view.relationships.iter().map(|one| (one.kind, Some(one.id.as_str()), one.open)).collect();
    let is_right = held == wanted && view.record.fields["name"] == json!(deal.name);
    let on_platform = view.mapped || view.link.as_ref().is_some_and(|link| link.remote_id.is_some());
    (!is_right || on_platform)
        .then(|| format!("{} names {held:?}, not {wanted:?}; on a platform: {on_platform}", deal.id))
}

/// What came from a Mautic and stands is told, with the value that stands.
pub(super) fn all_told(people: &People, told: &[SeenChange]) -> Result<(), String> {
    for firm in &people.firms.all {
        let of_firm = |change: &&SeenChange| {
            change.kind == "organisation" && change.id.as_ref().is_some_and(|id| id.as_str() == firm.id)
        };
        for name in &firm.told {
            let last = told.iter().rev().filter(of_firm).find_map(|change| change.fields.get(*name));
            if last != Some(&json!(firm.values[name])) {
                return Err(format!("{name} of {} is told as {last:?}", firm.id));
            }
        }
    }
    Ok(())
}

/// The list of the tenant's records has each of them once, and nobody else's.
async fn listed(people: &People, desk: &Desk) -> Result<Vec<String>, String> {
    let (mut held, mut cursor) = (BTreeMap::<Kind, usize>::new(), MarkCursor::default());
    loop {
        let (keys, next) =
            desk.services.bulk.records(&desk.integration.scope.tenant, &cursor, BATCH).await.map_err(told)?;
        for key in keys {
            *held.entry(key.kind()).or_default() += 1;
        }
        let Some(next) = next else { break };
        cursor = next;
    }
    let firms = people.firms.all.iter().filter(|firm| firm.known).count();
    let deals = people.firms.deals.iter().filter(|deal| deal.known).count();
    let living = people.all.iter().filter(|person| !person.erased).count();
    let wanted = [(Kind::Person, living), (Kind::Organisation, firms), (Kind::Deal, deals)];
    let other = wanted.into_iter().filter(|(kind, count)| held.get(kind).copied().unwrap_or_default() != *count);
    Ok(other
        .map(|(kind, count)| {
            format!("{:?} records of {kind} of {} are listed, not {count}", held.get(&kind), people.domain)
        })
        .collect())
}
