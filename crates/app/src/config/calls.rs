//! How many calls Tandem makes of Mautic.

use tandem_connectors::mautic::settings::{Calls, CallsAMinute};
use tandem_core::policy::{MOST_PARALLEL_BATCHES, PARALLEL_BATCHES};

use super::Environment;

const A_MINUTE: &str = "MAUTIC_CALLS_PER_MINUTE";
const RESERVE: &str = "MAUTIC_INTERACTIVE_RESERVE";
const PARALLEL: &str = "MAUTIC_PARALLEL_BATCHES";

/// Reads both settings; what can't be one is a problem.
pub(super) fn read(environment: &Environment, problems: &mut Vec<String>) -> Calls {
    let usual = Calls::default();
    let a_minute = match environment.get(&[A_MINUTE]).map(|text| text.trim().to_lowercase()).as_deref() {
        None | Some("auto") => usual.a_minute,
        Some("off") => CallsAMinute::Unlimited,
        Some(text) => text.parse().map(CallsAMinute::AtMost).unwrap_or_else(|_| {
            problems.push(format!("{A_MINUTE} must be a number above 0, auto or off"));
            usual.a_minute
        }),
    };
    let share = |text: &str| text.trim().trim_end_matches('%').parse().ok().filter(|share: &u8| *share <= 90);
    let reserve = environment.get(&[RESERVE]).map(|text| {
        share(text).unwrap_or_else(|| {
            problems.push(format!("{RESERVE} must be a number from 0 to 90, hundredths of the hourly budget"));
            usual.reserve
        })
    });
    Calls { a_minute, reserve: reserve.unwrap_or(usual.reserve) }
}

/// How many batch calls a run has under way at the same time at most; what can't be that is a problem.
pub(super) fn parallel(environment: &Environment, problems: &mut Vec<String>) -> usize {
    let Some(text) = environment.get(&[PARALLEL]) else { return PARALLEL_BATCHES };
    let number = text.trim().parse().ok().filter(|number| (1..=MOST_PARALLEL_BATCHES).contains(number));
    number.unwrap_or_else(|| {
        problems.push(format!("{PARALLEL} must be a number from 1 to {MOST_PARALLEL_BATCHES}"));
        PARALLEL_BATCHES
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn calls(entries: &[(&str, &str)]) -> (Calls, Vec<String>) {
        let environment = entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut problems = Vec::new();
        (read(&environment, &mut problems), problems)
    }

    #[test]
    fn calls_a_minute_are_limited_while_mautic_is_slow_unless_it_is_said_otherwise() {
        assert_eq!(calls(&[]), (Calls::default(), Vec::new()));
        assert_eq!(calls(&[(A_MINUTE, " OFF ")]).0.a_minute, CallsAMinute::Unlimited);
        assert_eq!(calls(&[(A_MINUTE, "30")]).0.a_minute, CallsAMinute::AtMost(NonZeroU32::new(30).unwrap()));
        assert_eq!(calls(&[(RESERVE, "25%")]).0.reserve, 25);
    }

    #[test]
    fn what_is_no_number_of_calls_is_named() {
        for (name, value) in [(A_MINUTE, "0"), (A_MINUTE, "many"), (RESERVE, "100"), (RESERVE, "-1")] {
            let (calls, problems) = calls(&[(name, value)]);
            assert!(problems.len() == 1 && problems[0].contains(name), "{problems:?}");
            assert_eq!(calls, Calls::default());
        }
    }

    #[test]
    fn batch_calls_at_the_same_time_are_few_or_as_many_as_it_is_said() {
        let read = |value: &str| {
            let mut problems = Vec::new();
            let environment = [(PARALLEL.to_owned(), value.to_owned())].into_iter().collect();
            (parallel(&environment, &mut problems), problems)
        };
        assert_eq!(read(""), (PARALLEL_BATCHES, Vec::new()));
        assert_eq!(read(" 1 "), (1, Vec::new()));
        for wrong in ["0", "17", "-1", "all"] {
            let (number, problems) = read(wrong);
            assert!(
                number == PARALLEL_BATCHES && problems.len() == 1 && problems[0].contains(PARALLEL),
                "{problems:?}"
            );
        }
    }
}
