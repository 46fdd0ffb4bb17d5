//! A stand-in for the Lambda Runtime API: hands invocations to a function's process and takes its answers.
#![allow(clippy::expect_used, reason = "a harness that does not start fails its test")]

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// How long an invocation may take, as the function is told.
const TIMEOUT: Duration = Duration::from_secs(900);

/// What a function answered: its result, or the error that it reported.
pub type Answered = Result<Value, Value>;

/// The stand-in on a loopback port. It stops when it is dropped.
pub struct RuntimeApi {
    address: String,
    shared: Arc<Shared>,
    invocations: mpsc::UnboundedSender<(u64, Value)>,
    first_poll: watch::Receiver<Option<Instant>>,
    server: JoinHandle<()>,
}

struct Shared {
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<(u64, Value)>>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answered>>>,
    next_id: AtomicU64,
    first_poll: watch::Sender<Option<Instant>>,
    init_errors: Mutex<Vec<Value>>,
}

impl RuntimeApi {
    /// Starts it.
    ///
    /// # Panics
    /// When the machine has no free port.
    pub async fn start() -> Self {
        let (invocations, queue) = mpsc::unbounded_channel();
        let (polled, first_poll) = watch::channel(None);
        let shared = Arc::new(Shared {
            queue: tokio::sync::Mutex::new(queue),
            waiting: Mutex::default(),
            next_id: AtomicU64::new(1),
            first_poll: polled,
            init_errors: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let router = routes(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the stand-in runs") });
        Self { address, shared, invocations, first_poll, server }
    }

    /// A value for `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Has the function handle an event.
    ///
    /// # Errors
    /// The document in which the function reported an error, or in which Lambda says that its time ran out.
    pub async fn invoke(&self, event: &Value) -> Answered {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.shared.waiting).insert(id, answer);
        self.invocations.send((id, event.clone())).expect("the stand-in runs");
        match tokio::time::timeout(TIMEOUT, answered).await {
            Ok(answered) => answered.expect("the stand-in keeps whom it owes an answer"),
            Err(_) => Err(json!({
                "errorType": "Sandbox.Timedout",
                "errorMessage": format!("Task timed out after {} seconds", TIMEOUT.as_secs()),
            })),
        }
    }

    /// Waits until a function asks for its first event, which ends its cold start; gives the moment.
    pub async fn first_poll(&self) -> Instant {
        let mut polled = self.first_poll.clone();
        let moment = polled.wait_for(Option::is_some).await.expect("the stand-in runs");
        moment.expect("waited for")
    }

    /// What functions reported as errors of their start.
    #[must_use]
    pub fn init_errors(&self) -> Vec<Value> {
        lock(&self.shared.init_errors).clone()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(shared)
}

/// Waits for an event as long as it takes, as the real one does.
async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.first_poll.send_if_modified(|first| {
        let is_first = first.is_none();
        first.get_or_insert_with(now);
        is_first
    });
    match shared.queue.lock().await.recv().await {
        Some((id, event)) => (invocation_headers(id), Json(event)).into_response(),
        None => StatusCode::GONE.into_response(),
    }
}

fn invocation_headers(id: u64) -> HeaderMap {
    let deadline = jiff_now().as_millisecond() + i64::try_from(TIMEOUT.as_millis()).unwrap_or(0);
    let headers = [
        ("lambda-runtime-aws-request-id", request_id(id)),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:tandem".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-6b001dd0-daeeb975729fae923d5a4fd1;Sampled=0".to_owned()),
    ];
    headers.into_iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
}

/// A number in the form of Lambda's request ids.
fn request_id(id: u64) -> String {
    format!("00000000-0000-4000-8000-{id:012}")
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    shared.settle(&id, Ok(document(&body)))
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    shared.settle(&id, Err(document(&body)))
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    lock(&shared.init_errors).push(document(&body));
    StatusCode::ACCEPTED
}

/// Functions post JSON without calling it so.
fn document(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into())
}

impl Shared {
    fn settle(&self, id: &str, answer: Answered) -> StatusCode {
        let number = id.rsplit('-').next().and_then(|text| text.parse().ok());
        let Some(waiting) = number.and_then(|number: u64| lock(&self.waiting).remove(&number)) else {
            return StatusCode::BAD_REQUEST;
        };
        // Whoever invoked may have given up meanwhile.
        let _ = waiting.send(answer);
        StatusCode::ACCEPTED
    }
}

#[expect(clippy::disallowed_methods, reason = "the moment of the first poll is what is measured")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a function is told its deadline by the machine's clock")]
fn jiff_now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
