//! A Lambda function's own program as a process, over the stand-ins of all that it calls.
#![allow(clippy::expect_used, reason = "a harness that does not start fails its test")]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tandem_app::local_table::LocalAccess;
use tokio::process::{Child, Command};

use crate::runtime_api::{Answered, RuntimeApi};
use crate::sqs_stub::SqsStub;
use crate::system::{KEY, System};

/// The name of the queue of jobs.
pub const JOBS: &str = "tandem-jobs";
/// The name of the queue of messages that are no jobs.
pub const DEAD_LETTERS: &str = "tandem-dead-letters";

/// A running function. It is killed when this is dropped, before it could miss its Runtime API.
pub struct FunctionProcess {
    child: Child,
    api: RuntimeApi,
    started: Instant,
}

impl FunctionProcess {
    /// Starts a program with these variables and none of this process's own.
    ///
    /// # Panics
    /// When it can't be started.
    pub async fn start(program: &Path, environment: &[(String, String)]) -> Self {
        let api = RuntimeApi::start().await;
        let mut command = command(program, environment);
        let started = now();
        let child = command.env("AWS_LAMBDA_RUNTIME_API", api.address()).spawn().expect("the function starts");
        Self { child, api, started }
    }

    /// Ends it, and waits until it is gone: until then it takes time of the machine.
    pub async fn stop(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().await;
    }

    /// Has the function handle an event.
    ///
    /// # Errors
    /// The document in which the function reported an error.
    pub async fn invoke(&self, event: &Value) -> Answered {
        self.api.invoke(event).await
    }

    /// How long it took from the start to the first request for an event.
    pub async fn cold_init(&self) -> Duration {
        self.api.first_poll().await.duration_since(self.started)
    }

    /// How long the process was at work on a processor, in its own code and the kernel's.
    #[must_use]
    pub fn processor_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()?)).ok()?;
        // The name before the first of these fields may hold blanks; the ticks of Linux are hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().filter_map(|index| fields.get(*index)?.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * 10))
    }

    /// A figure of the kernel about the process's memory, such as `VmRSS` or `VmHWM`, in KiB.
    #[must_use]
    pub fn memory_kib(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

/// Runs a program that is expected to end by itself, as a function does that can't start.
///
/// # Errors
/// When it can't be started or does not end within ten seconds.
pub async fn run_to_end(program: &Path, environment: &[(String, String)]) -> Result<Output, String> {
    let api = RuntimeApi::start().await;
    let mut command = command(program, environment);
    command.env("AWS_LAMBDA_RUNTIME_API", api.address()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = tokio::time::timeout(Duration::from_secs(10), command.output()).await;
    ended.map_err(|_| "the function still runs".to_owned())?.map_err(|error| error.to_string())
}

/// The variables that make a function use the stand-ins of a system and the queue.
#[must_use]
pub fn environment(system: &System, sqs: &SqsStub) -> Vec<(String, String)> {
    let mut environment = aws_environment(system.table.access(), sqs.endpoint());
    let own = [
        ("TANDEM_TABLE", "tandem".to_owned()),
        ("TANDEM_QUEUE_URL", sqs.queue_url(JOBS)),
        ("TANDEM_DEAD_LETTER_QUEUE_URL", sqs.queue_url(DEAD_LETTERS)),
        ("TANDEM_API_KEY", KEY.to_owned()),
        ("TANDEM_LOG", "warn".to_owned()),
        ("MAUTIC_BASE_URL", system.mautic.base_url()),
        ("MAUTIC_CLIENT_ID", "1_demo".to_owned()),
        ("MAUTIC_CLIENT_SECRET", "demo-secret".to_owned()),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    environment
}

/// The variables that every function has on Lambda, with endpoints of stand-ins and keys that open nothing.
#[must_use]
pub fn aws_environment(table: &LocalAccess, sqs: &str) -> Vec<(String, String)> {
    let variables = [
        ("AWS_LAMBDA_FUNCTION_NAME", "tandem"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", table.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL_DYNAMODB", table.endpoint.as_str()),
        ("AWS_ENDPOINT_URL_SQS", sqs),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn command(program: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    command
}

#[expect(clippy::disallowed_methods, reason = "the duration of a start is what is measured")]
fn now() -> Instant {
    Instant::now()
}
