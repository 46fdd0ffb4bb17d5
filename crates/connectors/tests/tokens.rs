//! One token request for all, whatever happens.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use support::mautic;
use support::ports::World;
use support::stub::{Reply, Seen, Stub};
use tandem_core::error::{Effect, FailureKind};
use tandem_core::ports::{AccessToken, Clock, MarketingPlatform};

/// Gives out `token-1`, `token-2`, … and takes only the newest.
async fn mautic_stub() -> (Stub, Arc<AtomicU64>) {
    let issued = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&issued);
    let stub = Stub::start(move |seen| match seen.is_token_request() {
        true => {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            Reply::token(&format!("token-{number}")).after(Duration::from_millis(100))
        }
        false => answer(seen, count.load(Ordering::SeqCst)),
    });
    (stub.await, issued)
}

fn answer(seen: &Seen, newest: u64) -> Reply {
    if seen.authorization == format!("Bearer token-{newest}") {
        return Reply::json(200, &json!({"username": "hub [1]"}));
    }
    let error =
        json!({"errors": [{"message": "The access token provided is invalid.", "code": 401, "type": "invalid_grant"}]});
    Reply::json(401, &error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_cold_calls_of_ten_processes_make_one_token_request() {
    let (stub, _) = mautic_stub().await;
    let world = World::default();
    let processes: Vec<_> = (0..10).map(|_| mautic(&stub.url, &world.ports())).collect();
    let calls = (0..100).map(|number| {
        let process = Arc::clone(&processes[number % 10]);
        tokio::spawn(async move { process.ping().await })
    });
    for call in futures::future::join_all(calls).await {
        call.unwrap().unwrap();
    }
    assert_eq!(stub.token_requests(), 1);
    assert_eq!(stub.calls().len(), 100);
    assert!(!world.tokens.is_locked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_401_leads_to_one_new_token() {
    let (stub, issued) = mautic_stub().await;
    let world = World::default();
    let processes: Vec<_> = (0..10).map(|_| mautic(&stub.url, &world.ports())).collect();
    for process in &processes {
        process.ping().await.unwrap();
    }
    issued.fetch_add(1, Ordering::SeqCst);
    let calls = (0..100).map(|number| {
        let process = Arc::clone(&processes[number % 10]);
        tokio::spawn(async move { process.ping().await })
    });
    for call in futures::future::join_all(calls).await {
        call.unwrap().unwrap();
    }
    assert_eq!(stub.token_requests(), 2, "one at first, one after the storm");
}

#[tokio::test]
async fn credentials_that_stay_refused_are_given_up_after_one_new_token() {
    let stub = Stub::start(|seen| match seen.is_token_request() {
        true => Reply::token("token"),
        false => answer(seen, 99),
    });
    let (stub, world) = (stub.await, World::default());
    let failure = mautic(&stub.url, &world.ports()).ping().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Credentials);
    assert!(stub.calls().len() <= 2 && stub.token_requests() <= 2);
}

#[tokio::test]
async fn a_token_is_renewed_a_minute_before_it_ends() {
    let (stub, _) = mautic_stub().await;
    let world = World::default();
    let client = mautic(&stub.url, &world.ports());
    client.ping().await.unwrap();
    world.clock.advance(Duration::from_secs(3539));
    client.ping().await.unwrap();
    assert_eq!(stub.token_requests(), 1);
    world.clock.advance(Duration::from_secs(2));
    client.ping().await.unwrap();
    assert_eq!(stub.token_requests(), 2);
}

#[tokio::test]
async fn a_stored_token_spares_a_cold_process_the_request() {
    let (stub, issued) = mautic_stub().await;
    issued.store(7, Ordering::SeqCst);
    let world = World::default();
    let expires_at = world.clock.now() + SignedDuration::from_secs(600);
    world.tokens.put(AccessToken { secret: "token-7".to_owned(), expires_at });
    mautic(&stub.url, &world.ports()).ping().await.unwrap();
    assert_eq!(stub.token_requests(), 0);
}

#[tokio::test]
async fn the_lock_of_a_process_that_died_is_waited_out() {
    let (stub, _) = mautic_stub().await;
    let world = World::default();
    world.tokens.leave_locked(world.clock.now() + SignedDuration::from_secs(15));
    mautic(&stub.url, &world.ports_in_a_hurry()).ping().await.unwrap();
    assert_eq!(stub.token_requests(), 1);
}

#[tokio::test]
async fn a_lock_that_never_ends_is_not_waited_for_for_ever() {
    let (stub, _) = mautic_stub().await;
    let world = World::default();
    world.tokens.leave_locked(world.clock.now() + SignedDuration::from_hours(1));
    let failure = mautic(&stub.url, &world.ports_in_a_hurry()).ping().await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Unavailable, Effect::None));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_waited_for_a_failed_request_share_its_failure() {
    let error =
        json!({"errors": [{"message": "The client credentials are invalid", "code": 400, "type": "invalid_client"}]});
    let works = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&works);
    let stub = Stub::start(move |seen| match (seen.is_token_request(), switch.load(Ordering::SeqCst)) {
        (true, false) => Reply::json(400, &error).after(Duration::from_millis(200)),
        (true, true) => Reply::token("token-1"),
        (false, _) => answer(seen, 1),
    });
    let (stub, world) = (stub.await, World::default());
    let client = mautic(&stub.url, &world.ports());
    let calls = (0..50).map(|_| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.ping().await })
    });
    for call in futures::future::join_all(calls).await {
        assert_eq!(call.unwrap().unwrap_err().kind, FailureKind::Credentials);
    }
    assert_eq!(stub.token_requests(), 1);
    works.store(true, Ordering::SeqCst);
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_write_whose_token_could_not_be_had_has_no_effect() {
    let stub = Stub::start(|_| Reply::text(503, "text/html", "<html>")).await;
    let world = World::default();
    let failure = mautic(&stub.url, &world.ports()).upsert(&Default::default()).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Unavailable, Effect::None));
    assert!(stub.calls().is_empty());
}
