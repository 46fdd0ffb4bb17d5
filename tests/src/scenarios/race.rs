//! `race`: many requests at once for one new address make one contact, though Mautic itself makes several.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use serde_json::json;

use super::target::{RealMautic, plain_contact, prefix, real_mautic, real_variables};
use super::{Proof, Size};
use crate::child::DevServer;
use crate::client::{Answer, Caller};
use crate::system::{Options, System};

/// Requests at once for one address.
const AT_ONCE: usize = 8;
/// Addresses under way at once.
const ADDRESSES_AT_ONCE: usize = 4;

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let addresses = size.pick(12, 100);
    match real_mautic() {
        Some(environment) => {
            let mautic = RealMautic::connect(&environment).await?;
            against_real(&mautic, addresses).await
        }
        None => against_simulator(addresses).await,
    }
}

async fn against_simulator(addresses: usize) -> Proof {
    let naive = naive_contacts(addresses).await?;
    let mut system = System::start().await;
    let callers = [system.caller.clone(), system.another_instance().await];
    let names: Vec<String> = (0..addresses).map(|number| format!("race{number}@example.com")).collect();
    let queued = race(&callers, &names).await?;
    if !system.drained(Duration::from_secs(90)).await {
        return Err("jobs are left on the queue".to_owned());
    }
    let stats = system.mautic.stats();
    if stats.contacts != addresses || !stats.duplicates.is_empty() {
        return Err(format!(
            "{} contacts for {addresses} addresses, {} of them more than once",
            stats.contacts,
            stats.duplicates.len()
        ));
    }
    let calls = stats.api_calls;
    Ok(format!(
        "{addresses} addresses x {AT_ONCE} requests over 2 instances: {addresses} contacts, {queued} queued, {calls} Mautic calls; a naive client made {naive} contacts of {addresses}"
    ))
}

/// What the same requests make when they go to Mautic directly.
async fn naive_contacts(addresses: usize) -> Result<usize, String> {
    let system = System::with(Options::default().without_worker()).await;
    let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let url = format!("{}/oauth/v2/token", system.mautic.base_url());
    let grant = json!({"grant_type": "client_credentials", "client_id": "1_demo", "client_secret": "demo-secret"});
    let token: serde_json::Value = async { client.post(url).json(&grant).send().await?.json().await }
        .await
        .map_err(|error: reqwest::Error| error.without_url().to_string())?;
    let token = token["access_token"].as_str().unwrap_or_default();
    let url = format!("{}/api/contacts/new", system.mautic.base_url());
    for number in 0..addresses {
        let body = json!({"email": format!("naive{number}@example.com")});
        join_all((0..AT_ONCE).map(|_| client.post(&url).bearer_auth(token).json(&body).send())).await;
    }
    let stats = system.mautic.stats();
    if stats.duplicates.is_empty() {
        return Err("the simulator made no duplicates of a naive client: then this scenario proves nothing".to_owned());
    }
    Ok(stats.contacts)
}

async fn against_real(mautic: &RealMautic, addresses: usize) -> Proof {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = DevServer::new(folder.path(), real_variables()).without_schedule();
    let running = server.start().await?;
    let prefix = prefix();
    let names: Vec<String> = (0..addresses).map(|number| format!("{prefix}{number}@example.com")).collect();
    let raced = race(&[server.caller()], &names).await;
    let (held, cleaned) = mautic.look_and_clean_up(Ok(running), folder.path(), &names).await?;
    let queued = raced?;
    let wrong: Vec<usize> = held.values().map(Vec::len).filter(|found| *found != 1).collect();
    match wrong.first() {
        None => Ok(format!(
            "{addresses} addresses x {AT_ONCE} requests against a real Mautic: {addresses} contacts, {queued} queued, {cleaned} cleaned up"
        )),
        Some(first) => {
            Err(format!("{} of {addresses} addresses are wrong: {first} contacts of one address", wrong.len()))
        }
    }
}

/// Eight requests for each address at once; gives how many answers were "queued".
async fn race(callers: &[Caller], addresses: &[String]) -> Result<usize, String> {
    let races = futures::stream::iter(addresses).map(|address| race_for_one(callers, address));
    let counts: Vec<Result<usize, String>> = races.buffer_unordered(ADDRESSES_AT_ONCE).collect().await;
    counts.into_iter().sum()
}

async fn race_for_one(callers: &[Caller], address: &str) -> Result<usize, String> {
    let calls = callers.iter().cycle().take(AT_ONCE).enumerate();
    let answers =
        join_all(calls.map(|(number, caller)| caller.upsert(plain_contact(address, &format!("R{number}"))))).await;
    let answers: Result<Vec<Answer>, _> = answers.into_iter().collect();
    let answers = answers.map_err(|error| error.without_url().to_string())?;
    if let Some(bad) = answers.iter().find(|answer| !answer.is_taken()) {
        return Err(format!("an answer was {} {}", bad.status, bad.error_code()));
    }
    let ids: BTreeSet<_> = answers.iter().filter_map(Answer::contact_id).collect();
    if ids.len() > 1 {
        return Err(format!("the answers name {} contacts for one address", ids.len()));
    }
    Ok(answers.iter().filter(|answer| answer.status == 202).count())
}
