//! The local queue's promises: nothing is lost, nothing is done by two at once, whatever dies.

use std::collections::BTreeSet;
use std::time::Duration;

use tandem_app::queue::local::{Counts, LocalQueue};
use tandem_core::jobs::message::Job;
use tandem_core::ports::JobQueue;

use crate::fixture::{job, test_clock};

const MINUTE: Duration = Duration::from_secs(60);

async fn received(queue: &LocalQueue, most: usize) -> Vec<(String, u32)> {
    let messages = queue.receive(most, MINUTE).await.unwrap();
    messages.into_iter().map(|m| (serde_json::from_str::<Job>(&m.body).unwrap().id, m.receives)).collect()
}

#[tokio::test]
async fn a_message_is_hidden_while_it_is_worked_on_and_comes_back_with_its_count() {
    let clock = test_clock();
    let queue = LocalQueue::in_memory(clock.clone()).unwrap();
    queue.send(&job("one"), Duration::ZERO).await.unwrap();
    assert_eq!(received(&queue, 10).await, [("one".to_owned(), 1)]);
    assert_eq!(queue.counts().await.unwrap(), Counts { waiting: 0, in_flight: 1, buried: 0 });
    clock.advance(59);
    assert_eq!(received(&queue, 10).await, []);
    clock.advance(1);
    assert_eq!(queue.counts().await.unwrap(), Counts { waiting: 1, in_flight: 0, buried: 0 });
    assert_eq!(received(&queue, 10).await, [("one".to_owned(), 2)]);
}

#[tokio::test]
async fn a_delayed_or_postponed_message_is_not_seen_before_its_time() {
    let clock = test_clock();
    let queue = LocalQueue::in_memory(clock.clone()).unwrap();
    queue.send(&job("one"), Duration::from_secs(10)).await.unwrap();
    assert_eq!(received(&queue, 10).await, []);
    clock.advance(10);
    let message = queue.receive(1, MINUTE).await.unwrap().remove(0);
    queue.postpone(&message, Duration::from_secs(7200)).await.unwrap();
    assert_eq!(queue.counts().await.unwrap(), Counts { waiting: 1, in_flight: 0, buried: 0 });
    clock.advance(7199);
    assert_eq!(received(&queue, 10).await, []);
    clock.advance(1);
    assert_eq!(received(&queue, 10).await, [("one".to_owned(), 2)]);
}

#[tokio::test]
async fn who_was_too_slow_can_not_settle_what_another_received_since() {
    let clock = test_clock();
    let queue = LocalQueue::in_memory(clock.clone()).unwrap();
    queue.send(&job("one"), Duration::ZERO).await.unwrap();
    let slow = queue.receive(1, MINUTE).await.unwrap().remove(0);
    clock.advance(60);
    let quick = queue.receive(1, MINUTE).await.unwrap().remove(0);
    queue.delete(&slow).await.unwrap();
    queue.postpone(&slow, Duration::ZERO).await.unwrap();
    queue.bury(&slow).await.unwrap();
    assert_eq!(queue.counts().await.unwrap(), Counts { waiting: 0, in_flight: 1, buried: 0 });
    queue.delete(&quick).await.unwrap();
    assert_eq!(queue.counts().await.unwrap(), Counts::default());
}

#[tokio::test]
async fn a_crash_loses_nothing_and_brings_back_only_what_was_not_finished() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let clock = test_clock();
    let queue = LocalQueue::open(&path, clock.clone()).unwrap();
    for id in ["done", "begun", "waiting"] {
        queue.send(&job(id), Duration::ZERO).await.unwrap();
    }
    let taken = queue.receive(2, MINUTE).await.unwrap();
    queue.delete(&taken[0]).await.unwrap();
    // A process that is killed closes nothing.
    std::mem::forget(queue);

    let queue = LocalQueue::open(&path, clock).unwrap();
    assert_eq!(received(&queue, 10).await, [("waiting".to_owned(), 1)]);
    queue.recover().await.unwrap();
    let back: BTreeSet<_> = received(&queue, 10).await.into_iter().collect();
    assert_eq!(back, BTreeSet::from([("begun".to_owned(), 2), ("waiting".to_owned(), 2)]));
}

#[tokio::test]
async fn receivers_at_the_same_time_never_get_the_same_message() {
    let queue = LocalQueue::in_memory(test_clock()).unwrap();
    for number in 0..200 {
        queue.send(&job(&number.to_string()), Duration::ZERO).await.unwrap();
    }
    let receivers = (0..20).map(|_| received(&queue, 20));
    let all: Vec<_> = futures::future::join_all(receivers).await.concat();
    assert_eq!(all.len(), 200);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 200);
}
