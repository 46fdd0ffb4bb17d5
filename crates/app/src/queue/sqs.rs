//! The queue that is deployed: SQS, with a dead-letter queue and Lambda's partial batch failures.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::types::QueueAttributeName;
use tandem_core::error::Result;
use tandem_core::jobs::message::Job;
use tandem_core::ports::{JobQueue, QueueDepth};

use super::batch::{Unfinished, run_batch};
use super::worker::JobHandler;
use crate::store::failure::{of_sdk, storage};
use crate::store::table::{retries, timeouts};

/// How the queue calls itself in failures.
const SERVICE: &str = "the queue";

/// The longest delay that SQS takes for a new message.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// The longest time for which a message is hidden. SQS takes 12 hours, counted from the receive, and refuses more; a
/// function may have worked on the message for a quarter of an hour before it is put off.
const LONGEST_HIDING: Duration = Duration::from_secs(12 * 3600 - 900);

/// A queue of SQS.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
    dead_letters: Option<String>,
}

/// A client with the region, credentials and endpoint of `shared`, which gives up on a silent queue after three attempts
/// of three seconds.
#[must_use]
pub fn client(shared: &SdkConfig) -> Client {
    let builder = Builder::from(shared).timeout_config(timeouts()).retry_config(retries());
    Client::from_conf(builder.build())
}

impl SqsQueue {
    /// The queue at this URL.
    #[must_use]
    pub fn new(client: Client, url: &str) -> Self {
        Self { client, url: url.to_owned(), dead_letters: None }
    }

    /// The same queue, which moves messages that are no jobs to the queue at this URL at once. Without it they stay until
    /// SQS moves them after their last receive.
    #[must_use]
    pub fn with_dead_letters(self, url: &str) -> Self {
        Self { dead_letters: Some(url.to_owned()), ..self }
    }

    /// Runs a batch that Lambda took from this queue, all messages at the same time.
    pub async fn run_batch(&self, event: SqsEvent, handler: &dyn JobHandler) -> SqsBatchResponse {
        run_batch(self, event, handler).await
    }

    async fn send_text(&self, url: &str, body: &str, delay: Duration) -> Result<()> {
        let request = self.client.send_message().queue_url(url).message_body(body);
        let request = request.delay_seconds(whole_seconds(delay.min(LONGEST_DELAY)));
        request.send().await.map_err(|error| of_sdk(SERVICE, "SendMessage", &error))?;
        Ok(())
    }
}

/// Rounded up: nothing comes back before its time.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[async_trait]
impl JobQueue for SqsQueue {
    async fn send(&self, job: &Job, delay: Duration) -> Result<()> {
        let body = serde_json::to_string(job).map_err(|_| storage("a job could not be written as JSON"))?;
        self.send_text(&self.url, &body, delay).await
    }

    async fn ping(&self) -> Result<()> {
        self.depth().await.map(drop)
    }

    async fn depth(&self) -> Result<QueueDepth> {
        use QueueAttributeName as Name;
        let (visible, delayed, hidden) = (
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesDelayed,
            Name::ApproximateNumberOfMessagesNotVisible,
        );
        let wanted = [visible.clone(), delayed.clone(), hidden.clone()];
        let request = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(wanted.into()));
        let answer = request.send().await.map_err(|error| of_sdk(SERVICE, "GetQueueAttributes", &error))?;
        let number =
            |name: &Name| -> u64 { answer.attributes().and_then(|all| all.get(name)?.parse().ok()).unwrap_or(0) };
        let waiting = number(&visible) + number(&delayed);
        Ok(QueueDepth { waiting, in_flight: number(&hidden), oldest_queued_at: None })
    }
}

#[async_trait]
impl Unfinished for SqsQueue {
    async fn postpone(&self, receipt: &str, delay: Duration) -> Result<()> {
        let request = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        let request = request.visibility_timeout(whole_seconds(delay.min(LONGEST_HIDING)));
        request.send().await.map_err(|error| of_sdk(SERVICE, "ChangeMessageVisibility", &error))?;
        Ok(())
    }

    async fn bury(&self, body: &str) -> Result<bool> {
        let Some(dead_letters) = &self.dead_letters else { return Ok(false) };
        // SQS takes no empty message.
        let body = if body.is_empty() { "(empty)" } else { body };
        self.send_text(dead_letters, body, Duration::ZERO).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_is_waited_for_as_a_whole_one() {
        assert_eq!(whole_seconds(Duration::ZERO), 0);
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(900)), 900);
    }
}
