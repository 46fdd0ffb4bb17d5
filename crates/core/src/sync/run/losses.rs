//! How much a run may take away before a person has to say that this is meant.

use crate::policy;

/// What a run takes away, of what is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Contacts that it deletes, changes because their rows are gone, or takes values from.
    pub(super) lost: u64,
    /// Rows that the source told of in earlier runs.
    pub(super) told_before: u64,
    /// Known contacts that this run met: in a first run, nothing was told before.
    pub(super) met: u64,
}

impl Losses {
    pub(super) fn are_too_many(self) -> bool {
        self.lost > policy::losses_allowed(self.known())
    }

    fn known(self) -> u64 {
        self.told_before.max(self.met)
    }

    /// Why the run stops, and what to do.
    pub(super) fn told(self) -> String {
        let (lost, known) = (self.lost, self.known());
        let allowed = policy::losses_allowed(known);
        format!(
            "{lost} or more of {known} known contacts are gone or lost values, more than the {allowed} that a run may delete \
             or blank. `tandem sync --dry-run` names them. If that is meant, run `tandem sync --accept-losses`."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_may_always_be_lost_and_then_a_tenth() {
        let too_many = |lost, met| Losses { lost, told_before: 100, met }.are_too_many();
        assert_eq!((too_many(10, 0), too_many(11, 0)), (false, true));
        assert_eq!((too_many(10, 109), too_many(11, 109)), (false, true));
        assert_eq!((too_many(1_800, 18_000), too_many(1_801, 18_000)), (false, true));
    }
}
