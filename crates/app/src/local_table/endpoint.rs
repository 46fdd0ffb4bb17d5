//! The loopback port of the engine, and who may use it: programs that were given the credential, and no page of a browser,
//! whichever site it is from and whatever name it gives to this machine.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use dynoxide::Database;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use super::engine;
use crate::server::{self, Patience};

/// The largest body that DynamoDB takes, in bytes.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Longer than the SDK keeps a connection that it does not use: it is the one to close it.
const PATIENCE: Patience = Patience { header: Duration::from_secs(120), body: Duration::from_secs(30) };

/// What the name of an operation begins with in `X-Amz-Target`.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// What a caller has to show.
#[derive(Clone)]
pub(super) struct Guard {
    hosts: [String; 2],
    access_key_id: String,
}

impl Guard {
    /// Lets in who calls this address by a name that is its own, with this credential.
    pub(super) fn new(address: SocketAddr, access_key_id: &str) -> Self {
        let hosts = [address.to_string(), format!("localhost:{}", address.port())];
        Self { hosts, access_key_id: access_key_id.to_owned() }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        // A page of a browser names its origin. A site whose name was bent to this machine gives itself away by `Host`.
        let host = text(headers, &header::HOST);
        !headers.contains_key(header::ORIGIN)
            && host.is_some_and(|host| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
            && text(headers, &header::AUTHORIZATION)
                .and_then(access_key_id)
                .is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(self.access_key_id.as_bytes())))
    }
}

/// Serves the engine until the task is aborted.
pub(super) async fn serve(listener: TcpListener, guard: Guard, database: Database) {
    let router =
        Router::new().route("/", post(call)).layer(DefaultBodyLimit::max(LARGEST_BODY)).with_state((guard, database));
    server::serve(listener, router, PATIENCE, std::future::pending()).await;
}

async fn call(State((guard, database)): State<(Guard, Database)>, headers: HeaderMap, body: Bytes) -> Response {
    if !guard.admits(&headers) {
        let refusal = r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}"#;
        return answer(StatusCode::BAD_REQUEST, refusal.to_owned());
    }
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix(TARGET_PREFIX)).unwrap_or_default();
    match engine::execute(&database, operation, &body) {
        Ok(json) => answer(StatusCode::OK, json),
        Err(error) => {
            let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
            answer(status, error.to_json())
        }
    }
}

fn answer(status: StatusCode, json: String) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"))];
    (status, kind, json).into_response()
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The id in `AWS4-HMAC-SHA256 Credential=<id>/<date>/<region>/dynamodb/aws4_request, …`.
fn access_key_id(authorization: &str) -> Option<&str> {
    let (_, rest) = authorization.split_once("Credential=")?;
    rest.split_once('/').map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_who_shows_the_credential_under_the_ports_own_name_gets_in() {
        let guard = Guard::new(SocketAddr::from(([127, 0, 0, 1], 4321)), "ABC");
        let signed = "AWS4-HMAC-SHA256 Credential=ABC/20261128/eu-central-1/dynamodb/aws4_request, SignedHeaders=host";
        let own = [("host", "127.0.0.1:4321"), ("authorization", signed)];
        assert!(guard.admits(&headers(&own)));
        assert!(guard.admits(&headers(&[("host", "LocalHost:4321"), own[1]])));
        for (fault, shown) in [
            ("no credential", vec![own[0]]),
            ("another credential", vec![own[0], ("authorization", "AWS4-HMAC-SHA256 Credential=ABD/2026/x")]),
            ("a beginning of it", vec![own[0], ("authorization", "AWS4-HMAC-SHA256 Credential=AB/2026/x")]),
            ("no id at all", vec![own[0], ("authorization", "Bearer ABC")]),
            ("a site bent to this machine", vec![("host", "evil.example:4321"), own[1]]),
            ("another port", vec![("host", "127.0.0.1:80"), own[1]]),
            ("no host", vec![own[1]]),
            ("a page", vec![own[0], own[1], ("origin", "http://127.0.0.1:4321")]),
            ("a page of nowhere", vec![own[0], own[1], ("origin", "null")]),
        ] {
            assert!(!guard.admits(&headers(&shown)), "{fault}");
        }
    }
}
