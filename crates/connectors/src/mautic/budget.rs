//! The hourly budget of calls that an administrator may set, learnt from the answers (recording `138-rate-limited`).
//!
//! Over the budget Mautic answers 429 without `Retry-After`: waiting seconds is useless, the budget comes back at Reset.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::{BudgetStore, Clock};
use tokio::sync::OnceCell;

use crate::Ports;
use crate::http::Answer;

/// How long to wait after a 429 that names no moment: a proxy's limit, not Mautic's.
const UNTOLD: SignedDuration = SignedDuration::from_secs(10);

/// What is known of one integration's budget.
pub(super) struct Budget {
    scope: Scope,
    store: Arc<dyn BudgetStore>,
    clock: Arc<dyn Clock>,
    /// Epoch seconds until which no call is made; 0 when calls are welcome.
    until: AtomicI64,
    /// Whether the store was asked what other functions had learnt.
    asked: OnceCell<()>,
}

/// The three headers of Mautic's rate limiter; absent while no limit is set.
pub(super) struct RateHeaders {
    /// Calls per hour.
    pub limit: Option<u32>,
    /// Calls left.
    pub remaining: Option<u32>,
    reset: Option<Timestamp>,
}

impl RateHeaders {
    pub(super) fn of(answer: &Answer) -> Self {
        let number = |name| answer.header(name)?.trim().parse().ok();
        let reset = answer.header("x-ratelimit-reset").and_then(|text| text.trim().parse().ok());
        Self {
            limit: number("x-ratelimit-limit"),
            remaining: number("x-ratelimit-remaining"),
            reset: reset.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        }
    }
}

impl Budget {
    pub(super) fn new(scope: Scope, ports: &Ports) -> Self {
        let (store, clock) = (Arc::clone(&ports.budgets), Arc::clone(&ports.clock));
        Self { scope, store, clock, until: AtomicI64::new(0), asked: OnceCell::new() }
    }

    /// Lets a call through, or fails without one while the budget is known to be used up. The store is asked once in a
    /// process's life; later on, what another function learnt costs this one a call to learn.
    pub(super) async fn admit(&self) -> Result<()> {
        self.asked.get_or_init(|| self.ask()).await;
        let until = self.until.load(Ordering::Relaxed);
        match Timestamp::from_second(until) {
            Ok(reset) if reset > self.clock.now() => Err(used_up(reset)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn ask(&self) {
        match self.store.exhausted_until(&self.scope).await {
            Ok(Some(reset)) => self.until.store(reset.as_second(), Ordering::Relaxed),
            Ok(None) => {}
            Err(failure) => tracing::warn!(%failure, "budget of calls not known"),
        }
    }

    /// Learns from an answer. `Err` when the answer says that the call was not even looked at.
    pub(super) async fn learn(&self, answer: &Answer) -> Result<()> {
        let headers = RateHeaders::of(answer);
        let now = self.clock.now();
        let reset = headers.reset.filter(|reset| *reset > now);
        if answer.status == 429 {
            let reset = reset.or_else(|| answer.retry_after(now)).unwrap_or(now + UNTOLD);
            self.exhaust(reset).await;
            return Err(used_up(reset));
        }
        if let (Some(0), Some(reset)) = (headers.remaining, reset) {
            self.exhaust(reset).await;
        }
        Ok(())
    }

    async fn exhaust(&self, reset: Timestamp) {
        if self.until.swap(reset.as_second(), Ordering::Relaxed) == reset.as_second() {
            return;
        }
        if let Err(failure) = self.store.exhaust(&self.scope, reset).await {
            tracing::warn!(%failure, "used-up budget of calls not noted");
        }
    }
}

fn used_up(reset: Timestamp) -> Failure {
    Failure::new(FailureKind::RateLimited, "Mautic's budget of API calls is used up.").not_before(reset)
}
