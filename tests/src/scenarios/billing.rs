//! `billing`: signed documents of both providers, in every order and with repeats, end in the newest state; what is forged,
//! stale, replayed or malformed is refused or changes nothing; unknown prices wait for a person.

mod cases;
mod histories;
mod prices;
mod work;

use std::collections::BTreeMap;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tandem_connectors::billing::Provider;
use tandem_simulators::mautic::ContactDump;

use super::{Proof, Size};
use crate::billing::{self, Bill};
use crate::system::System;
use cases::{Case, cases};
use work::{Worker, finish};

/// How many deliveries are under way at once.
const AT_ONCE: usize = 4;
const CAMPAIGNS: [&str; 4] = ["Pro Onboarding", "Enterprise Onboarding", "Retention Campaign", "Win-back Campaign"];
const SEGMENTS: [&str; 4] = ["Free Tier", "Pro Tier", "Enterprise Tier", "Churned"];

/// The lists of the simulated Mautic by number.
struct Lists {
    segments: BTreeMap<u64, &'static str>,
    campaigns: BTreeMap<u64, &'static str>,
}

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let system = System::with(billing::options().without_worker()).await;
    let lists = lists(&system).await?;
    let worker = Worker::start(&system, &system.foundation)?;
    let start = system.now().checked_add(SignedDuration::from_hours(-240)).map_err(|error| error.to_string())?;
    let cases = cases(size, start);
    let delivered = deliver(&system, &cases, size).await?;
    finish(&system).await?;
    check(&system, &lists, &cases)?;
    let without_effect = attack(&system, &cases).await?;
    check(&system, &lists, &cases)?;
    worker.stop().await;
    prices::mend(&system, &lists, start).await?;
    let parked = system.parked().await.len();
    if parked > 0 {
        return Err(format!("{parked} jobs are parked in the end"));
    }
    Ok(format!(
        "{} subscribers of both providers, every order of the first {} documents and shuffled histories of up to {}: {delivered} \
         deliveries with repeats, all in the newest state; {without_effect} forged, stale, malformed and replayed ones without \
         effect; 2 unknown prices parked with advice and applied by a replay",
        cases.len(),
        cases[0].documents.len(),
        cases.iter().map(|case| case.documents.len()).max().unwrap_or(0),
    ))
}

async fn lists(system: &System) -> Result<Lists, String> {
    let mut lists = Lists { segments: BTreeMap::new(), campaigns: BTreeMap::new() };
    for (kind, names, found) in
        [("segments", SEGMENTS, &mut lists.segments), ("campaigns", CAMPAIGNS, &mut lists.campaigns)]
    {
        for name in names {
            let id = system.made_in_mautic(kind, name).await;
            found.insert(id.parse().map_err(|_| format!("{kind} have numbers"))?, name);
        }
    }
    Ok(lists)
}

fn bill(provider: Provider, document: &Value, at: Timestamp) -> Bill {
    Bill::new(provider, document.to_string().into_bytes(), at)
}

/// Delivers each person's documents in the case's order, and a third of them once more at some time; people side by side.
async fn deliver(system: &System, cases: &[Case], size: Size) -> Result<usize, String> {
    let mut chance = StdRng::seed_from_u64(size.pick(3, 5) as u64);
    let plans: Vec<Vec<Bill>> = cases
        .iter()
        .map(|case| {
            let mut documents = case.documents.clone();
            for _ in 0..=documents.len() / 3 {
                let again = chance.random_range(0..documents.len());
                let later = chance.random_range(again..=documents.len());
                documents.insert(later, documents[again].clone());
            }
            documents.iter().map(|document| bill(case.person.provider, document, system.now())).collect()
        })
        .collect();
    let count = plans.iter().map(Vec::len).sum();
    let mut under_way =
        futures::stream::iter(plans.iter().map(|plan| deliver_all(system, plan))).buffer_unordered(AT_ONCE);
    while let Some(done) = under_way.next().await {
        done?;
    }
    Ok(count)
}

