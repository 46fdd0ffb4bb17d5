//! The consent ledger: who may be mailed, since when, and by what proof. An opt-out is never undone by a sync.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a person said about being mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentStatus {
    /// May be mailed.
    OptedIn,
    /// Must not be mailed.
    OptedOut,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentSource {
    /// A record of the application.
    Application,
    /// The person, through an event of the application that says so.
    Person,
    /// The platform: an unsubscribe link, a bounce, a person at the platform's console.
    Platform,
}

/// One statement about consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentEntry {
    /// What was said.
    pub status: ConsentStatus,
    /// Who said it.
    pub source: ConsentSource,
    /// When it was said.
    pub at: Timestamp,
    /// Where that can be looked up: a form, an event id, a platform's comment. Never an address.
    pub proof: Option<String>,
}

/// All statements about one address on one channel, the newest last. At most [`ConsentLedger::KEPT`] are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentLedger {
    entries: Vec<ConsentEntry>,
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentOutcome {
    /// It changed the standing.
    Changed,
    /// It says what already stands.
    Unchanged,
    /// It would have undone an opt-out without the person saying so, and was not taken.
    OptOutKept,
}

impl ConsentLedger {
    /// How many statements are kept; the last opt-out is always among them.
    pub const KEPT: usize = 20;

    /// What stands now; `None` when nobody said anything.
    #[must_use]
    pub fn standing(&self) -> Option<&ConsentEntry> {
        self.entries.last()
    }

    /// Whether the person must not be mailed.
    #[must_use]
    pub fn opted_out(&self) -> bool {
        self.standing().is_some_and(|entry| entry.status == ConsentStatus::OptedOut)
    }

    /// Whether the person said yes and nothing since.
    #[must_use]
    pub fn opted_in(&self) -> bool {
        self.standing().is_some_and(|entry| entry.status == ConsentStatus::OptedIn)
    }

    /// All statements, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[ConsentEntry] {
        &self.entries
    }

    /// Takes a statement, or refuses it: only the person undoes an opt-out, and only later than it was made.
    pub fn take(&mut self, entry: ConsentEntry) -> ConsentOutcome {
        if let Some(standing) = self.standing() {
            let undoes = standing.status == ConsentStatus::OptedOut && entry.status == ConsentStatus::OptedIn;
            if undoes && (entry.source != ConsentSource::Person || entry.at <= standing.at) {
                return ConsentOutcome::OptOutKept;
            }
            let newer_word = entry.source != ConsentSource::Application && entry.at > standing.at;
            if standing.status == entry.status && !newer_word {
                return ConsentOutcome::Unchanged;
            }
            let stale_opt_out = entry.status == ConsentStatus::OptedOut
                && standing.source == ConsentSource::Person
                && entry.at < standing.at;
            if stale_opt_out {
                return ConsentOutcome::Unchanged;
            }
        }
        self.entries.push(entry);
        if self.entries.len() > Self::KEPT {
            self.entries.remove(0);
        }
        ConsentOutcome::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(status: ConsentStatus, source: ConsentSource, second: i64) -> ConsentEntry {
        ConsentEntry { status, source, at: Timestamp::from_second(second).unwrap(), proof: None }
    }

    #[test]
    fn an_opt_out_is_not_undone_by_a_record_that_says_otherwise() {
        let mut ledger = ConsentLedger::default();
        ledger.take(entry(ConsentStatus::OptedOut, ConsentSource::Platform, 10));
        let outcome = ledger.take(entry(ConsentStatus::OptedIn, ConsentSource::Application, 20));
        assert_eq!(outcome, ConsentOutcome::OptOutKept);
        assert!(ledger.opted_out());
    }

    #[test]
    fn only_a_later_word_of_the_person_undoes_an_opt_out() {
        let mut ledger = ConsentLedger::default();
        ledger.take(entry(ConsentStatus::OptedOut, ConsentSource::Platform, 10));
        assert_eq!(ledger.take(entry(ConsentStatus::OptedIn, ConsentSource::Person, 9)), ConsentOutcome::OptOutKept);
        assert_eq!(ledger.take(entry(ConsentStatus::OptedIn, ConsentSource::Person, 11)), ConsentOutcome::Changed);
        assert!(ledger.opted_in());
    }

    #[test]
    fn an_opt_out_that_arrives_late_does_not_undo_the_persons_newer_word() {
        let mut ledger = ConsentLedger::default();
        ledger.take(entry(ConsentStatus::OptedIn, ConsentSource::Person, 30));
        assert_eq!(ledger.take(entry(ConsentStatus::OptedOut, ConsentSource::Platform, 20)), ConsentOutcome::Unchanged);
        assert!(ledger.opted_in());
    }
}
