//! Runs a batch of messages that Lambda took from SQS, and tells Lambda which of them are not finished with.

use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use tandem_core::error::Result;

use super::worker::{JobHandler, Outcome, run};

/// What a batch does with messages that are not finished with.
#[async_trait]
pub trait Unfinished: Send + Sync {
    /// Hides a received message for this time from now on.
    ///
    /// # Errors
    /// `Storage` when the queue did not do it; the message comes back sooner, then.
    async fn postpone(&self, receipt: &str, delay: Duration) -> Result<()>;

    /// Keeps a copy of a message for a person to look at. `Ok(false)` when there is no place for it.
    ///
    /// # Errors
    /// `Storage` when it was not kept.
    async fn bury(&self, body: &str) -> Result<bool>;
}

/// Runs the messages of a batch at the same time. One that fails never fails the others: the answer names exactly those
/// that Lambda shall leave on the queue.
pub async fn run_batch(queue: &dyn Unfinished, event: SqsEvent, handler: &dyn JobHandler) -> SqsBatchResponse {
    let finished = join_all(event.records.iter().map(|message| is_finished(queue, message, handler))).await;
    let mut answer = SqsBatchResponse::default();
    for (message, finished) in event.records.iter().zip(finished) {
        if !finished {
            // Without an id, which SQS always gives, Lambda takes the whole batch for failed: nothing is lost.
            answer.add_failure(message.message_id.as_deref().unwrap_or_default());
        }
    }
    answer
}

/// Runs a message; `false` when it has to stay on the queue.
async fn is_finished(queue: &dyn Unfinished, message: &SqsMessage, handler: &dyn JobHandler) -> bool {
    let body = message.body.as_deref().unwrap_or_default();
    match run(body, receives(message), handler).await {
        Outcome::Done => true,
        Outcome::RetryIn(delay) => {
            postpone(queue, message, delay).await;
            false
        }
        Outcome::Poison => bury(queue, body).await,
    }
}

fn receives(message: &SqsMessage) -> u32 {
    message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

async fn postpone(queue: &dyn Unfinished, message: &SqsMessage, delay: Duration) {
    let Some(receipt) = message.receipt_handle.as_deref() else { return };
    if let Err(failure) = queue.postpone(receipt, delay).await {
        tracing::warn!(kind = ?failure.kind, "a message comes back after the queue's own time: {failure}");
    }
}

/// What could not be buried stays on the queue, which moves it to the dead letters after its last receive.
async fn bury(queue: &dyn Unfinished, body: &str) -> bool {
    match queue.bury(body).await {
        Ok(buried) => buried,
        Err(failure) => {
            tracing::warn!(kind = ?failure.kind, "a message that is no job stays on the queue: {failure}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;
    use tandem_core::error::{Failure, FailureKind};
    use tandem_core::jobs::message::Job;
    use tandem_core::jobs::runner::Verdict;

    use super::*;

    /// A queue that notes what is asked of it, and may refuse.
    #[derive(Default)]
    struct Fake {
        refuses: bool,
        postponed: Mutex<Vec<(String, Duration)>>,
        buried: Mutex<Vec<String>>,
    }

    impl Fake {
        fn answer<T>(&self, value: T) -> Result<T> {
            if self.refuses { Err(Failure::new(FailureKind::Storage, "no")) } else { Ok(value) }
        }
    }

    #[async_trait]
    impl Unfinished for Fake {
        async fn postpone(&self, receipt: &str, delay: Duration) -> Result<()> {
            self.postponed.lock().unwrap().push((receipt.to_owned(), delay));
            self.answer(())
        }

        async fn bury(&self, body: &str) -> Result<bool> {
            self.buried.lock().unwrap().push(body.to_owned());
            self.answer(true)
        }
    }

    /// Finishes jobs whose id says so; others it wants back after as many seconds as they were received.
    struct Handler;

    #[async_trait]
    impl JobHandler for Handler {
        async fn handle(&self, job: &Job, attempt: u32) -> Verdict {
            if job.id == "good" { Verdict::Done } else { Verdict::RetryIn(Duration::from_secs(attempt.into())) }
        }
    }

    fn job(id: &str) -> String {
        json!({
            "id": id,
            "scope": {"tenant": "a", "integration": "mautic"},
            "correlation_id": "c",
            "queued_at": "2026-01-01T00:00:00Z",
            "task": {"kind": "delete_contact_v1", "contact": "7"},
        })
        .to_string()
    }

    /// A batch of these bodies, the first with the ids `m0` and `r0`, each received for the third time.
    fn batch(bodies: &[&str]) -> SqsEvent {
        let records = bodies.iter().enumerate().map(|(number, body)| {
            json!({
                "messageId": format!("m{number}"),
                "receiptHandle": format!("r{number}"),
                "body": body,
                "attributes": {"ApproximateReceiveCount": "3"},
            })
        });
        serde_json::from_value(json!({ "Records": records.collect::<Vec<_>>() })).unwrap()
    }

    fn failed(answer: &SqsBatchResponse) -> Vec<&str> {
        answer.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
    }

    #[tokio::test]
    async fn only_what_shall_come_back_is_reported_as_failed() {
        let queue = Fake::default();
        let answer = run_batch(&queue, batch(&[&job("good"), &job("bad"), &job("good")]), &Handler).await;
        assert_eq!(failed(&answer), ["m1"]);
        assert_eq!(*queue.postponed.lock().unwrap(), [("r1".to_owned(), Duration::from_secs(3))]);
    }

    #[tokio::test]
    async fn poison_is_buried_at_once_and_does_not_come_back() {
        let queue = Fake::default();
        let answer = run_batch(&queue, batch(&["{\"task\":", &job("good"), ""]), &Handler).await;
        assert!(failed(&answer).is_empty());
        assert_eq!(*queue.buried.lock().unwrap(), ["{\"task\":", ""]);
    }

    #[tokio::test]
    async fn what_a_failing_queue_can_neither_postpone_nor_bury_stays_on_it() {
        let queue = Fake { refuses: true, ..Fake::default() };
        let answer = run_batch(&queue, batch(&["poison", &job("bad"), &job("good")]), &Handler).await;
        assert_eq!(failed(&answer), ["m0", "m1"]);
    }
}
