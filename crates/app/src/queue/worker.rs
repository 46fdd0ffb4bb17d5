//! Runs messages of a queue, whichever queue it is.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::join_all;
use tandem_core::jobs::message::Job;
use tandem_core::jobs::runner::Verdict;

/// The most jobs that are done together: as many as a batch of the deployed queue has.
pub const MOST_TOGETHER: usize = 100;

/// When a job comes back that made its worker panic.
const AFTER_A_PANIC: Duration = Duration::from_secs(360);

/// Runs jobs. Running one twice has the effect of running it once.
#[async_trait]
pub trait JobHandler: Send + Sync {
    /// Runs a job for the `attempt`-th time (from 1).
    async fn handle(&self, job: &Job, attempt: u32) -> Verdict;

    /// Runs jobs of one integration, each for the time that stands beside it; gives their verdicts in the same order.
    async fn handle_together(&self, jobs: &[(Job, u32)]) -> Vec<Verdict> {
        join_all(jobs.iter().map(|(job, attempt)| self.handle(job, *attempt))).await
    }
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

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Done => Self::Done,
            Verdict::RetryIn(delay) => Self::RetryIn(delay),
        }
    }
}

/// A message that was received, with the job that it is.
pub struct Received<M> {
    /// The message, as its queue knows it.
    pub message: M,
    /// The job.
    pub job: Job,
    /// For the how many-eth time it was received (from 1).
    pub receives: u32,
}

/// Reads a message's job; `None` when it is none.
#[must_use]
pub fn job_of(body: &str) -> Option<Job> {
    serde_json::from_str(body)
        .inspect_err(|error| {
            // Neither the body nor the parser's words are told: both can hold personal data.
            tracing::error!(line = error.line(), column = error.column(), "a message on the queue is no job");
        })
        .ok()
}

/// Runs a message that was received for the `receives`-th time (from 1).
pub async fn run(body: &str, receives: u32, handler: &dyn JobHandler) -> Outcome {
    match job_of(body) {
        Some(job) => handler.handle(&job, receives).await.into(),
        None => Outcome::Poison,
    }
}

/// Sorts messages into what is run at a time: jobs of one integration that can be done together, and each other one.
#[must_use]
pub fn portions<M>(received: Vec<Received<M>>) -> Vec<Vec<Received<M>>> {
    let (together, alone): (Vec<_>, Vec<_>) = received.into_iter().partition(|one| one.job.task.is_done_together());
    let mut portions: Vec<Vec<Received<M>>> = alone.into_iter().map(|one| vec![one]).collect();
    let mut groups: Vec<Vec<Received<M>>> = Vec::new();
    for one in together {
        let fits = |group: &&mut Vec<Received<M>>| {
            group.len() < MOST_TOGETHER && group.first().is_some_and(|first| first.job.scope == one.job.scope)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    portions.append(&mut groups);
    portions
}

/// Runs a portion; the outcomes are in its order. A job that makes its worker panic takes no other with it.
pub async fn run_portion<M>(portion: &[Received<M>], handler: &dyn JobHandler) -> Vec<Outcome> {
    let jobs: Vec<(Job, u32)> = portion.iter().map(|one| (one.job.clone(), one.receives)).collect();
    if jobs.len() > 1
        && let Ok(verdicts) = AssertUnwindSafe(handler.handle_together(&jobs)).catch_unwind().await
        && verdicts.len() == jobs.len()
    {
        return verdicts.into_iter().map(Outcome::from).collect();
    }
    join_all(jobs.iter().map(|(job, attempt)| run_alone(job, *attempt, handler))).await
}

async fn run_alone(job: &Job, attempt: u32, handler: &dyn JobHandler) -> Outcome {
    match AssertUnwindSafe(handler.handle(job, attempt)).catch_unwind().await {
        Ok(verdict) => verdict.into(),
        Err(_panic) => {
            tracing::error!(job = %job.id, attempt, "a job made its worker panic");
            Outcome::RetryIn(AFTER_A_PANIC)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;

    /// Notes what is run how; panics where it is told to.
    #[derive(Default)]
    struct Handler(Mutex<Vec<String>>);

    #[async_trait]
    impl JobHandler for Handler {
        async fn handle(&self, job: &Job, _: u32) -> Verdict {
            assert!(!job.id.starts_with("panics"), "as the test wants it");
            self.0.lock().unwrap().push(job.id.clone());
            Verdict::Done
        }

        async fn handle_together(&self, jobs: &[(Job, u32)]) -> Vec<Verdict> {
            assert!(!jobs.iter().any(|(job, _)| job.id.starts_with("panics")), "as the test wants it");
            let ids: Vec<&str> = jobs.iter().map(|(job, _)| job.id.as_str()).collect();
            self.0.lock().unwrap().push(ids.join("+"));
            jobs.iter().map(|_| Verdict::Done).collect()
        }
    }

    fn received(id: &str, tenant: &str, task: serde_json::Value) -> Received<()> {
        let job = json!({
            "id": id, "scope": {"tenant": tenant, "integration": "mautic"}, "correlation_id": "c",
            "queued_at": "2026-01-01T00:00:00Z", "task": task,
        });
        Received { message: (), job: serde_json::from_value(job).unwrap(), receives: 1 }
    }

    fn event(id: &str, tenant: &str) -> Received<()> {
        received(id, tenant, json!({"kind": "apply_event_v1", "event": id}))
    }

    #[tokio::test]
    async fn jobs_of_one_integration_are_run_together_and_others_by_themselves() {
        let handler = Handler::default();
        let alone = received("sync", "a", json!({"kind": "sync_v1"}));
        let messages = vec![event("1", "a"), alone, event("2", "b"), event("3", "a")];
        for portion in portions(messages) {
            assert!(run_portion(&portion, &handler).await.iter().all(|outcome| *outcome == Outcome::Done));
        }
        assert_eq!(*handler.0.lock().unwrap(), ["sync", "1+3", "2"]);
    }

    #[test]
    fn a_portion_has_no_more_than_a_batch_of_the_queue() {
        let many = (0..250).map(|number| event(&number.to_string(), "a")).collect();
        assert_eq!(portions(many).iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_no_other_of_its_portion_with_it() {
        let handler = Handler::default();
        let portion = [event("1", "a"), event("panics", "a"), event("2", "a")];
        let outcomes = run_portion(&portion, &handler).await;
        assert_eq!(outcomes, [Outcome::Done, Outcome::RetryIn(AFTER_A_PANIC), Outcome::Done]);
        assert_eq!(*handler.0.lock().unwrap(), ["1", "2"]);
    }
}
