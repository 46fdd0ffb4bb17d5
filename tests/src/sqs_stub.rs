//! A stand-in for SQS, as far as a function calls it: takes messages and notes them, answers the health check, notes
//! what is put off. It delivers nothing: on Lambda, the event source does that, and tests play its part.
#![allow(clippy::expect_used, reason = "a harness that does not start fails its test")]

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The stand-in on a loopback port. It stops when it is dropped.
pub struct SqsStub {
    endpoint: String,
    noted: Noted,
    server: JoinHandle<()>,
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct SqsCall {
    /// The operation, such as `SendMessage`.
    pub operation: String,
    /// What it carried.
    pub input: Value,
}

type Noted = Arc<Mutex<Vec<SqsCall>>>;

impl SqsStub {
    /// Starts it.
    ///
    /// # Panics
    /// When the machine has no free port.
    pub async fn start() -> Self {
        let noted = Noted::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&noted));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the stand-in runs") });
        Self { endpoint, noted, server }
    }

    /// A value for `AWS_ENDPOINT_URL_SQS`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The address of a queue of this name: every name is one.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/123456789012/{name}", self.endpoint)
    }

    /// The bodies that were sent to a queue, oldest first.
    #[must_use]
    pub fn messages(&self, queue: &str) -> Vec<String> {
        let url = self.queue_url(queue);
        let sent = self.calls("SendMessage").into_iter().filter(|input| input["QueueUrl"] == url.as_str());
        sent.map(|input| input["MessageBody"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What the calls of an operation carried, oldest first.
    #[must_use]
    pub fn calls(&self, operation: &str) -> Vec<Value> {
        let calls = lock(&self.noted);
        calls.iter().filter(|call| call.operation == operation).map(|call| call.input.clone()).collect()
    }
}

impl Drop for SqsStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(noted): State<Noted>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix("AmazonSQS.").unwrap_or(target).to_owned();
    let input: Value = serde_json::from_slice(&body).unwrap_or_default();
    let output = output(&operation);
    lock(&noted).push(SqsCall { operation, input });
    let content_type = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    match output {
        Some(output) => (content_type, Json(output)).into_response(),
        None => (StatusCode::BAD_REQUEST, content_type, Json(json!({"__type": "InvalidAction"}))).into_response(),
    }
}

fn output(operation: &str) -> Option<Value> {
    match operation {
        "SendMessage" => Some(json!({"MessageId": "5fea7756-0ea4-451a-a703-a558b933e274"})),
        "GetQueueAttributes" => Some(json!({"Attributes": {"ApproximateNumberOfMessages": "0"}})),
        "ChangeMessageVisibility" => Some(json!({})),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
