//! Running the queue with settings that change on the way.

use std::sync::Arc;
use std::time::Duration;

use tandem_app::queue::local_worker::LocalWorker;
use tandem_app::wiring::Foundation;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::system::System;

/// How often, at a tenth of a second each, it is looked whether the queue is empty.
const PATIENCE: usize = 6_000;

/// A worker over a system's queue, with settings of its own.
pub struct Worker {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts it.
    pub fn start(system: &System, foundation: &Foundation) -> Result<Self, String> {
        let desk = foundation.desk().map_err(|failure| failure.to_string())?.ok_or("no Mautic")?;
        let worker = LocalWorker::new(system.queue.clone(), Arc::new(desk), 4);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // Dropped or told, it is time to stop; a queue that can't be used fails the scenario by itself.
            let _ended = worker.run(async { stopped.await.unwrap_or_default() }).await;
        });
        Ok(Self { stop, task })
    }

    /// Lets it finish what it has begun.
    pub async fn stop(self) {
        // One that has ended needs no telling.
        let _ended = (self.stop.send(()), self.task.await);
    }
}

/// Waits until all queued work is done. When it does not get less, the delays of jobs pass.
///
/// # Errors
/// When some is left after ten minutes.
pub async fn finish(system: &System) -> Result<(), String> {
    let mut before = u64::MAX;
    for _ in 0..PATIENCE {
        if system.drained(Duration::from_millis(100)).await {
            return Ok(());
        }
        let counts = system.queue.counts().await.map_err(|failure| failure.to_string())?;
        let left = counts.waiting + counts.in_flight;
        if left >= before {
            system.skip_a_minute();
        }
        before = left;
    }
    Err(format!("{before} jobs are left on the queue"))
}
