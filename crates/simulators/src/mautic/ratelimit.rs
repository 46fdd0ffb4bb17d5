//! The limit of calls per hour that an administrator may set.

use std::sync::Mutex;

use axum::{
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{answer::Answer, clock, simulator::lock};

const HOUR: i64 = 3600;

/// A window of an hour that begins with the first call in it.
#[derive(Debug)]
pub(crate) struct RateLimit(Mutex<Window>);

#[derive(Debug)]
struct Window {
    limit: Option<u64>,
    used: u64,
    reset: i64,
    /// Seconds that the limiter's clock is ahead of the machine's.
    ahead: i64,
}

/// What one call found: the numbers that go into the headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    limit: u64,
    remaining: u64,
    reset: i64,
    pub(crate) exceeded: bool,
}

impl RateLimit {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self(Mutex::new(Window { limit, used: 0, reset: 0, ahead: 0 }))
    }

    /// Sets another limit and begins a new window.
    pub(crate) fn set(&self, limit: Option<u64>) {
        let mut window = lock(&self.0);
        *window = Window { limit, used: 0, reset: 0, ahead: window.ahead };
    }

    /// Lets time pass for the limiter.
    pub(crate) fn advance(&self, seconds: i64) {
        lock(&self.0).ahead += seconds;
    }

    /// Counts a call. None where there is no limit.
    pub(crate) fn take(&self) -> Option<Allowance> {
        let mut window = lock(&self.0);
        let limit = window.limit?;
        let now = clock::now().as_second() + window.ahead;
        if now >= window.reset {
            window.used = 0;
            window.reset = now + HOUR;
        }
        let exceeded = window.used >= limit;
        window.used = (window.used + 1).min(limit);
        Some(Allowance { limit, remaining: limit - window.used, reset: window.reset, exceeded })
    }
}

impl Allowance {
    /// The answer to a call too many. It carries no Retry-After.
    pub(crate) fn refusal(&self) -> Response {
        let message = format!("You exceeded the rate limit of {} API calls per hour.", self.limit);
        let answer = Answer::error(429, &message, json!([])).unversioned();
        self.stamp(answer.into_response())
    }

    pub(crate) fn stamp(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert("X-RateLimit-Limit", HeaderValue::from(self.limit));
        headers.insert("X-RateLimit-Remaining", HeaderValue::from(self.remaining));
        headers.insert("X-RateLimit-Reset", HeaderValue::from(self.reset));
        response
    }
}
