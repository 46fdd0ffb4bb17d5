//! The loop that runs the local queue's jobs, as Lambda runs those of SQS.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tandem_core::error::Result;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::local::{self, LocalQueue};
use super::worker::{JobHandler, MOST_TOGETHER, Outcome, Received, job_of, portions, run_portion};

/// How long a message is hidden while it is worked on; as long as in the deployed queue.
const VISIBILITY: Duration = Duration::from_secs(360);

/// How often the queue is looked at for messages whose delay is over. Sending wakes the loop at once.
const POLL: Duration = Duration::from_millis(100);

/// How many messages `tandem dev` has in hand: one group of jobs under work, and the next one.
pub const JOBS_AT_ONCE: usize = 2 * MOST_TOGETHER;

/// How many portions are worked on side by side: as many as two full batches of the deployed queue had when each of its
/// messages was one. Most of a job is waiting for the platform.
const PORTIONS_AT_ONCE: usize = 20;

/// How long jobs wait for others to be done together with, while a group is under work. The first of all does not wait.
const GATHERING: Duration = Duration::from_millis(50);

/// How many groups are under work at the same time.
const GROUPS_AT_ONCE: usize = 2;

/// A message under work.
type Message = Received<local::Received>;

/// What a task was about when it ended: how many messages, and whether they were a group.
struct Ended {
    messages: usize,
    grouped: bool,
}

/// Runs the jobs of a local queue. Only one may start for a queue while jobs are under work.
pub struct LocalWorker {
    queue: LocalQueue,
    handler: Arc<dyn JobHandler>,
    most: usize,
}

/// What the loop has in hand.
struct Hand {
    /// Each portion has a task of its own.
    running: JoinSet<Ended>,
    messages: usize,
    groups: usize,
    /// Jobs that wait to be done together, and since when.
    gathered: Vec<Message>,
    since: Instant,
    side_by_side: Arc<Semaphore>,
}

impl LocalWorker {
    /// A worker that has up to `most` messages (at least one) in hand at the same time.
    #[must_use]
    pub fn new(queue: LocalQueue, handler: Arc<dyn JobHandler>, most: usize) -> Self {
        Self { queue, handler, most: most.max(1) }
    }

    /// Runs jobs until `shutdown` is ready; then finishes those that were begun. Jobs that a killed process was running
    /// are run again at once.
    ///
    /// # Errors
    /// `Storage` when the queue can't be used at the start. Later failures are logged, and the queue is tried again.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) -> Result<()> {
        self.queue.recover().await?;
        let mut shutdown = pin!(shutdown);
        let mut hand = Hand::new();
        loop {
            for message in self.take(self.most.saturating_sub(hand.messages)).await {
                self.begin(message, &mut hand);
            }
            self.begin_gathered(&mut hand);
            let has_room = hand.messages < self.most;
            let pause = if hand.gathered.is_empty() { POLL } else { GATHERING.saturating_sub(hand.since.elapsed()) };
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = hand.running.join_next() => hand.ended(ended.ok()),
                () = self.queue.sent(), if has_room => {}
                () = tokio::time::sleep(pause.max(Duration::from_millis(1))), if has_room || !hand.gathered.is_empty() => {}
            }
        }
        for message in hand.gathered {
            settle(&self.queue, &message.message, Outcome::RetryIn(Duration::ZERO)).await;
        }
        while hand.running.join_next().await.is_some() {}
        Ok(())
    }

    async fn take(&self, most: usize) -> Vec<local::Received> {
        if most == 0 {
            return Vec::new();
        }
        self.queue.receive(most, VISIBILITY).await.unwrap_or_else(|failure| {
            tracing::error!(kind = ?failure.kind, "no jobs can be received: {failure}");
            Vec::new()
        })
    }

    fn begin(&self, message: local::Received, hand: &mut Hand) {
        hand.messages += 1;
        let receives = message.receives;
        let Some(job) = job_of(&message.body) else {
            let queue = self.queue.clone();
            hand.running.spawn(async move {
                settle(&queue, &message, Outcome::Poison).await;
                Ended { messages: 1, grouped: false }
            });
            return;
        };
        let message = Received { message, job, receives };
        if message.job.task.is_done_together() {
            if hand.gathered.is_empty() {
                hand.since = Instant::now();
            }
            hand.gathered.push(message);
        } else {
            self.spawn(vec![message], false, hand);
        }
    }

    /// Begins what was gathered: at once when no group is under work, else after a moment.
    fn begin_gathered(&self, hand: &mut Hand) {
        let may_begin = match hand.groups {
            0 => true,
            groups => groups < GROUPS_AT_ONCE && hand.since.elapsed() >= GATHERING,
        };
        if may_begin {
            for portion in portions(std::mem::take(&mut hand.gathered)) {
                self.spawn(portion, true, hand);
            }
        }
    }

    fn spawn(&self, portion: Vec<Message>, grouped: bool, hand: &mut Hand) {
        hand.groups += usize::from(grouped);
        let (queue, handler, permits) = (self.queue.clone(), Arc::clone(&self.handler), Arc::clone(&hand.side_by_side));
        hand.running.spawn(async move {
            // An error would mean that nobody may work any more; the semaphore is never closed.
            let _permit = permits.acquire().await;
            let outcomes = run_portion(&portion, &*handler).await;
            for (one, outcome) in portion.iter().zip(outcomes) {
                settle(&queue, &one.message, outcome).await;
            }
            Ended { messages: portion.len(), grouped }
        });
    }
}

impl Hand {
    fn new() -> Self {
        Self {
            running: JoinSet::new(),
            messages: 0,
            groups: 0,
            gathered: Vec::new(),
            since: Instant::now(),
            side_by_side: Arc::new(Semaphore::new(PORTIONS_AT_ONCE)),
        }
    }

    /// A task ended; one that died says nothing of what it was about, and all is counted anew once no other is left.
    fn ended(&mut self, ended: Option<Ended>) {
        if let Some(Ended { messages, grouped }) = ended {
            self.messages -= messages;
            self.groups -= usize::from(grouped);
        }
        if self.running.is_empty() {
            (self.messages, self.groups) = (self.gathered.len(), 0);
        }
    }
}

async fn settle(queue: &LocalQueue, message: &local::Received, outcome: Outcome) {
    let settled = match outcome {
        Outcome::Done => queue.delete(message).await,
        Outcome::RetryIn(delay) => queue.postpone(message, delay).await,
        Outcome::Poison => queue.bury(message).await,
    };
    if let Err(failure) = settled {
        tracing::error!(kind = ?failure.kind, "a message will be run again when its time of hiding is over: {failure}");
    }
}
