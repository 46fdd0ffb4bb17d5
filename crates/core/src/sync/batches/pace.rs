//! How much one call carries, learnt from how long the calls before it took.

use std::time::Duration;

/// How long a bulk call should take: well within a minute, after which it would be given up.
const AIM: Duration = Duration::from_secs(20);
/// How much larger the next call may be.
const GROWTH: f64 = 30.0;

/// A size that follows the answers' times.
#[derive(Clone, Copy, Debug)]
pub(in crate::sync) struct Pace {
    size: usize,
    most: usize,
}

impl Pace {
    /// Begins with `size`, and never goes beyond `most`.
    pub(in crate::sync) const fn new(size: usize, most: usize) -> Self {
        Self { size, most }
    }

    /// What the next call may carry.
    pub(in crate::sync) const fn size(self) -> usize {
        self.size
    }

    /// A call with so much took so long.
    pub(in crate::sync) fn took(&mut self, carried: usize, duration: Duration) {
        let each = duration.as_secs_f64() / carried.max(1) as f64;
        let fitting = if each > 0.0 { AIM.as_secs_f64() / each } else { f64::MAX };
        let grown = self.size.max(carried) as f64 * GROWTH;
        self.size = (fitting.min(grown) as usize).clamp(1, self.most);
    }

    /// A call took too long to be answered, or was refused as a whole.
    pub(in crate::sync) fn halve(&mut self) {
        self.size = (self.size / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_answers_make_calls_larger_and_slow_ones_smaller() {
        let mut pace = Pace::new(1_000, 50_000);
        pace.took(670, Duration::from_millis(50));
        assert_eq!(pace.size(), 30_000);
        pace.took(1_000, Duration::from_secs(14));
        assert_eq!(pace.size(), 1_428);
        pace.halve();
        assert_eq!(pace.size(), 714);
    }

    #[test]
    fn a_size_is_never_none_and_never_too_much() {
        let mut pace = Pace::new(200, 200);
        pace.took(200, Duration::ZERO);
        assert_eq!(pace.size(), 200);
        pace.took(1, Duration::from_secs(600));
        assert_eq!(pace.size(), 1);
        pace.halve();
        assert_eq!(pace.size(), 1);
    }
}
