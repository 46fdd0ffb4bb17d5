//! How many batch calls are under way at the same time: one more as long as each answer comes as fast as one alone, fewer in
//! proportion when answers only wait for each other, half when calls fail. So a platform with cores to spare is given more to
//! do, and one without is spared.

use std::time::Duration;

/// Of the calls under way, so many at most may be waiting for others when one more is tried.
const SPARE: f64 = 0.5;
/// So many of them waiting means that there are too many.
const CROWDED: f64 = 0.9;
/// How much of it an answer that is the only one, and slower than those before, tells of what is usual: a platform may become
/// slower by itself. Of several at once none does, or the crowd would become usual.
const LEARNT: f64 = 0.25;
/// After so many answers at most, one more is tried again.
const LONGEST_PATIENCE: u32 = 32;

/// A number that follows the answers' times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    now: usize,
    most: usize,
    /// How long an answer takes for each contact when no other call is under way, in seconds, by kind of call.
    alone: [Option<f64>; 3],
    /// After how many answers one more is tried, once it was one too many.
    patience: u32,
    /// How many answers are left until then.
    held_for: u32,
}

impl Width {
    /// Begins with one, and never goes beyond `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { now: 1, most: most.max(1), alone: [None; 3], patience: 1, held_for: 0 }
    }

    /// How many calls may be under way.
    pub(super) const fn now(self) -> usize {
        self.now
    }

    /// A call of this kind with so many contacts took so long, while so many were under way, itself included.
    pub(super) fn took(&mut self, kind: usize, carried: usize, duration: Duration, beside: usize) {
        let each = (duration.as_secs_f64() / carried.max(1) as f64).max(f64::EPSILON);
        let Some(alone) = self.alone.get_mut(kind) else { return };
        let learnt = if beside > 1 { 0.0 } else { LEARNT };
        let usual = alone.map_or(each, |usual| usual + (each - usual).max(0.0) * learnt).min(each);
        *alone = Some(usual);
        if beside < self.now {
            return;
        }
        let part = usual / each;
        let waiting = beside as f64 * (1.0 - part);
        if waiting > CROWDED {
            self.now = ((beside as f64 * part).round() as usize).clamp(1, self.now);
            self.hold();
        } else if self.held_for > 0 {
            self.held_for -= 1;
        } else if waiting < SPARE {
            self.now = (self.now + 1).min(self.most);
        }
    }

    /// A call was not answered, or refused as a whole.
    pub(super) fn halve(&mut self) {
        self.now = (self.now / 2).max(1);
        self.hold();
    }

    fn hold(&mut self) {
        self.held_for = self.patience;
        self.patience = (self.patience * 2).min(LONGEST_PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many calls are under way in the end, with a platform that works on so many at a time.
    fn settled(cores: usize, most: usize) -> Vec<usize> {
        let mut width = Width::new(most);
        let mut widths = Vec::new();
        for _ in 0..200 {
            let beside = width.now();
            let millis = 5_000 * beside.max(cores) / cores;
            width.took(0, 200, Duration::from_millis(millis as u64), beside);
            widths.push(width.now());
        }
        widths
    }

    #[test]
    fn a_platform_with_cores_to_spare_gets_as_many_calls_as_it_has_cores() {
        for cores in [2, 3, 6] {
            let widths = settled(cores, 8);
            let tail = &widths[20..];
            assert!(tail.iter().all(|width| (cores..=cores + 1).contains(width)), "{cores} cores: {widths:?}");
            let beyond = tail.iter().filter(|width| **width > cores).count();
            assert!(beyond * 8 < tail.len() * 3, "one more is only tried now and then: {widths:?}");
        }
    }

    #[test]
    fn a_platform_without_cores_to_spare_gets_one_call_after_the_other() {
        let widths = settled(1, 8);
        let beyond = widths[40..].iter().filter(|width| **width > 1).count();
        assert!(widths.iter().all(|width| *width <= 2) && beyond <= 6, "{widths:?}");
    }

    #[test]
    fn a_platform_that_becomes_slower_gets_less_at_a_time_until_that_is_usual() {
        let mut width = Width::new(8);
        let mut answers = |count: usize, millis_alone: u64| {
            for _ in 0..count {
                let beside = width.now();
                width.took(0, 200, Duration::from_millis(millis_alone * beside.max(4) as u64 / 4), beside);
            }
            width.now()
        };
        assert!((4..=5).contains(&answers(60, 5_000)));
        assert_eq!(answers(2, 40_000), 1, "each answer takes eight times as long");
        assert!((4..=5).contains(&answers(120, 40_000)), "it has four cores all the same");
    }

    #[test]
    fn no_more_calls_are_under_way_than_the_setting_says() {
        assert!(settled(16, 4).iter().all(|width| *width <= 4));
        assert!(settled(16, 1).iter().all(|width| *width == 1));
    }

    #[test]
    fn calls_that_fail_halve_the_number() {
        let mut width = Width::new(8);
        for _ in 0..7 {
            width.took(0, 200, Duration::from_secs(5), width.now());
        }
        assert_eq!(width.now(), 8);
        width.halve();
        width.halve();
        assert_eq!(width.now(), 2);
        width.halve();
        width.halve();
        assert_eq!(width.now(), 1, "one call is always made");
    }

    #[test]
    fn a_small_or_sudden_answer_is_no_reason_to_stop() {
        let mut width = Width::new(4);
        width.took(9, 200, Duration::from_secs(5), 1);
        width.took(0, 0, Duration::ZERO, 1);
        width.took(1, 200, Duration::ZERO, 2);
        assert!((1..=4).contains(&width.now()));
    }
}
