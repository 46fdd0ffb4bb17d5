//! Places that one version of Mautic spells otherwise than another.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use support::mautic_with_basic;
use support::ports::World;
use support::stub::{Reply, Seen, Stub};
use tandem_connectors::mautic::Mautic;
use tandem_core::domain::platform::ContactWrite;
use tandem_core::error::FailureKind;

/// A Mautic that takes one spelling of each place.
struct Spelling {
    version: &'static str,
    country: &'static str,
    state: &'static str,
}

const FIVE: Spelling = Spelling { version: "5.1.0", country: "Turkey", state: "Fukusima" };
const SEVEN: Spelling = Spelling { version: "7.0.0", country: "Türkiye", state: "Fukushima" };

impl Spelling {
    fn problem(&self, entry: &Value) -> Option<Value> {
        let wrong = |field: &str, taken: &str| entry[field].as_str().is_some_and(|name| name != taken);
        let field =
            [("country", self.country), ("state", self.state)].into_iter().find(|(field, taken)| wrong(field, taken));
        let message = "The selected choice is invalid.";
        field.map(|(field, _)| json!({"code": 400, "message": message, "details": {field: [message]}}))
    }

    fn answer(&self, seen: &Seen) -> Reply {
        let contact = |entry: &Value| json!({"id": 7, "fields": {"all": entry}});
        let reply = match &seen.body {
            Value::Array(entries) => {
                let problems: serde_json::Map<String, Value> = (0..entries.len())
                    .filter_map(|index| Some((index.to_string(), self.problem(&entries[index])?)))
                    .collect();
                let codes: Vec<u16> = (0..entries.len())
                    .map(|index| if problems.contains_key(&index.to_string()) { 400 } else { 201 })
                    .collect();
                let contacts: serde_json::Map<String, Value> = (0..entries.len())
                    .filter(|index| !problems.contains_key(&index.to_string()))
                    .map(|index| (index.to_string(), contact(&entries[index])))
                    .collect();
                Reply::json(201, &json!({"contacts": contacts, "statusCodes": codes, "errors": problems}))
            }
            body => match self.problem(body) {
                Some(error) => Reply::json(400, &json!({"errors": [error]})),
                None => Reply::json(201, &json!({"contact": contact(body)})),
            },
        };
        reply.with("Mautic-Version", self.version)
    }
}

async fn mautic(spelling: Spelling) -> (Stub, Arc<Mautic>) {
    let stub = Stub::start(move |seen| spelling.answer(seen)).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    (stub, client)
}

fn write(fields: Value) -> ContactWrite {
    ContactWrite { fields: serde_json::from_value(fields).unwrap(), ..ContactWrite::default() }
}

#[tokio::test]
async fn a_refused_spelling_is_tried_in_the_other_one_and_remembered() {
    let (stub, client) = mautic(SEVEN).await;
    for (number, calls) in [(1, 2), (2, 3)] {
        let email = format!("t{number}@example.com");
        let written = client.upsert(&write(json!({"email": email, "country": "Turkey"}))).await.unwrap();
        assert_eq!(written.contact.fields["country"], "Turkey", "Tandem has one name for it");
        assert_eq!(stub.calls().len(), calls, "the second contact costs one call");
    }
    let batch: Vec<ContactWrite> = ["Turkey", "Turkey"].map(|country| write(json!({"country": country}))).into();
    assert!(client.batch_create(&batch).await.unwrap().into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(stub.calls().len(), 4);
}

#[tokio::test]
async fn what_one_process_learnt_the_next_one_knows_and_it_is_written_once() {
    let world = World::default();
    let stub = Stub::start(move |seen| SEVEN.answer(seen)).await;
    let turkish = write(json!({"email": "t@example.com", "country": "Turkey"}));
    let first = mautic_with_basic(&stub.url, &world.ports());
    for _ in 0..3 {
        first.upsert(&turkish).await.unwrap();
    }
    assert_eq!((stub.calls().len(), world.spellings.saves.load(Ordering::SeqCst)), (4, 1));
    let next = mautic_with_basic(&stub.url, &world.ports());
    next.upsert(&turkish).await.unwrap();
    assert_eq!((stub.calls().len(), world.spellings.saves.load(Ordering::SeqCst)), (5, 1));
    let third = mautic_with_basic(&stub.url, &world.ports());
    assert!(third.batch_create(&[turkish]).await.unwrap()[0].is_ok());
    assert_eq!(stub.calls().len(), 6);
}

#[tokio::test]
async fn a_table_that_is_away_costs_a_refused_call_and_no_write() {
    let world = World::default();
    world.spellings.away.store(true, Ordering::SeqCst);
    let stub = Stub::start(move |seen| SEVEN.answer(seen)).await;
    let client = mautic_with_basic(&stub.url, &world.ports());
    client.upsert(&write(json!({"email": "t@example.com", "country": "Turkey"}))).await.unwrap();
    assert_eq!(stub.calls().len(), 2);
}

#[tokio::test]
async fn the_entries_of_a_batch_that_are_refused_for_a_spelling_are_sent_once_more_and_no_other() {
    for (spelling, first_calls) in [(SEVEN, 2), (FIVE, 1)] {
        let (stub, client) = mautic(spelling).await;
        let batch = [
            write(json!({"email": "a@example.com"})),
            write(json!({"email": "b@example.com", "country": "Turkey"})),
            write(json!({"email": "c@example.com", "state": "Fukusima"})),
            write(json!({"email": "d@example.com", "country": "Atlantis"})),
        ];
        let outcomes = client.batch_create(&batch).await.unwrap();
        assert_eq!(outcomes.iter().map(|outcome| outcome.is_ok()).collect::<Vec<_>>(), [true, true, true, false]);
        assert_eq!(outcomes[3].as_ref().unwrap_err().kind, FailureKind::Refused);
        let calls = stub.calls();
        assert_eq!(calls.len(), first_calls);
        if let Some(second) = calls.get(1) {
            assert_eq!(second.body.as_array().unwrap().len(), 2);
        }
    }
}

#[tokio::test]
async fn a_place_that_is_refused_in_every_spelling_is_refused_and_not_tried_for_ever() {
    let (stub, client) = mautic(Spelling { country: "Neverland", ..FIVE }).await;
    let failure = client.upsert(&write(json!({"email": "x@example.com", "country": "Turkey"}))).await.unwrap_err();
    assert_eq!((failure.kind, failure.fields[0].field.as_str()), (FailureKind::Refused, "country"));
    assert!(stub.calls().len() <= 3, "{}", stub.calls().len());
}
