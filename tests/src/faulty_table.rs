//! A table that fails some calls: a proxy before the engine, which answers an error instead of doing a call, or after it; or all
//! calls after some, so that a process stops there as if it crashed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use rand::Rng;
use reqwest::Client;
use serde_json::Value;
use tandem_app::local_table::LocalAccess;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The largest request that is passed on, in bytes.
const LARGEST: usize = 32 * 1024 * 1024;

/// A running proxy. It stops when it is dropped.
pub struct FaultyTable {
    access: LocalAccess,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    engine: String,
    rate: f64,
    client: Client,
    failed: AtomicU64,
    /// How many writes are still done before no call is answered any more.
    left: AtomicU64,
    /// How many items of batches are still written before no call is answered any more.
    items_left: AtomicU64,
}

impl FaultyTable {
    /// Starts a proxy before this engine that fails this share of the calls.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(engine: &LocalAccess, rate: f64) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
        let client = Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let (failed, left, items_left) = (AtomicU64::new(0), AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX));
        let shared = Arc::new(Shared { engine: engine.endpoint.clone(), rate, client, failed, left, items_left });
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It ends when the task is aborted.
            let _ended = axum::serve(listener, router).await;
        });
        let access = LocalAccess { endpoint, ..engine.clone() };
        Ok(Self { access, shared, server })
    }

    /// Where it listens; the credential is the engine's.
    #[must_use]
    pub fn access(&self) -> &LocalAccess {
        &self.access
    }

    /// After so many writes more, no call is done any more, and what is left to do stays undone.
    pub fn crash_after(&self, writes: u64) {
        self.shared.left.store(writes, Ordering::SeqCst);
    }

    /// The same after so many items more that batches write, of which the last one may be done in part.
    pub fn crash_within(&self, items: u64) {
        self.shared.items_left.store(items, Ordering::SeqCst);
    }

    /// How many calls failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Drop for FaultyTable {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass_on(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    if shared.is_gone(&request) {
        return failure(StatusCode::BAD_REQUEST, "ResourceNotFoundException");
    }
    let fails = rand::rng().random_bool(shared.rate);
    // Half of the calls that fail are done all the same.
    if fails && rand::rng().random_bool(0.5) {
        return shared.failure();
    }
    let answer = shared.forward(request).await;
    match answer {
        Some(answer) if !fails => answer,
        _ => shared.failure(),
    }
}

impl Shared {
    /// Whether the call comes after the last write that is done.
    fn is_gone(&self, request: &Request) -> bool {
        let operation =
            request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let reads = ["GetItem", "Query"].iter().any(|read| operation.ends_with(read));
        if reads {
            return self.left.load(Ordering::SeqCst) == 0;
        }
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }

    async fn forward(&self, request: Request) -> Option<Response<Body>> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, LARGEST).await.ok()?;
        let (bytes, is_last) = self.part_of(&bytes);
        let mut headers = parts.headers;
        for of_another_request in ["host", "content-length"] {
            headers.remove(of_another_request);
        }
        let sent = self.client.post(&self.engine).headers(headers).body(bytes).send().await.ok()?;
        let mut answer = Response::builder().status(sent.status());
        for (name, value) in sent.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
            answer = answer.header(name, value);
        }
        let body = Body::from(sent.bytes().await.ok()?);
        if is_last {
            Some(failure(StatusCode::BAD_REQUEST, "ResourceNotFoundException"))
        } else {
            answer.body(body).ok()
        }
    }

    /// As much of a batch of writes as is done, and whether that is not all of it.
    fn part_of(&self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let whole = || (bytes.to_vec(), false);
        if self.items_left.load(Ordering::SeqCst) == u64::MAX {
            return whole();
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(bytes) else { return whole() };
        let Some(items) = written(&mut body) else { return whole() };
        let count = items.len() as u64;
        let before =
            self.items_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(count)));
        let left = before.unwrap_or_default();
        if left >= count {
            return whole();
        }
        // Nothing comes after it.
        self.left.store(0, Ordering::SeqCst);
        items.truncate(usize::try_from(left).unwrap_or_default());
        if items.is_empty() { (b"{}".to_vec(), true) } else { (body.to_string().into_bytes(), true) }
    }

    fn failure(&self) -> Response<Body> {
        self.failed.fetch_add(1, Ordering::Relaxed);
        failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
    }
}

/// The writes of a batch of them.
fn written(body: &mut Value) -> Option<&mut Vec<Value>> {
    if body.get("Statements").is_some() {
        return body.get_mut("Statements")?.as_array_mut();
    }
    let of_table = body.get_mut("RequestItems")?.as_object_mut()?.values_mut().next()?;
    of_table.as_array_mut()
}

fn failure(status: StatusCode, kind: &str) -> Response<Body> {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"the table is ill"}}"#);
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer
}
