//! The budget of calls: what headers can do to it, how it comes back, and what work in the background leaves to others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use support::mautic_with_basic;
use support::ports::{START, World};
use support::stub::{Reply, Stub};
use tandem_core::error::FailureKind;
use tandem_core::ports::MarketingPlatform;
use tandem_core::ports::bulk::BulkPlatform;

const SEVENTY_MINUTES: i64 = 70 * 60;
const YEARS: i64 = START + 400_000_000;

fn too_many() -> Reply {
    Reply::json(429, &json!({"errors": [{"code": 429, "message": "You exceeded the rate limit.", "details": []}]}))
}

fn welcome() -> Reply {
    Reply::json(200, &json!({"username": "hub"}))
}

#[tokio::test]
async fn no_header_stops_all_calls_for_longer_than_seventy_minutes() {
    for (name, value) in [
        ("x-ratelimit-reset", YEARS.to_string()),
        ("retry-after", "4000000000".to_owned()),
        ("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT".to_owned()),
    ] {
        let (stub, world) = (Stub::start(move |_| too_many().with(name, &value)).await, World::default());
        let failure = mautic_with_basic(&stub.url, &world.ports()).ping().await.unwrap_err();
        assert_eq!(failure.retry_at.unwrap().as_second(), START + SEVENTY_MINUTES, "{name}");
        assert_eq!(world.budgets.0.lock().unwrap().unwrap().as_second(), START + SEVENTY_MINUTES, "{name}");
    }
}

#[tokio::test]
async fn a_used_up_budget_of_the_last_call_is_believed_for_seventy_minutes_at_most_too() {
    let reply = welcome().with("x-ratelimit-limit", "100").with("x-ratelimit-remaining", "0");
    let reply = reply.with("x-ratelimit-reset", &YEARS.to_string());
    let (stub, world) = (Stub::start(move |_| reply.clone()).await, World::default());
    let client = mautic_with_basic(&stub.url, &world.ports());
    client.ping().await.unwrap();
    assert_eq!(client.ping().await.unwrap_err().retry_at.unwrap().as_second(), START + SEVENTY_MINUTES);
}

#[tokio::test]
async fn what_was_stored_of_a_moment_years_ahead_is_not_believed_either() {
    let (stub, world) = (Stub::start(|_| welcome()).await, World::default());
    *world.budgets.0.lock().unwrap() = Some(jiff::Timestamp::from_second(YEARS).unwrap());
    let failure = mautic_with_basic(&stub.url, &world.ports()).ping().await.unwrap_err();
    assert_eq!(failure.retry_at.unwrap().as_second(), START + SEVENTY_MINUTES);
}

#[tokio::test]
async fn one_call_in_ten_minutes_finds_out_that_the_budget_is_back() {
    let answers = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&answers);
    let reply = move |_: &_| match counted.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => too_many().with("x-ratelimit-reset", &(START + 3_600).to_string()),
        _ => welcome(),
    };
    let (stub, world) = (Stub::start(reply).await, World::default());
    let client = mautic_with_basic(&stub.url, &world.ports());
    for _ in 0..2 {
        client.ping().await.unwrap_err();
    }
    assert_eq!(stub.calls().len(), 1);
    world.clock.advance(Duration::from_secs(601));
    client.ping().await.unwrap_err();
    client.ping().await.unwrap_err();
    assert_eq!(stub.calls().len(), 2, "the probe is answered with 429 again");
    world.clock.advance(Duration::from_secs(601));
    client.ping().await.unwrap();
    client.ping().await.unwrap();
    assert_eq!((stub.calls().len(), *world.budgets.0.lock().unwrap()), (4, None), "and then all go out");
}

#[tokio::test]
async fn a_budget_that_a_person_cleared_is_used_within_half_a_minute() {
    let (stub, world) = (Stub::start(|_| welcome()).await, World::default());
    let client = mautic_with_basic(&stub.url, &world.ports());
    *world.budgets.0.lock().unwrap() = Some(jiff::Timestamp::from_second(START + 3_600).unwrap());
    client.ping().await.unwrap_err();
    *world.budgets.0.lock().unwrap() = None;
    world.clock.advance(Duration::from_secs(21));
    client.ping().await.unwrap();
}

#[tokio::test]
async fn work_in_the_background_leaves_as_many_calls_as_others_used_and_interactive_calls_use_them() {
    let left = Arc::new(AtomicU64::new(100));
    let counted = Arc::clone(&left);
    let reply = move |_: &_| {
        let remaining = counted.fetch_sub(1, Ordering::Relaxed) - 1;
        let body = json!({"username": "hub", "total": "0", "lists": [], "contacts": []});
        let reply = Reply::json(200, &body).with("x-ratelimit-limit", "100");
        reply
            .with("x-ratelimit-remaining", &remaining.to_string())
            .with("x-ratelimit-reset", &(START + 1_800).to_string())
    };
    let (stub, world) = (Stub::start(reply).await, World::default());
    let interactive = mautic_with_basic(&stub.url, &world.ports());
    let background = interactive.in_background();
    for _ in 0..6 {
        interactive.ping().await.unwrap();
    }
    let mut made = 0;
    let stopped = loop {
        match BulkPlatform::segments(&background).await {
            Ok(_) => made += 1,
            Err(failure) => break failure,
        }
    };
    assert_eq!((made, stopped.kind), (88, FailureKind::RateLimited));
    assert_eq!(stopped.retry_at.unwrap().as_second(), START + 1_800);
    assert_eq!(background.ready().await.unwrap_err().kind, FailureKind::RateLimited, "known before anything is begun");
    for _ in 0..6 {
        interactive.ping().await.unwrap();
    }
    assert_eq!(interactive.ping().await.unwrap_err().kind, FailureKind::RateLimited);
    assert_eq!(stub.calls().len(), 100);
}
