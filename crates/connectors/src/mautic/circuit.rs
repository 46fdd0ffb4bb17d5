//! A Mautic that hangs: after a few calls that it did not answer, no call is made for a while, and then one to see.
//!
//! A call that takes its caller's whole time is worse than one that fails: whoever waits for it waits for nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::{CircuitStore, Clock};
use tokio::sync::OnceCell;

use crate::Ports;

/// After so many calls in a row without an answer no more are made.
const SILENT_CALLS: u32 = 3;
/// A call that failed without an answer sooner than this was refused, not left hanging.
const SILENCE: SignedDuration = SignedDuration::from_millis(1_500);
/// How long no call is made, the first time; twice as long each time after it.
const FIRST: SignedDuration = SignedDuration::from_secs(30);
/// How long no call is made at most: then one is made to see.
const LONGEST: SignedDuration = SignedDuration::from_secs(300);
/// How long others wait for the one call that is made to see.
const PROBING: SignedDuration = SignedDuration::from_secs(10);

/// What is known of one integration's silence.
pub(super) struct Circuit {
    scope: Scope,
    store: Arc<dyn CircuitStore>,
    clock: Arc<dyn Clock>,
    /// Whether the store was asked what other functions had learnt.
    asked: OnceCell<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Calls in a row that were not answered.
    silent: u32,
    /// How often in a row calls were stopped.
    stops: u32,
    /// Until when no call is made; later on, one is made to see.
    until: Option<Timestamp>,
    /// When the call to see was begun.
    probing: Option<Timestamp>,
    /// Other functions were not told of `until` yet.
    untold: bool,
}

/// A call under way. One that is dropped without an answer, because its caller could not wait any longer, counts as silence
/// if it took long enough.
pub(super) struct Turn<'a> {
    circuit: &'a Circuit,
    begun: Timestamp,
    is_over: bool,
}

impl Circuit {
    pub(super) fn new(scope: Scope, ports: &Ports) -> Self {
        let (store, clock) = (Arc::clone(&ports.circuits), Arc::clone(&ports.clock));
        Self { scope, store, clock, asked: OnceCell::new(), state: Mutex::default() }
    }

    /// Lets a call through, or fails without one while Mautic is silent. The store is asked once in a process's life, and with
    /// the first call of a row that is not answered: it may be known elsewhere already.
    pub(super) async fn admit(&self) -> Result<Turn<'_>> {
        self.asked.get_or_init(|| self.ask()).await;
        self.tell().await;
        let now = self.clock.now();
        self.locked().admit(now)?;
        Ok(Turn { circuit: self, begun: now, is_over: false })
    }

    /// Fails while calls would not be let through.
    pub(super) fn check(&self) -> Result<()> {
        let now = self.clock.now();
        match self.locked().until {
            Some(until) if until > now => Err(silent(until)),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes that something was not answered after `took`, besides calls.
    pub(super) async fn heard_nothing(&self, took: SignedDuration) {
        if took < SILENCE {
            return;
        }
        let is_first = self.locked().heard_nothing(self.clock.now());
        if is_first {
            self.ask().await;
        }
        self.tell().await;
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self) {
        match self.store.silent_until(&self.scope).await {
            Ok(Some(until)) if until > self.clock.now() => {
                let mut state = self.locked();
                if state.until.is_none_or(|known| known < until) {
                    state.until = Some(until.min(self.clock.now() + LONGEST));
                }
            }
            Ok(_) => {}
            Err(failure) => tracing::warn!(%failure, "whether Mautic is silent is not known"),
        }
    }

    /// Tells other functions until when no call is worth its time. One write each time that calls are stopped.
    async fn tell(&self) {
        let news = {
            let mut state = self.locked();
            state.until.filter(|_| std::mem::take(&mut state.untold))
        };
        let Some(until) = news else { return };
        tracing::warn!(%until, "Mautic does not answer: no call is made until then");
        if let Err(failure) = self.store.note_silence(&self.scope, until).await {
            tracing::warn!(%failure, "that Mautic is silent was not noted");
        }
    }
}

impl State {
    fn admit(&mut self, now: Timestamp) -> Result<()> {
        match (self.until, self.probing) {
            (Some(until), _) if until > now => Err(silent(until)),
            (Some(_), Some(begun)) if begun + PROBING > now => Err(silent(begun + PROBING)),
            (Some(_), _) => {
                self.probing = Some(now);
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }

    /// A call was not answered; `true` when it is the first of a row.
    fn heard_nothing(&mut self, now: Timestamp) -> bool {
        self.silent = self.silent.saturating_add(1);
        let probed = self.probing.take().is_some();
        let is_stopped = self.until.is_some_and(|until| until > now);
        if !is_stopped && (probed || self.silent >= SILENT_CALLS) {
            let wait = FIRST * (1 << self.stops.min(8));
            self.stops = self.stops.saturating_add(1);
            self.until = Some(now + wait.min(LONGEST));
            self.untold = true;
        }
        self.silent == 1 && !is_stopped
    }
}

impl Turn<'_> {
    /// An answer came, whatever it says.
    pub(super) fn answered(mut self) {
        self.is_over = true;
        *self.circuit.locked() = State::default();
    }

    /// No answer came.
    pub(super) async fn failed(mut self) {
        self.is_over = true;
        let took = self.circuit.clock.now().duration_since(self.begun);
        // It may have been the call to see: then another one may be made.
        if took < SILENCE {
            self.circuit.locked().probing = None;
        }
        self.circuit.heard_nothing(took).await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let now = self.circuit.clock.now();
        let mut state = self.circuit.locked();
        if now.duration_since(self.begun) >= SILENCE {
            state.heard_nothing(now);
        } else {
            state.probing = None;
        }
    }
}

fn silent(until: Timestamp) -> Failure {
    let message = "Mautic did not answer the calls before this one: none is made until it is time to try again.";
    Failure::new(FailureKind::Unavailable, message).not_before(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn three_calls_in_a_row_without_an_answer_stop_the_next_ones() {
        let mut state = State::default();
        assert!(state.heard_nothing(at(0)), "the first asks what others know");
        assert!(!state.heard_nothing(at(1)));
        assert!(state.admit(at(1)).is_ok());
        state.heard_nothing(at(2));
        assert_eq!(state.admit(at(3)).unwrap_err().retry_at, Some(at(32)));
        // Calls that were under way and end after it stop nothing for longer.
        state.heard_nothing(at(4));
        assert_eq!(state.until, Some(at(32)));
    }

    #[test]
    fn one_call_is_made_to_see_and_its_silence_stops_calls_for_twice_as_long() {
        let mut state = State { silent: 3, stops: 1, until: Some(at(32)), ..State::default() };
        assert!(state.admit(at(33)).is_ok());
        assert_eq!(state.admit(at(34)).unwrap_err().retry_at, Some(at(43)), "the others wait for it");
        state.heard_nothing(at(37));
        assert_eq!(state.until, Some(at(97)));
        assert!(state.admit(at(50)).is_err());
    }

    #[test]
    fn a_call_to_see_that_is_never_heard_of_again_is_followed_by_another() {
        let mut state = State { silent: 3, stops: 1, until: Some(at(32)), ..State::default() };
        assert!(state.admit(at(33)).is_ok());
        assert!(state.admit(at(44)).is_ok());
    }

    #[test]
    fn no_stop_is_longer_than_five_minutes() {
        let mut state = State { silent: 9, stops: u32::MAX, until: Some(at(0)), probing: Some(at(1)), untold: false };
        state.heard_nothing(at(2));
        assert_eq!(state.until, Some(at(302)));
    }
}
