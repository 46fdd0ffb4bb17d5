//! The budget of calls: the hourly one that an administrator may set, learnt from the answers (recording `138-rate-limited`),
//! and the calls a minute that a slow Mautic is spared ([`pace`]).
//!
//! Over the budget Mautic answers 429 without `Retry-After`: waiting seconds is useless, the budget comes back at Reset. A
//! header is nobody's proof: no moment further ahead than [`LONGEST`] is believed, and meanwhile a call now and then finds out
//! whether it is true.

mod pace;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::{BudgetStore, Clock};

use self::pace::Pace;
use super::settings::Calls;
use crate::Ports;
use crate::http::Answer;

/// How long to wait after a 429 that names no moment: a proxy's limit, not Mautic's.
const UNTOLD: SignedDuration = SignedDuration::from_secs(10);
/// Mautic counts by the hour: no Reset is further ahead, whatever a header says, but for clocks that differ a little.
const LONGEST: SignedDuration = SignedDuration::from_mins(70);
/// How often a process asks the store again while the budget is used up: another may have found out better, or a person.
const ASKED_EVERY: SignedDuration = SignedDuration::from_secs(20);
/// How often one call of all processes finds out whether the budget is used up in truth.
const PROBED_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// For whom a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// Somebody waits for it, or for the one thing that it is about.
    Interactive,
    /// Work on all contacts: it leaves a share of the budget to the others.
    Background,
}

/// What a call was let through as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// One of many.
    Usual,
    /// The one that finds out whether the budget is back.
    Probe,
}

/// What is known of one integration's budget.
pub(super) struct Budget {
    scope: Scope,
    store: Arc<dyn BudgetStore>,
    clock: Arc<dyn Clock>,
    /// The most that background calls leave to others, in hundredths of the limit.
    reserve: u32,
    known: Mutex<Known>,
    pub(super) pace: Pace,
}

#[derive(Default)]
struct Known {
    /// No call is made before this moment.
    until: Option<Timestamp>,
    /// When the store was last asked.
    asked_at: Option<Timestamp>,
    /// When this process last tried to probe, or learnt that the budget is used up.
    probed_at: Option<Timestamp>,
    /// The hour that the answers tell of.
    hour: Option<Hour>,
}

/// An hour of Mautic's limiter.
#[derive(Clone, Copy)]
struct Hour {
    limit: u32,
    remaining: u32,
    reset: Timestamp,
    /// Background calls of this process in it.
    background: u32,
}

impl Hour {
    /// How many calls background work leaves: as many as others made in this hour so far, and a share of the limit at most.
    fn left_to_others(&self, share: u32) -> u32 {
        let others = self.limit.saturating_sub(self.remaining).saturating_sub(self.background);
        let most = u64::from(self.limit) * u64::from(share) / 100;
        others.min(u32::try_from(most).unwrap_or(u32::MAX))
    }
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
    pub(super) fn new(scope: Scope, calls: Calls, ports: &Ports) -> Self {
        let (store, clock) = (Arc::clone(&ports.budgets), Arc::clone(&ports.clock));
        let pace = Pace::new(calls.a_minute);
        Self { scope, store, clock, reserve: calls.reserve.into(), known: Mutex::default(), pace }
    }

    /// Lets a call through, or fails without one while the budget is known to be used up, or what is left of it is not for
    /// this call. The store is asked at the first call, and now and then while the budget is used up.
    pub(super) async fn admit(&self, priority: Priority) -> Result<Admitted> {
        self.ask_if_due().await;
        let now = self.clock.now();
        if let Some(until) = self.until(now) {
            return if self.may_probe(now).await { Ok(Admitted::Probe) } else { Err(used_up(until)) };
        }
        match priority {
            Priority::Background => self.leave_some(now)?,
            Priority::Interactive => self.pace.admit(now)?,
        }
        Ok(Admitted::Usual)
    }

