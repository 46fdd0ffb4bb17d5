//! Deliveries as they came: kept once, whatever their size, until they are finished with.

use futures::future::join_all;
use tandem_core::ports::{EventStore, Kept};

use crate::fixture::{START, World, at, scope, world};

const MEGABYTE: usize = 1_000_000;
const DAY: i64 = 24 * 60 * 60;

/// Bytes that nothing can compress, the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

async fn keep(world: &World, digest: &str, body: &[u8], second: i64) -> Kept {
    world.events.keep(&scope("a"), digest, body, at(second)).await.unwrap()
}

async fn unfinished(world: &World, before: i64, limit: usize) -> Vec<String> {
    world.events.unfinished(&scope("a"), at(before), limit).await.unwrap()
}

#[tokio::test]
async fn a_delivery_is_news_once_and_unfinished_until_it_is_finished() {
    let world = world().await;
    let writes = world.local.meter().writes();
    assert_eq!(keep(&world, "d", b"{}", START).await, Kept::New);
    assert_eq!(world.local.meter().writes() - writes, 1);
    assert_eq!(keep(&world, "d", b"{}", START + 1).await, Kept::Unfinished);
    world.events.finish(&scope("a"), "d").await.unwrap();
    world.events.finish(&scope("a"), "d").await.unwrap();
    assert_eq!(keep(&world, "d", b"{}", START + 2).await, Kept::Finished);
    assert_eq!(world.events.kept(&scope("a"), "d").await.unwrap().as_deref(), Some(&b"{}"[..]));
    assert_eq!(world.events.kept(&scope("a"), "other").await.unwrap(), None);
}

#[tokio::test]
async fn bytes_of_any_kind_come_back_as_they_came() {
    let world = world().await;
    let sizes = [0, 1, 1_024, 1_025, 349_999, 350_000, 350_001, 700_000, 700_001];
    for (number, size) in sizes.into_iter().enumerate() {
        let (digest, body) = (number.to_string(), noise(size));
        assert_eq!(keep(&world, &digest, &body, START).await, Kept::New);
        assert!(world.events.kept(&scope("a"), &digest).await.unwrap() == Some(body), "{size} bytes");
    }
}

#[tokio::test]
async fn ten_megabytes_that_nothing_compresses_are_kept_and_not_written_again() {
    let world = world().await;
    let body = noise(10 * MEGABYTE);
    assert_eq!(keep(&world, "d", &body, START).await, Kept::New);
    assert!(world.events.kept(&scope("a"), "d").await.unwrap() == Some(body.clone()));
    let writes = world.local.meter().writes();
    assert_eq!(keep(&world, "d", &body, START).await, Kept::Unfinished);
    assert_eq!(world.local.meter().writes(), writes);
}

#[tokio::test]
async fn ten_megabytes_of_text_are_one_write() {
    let world = world().await;
    let body = br#"{"contact":{"id":7,"points":0}},"#.repeat(10 * MEGABYTE / 32);
    let writes = world.local.meter().writes();
    assert_eq!(keep(&world, "d", &body, START).await, Kept::New);
    assert_eq!(world.local.meter().writes() - writes, 1);
    assert!(world.events.kept(&scope("a"), "d").await.unwrap() == Some(body));
}

#[tokio::test]
async fn a_delivery_whose_taker_died_while_it_was_written_is_not_kept() {
    let world = world().await;
    let body = noise(2 * MEGABYTE);
    let before = world.local.meter().writes();
    let some_parts_are_written = async {
        while world.local.meter().writes() - before < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        kept = keep(&world, "d", &body, START) => panic!("{kept:?}, and should have died before"),
        () = some_parts_are_written => {}
    }
    assert_eq!(world.events.kept(&scope("a"), "d").await.unwrap(), None);
    assert!(unfinished(&world, START + DAY, 10).await.is_empty());
    assert_eq!(keep(&world, "d", &body, START).await, Kept::New);
    assert!(world.events.kept(&scope("a"), "d").await.unwrap() == Some(body));
}

#[tokio::test]
async fn of_many_that_bring_one_delivery_at_once_one_brings_news() {
    let world = world().await;
    for (digest, body, many) in [("small", noise(10), 20), ("large", noise(400_000), 4)] {
        let outcomes = join_all((0..many).map(|_| keep(&world, digest, &body, START))).await;
        assert_eq!(outcomes.iter().filter(|kept| **kept == Kept::New).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|kept| **kept == Kept::Unfinished).count(), many - 1, "{outcomes:?}");
        assert!(world.events.kept(&scope("a"), digest).await.unwrap() == Some(body));
    }
}

#[tokio::test]
async fn what_nobody_finished_with_is_listed_oldest_first() {
    let world = world().await;
    for (digest, second) in [("third", 3), ("first", 1), ("done", 0), ("second", 2), ("late", 60)] {
        keep(&world, digest, b"{}", START + second).await;
    }
    world.events.finish(&scope("a"), "done").await.unwrap();
    assert_eq!(unfinished(&world, START + 60, 10).await, ["first", "second", "third"]);
    assert_eq!(unfinished(&world, START + 60, 2).await, ["first", "second"]);
}

#[tokio::test]
async fn after_35_days_a_delivery_is_news_again_even_if_the_table_still_has_it() {
    let world = world().await;
    for (digest, body) in [("small", noise(10)), ("large", noise(MEGABYTE))] {
        keep(&world, digest, &body, START).await;
        world.events.finish(&scope("a"), digest).await.unwrap();
        assert_eq!(keep(&world, digest, &body, START + 35 * DAY - 1).await, Kept::Finished);
        assert_eq!(keep(&world, digest, &body, START + 35 * DAY).await, Kept::New);
    }
}

#[tokio::test]
async fn a_tenant_has_no_part_in_anothers_deliveries() {
    let world = world().await;
    keep(&world, "d", b"{}", START).await;
    let other = scope("b");
    assert_eq!(world.events.kept(&other, "d").await.unwrap(), None);
    assert!(world.events.unfinished(&other, at(START + DAY), 10).await.unwrap().is_empty());
    assert_eq!(world.events.keep(&other, "d", b"{}", at(START)).await.unwrap(), Kept::New);
    world.events.finish(&other, "d").await.unwrap();
    assert_eq!(keep(&world, "d", b"{}", START).await, Kept::Unfinished);
}
