//! `outage`: with the webhook switched off, one look of the guardian and one repair bring the state that no outage had left.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::engagement::{EmailStatus, EngagementKind};
use tandem_core::domain::link::RemoteId;
use tandem_core::ports::HookCheck;
use tandem_core::webhook::repair::Hook;

use super::{Proof, Size};
use crate::system::{System, WEBHOOK_SECRET};

/// What is known of a person: whether mail arrives, consent, what was done how often.
type Person = (EmailStatus, Option<ConsentStatus>, BTreeMap<EngagementKind, u64>);

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let people = size.pick(12, 60);
    let (without, _) = lived_through(people, false).await?;
    let (with, calls) = lived_through(people, true).await?;
    if let Some(person) = (0..people).find(|person| with[*person] != without[*person]) {
        return Err(format!("person {person} differs: {:?} instead of {:?}", with[person], without[person]));
    }
    let events: u64 = with.iter().flat_map(|(_, _, counts)| counts.values()).sum();
    let opted_out = with.iter().filter(|(_, consent, _)| *consent == Some(ConsentStatus::OptedOut)).count();
    Ok(format!("{people} people, {events} events, {opted_out} opt-outs, all made up for with {calls} Mautic calls"))
}

/// The same life of the same people, with the hook switched off for its second half or not.
async fn lived_through(people: usize, outage: bool) -> Result<(Vec<Person>, u64), String> {
    let system = System::start().await;
    let hook = Hook { url: format!("{}/mautic-webhook", system.url()), secret: WEBHOOK_SECRET.to_owned() };
    let desk = system.desk();
    let guard = async || desk.guard_hook(&hook, "outage").await.map_err(|failure| failure.to_string());
    guard().await?;
    let mut contacts = Vec::new();
    for person in 0..people {
        let contact = json!({"id": format!("p{person}"), "contact": {"email": format!("person{person}@example.com")}});
        let answer = system.caller.upsert(contact).await.map_err(|error| error.to_string())?;
        contacts.push(answer.contact_id().unwrap_or_default().to_owned());
    }
    live(&system, &contacts, 0).await?;
    if outage {
        switch_off(&system).await?;
    }
    live(&system, &contacts, 1).await?;
    let before = system.mautic.stats().api_calls;
    let check = guard().await?;
    if outage != (check == HookCheck::Repaired) {
        return Err(format!("the guardian found the hook {check:?}"));
    }
    desk.repair_gaps("outage").await.map_err(|failure| failure.to_string())?;
    let calls = system.mautic.stats().api_calls - before;
    let mut known = Vec::new();
    for (number, contact) in contacts.iter().enumerate() {
        known.push(person(&system, contact, &format!("person{number}@example.com")).await?);
    }
    Ok((known, calls))
}

/// What each person does, by turns: everybody gets a mail and opens it; some click, some opt out, some bounce, some write.
async fn live(system: &System, contacts: &[String], half: usize) -> Result<(), String> {
    for (number, contact) in contacts.iter().enumerate() {
        let id: u64 = contact.parse().map_err(|_| "no contact")?;
        engage(system, "send", json!({"contact": id})).await?;
        engage(system, "open", json!({"contact": id})).await?;
        match (number + half) % 4 {
            0 => engage(system, "click", json!({"contact": id, "url": format!("https://example.com/{half}")})).await?,
            1 if half == 1 => engage(system, "unsubscribe", json!({"contact": id})).await?,
            2 if half == 1 => engage(system, "bounce", json!({"contact": id, "comments": "550 no such user"})).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn engage(system: &System, action: &str, body: Value) -> Result<(), String> {
    let url = format!("{}/_control/engage/{action}", system.mautic.base_url());
    let answer = reqwest::Client::new().post(url).json(&body).send().await.map_err(|error| error.to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("nobody could {action}")) }
}

/// Unpublishes all hooks, as Mautic does after failures.
async fn switch_off(system: &System) -> Result<(), String> {
    let client = reqwest::Client::new();
    let base = system.mautic.base_url();
    let url = format!("{base}/api/hooks/1/edit");
    let edit = client.patch(url).basic_auth("admin", Some("demo-password")).json(&json!({"isPublished": false}));
    let answer = edit.send().await.map_err(|error| error.to_string())?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("the hook can't be switched off: {}", answer.status()))
    }
}

async fn person(system: &System, contact: &str, address: &str) -> Result<Person, String> {
    let desk = system.desk();
    let found = desk.services.events.standing(&desk.integration.scope, &RemoteId(contact.to_owned())).await;
    let standing = found.map_err(|failure| failure.to_string())?.unwrap_or_default();
    Ok((standing.email_status, system.consent(address).await?, standing.counts))
}
