//! What changes on one side is on the other within seconds, by a job of its own, and without waiting for a run.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tandem_core::jobs::message::{Job, Task};
use tandem_core::ports::JobQueue;
use tandem_core::ports::runs::RunEnd;
use tandem_tests::system::System;

use super::hub::{Hub, address, addresses, edit, people, person, run};

/// How soon a change is promised to be on the other side.
const SOON: Duration = Duration::from_secs(30);

/// Three people whom both Mautics have, and both call Tandem.
async fn open() -> Hub {
    let hub = Hub::open().await;
    hub.rows(people(0..3)).await;
    hub.settle().await;
    hub.one.guard().await;
    hub.other.guard().await;
    hub.one.finish().await;
    // Mautic's dates have whole seconds.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    hub
}

/// Waits until it is so, in real time: no delay of the queue is skipped.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, waiting).await.is_ok(), "{what} does not come in time");
}

fn city(system: &System, number: usize) -> serde_json::Value {
    system.contact(&address(number)).fields.get("city").cloned().unwrap_or_default()
}

#[tokio::test]
async fn an_edit_in_one_is_in_the_other_within_seconds_and_without_a_run() {
    let hub = open().await;
    edit(&hub.one, &address(1), json!({"city": "Sydney"})).await;
    edit(&hub.other, &address(2), json!({"city": "Hobart"})).await;
    until("the edit", || city(&hub.other, 1) == "Sydney" && city(&hub.one, 2) == "Hobart").await;
    hub.is_quiet().await;
    assert_eq!(hub.both(&address(1), "city"), [json!("Sydney"), json!("Sydney")]);
}

#[tokio::test]
async fn an_opt_out_in_one_forbids_mail_in_the_other_within_seconds() {
    let hub = open().await;
    hub.one.engage("unsubscribe", json!({"address": address(1)})).await;
    until("the opt-out", || !hub.other.contact(&address(1)).dnc.is_empty()).await;
    assert!(hub.other.contact(&address(2)).dnc.is_empty());
    // The fields that show an opt-in are corrected by runs.
    hub.settle().await;
    hub.is_quiet().await;
}

#[tokio::test]
async fn a_burst_is_sent_by_a_handful_of_jobs() {
    let hub = open().await;
    let before = hub.other.calls();
    let upserts = (10..110).map(|number| {
        let contact = json!({"email": address(number), "first_name": "Burst"});
        hub.one.caller.upsert(json!({"id": format!("u{number}"), "contact": contact}))
    });
    for answer in join_all(upserts.collect::<Vec<_>>()).await {
        assert!([200, 202].contains(&answer.unwrap().status));
    }
    until("the burst", || addresses(&hub.other).len() == 103).await;
    let calls = hub.other.calls() - before;
    assert!(calls <= 20, "{calls} calls for 100 people");
}

#[tokio::test]
async fn one_that_is_away_keeps_no_job_waiting_and_its_run_catches_up() {
    let hub = open().await;
    hub.other.mautic_answers(503);
    let contact = json!({"email": address(1), "last_name": "Byron"});
    let answer = hub.one.caller.upsert(json!({"id": "u1", "contact": contact})).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    hub.one.finish().await;
    assert!(hub.one.parked().await.is_empty());
    hub.other.mautic.clear_faults();
    for _ in 0..4 {
        hub.one.skip_a_minute();
        hub.settle().await;
    }
    assert_eq!(hub.both(&address(1), "lastname"), [json!("Byron"), json!("Byron")]);
}

#[tokio::test]
async fn a_job_that_was_lost_is_made_up_for_by_the_next_run() {
    let hub = open().await;
    // Rung, and the process died before the job was queued.
    let rings = tandem_app::store::RingTable::new(hub.one.table.table().clone());
    let (scope, now) = (hub.other.foundation.scope.clone(), hub.one.now());
    let until = now.saturating_add(jiff::SignedDuration::from_secs(30)).unwrap();
    assert!(rings.ring(&scope, until, now).await.unwrap());
    hub.rows(serde_json::Value::Array(vec![person(5)])).await;
    run(&hub.one.desk()).await;
    hub.one.finish().await;
    assert_eq!(addresses(&hub.other).len(), 3, "nobody was woken");
    let log = run(&hub.other.desk()).await;
    assert_eq!((log.end, log.created), (RunEnd::Finished, 1));
}

#[tokio::test]
async fn a_job_that_finds_a_run_under_way_comes_back_and_one_for_nobody_is_dropped() {
    let hub = open().await;
    let (desk, now) = (hub.other.desk(), hub.one.now());
    let until_then = now.saturating_add(jiff::SignedDuration::from_secs(4)).unwrap();
    let begun = desk.services.runs.begin(&desk.integration.scope, "another", until_then, now).await.unwrap();
    let contact = json!({"email": address(1), "city": "Sydney"});
    hub.one.caller.upsert(json!({"id": "u1", "contact": contact})).await.unwrap();
    until("the change", || city(&hub.other, 1) == "Sydney").await;
    drop(begun);
    let mut nowhere = hub.one.foundation.scope.clone();
    nowhere.integration = "third".to_owned().try_into().unwrap();
    let (id, queued_at) = ("j1".to_owned(), hub.one.now());
    let job = Job { correlation_id: id.clone(), id, scope: nowhere.clone(), queued_at, task: Task::SendOutbox };
    hub.one.queue.send(&job, Duration::ZERO).await.unwrap();
    hub.one.finish().await;
    assert!(hub.one.parked().await.is_empty());
    // Whoever rings twice before anybody answers wakes once.
    let doorbell = &desk.services.doorbell;
    for _ in 0..5 {
        doorbell.ring(std::slice::from_ref(&nowhere), Duration::from_secs(100)).await;
    }
    assert_eq!(hub.one.queue.counts().await.unwrap().waiting, 1);
}
