//! Calls with an idempotency key.

use tandem_app::store::{IdempotencyStore, Start, StoredAnswer};

use crate::fixture::{START, at, lease, scope, world};

fn answer(body: &str) -> StoredAnswer {
    StoredAnswer { status: 200, body: body.to_owned() }
}

async fn start(calls: &IdempotencyStore, fingerprint: &str, owner: &str, second: i64) -> Start {
    let tenant = scope("a").tenant;
    calls.start(&tenant, "key", fingerprint, at(second), &lease(owner, second + 30)).await.unwrap()
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_another_request_none() {
    let world = world().await;
    let calls = IdempotencyStore::new(world.local.table().clone());
    assert_eq!(start(&calls, "f", "first", START).await, Start::Fresh);
    assert_eq!(start(&calls, "f", "second", START + 1).await, Start::InProgress { until: at(START + 30) });
    calls.finish(&scope("a").tenant, "key", "first", &answer("done")).await.unwrap();
    assert_eq!(start(&calls, "f", "second", START + 2).await, Start::Replay(answer("done")));
    assert_eq!(start(&calls, "g", "second", START + 2).await, Start::Mismatch);
    let elsewhere = calls.start(&scope("b").tenant, "key", "g", at(START), &lease("x", START + 30)).await.unwrap();
    assert_eq!(elsewhere, Start::Fresh);
}

#[tokio::test]
async fn a_dead_call_is_taken_over_and_can_not_answer_any_more() {
    let world = world().await;
    let calls = IdempotencyStore::new(world.local.table().clone());
    start(&calls, "f", "dead", START).await;
    assert_eq!(start(&calls, "f", "next", START + 31).await, Start::Fresh);
    calls.finish(&scope("a").tenant, "key", "dead", &answer("late")).await.unwrap();
    calls.release(&scope("a").tenant, "key", "dead").await.unwrap();
    assert!(matches!(start(&calls, "f", "third", START + 32).await, Start::InProgress { .. }));
}

#[tokio::test]
async fn what_was_released_or_is_too_long_to_keep_is_done_again() {
    let world = world().await;
    let calls = IdempotencyStore::new(world.local.table().clone());
    start(&calls, "f", "first", START).await;
    calls.release(&scope("a").tenant, "key", "first").await.unwrap();
    assert_eq!(start(&calls, "f", "second", START + 1).await, Start::Fresh);
    calls.finish(&scope("a").tenant, "key", "second", &answer(&"x".repeat(350_001))).await.unwrap();
    assert_eq!(start(&calls, "f", "third", START + 2).await, Start::Fresh);
    calls.finish(&scope("a").tenant, "key", "third", &answer(&"x".repeat(350_000))).await.unwrap();
    assert!(matches!(start(&calls, "f", "fourth", START + 3).await, Start::Replay(_)));
}

#[tokio::test]
async fn an_answer_is_forgotten_after_a_day_even_if_the_table_still_has_it() {
    let world = world().await;
    let calls = IdempotencyStore::new(world.local.table().clone());
    start(&calls, "f", "first", START).await;
    calls.finish(&scope("a").tenant, "key", "first", &answer("done")).await.unwrap();
    assert_eq!(start(&calls, "g", "next", START + 86_400).await, Start::Fresh);
}

#[tokio::test]
async fn of_many_repeats_at_once_one_is_fresh() {
    let world = world().await;
    let calls = IdempotencyStore::new(world.local.table().clone());
    let owners: Vec<_> = (0..20).map(|number| format!("caller {number}")).collect();
    let starts = futures::future::join_all(owners.iter().map(|owner| start(&calls, "f", owner, START))).await;
    assert_eq!(starts.iter().filter(|outcome| **outcome == Start::Fresh).count(), 1);
}
