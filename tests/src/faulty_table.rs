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
        let (failed, left) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        let shared = Arc::new(Shared { engine: engine.endpoint.clone(), rate, client, failed, left });
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
        let mut headers = parts.headers;
        headers.remove("host");
        let sent = self.client.post(&self.engine).headers(headers).body(bytes).send().await.ok()?;
        let mut answer = Response::builder().status(sent.status());
        for (name, value) in sent.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
            answer = answer.header(name, value);
        }
        answer.body(Body::from(sent.bytes().await.ok()?)).ok()
    }

    fn failure(&self) -> Response<Body> {
        self.failed.fetch_add(1, Ordering::Relaxed);
        failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
    }
}

fn failure(status: StatusCode, kind: &str) -> Response<Body> {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"the table is ill"}}"#);
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer
}
