//! An HTTP server whose answers a test decides, and that remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use serde_json::Value;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query, encoded.
    pub target: String,
    pub authorization: String,
    /// The header `apikey`.
    pub api_key: String,
    /// The header `prefer`.
    pub prefer: String,
    /// The header `webhook-signature`.
    pub signature: String,
    pub body: Value,
}

impl Seen {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub fn is_token_request(&self) -> bool {
        self.path().ends_with("/oauth/v2/token")
    }
}

/// An answer to give.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub after: Duration,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub fn text(status: u16, kind: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self { status, headers, body: body.into(), after: Duration::ZERO }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// The answer of recording `001-token-client-credentials`, with a secret of the test's own.
    pub fn token(secret: &str) -> Self {
        let body =
            serde_json::json!({"access_token": secret, "expires_in": 3600, "token_type": "bearer", "scope": null});
        Self::json(200, &body)
    }
}

/// A running server.
pub struct Stub {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stub {
    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&seen));
        let app = Router::new().fallback(move |request: Request| {
            let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
            async move {
                let request = read(request).await;
                log.lock().unwrap().push(request.clone());
                let reply = answer(&request);
                tokio::time::sleep(reply.after).await;
                write(reply)
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }

    /// All requests but those for tokens.
    pub fn calls(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| !seen.is_token_request()).cloned().collect()
    }

    pub fn token_requests(&self) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| seen.is_token_request()).count()
    }
}

async fn read(request: Request) -> Seen {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let header = |name: &str| {
        let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        authorization: header("authorization"),
        api_key: header("apikey"),
        prefer: header("prefer"),
        signature: header("webhook-signature"),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

fn write(reply: Reply) -> Response<Body> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}
