//! `storm`: thousands of deliveries, shuffled, repeated, late, over a table that fails one call in ten, by a process that is
//! killed again and again: the end is that of one clean pass in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tandem_app::desks::FixedPeers;
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
use crate::deliveries::{Delivery, address, made_up};
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
    let made = made_up(deliveries, contacts);
    let wanted = clean_pass(&made, contacts).await?;
    let stormy = stormy_order(&made);
    let table = LocalTable::in_memory().await.map_err(|failure| failure.to_string())?;
    let faulty = FaultyTable::start(table.access(), 0.1).await?;
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
        ("AWS_ENDPOINT_URL_DYNAMODB", faulty.access().endpoint.clone()),
        ("AWS_ACCESS_KEY_ID", faulty.access().access_key_id.clone()),
    ];
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
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
    let people = ContactTable::new(table.clone(), Arc::new(SystemClock), Arc::new(FixedPeers::default()));
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
