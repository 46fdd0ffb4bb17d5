//! The loop that runs the local queue's jobs, as Lambda runs those of SQS.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tandem_core::error::Result;
use tokio::task::JoinSet;

use super::local::{LocalQueue, Received};
use super::worker::{JobHandler, Outcome, run};

/// How long a message is hidden while it is worked on; as long as in the deployed queue.
const VISIBILITY: Duration = Duration::from_secs(360);

/// How often the queue is looked at for messages whose delay is over. Sending wakes the loop at once.
const POLL: Duration = Duration::from_millis(100);

/// How many jobs `tandem dev` runs side by side: as many as two full batches of the deployed queue, which runs five of them
/// at most. Most of a job is waiting for the platform.
pub const JOBS_AT_ONCE: usize = 20;

/// Runs the jobs of a local queue. Only one may start for a queue while jobs are under work.
pub struct LocalWorker {
    queue: LocalQueue,
    handler: Arc<dyn JobHandler>,
    concurrency: usize,
}

impl LocalWorker {
    /// A worker that runs up to `concurrency` jobs (at least one) at the same time.
    #[must_use]
    pub fn new(queue: LocalQueue, handler: Arc<dyn JobHandler>, concurrency: usize) -> Self {
        Self { queue, handler, concurrency: concurrency.max(1) }
    }

    /// Runs jobs until `shutdown` is ready; then finishes those that were begun. Jobs that a killed process was running
    /// are run again at once.
    ///
    /// # Errors
    /// `Storage` when the queue can't be used at the start. Later failures are logged, and the queue is tried again.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) -> Result<()> {
        self.queue.recover().await?;
        let mut shutdown = pin!(shutdown);
        // Each message has a task of its own: one that panics takes no other with it, and comes back.
        let mut running = JoinSet::new();
        loop {
            for message in self.take(self.concurrency - running.len()).await {
                running.spawn(run_message(self.queue.clone(), Arc::clone(&self.handler), message));
            }
            let has_room = running.len() < self.concurrency;
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = running.join_next() => {}
                () = self.queue.sent(), if has_room => {}
                () = tokio::time::sleep(POLL), if has_room => {}
            }
        }
        while running.join_next().await.is_some() {}
        Ok(())
    }

    async fn take(&self, most: usize) -> Vec<Received> {
        if most == 0 {
            return Vec::new();
        }
        self.queue.receive(most, VISIBILITY).await.unwrap_or_else(|failure| {
            tracing::error!(kind = ?failure.kind, "no jobs can be received: {failure}");
            Vec::new()
        })
    }
}

async fn run_message(queue: LocalQueue, handler: Arc<dyn JobHandler>, message: Received) {
    let settled = match run(&message.body, message.receives, &*handler).await {
        Outcome::Done => queue.delete(&message).await,
        Outcome::RetryIn(delay) => queue.postpone(&message, delay).await,
        Outcome::Poison => queue.bury(&message).await,
    };
    if let Err(failure) = settled {
        tracing::error!(kind = ?failure.kind, "a message will be run again when its time of hiding is over: {failure}");
    }
}
