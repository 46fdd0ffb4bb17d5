//! A clock that goes, and moves on when it is told to: leases and delays end without anybody waiting for them.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tandem_app::system::SystemClock;
use tandem_core::ports::Clock;

/// The system's time, and how far it was moved on. Clones are the same clock.
#[derive(Clone, Default)]
pub struct Hands(Arc<Mutex<SignedDuration>>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        let ahead = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        SystemClock.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }
}

impl Hands {
    /// Moves it on.
    pub fn move_on(&self, by: SignedDuration) {
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = ahead.saturating_add(by);
    }
}
