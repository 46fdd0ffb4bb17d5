//! `sample`: every valid customer is right in Mautic, field by field; every rejected one is reported with its reason.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::target::{RealMautic, prefix, real_mautic, real_variables, send_all};
use super::{Proof, Size};
use crate::child::DevServer;
use crate::client::Answer;
use crate::customers::{self, Row};
use crate::system::System;

/// What Mautic holds, by lower-case address: the fields of each contact that has it.
pub type Held = BTreeMap<String, Vec<Map<String, Value>>>;

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let rows = customers::sample(size.pick(120, 500));
    match real_mautic() {
        Some(environment) => {
            let mautic = RealMautic::connect(&environment).await?;
            against_real(&mautic, &rows).await
        }
        None => against_simulator(&rows).await,
    }
}

async fn against_simulator(rows: &[Row]) -> Proof {
    let system = System::start().await;
    let calls: Vec<Value> = rows.iter().map(|row| customers::upsert(row, "")).collect();
    let before = system.mautic.stats().api_calls;
    let answers = send_all(&system.caller, &calls, 8).await?;
    if !system.drained(Duration::from_secs(90)).await {
        return Err("jobs are left on the queue".to_owned());
    }
    let calls_made = system.mautic.stats().api_calls - before;
    let verdict = judge(rows, "", &answers, &held_by(&system.mautic.contacts()))?;
    let again = send_all(&system.caller, &calls, 8).await?;
    let changed = again.iter().filter(|answer| answer.data()["action"] == "created").count();
    if changed > 0 {
        return Err(format!("{changed} contacts were created by a second run"));
    }
    let unchanged = again.iter().filter(|answer| answer.data()["action"] == "unchanged").count();
    Ok(format!("{verdict}; {calls_made} Mautic calls; a second run found {unchanged} unchanged and created none"))
}

async fn against_real(mautic: &RealMautic, rows: &[Row]) -> Proof {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = DevServer::new(folder.path(), real_variables()).without_schedule();
    let running = server.start().await?;
    let prefix = prefix();
    let calls: Vec<Value> = rows.iter().map(|row| customers::upsert(row, &prefix)).collect();
    let answers = send_all(&server.caller(), &calls, 4).await;
    let (held, cleaned) = mautic.look_and_clean_up(Ok(running), folder.path(), &addresses(rows, &prefix)).await?;
    let verdict = judge(rows, &prefix, &answers?, &held)?;
    Ok(format!("{verdict}, against a real Mautic; {cleaned} contacts cleaned up"))
}

/// The addresses of the valid customers, as they are sent with this prefix.
pub fn addresses(rows: &[Row], prefix: &str) -> Vec<String> {
    customers::newest_by_address(rows).into_keys().map(|address| format!("{prefix}{address}")).collect()
}

/// The simulator's contacts by address.
pub fn held_by(contacts: &[tandem_simulators::mautic::ContactDump]) -> Held {
    let mut held = Held::new();
    for contact in contacts {
        if let Some(email) = &contact.email {
            held.entry(email.to_lowercase()).or_default().push(contact.fields.clone());
        }
    }
    held
}

/// Compares all rows with what Mautic holds; the figures, or the first few things that are wrong.
pub fn judge(rows: &[Row], prefix: &str, answers: &[Answer], held: &Held) -> Proof {
    let mut wrong = Vec::new();
    let mut rejected = 0;
    for (row, answer) in rows.iter().zip(answers) {
        match (customers::is_valid(row), answer.is_taken()) {
            (true, true) => {}
            (false, false) if !answer.complaints().is_empty() => rejected += 1,
            (false, false) => wrong.push("a row was rejected without a reason".to_owned()),
            (true, false) => {
                wrong.push(format!("a valid row was rejected: {} {:?}", answer.status, answer.complaints()))
            }
            (false, true) => wrong.push("a row without an address was taken".to_owned()),
        }
    }
    let newest = customers::newest_by_address(rows);
    let shared = customers::shared_addresses(rows);
    for (address, row) in &newest {
        let contacts = held.get(&format!("{prefix}{address}")).map(Vec::as_slice).unwrap_or_default();
        match contacts {
            [contact] => {
                let reported = complaints(rows, answers, address);
                wrong.extend(customers::differences(row, prefix, contact, &reported, shared.contains(address)));
            }
            [] => wrong.push("a valid customer is missing".to_owned()),
            many => wrong.push(format!("a customer is there {} times", many.len())),
        }
    }
    match wrong.first() {
        None => Ok(format!(
            "{} rows: {} customers right field by field, {rejected} rows rejected with their reasons",
            rows.len(),
            newest.len()
        )),
        Some(first) => Err(format!("{} things are wrong, the first: {first}", wrong.len())),
    }
}

/// What Tandem said it left out of the rows with an address.
fn complaints(rows: &[Row], answers: &[Answer], address: &str) -> Vec<String> {
    let same = rows.iter().zip(answers).filter(|(row, _)| customers::address(row).as_deref() == Some(address));
    same.flat_map(|(_, answer)| answer.complaints()).collect()
}
