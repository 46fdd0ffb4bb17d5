//! Calls a minute: a Mautic that takes long for each call is not given more of them at a time than it can take. Of the
//! process, not of all.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tandem_core::error::{Failure, FailureKind, Result};

use crate::mautic::settings::CallsAMinute;

/// How much the newest answer counts for in the average.
const WEIGHT: f64 = 0.1;
/// The limit unless another one is set.
const USUAL: u32 = 100;

/// Lets through so many calls a minute, a minute's worth at once.
pub(in crate::mautic) struct Pace {
    rule: CallsAMinute,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Calls that may go out at once, and when that was so.
    bucket: Option<(f64, Timestamp)>,
    /// Calls that wait for their answers.
    under_way: u32,
    /// Seconds that Mautic takes for a call, as an average: what a caller waits, shared by those who wait with it.
    each: Option<f64>,
}

/// A call whose answer is waited for.
pub(in crate::mautic) struct UnderWay<'a> {
    pace: &'a Pace,
    began_at: Timestamp,
    beside: u32,
}

impl Pace {
    pub(in crate::mautic) const fn new(rule: CallsAMinute) -> Self {
        Self { rule, state: Mutex::new(State { bucket: None, under_way: 0, each: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call's place, or fails until there is one.
    pub(super) fn admit(&self, now: Timestamp) -> Result<()> {
        let mut state = self.state();
        let limit = match self.rule {
            CallsAMinute::Unlimited => return Ok(()),
            CallsAMinute::WhileSlow => f64::from(USUAL),
            CallsAMinute::AtMost(limit) => f64::from(limit.get()),
        };
        let (left, at) = state.bucket.unwrap_or((limit, now));
        let passed = now.duration_since(at).max(SignedDuration::ZERO).as_secs_f64();
        let left = (left + passed * limit / 60.0).min(limit);
        // A Mautic that takes less than the limit's share of a minute for a call can take more of them, and so may an unknown one.
        let is_slow = state.each.is_some_and(|each| each > 60.0 / limit);
        if left < 1.0 && (is_slow || self.rule != CallsAMinute::WhileSlow) {
            state.bucket = Some((left, now));
            let wait = SignedDuration::from_secs_f64(((1.0 - left) * 60.0 / limit).max(1.0));
            return Err(Failure::new(FailureKind::RateLimited, TOO_MANY).not_before(now + wait));
        }
        state.bucket = Some(((left - 1.0).max(0.0), now));
        Ok(())
    }

    /// A call begins.
    pub(in crate::mautic) fn begin(&self, now: Timestamp) -> UnderWay<'_> {
        let mut state = self.state();
        state.under_way += 1;
        UnderWay { pace: self, began_at: now, beside: state.under_way }
    }
}

const TOO_MANY: &str =
    "Mautic answers slowly, and gets no more calls a minute than MAUTIC_CALLS_PER_MINUTE says (100 unless it is set).";

impl UnderWay<'_> {
    /// The answer is there, or the call failed.
    pub(in crate::mautic) fn answered(&self, now: Timestamp) {
        let took = now.duration_since(self.began_at).max(SignedDuration::ZERO).as_secs_f64();
        let each = took / f64::from(self.beside);
        let mut state = self.pace.state();
        state.each = Some(state.each.map_or(each, |average| average + WEIGHT * (each - average)));
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.pace.state();
        state.under_way = state.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000_000 + millisecond).unwrap()
    }

    /// Calls one after the other, each taking so long; gives how many of them went out.
    fn went_out(pace: &Pace, calls: usize, took: i64) -> usize {
        let mut now = 0;
        let mut out = 0;
        for _ in 0..calls {
            if pace.admit(at(now)).is_ok() {
                out += 1;
                let call = pace.begin(at(now));
                now += took;
                call.answered(at(now));
            }
        }
        out
    }

    #[test]
    fn a_mautic_that_answers_fast_gets_all_calls() {
        assert_eq!(went_out(&Pace::new(CallsAMinute::WhileSlow), 5_000, 100), 5_000);
    }

    #[test]
    fn a_mautic_that_answers_slowly_gets_a_burst_of_a_hundred_and_then_a_hundred_a_minute() {
        let pace = Pace::new(CallsAMinute::WhileSlow);
        // Two at a time that each take two seconds: a second a call.
        let mut refused = None;
        for _ in 0..200 {
            match pace.admit(at(0)) {
                Ok(()) => {
                    let (one, other) = (pace.begin(at(0)), pace.begin(at(0)));
                    other.answered(at(2_000));
                    one.answered(at(2_000));
                }
                Err(failure) => refused = refused.or(failure.retry_at),
            }
        }
        assert_eq!(refused, Some(at(1_000)));
        assert!(pace.admit(at(600)).is_ok(), "another one after six tenths of a second");
        assert!(pace.admit(at(600)).is_err());
        assert_eq!((0..200).filter(|_| pace.admit(at(120_000)).is_ok()).count(), 100);
    }

    #[test]
    fn many_who_wait_for_a_fast_mautic_are_no_slow_mautic() {
        let pace = Pace::new(CallsAMinute::WhileSlow);
        // A hundred at once, 35 of them answered a second.
        let calls: Vec<_> = (0..100).map(|_| pace.begin(at(0))).collect();
        for (number, call) in calls.iter().enumerate() {
            call.answered(at(i64::try_from(number).unwrap() * 1000 / 35));
        }
        assert_eq!((0..500).filter(|_| pace.admit(at(3_000)).is_ok()).count(), 500);
    }

    #[test]
    fn a_limit_that_is_set_holds_and_none_is_none() {
        let ten = CallsAMinute::AtMost(NonZeroU32::new(10).unwrap());
        assert_eq!(went_out(&Pace::new(ten), 50, 1), 10);
        assert_eq!(went_out(&Pace::new(CallsAMinute::Unlimited), 500, 60_000), 500);
    }
}
