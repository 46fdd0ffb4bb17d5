//! Failures on demand.

use std::{sync::Mutex, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use super::simulator::lock;

/// How long a stalled reply keeps its caller waiting when nothing else is said.
const STALL: Duration = Duration::from_secs(120);

/// Which calls fail, how, and how often.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FaultRule {
    /// The calls that the rule is about; all of `/api` and `/oauth` by default.
    #[serde(default, rename = "match")]
    pub matching: FaultMatch,
    /// What happens to them.
    pub kind: FaultKind,
    /// The status of the kinds that answer; each has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The body of the kinds that answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Seconds for a Retry-After header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// How long a delay or a stall takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// How a lost reply shows itself.
    #[serde(default)]
    pub how: LostReply,
    /// The share of matching calls that fail, from 0 to 1; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How many calls fail before the rule is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The seed of the dice behind `rate`.
    #[serde(default)]
    pub seed: u64,
}

/// The calls that a rule is about.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FaultMatch {
    /// Only this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only paths that begin like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// An error answer; nothing is done. 503 by default.
    Status,
    /// The call is done, later.
    Delay,
    /// 200 with a body that is no JSON; nothing is done.
    Garbage,
    /// The connection is dropped without an answer; nothing is done.
    Close,
    /// The call is done, and its answer gets lost.
    LostReply,
    /// A page of HTML, as proxies answer. 502 by default; nothing is done.
    Html,
    /// The call is done; half of the answer arrives.
    Truncate,
}

/// How a lost reply shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostReply {
    /// The connection is dropped.
    #[default]
    Close,
    /// Nothing comes for a long time, then the connection is dropped.
    Stall,
    /// An error answer comes instead. 500 by default.
    Status,
}

impl FaultRule {
    /// A rule for every call.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            matching: FaultMatch::default(),
            kind,
            status: None,
            body: None,
            retry_after: None,
            delay_ms: None,
            how: LostReply::default(),
            rate: None,
            times: None,
            seed: 0,
        }
    }

    /// Only for paths that begin like this.
    #[must_use]
    pub fn path(mut self, prefix: impl Into<String>) -> Self {
        self.matching.path_prefix = Some(prefix.into());
        self
    }

    /// Only for this method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.matching.method = Some(method.into());
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Only for a share of the calls, by dice that fall the same way for the same seed.
    #[must_use]
    pub fn rate(mut self, rate: f64, seed: u64) -> Self {
        self.rate = Some(rate);
        self.seed = seed;
        self
    }

    /// With this status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// A lost reply that shows itself like this.
    #[must_use]
    pub fn how(mut self, how: LostReply) -> Self {
        self.how = how;
        self
    }

    fn fits(&self, method: &Method, path: &str) -> bool {
        let method_fits =
            self.matching.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()));
        let path_fits = self.matching.path_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix));
        method_fits && path_fits
    }

    fn delay(&self, default: Duration) -> Duration {
        self.delay_ms.map_or(default, Duration::from_millis)
    }

    /// What happens before the call is done: a wait, or an answer in its place.
    pub(crate) async fn before(&self) -> Option<Response> {
        match self.kind {
            FaultKind::Status => Some(self.answer(503, "application/json", "{\"errors\":[]}")),
            FaultKind::Garbage => Some(self.answer(200, "application/json", "<?php Notice: Undefined index {{{")),
            FaultKind::Html => Some(self.answer(502, "text/html", "<html><body><h1>Bad Gateway</h1></body></html>")),
            FaultKind::Close => Some(dropped()),
            FaultKind::Delay => {
                tokio::time::sleep(self.delay(Duration::from_millis(500))).await;
                None
            }
            FaultKind::LostReply | FaultKind::Truncate => None,
        }
    }

    /// What becomes of the answer of a call that was done.
    pub(crate) async fn after(&self, response: Response) -> Response {
        match self.kind {
            FaultKind::Truncate => truncated(response).await,
            FaultKind::LostReply => match self.how {
                LostReply::Close => dropped(),
                LostReply::Stall => {
                    tokio::time::sleep(self.delay(STALL)).await;
                    dropped()
                }
                LostReply::Status => self.answer(500, "application/json", "{\"errors\":[]}"),
            },
            FaultKind::Status | FaultKind::Delay | FaultKind::Garbage | FaultKind::Close | FaultKind::Html => response,
        }
    }

    fn answer(&self, status: u16, kind: &'static str, body: &str) -> Response {
        let status = self.status.unwrap_or(status);
        let mut response = Response::new(Body::from(self.body.clone().unwrap_or_else(|| body.to_owned())));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Marks a response that must not be sent: the server drops the connection instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropConnection;

fn dropped() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(DropConnection);
    response
}

async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes.slice(..bytes.len() / 2)))
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    rule: FaultRule,
    left: Option<u64>,
    dice: StdRng,
}

impl Faults {
    /// Puts rules in the place of the old ones.
    pub(crate) fn set(&self, rules: Vec<FaultRule>) {
        let arm = |rule: FaultRule| Armed { left: rule.times, dice: StdRng::seed_from_u64(rule.seed), rule };
        *lock(&self.0) = rules.into_iter().map(arm).collect();
    }

    /// The rule that strikes this call, if one does.
    pub(crate) fn strike(&self, method: &Method, path: &str) -> Option<FaultRule> {
        let mut armed = lock(&self.0);
        armed.iter_mut().find_map(|armed| armed.strikes(method, path).then(|| armed.rule.clone()))
    }
}

impl Armed {
    fn strikes(&mut self, method: &Method, path: &str) -> bool {
        if self.left == Some(0) || !self.rule.fits(method, path) {
            return false;
        }
        if self.rule.rate.is_some_and(|rate| self.dice.random::<f64>() >= rate) {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        true
    }
}