async fn deliver_all(system: &System, plan: &[Bill]) -> Result<(), String> {
    for bill in plan {
        let answer = system.bill(bill).await?;
        if answer.status != 200 {
            return Err(format!("a delivery of {} got {} {}", bill.provider, answer.status, answer.body));
        }
    }
    Ok(())
}

fn check(system: &System, lists: &Lists, cases: &[Case]) -> Result<(), String> {
    let contacts: BTreeMap<String, ContactDump> =
        system.mautic.contacts().into_iter().filter_map(|contact| Some((contact.email.clone()?, contact))).collect();
    if system.mautic.contacts().len() != cases.len() {
        return Err(format!("{} contacts for {} subscribers", system.mautic.contacts().len(), cases.len()));
    }
    for case in cases {
        let contact = contacts.get(&case.person.email()).ok_or_else(|| format!("no contact for {:?}", case.person))?;
        let found = standing(contact, lists);
        let expected = case.expected.clone();
        let expected = (expected.tier, expected.status, expected.value, expected.segments, expected.campaigns);
        let seen = (found.0.as_str(), found.1.as_str(), found.2, found.3, found.4);
        if seen != expected {
            let kinds: Vec<&Value> =
                case.documents.iter().map(|told| told.get("type").unwrap_or(&told["meta"]["event_name"])).collect();
            return Err(format!(
                "{:?} stands as {seen:?} instead of {expected:?}, after {}",
                case.person,
                json!(kinds)
            ));
        }
    }
    Ok(())
}

fn standing<'a>(contact: &ContactDump, lists: &'a Lists) -> (String, String, f64, Vec<&'a str>, Vec<&'a str>) {
    let text = |name: &str| contact.fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = |ids: &[u64], names: &'a BTreeMap<u64, &'static str>| {
        let mut found: Vec<&str> = ids.iter().filter_map(|id| names.get(id).copied()).collect();
        found.sort_unstable();
        found
    };
    (
        text("subscription_tier"),
        text("subscription_status"),
        contact.fields.get("lifetime_value").and_then(Value::as_f64).unwrap_or(0.0),
        named(&contact.segments, &lists.segments),
        named(&contact.campaigns, &lists.campaigns),
    )
}

/// Forged, stale and malformed deliveries that would end every subscription, and all documents once more.
async fn attack(system: &System, cases: &[Case]) -> Result<usize, String> {
    let (now, calls) = (system.now(), system.calls());
    let long_ago = now.checked_add(SignedDuration::from_mins(-6)).map_err(|error| error.to_string())?;
    let mut count = 0;
    for case in cases {
        let end = case.person.history(now).swap_remove(6).documents.swap_remove(0).to_string().into_bytes();
        let provider = case.person.provider;
        let mut refused = vec![
            (401, Bill::signed(provider, end.clone(), "another", now)),
            (401, Bill { body: b"{}".to_vec(), ..Bill::new(provider, end.clone(), now) }),
            (400, Bill::new(provider, end[..end.len() - 2].to_vec(), now)),
            (
                422,
                Bill::new(provider, br#"{"type":"invoice.paid","meta":{"event_name":"order_created"}}"#.to_vec(), now),
            ),
        ];
        if provider == Provider::Stripe {
            refused.push((401, Bill::new(provider, end, long_ago)));
        }
        for (status, bill) in &refused {
            let answer = system.bill(bill).await?;
            if answer.status != *status {
                return Err(format!("a delivery that should get {status} got {} {}", answer.status, answer.body));
            }
        }
        let replayed: Vec<Bill> = case.documents.iter().map(|document| bill(provider, document, now)).collect();
        deliver_all(system, &replayed).await?;
        count += refused.len() + replayed.len();
    }
    finish(system).await?;
    if system.calls() != calls {
        return Err(format!("deliveries without effect cost {} calls of Mautic", system.calls() - calls));
    }
    Ok(count)
}
