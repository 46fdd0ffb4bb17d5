//! The loop that runs the local queue's jobs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tandem_app::queue::local::{Counts, LocalQueue};
use tandem_app::queue::local_worker::LocalWorker;
use tandem_app::queue::worker::JobHandler;
use tandem_core::jobs::message::Job;
use tandem_core::jobs::runner::Verdict;
use tandem_core::ports::JobQueue;

use crate::fixture::{job, test_clock};

/// Wants each job back once, panics once at the job `panics`, and notes how many run at the same time.
#[derive(Default)]
struct Handler {
    finished: Mutex<Vec<String>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl JobHandler for Handler {
    async fn handle(&self, job: &Job, attempt: u32) -> Verdict {
        assert!(job.id != "panics" || attempt > 1, "as the test wants it");
        self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        if attempt == 1 {
            return Verdict::RetryIn(Duration::ZERO);
        }
        self.finished.lock().unwrap().push(job.id.clone());
        Verdict::Done
    }
}

async fn empty(queue: &LocalQueue) {
    loop {
        let counts = queue.counts().await.unwrap();
        if counts.waiting + counts.in_flight == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_worker_runs_every_job_to_its_end_a_few_at_a_time() {
    let queue = LocalQueue::in_memory(test_clock()).unwrap();
    let handler = Arc::new(Handler::default());
    let worker = LocalWorker::new(queue.clone(), handler.clone(), 4);
    let work = async {
        for number in 0..40 {
            queue.send(&job(&number.to_string()), Duration::ZERO).await.unwrap();
        }
        empty(&queue).await;
    };
    worker.run(work).await.unwrap();
    let finished = handler.finished.lock().unwrap().clone();
    assert_eq!(finished.len(), 40);
    assert_eq!(finished.into_iter().collect::<BTreeSet<_>>().len(), 40);
    assert!((2..=4).contains(&handler.most.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn a_job_that_panics_comes_back_and_takes_no_other_with_it() {
    let clock = test_clock();
    let queue = LocalQueue::in_memory(clock.clone()).unwrap();
    let handler = Arc::new(Handler::default());
    let worker = LocalWorker::new(queue.clone(), handler.clone(), 2);
    let work = async {
        queue.send(&job("panics"), Duration::ZERO).await.unwrap();
        queue.send(&job("sound"), Duration::ZERO).await.unwrap();
        while handler.finished.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        clock.advance(3600);
        empty(&queue).await;
    };
    worker.run(work).await.unwrap();
    assert_eq!(*handler.finished.lock().unwrap(), ["sound", "panics"]);
}

#[tokio::test]
async fn what_is_no_job_is_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let queue = LocalQueue::open(&path, test_clock()).unwrap();
    let poison = "INSERT INTO messages (body, visible_at) VALUES ('{\"task\":', 0)";
    Connection::open(&path).unwrap().execute(poison, ()).unwrap();
    let worker = LocalWorker::new(queue.clone(), Arc::new(Handler::default()), 1);
    worker.run(empty(&queue)).await.unwrap();
    assert_eq!(queue.counts().await.unwrap(), Counts { waiting: 0, in_flight: 0, buried: 1 });
}
