//! `storm`: thousands of deliveries, shuffled, repeated, late, over a table that fails one call in ten, by a process that is
//! killed again and again: the end is that of one clean pass in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use tandem_app::local_table::LocalTable;
use tandem_app::store::{ContactTable, EventTable, Table};
use tandem_app::system::SystemClock;
use tandem_core::domain::consent::ConsentEntry;
use tandem_core::domain::engagement::Standing;
use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::{ContactStore, EventStore};
use tandem_core::webhook::entry::Observed;
use tokio::sync::watch;

use super::kill::keep_killing;
use super::{Proof, Size};
use crate::child::DevServer;
use crate::client::Caller;
use crate::deliveries::{Delivery, address, contact};
use crate::faulty_table::FaultyTable;
use crate::system::{Options, System, WEBHOOK_SECRET};

/// Deliveries under way at once.
const AT_ONCE: usize = 16;
/// How long what was left behind may take to be picked up.
const SETTLE: Duration = Duration::from_secs(180);

/// All that is known of a contact.
#[derive(Debug, PartialEq)]
struct Known {
    events: BTreeSet<String>,
    standing: Standing,
    observed: Observed,
    consent: Option<ConsentEntry>,
}

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let (deliveries, contacts, kills) = (size.pick(200, 5_000), size.pick(20, 250), size.pick(1, 5));
    let made = deliveries_of(deliveries, contacts);
    let wanted = clean_pass(&made, contacts).await?;
    let stormy = stormy_order(&made);
    let table = LocalTable::in_memory().await.map_err(|failure| failure.to_string())?;
    let faulty = FaultyTable::start(table.endpoint(), 0.1).await?;
    let mautic = System::with(Options::default().without_worker()).await;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = DevServer::new(folder.path(), variables(&mautic, &faulty));
    let (finished, watching) = watch::channel(false);
    let sending = async {
        let sent = send_all(&server.caller(), &stormy).await;
        // The killer has gone already when nobody watches.
        let _watched = finished.send(true);
        sent
    };
    let (sent, killed) = tokio::join!(sending, keep_killing(&server, kills, 300..2_500, watching));
    sent?;
    let _running = server.start().await?;
    let begun = tokio::time::Instant::now();
    let differing = loop {
        let differing = differing(table.table(), &wanted, contacts).await?;
        if differing == 0 || begun.elapsed() > SETTLE {
            break differing;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    if differing > 0 {
        return Err(format!("{differing} of {contacts} contacts differ from a clean pass"));
    }
    let events: usize = wanted.iter().map(|known| known.events.len()).sum();
    Ok(format!(
        "{deliveries} deliveries sent {} times, {} kills, {} table calls failed: {contacts} contacts with {events} events as after a clean pass",
        stormy.len(),
        killed?,
        faulty.failed()
    ))
}

fn variables(mautic: &System, faulty: &FaultyTable) -> Vec<(String, String)> {
    let entries = [
        ("MAUTIC_BASE_URL", mautic.mautic.base_url()),
        ("MAUTIC_CLIENT_ID", "1_demo".to_owned()),
        ("MAUTIC_CLIENT_SECRET", "demo-secret".to_owned()),
        ("MAUTIC_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", faulty.url().to_owned()),
    ];
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Deliveries of one to three entries each, one a second.
fn deliveries_of(count: usize, contacts: usize) -> Vec<Delivery> {
    let start = Timestamp::from_second(1_790_000_000).unwrap_or_default();
    (0..count)
        .map(|number| {
            let at = start.checked_add(SignedDuration::from_secs(i64::try_from(number).unwrap_or(0))).unwrap_or(start);
            let mut body = Map::new();
            for part in 0..=number % 3 {
                let (kind, entry) = entry_of(number * 10 + part, (number * 7 + part * 13) % contacts + 1, at);
                let list = body.entry(kind).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(entry);
                }
            }
            Delivery::signed(&number.to_string(), Value::Object(body).to_string().into_bytes(), WEBHOOK_SECRET)
        })
        .collect()
}

/// One entry in the likeness of the recorded ones.
fn entry_of(id: usize, person: usize, at: Timestamp) -> (&'static str, Value) {
    let person = u64::try_from(person).unwrap_or(1);
    let lead = contact(person, json!([]));
    let opted_out = contact(person, json!([{"id": id, "reason": 1, "comments": "", "channel": "email"}]));
    let at = at.to_string();
    match id % 9 {
        0 => (
            "mautic.email_on_open",
            json!({"stat": {"id": id, "trackingHash": format!("h{id}"), "emailAddress": address(person), "lead": lead, "dateRead": at}, "timestamp": at}),
        ),
        1 | 2 => (
            "mautic.page_on_hit",
            json!({"hit": {"id": id, "dateHit": at, "lead": lead, "url": format!("https://example.com/{id}"), "source": "email", "sourceId": 1, "userAgent": "Mozilla/5.0"}, "timestamp": at}),
        ),
        3 => (
            "mautic.form_on_submit",
            json!({"submission": {"id": id, "form": {"id": 1, "name": "Newsletter"}, "lead": lead, "dateSubmitted": at}, "timestamp": at}),
        ),
        4 => (
            "mautic.lead_points_change",
            json!({"contact": lead, "points": {"old_points": 0, "new_points": id}, "timestamp": at}),
        ),
        5 => (
            "mautic.lead_list_change",
            json!({"contact": lead, "segment": {"id": 1, "alias": format!("s{}", id % 3)}, "action": if id.is_multiple_of(2) { "added" } else { "removed" }, "timestamp": at}),
        ),
        6 if person.is_multiple_of(5) => (
            "mautic.lead_channel_subscription_changed",
            json!({"contact": opted_out, "channel": "email", "old_status": "contactable", "new_status": "unsubscribed", "timestamp": at}),
        ),
        7 => (
            "mautic.lead_channel_subscription_changed",
            json!({"contact": lead, "channel": "email", "old_status": "bounced", "new_status": "contactable", "timestamp": at}),
        ),
        _ => (
            "mautic.lead_post_save_update",
            json!({"contact": {"id": person, "points": 0, "fields": {"core": {"email": {"value": address(person)}, "firstname": {"value": format!("N{id}")}}}}, "timestamp": at}),
        ),
    }
}

async fn clean_pass(deliveries: &[Delivery], contacts: usize) -> Result<Vec<Known>, String> {
    let system = System::start().await;
    for delivery in deliveries {
        let answer = system.deliver(delivery).await?;
        if answer.status != 200 || answer.data()["eventsFailed"] != 0 {
            return Err(format!("a clean delivery got {} {}", answer.status, answer.body));
        }
    }
    known(system.table.table(), contacts).await
}

/// Shuffled; one in five twice; one in five after all others.
fn stormy_order(deliveries: &[Delivery]) -> Vec<Delivery> {
    let mut chance = StdRng::seed_from_u64(11);
    let repeated = deliveries.iter().filter(|_| chance.random_bool(0.2)).cloned().collect::<Vec<_>>();
    let mut all: Vec<Delivery> = deliveries.iter().cloned().chain(repeated).collect();
    all.shuffle(&mut chance);
    let late = all.len() / 5;
    all.rotate_left(late);
    all
}

async fn send_all(caller: &Caller, deliveries: &[Delivery]) -> Result<(), String> {
    let sent = futures::stream::iter(deliveries).map(|delivery| send(caller, delivery)).buffer_unordered(AT_ONCE);
    sent.collect::<Vec<_>>().await.into_iter().collect()
}

/// Until it is taken, as a newer Mautic does; an answer that never came leaves open what became of the delivery.
async fn send(caller: &Caller, delivery: &Delivery) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..300 {
        match caller.deliver(delivery).await {
            Ok(answer) if answer.status == 200 => return Ok(()),
            Ok(answer) if answer.status < 500 => {
                return Err(format!("a delivery got {} {}", answer.status, answer.body));
            }
            Ok(answer) => last = answer.status.to_string(),
            Err(error) => last = error.without_url().to_string(),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("a delivery was never taken: {last}"))
}

async fn differing(table: &Table, wanted: &[Known], contacts: usize) -> Result<usize, String> {
    let found = known(table, contacts).await?;
    Ok(found.iter().zip(wanted).filter(|(found, wanted)| found != wanted).count())
}

async fn known(table: &Table, contacts: usize) -> Result<Vec<Known>, String> {
    let events = EventTable::new(table.clone());
    let people = ContactTable::new(table.clone(), Arc::new(SystemClock));
    let mut all = Vec::new();
    for person in 1..=contacts {
        all.push(
            known_of(&events, &people, u64::try_from(person).unwrap_or(1))
                .await
                .map_err(|failure| failure.to_string())?,
        );
    }
    Ok(all)
}

async fn known_of(events: &EventTable, people: &ContactTable, person: u64) -> tandem_core::error::Result<Known> {
    let (scope, id) = (Scope::default_mautic(), RemoteId(person.to_string()));
    let email: Option<Email> = address(person).parse().ok();
    let identity = email.map(|email| email.identity());
    Ok(Known {
        events: events.events(&scope, &id).await?.into_iter().map(|event| event.natural_id).collect(),
        standing: events.standing(&scope, &id).await?.unwrap_or_default(),
        observed: events.observed(&scope, &id).await?,
        consent: people.resolve(&scope, None, identity.as_ref()).await?.consent.standing().cloned(),
    })
}
