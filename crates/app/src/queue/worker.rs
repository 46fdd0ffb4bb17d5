//! Runs one message of a queue, whichever queue it is.

use std::time::Duration;

use async_trait::async_trait;
use tandem_core::jobs::message::Job;
use tandem_core::jobs::runner::Verdict;

/// Runs jobs. Running one twice has the effect of running it once.
#[async_trait]
pub trait JobHandler: Send + Sync {
    /// Runs a job for the `attempt`-th time (from 1).
    async fn handle(&self, job: &Job, attempt: u32) -> Verdict;
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is finished with.
    Done,
    /// It shall come back after this time.
    RetryIn(Duration),
    /// It is no job and never will be: a person has to look at it.
    Poison,
}

/// Runs a message that was received for the `receives`-th time (from 1).
pub async fn run(body: &str, receives: u32, handler: &dyn JobHandler) -> Outcome {
    let job: Job = match serde_json::from_str(body) {
        Ok(job) => job,
        Err(error) => {
            // Neither the body nor the parser's words are told: both can hold personal data.
            tracing::error!(line = error.line(), column = error.column(), "a message on the queue is no job");
            return Outcome::Poison;
        }
    };
    match handler.handle(&job, receives).await {
        Verdict::Done => Outcome::Done,
        Verdict::RetryIn(delay) => Outcome::RetryIn(delay),
    }
}