    /// Fails where [`Budget::admit`] would, and takes nothing.
    pub(super) async fn look(&self, priority: Priority) -> Result<()> {
        self.ask_if_due().await;
        let now = self.clock.now();
        let may_be_probed = |known: &Known| known.probed_at.is_none_or(|at| now.duration_since(at) >= PROBED_EVERY);
        match self.until(now) {
            Some(until) if !may_be_probed(&self.known()) => Err(used_up(until)),
            None if priority == Priority::Background => self.leave_some(now),
            Some(_) | None => Ok(()),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.known().until.filter(|until| *until > now)
    }

    async fn ask_if_due(&self) {
        let now = self.clock.now();
        {
            let mut known = self.known();
            let is_due = match (known.asked_at, known.until) {
                (None, _) => true,
                (Some(asked_at), Some(until)) => until > now && now.duration_since(asked_at) >= ASKED_EVERY,
                (Some(_), None) => false,
            };
            if !is_due {
                return;
            }
            known.asked_at = Some(now);
        }
        match self.store.exhausted_until(&self.scope).await {
            Ok(until) => self.known().until = until.map(|until| believable(until, now)),
            Err(failure) => tracing::warn!(%failure, "budget of calls not known"),
        }
    }

    /// Whether this call may find out if the budget is back: one in ten minutes, of all processes.
    async fn may_probe(&self, now: Timestamp) -> bool {
        {
            let mut known = self.known();
            let is_due = known.probed_at.is_none_or(|probed_at| now.duration_since(probed_at) >= PROBED_EVERY);
            if !is_due {
                return false;
            }
            known.probed_at = Some(now);
        }
        let before = now.checked_sub(PROBED_EVERY).unwrap_or(Timestamp::MIN);
        self.store.claim_probe(&self.scope, before, now).await.unwrap_or(false)
    }

    fn leave_some(&self, now: Timestamp) -> Result<()> {
        let known = self.known();
        let Some(hour) = known.hour.filter(|hour| hour.reset > now) else { return Ok(()) };
        if hour.remaining > hour.left_to_others(self.reserve) {
            return Ok(());
        }
        let message =
            "What is left of Mautic's budget of API calls this hour is kept for calls that somebody waits for.";
        Err(Failure::new(FailureKind::RateLimited, message).not_before(hour.reset))
    }

    /// Learns from an answer. `Err` when the answer says that the call was not even looked at.
    pub(super) async fn learn(&self, answer: &Answer, priority: Priority, admitted: Admitted) -> Result<()> {
        let headers = RateHeaders::of(answer);
        let now = self.clock.now();
        let reset = headers.reset.filter(|reset| *reset > now).map(|reset| believable(reset, now));
        if answer.status == 429 {
            let reset = reset.or_else(|| answer.retry_after(now)).unwrap_or(now + UNTOLD);
            self.exhaust(reset, now).await;
            return Err(used_up(reset));
        }
        if let (Some(limit), Some(remaining), Some(reset)) = (headers.limit, headers.remaining, reset) {
            self.note_hour(Hour { limit, remaining, reset, background: 0 }, priority);
        }
        match (headers.remaining, reset) {
            (Some(0), Some(reset)) => self.exhaust(reset, now).await,
            _ if admitted == Admitted::Probe => self.welcome().await,
            _ => {}
        }
        Ok(())
    }

    fn note_hour(&self, told: Hour, priority: Priority) {
        let mut known = self.known();
        let before = known.hour.filter(|hour| hour.reset == told.reset).map_or(0, |hour| hour.background);
        let background = before + u32::from(priority == Priority::Background);
        known.hour = Some(Hour { background, ..told });
    }

    async fn exhaust(&self, reset: Timestamp, now: Timestamp) {
        {
            let mut known = self.known();
            known.probed_at = Some(now);
            if known.until.replace(reset) == Some(reset) {
                return;
            }
        }
        tracing::warn!(event = "budget_exhausted", until = %reset, "Mautic's budget of API calls is used up");
        if let Err(failure) = self.store.exhaust(&self.scope, reset, now).await {
            tracing::warn!(%failure, "used-up budget of calls not noted");
        }
    }

    /// A call went through, though the budget was said to be used up.
    async fn welcome(&self) {
        self.known().until = None;
        tracing::info!(event = "budget_back", "Mautic takes calls again before it said that it would");
        if let Err(failure) = self.store.clear(&self.scope).await {
            tracing::warn!(%failure, "budget of calls not noted as back");
        }
    }
}

fn believable(reset: Timestamp, now: Timestamp) -> Timestamp {
    reset.min(now.checked_add(LONGEST).unwrap_or(Timestamp::MAX))
}

fn used_up(reset: Timestamp) -> Failure {
    Failure::new(FailureKind::RateLimited, "Mautic's budget of API calls is used up.").not_before(reset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_work_leaves_what_others_use_and_a_share_of_the_limit_at_most() {
        let hour = |remaining, background| Hour { limit: 100, remaining, reset: Timestamp::MAX, background };
        assert_eq!(hour(3, 97).left_to_others(10), 0, "nobody else is there");
        assert_eq!(hour(50, 45).left_to_others(10), 5);
        assert_eq!(hour(50, 10).left_to_others(10), 10);
        assert_eq!(hour(50, 60).left_to_others(10), 0, "whatever the headers say");
        assert_eq!(hour(50, 10).left_to_others(0), 0);
    }
}
