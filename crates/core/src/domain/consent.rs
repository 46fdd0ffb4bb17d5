//! The consent ledger: who may be mailed, since when, and by what proof. An opt-out is never undone by a sync.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a person said about being mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentStatus {
    /// May be mailed.
    OptedIn,
    /// Must not be mailed.
    OptedOut,
    /// Something was said that is neither yes nor no. It is noted of somebody new only, who is not mailed until anything else
    /// is said.
    Unclear,
}

impl ConsentStatus {
    /// A yes or a no.
    #[must_use]
    pub const fn of(yes: bool) -> Self {
        if yes { Self::OptedIn } else { Self::OptedOut }
    }
}

/// Words that say yes to being mailed, as applications and newsletter tools write them.
const YES: &[&str] = &[
    "true",
    "t",
    "yes",
    "y",
    "1",
    "on",
    "ok",
    "subscribed",
    "subscribe",
    "opted in",
    "opt in",
    "optin",
    "confirmed",
    "granted",
    "accepted",
    "agreed",
    "enabled",
    "checked",
    "oui",
    "ja",
    "si",
    "s\u{ed}",
    "sim",
];
/// Words that say no. `cleaned`, `bounced` and `complained` are those of newsletter tools for whom they mail no more.
const NO: &[&str] = &[
    "false",
    "f",
    "no",
    "n",
    "0",
    "off",
    "none",
    "never",
    "unsubscribed",
    "unsubscribe",
    "not subscribed",
    "non subscribed",
    "nonsubscribed",
    "never subscribed",
    "opted out",
    "opt out",
    "optout",
    "cleaned",
    "bounced",
    "complained",
    "spam",
    "junk",
    "blocked",
    "suppressed",
    "declined",
    "denied",
    "refused",
    "rejected",
    "revoked",
    "withdrawn",
    "disabled",
    "unchecked",
    "non",
    "nein",
    "nee",
    "n\u{e3}o",
    "nao",
];

/// What a value says about being mailed; `None` when it says neither yes nor no. Who did not confirm yet (`pending`) said
/// neither.
#[must_use]
pub fn said(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Value::String(text) => said_in_words(text),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn said_in_words(text: &str) -> Option<bool> {
    let text = text.trim().trim_start_matches('\'').to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || matches!(c, '-' | '_')).filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    match (YES.contains(&text.as_str()), NO.contains(&text.as_str())) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
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
    /// A user of the platform who took an opt-out away, where the operator says that this counts as the person's word.
    Administrator,
}

impl ConsentSource {
    /// Whether an opt-in from there undoes an earlier opt-out.
    #[must_use]
    pub const fn may_undo(self) -> bool {
        match self {
            Self::Person | Self::Administrator => true,
            Self::Application | Self::Platform => false,
        }
    }
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

/// What was said about one address on one channel. The order in which statements arrive makes no difference: what stands
/// follows from the set of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentLedger {
    entries: Vec<ConsentEntry>,
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentOutcome {
    /// It was noted.
    Changed,
    /// It says what already stands.
    Unchanged,
    /// It would have undone an opt-out without the person saying so, and was not taken.
    OptOutKept,
}

impl ConsentLedger {
    /// How many statements are kept; those that decide what stands are always among them.
    pub const KEPT: usize = 20;

    /// What stands now; `None` when nobody said anything. An opt-out stands until the person opts in later than it, and what
    /// is unclear until anything else is said.
    #[must_use]
    pub fn standing(&self) -> Option<&ConsentEntry> {
        let out = self.latest(|entry| entry.status == ConsentStatus::OptedOut);
        let person = self.latest(|entry| entry.status == ConsentStatus::OptedIn && entry.source.may_undo());
        match (out, person) {
            (Some(out), Some(person)) if person.at > out.at => Some(person),
            (Some(out), _) => Some(out),
            (None, Some(person)) => Some(person),
            (None, None) => self.latest(|entry| entry.status != ConsentStatus::Unclear).or(self.entries.last()),
        }
    }

    /// The yes or no that stands; `None` when nobody said either.
    #[must_use]
    pub fn word(&self) -> Option<&ConsentEntry> {
        self.standing().filter(|entry| entry.status != ConsentStatus::Unclear)
    }

    /// Whether the person must not be mailed: by an opt-out, or because what was said of it is unclear.
    #[must_use]
    pub fn opted_out(&self) -> bool {
        self.standing().is_some_and(|entry| entry.status != ConsentStatus::OptedIn)
    }

    /// Whether the person is not mailed, and nobody said that this should be so.
    #[must_use]
    pub fn is_unclear(&self) -> bool {
        self.standing().is_some_and(|entry| entry.status == ConsentStatus::Unclear)
    }

    /// Whether the person said yes and nothing since.
    #[must_use]
    pub fn opted_in(&self) -> bool {
        self.standing().is_some_and(|entry| entry.status == ConsentStatus::OptedIn)
    }

    /// The statements, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[ConsentEntry] {
        &self.entries
    }

    /// Takes a statement. One of a record that says what stands, or would undo an opt-out, is not noted; nor is an unclear one
    /// where anything was said.
    pub fn take(&mut self, entry: ConsentEntry) -> ConsentOutcome {
        let standing = self.standing().map(|standing| standing.status);
        if entry.status == ConsentStatus::Unclear && standing.is_some() {
            return ConsentOutcome::Unchanged;
        }
        if entry.source == ConsentSource::Application && standing == Some(entry.status) {
            return ConsentOutcome::Unchanged;
        }
        let undoes = standing == Some(ConsentStatus::OptedOut) && entry.status == ConsentStatus::OptedIn;
        if undoes && !entry.source.may_undo() {
            return ConsentOutcome::OptOutKept;
        }
        if self.entries.iter().any(|known| known.is_about_the_same(&entry)) {
            return ConsentOutcome::Unchanged;
        }
        self.entries.push(entry);
        self.entries.sort_by_key(|one| one.rank());
        self.forget_what_decides_nothing();
        match (standing, self.opted_out()) {
            (Some(ConsentStatus::OptedOut), true) if undoes => ConsentOutcome::OptOutKept,
            _ => ConsentOutcome::Changed,
        }
    }

    fn latest(&self, of: impl Fn(&ConsentEntry) -> bool) -> Option<&ConsentEntry> {
        self.entries.iter().rev().find(|entry| of(entry))
    }

    fn forget_what_decides_nothing(&mut self) {
        while self.entries.len() > Self::KEPT {
            let standing = self.standing().cloned();
            let Some(oldest) = self.entries.iter().position(|entry| Some(entry) != standing.as_ref()) else { return };
            self.entries.remove(oldest);
        }
    }
}

/// What an unclear statement is called.
pub(super) const UNREADABLE_WORD: &str = "unreadable word";

/// What was said, where and when; never the proof, which may say anything.
impl fmt::Display for ConsentEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.status {
            ConsentStatus::OptedIn => "opt-in",
            ConsentStatus::OptedOut => "opt-out",
            ConsentStatus::Unclear => UNREADABLE_WORD,
        };
        let place = match self.source {
            ConsentSource::Application => "in the application",
            ConsentSource::Person => "by the person",
            ConsentSource::Platform => "on the platform",
            ConsentSource::Administrator => "by an administrator",
        };
        write!(f, "the {what} {place} of {} stands", self.at.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }
}

impl ConsentEntry {
    /// Something in the application's record that is neither yes nor no.
    #[must_use]
    pub const fn unclear(at: Timestamp) -> Self {
        Self { status: ConsentStatus::Unclear, source: ConsentSource::Application, at, proof: None }
    }

    /// The same statement, by whatever way it came.
    fn is_about_the_same(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }

    fn rank(&self) -> (Timestamp, u8, u8) {
        let status = match self.status {
            ConsentStatus::OptedIn => 0,
            ConsentStatus::OptedOut => 1,
            ConsentStatus::Unclear => 2,
        };
        let source = match self.source {
            ConsentSource::Application => 0,
            ConsentSource::Platform => 1,
            ConsentSource::Person => 2,
            ConsentSource::Administrator => 3,
        };
        (self.at, status, source)
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
        ledger.take(entry(ConsentStatus::OptedOut, ConsentSource::Platform, 20));
        assert!(ledger.opted_in());
    }

    #[test]
    fn what_stands_does_not_depend_on_the_order_of_arrival() {
        let said = [
            entry(ConsentStatus::OptedOut, ConsentSource::Platform, 10),
            entry(ConsentStatus::OptedIn, ConsentSource::Person, 20),
            entry(ConsentStatus::OptedOut, ConsentSource::Platform, 30),
            entry(ConsentStatus::OptedOut, ConsentSource::Platform, 15),
        ];
        let in_order = said.iter().cloned().fold(ConsentLedger::default(), taken);
        let reversed = said.iter().rev().cloned().fold(ConsentLedger::default(), taken);
        assert_eq!(in_order, reversed);
        assert!(in_order.opted_out());
    }

    #[test]
    fn what_is_unclear_forbids_mail_until_anything_else_is_said_in_any_order() {
        let unclear = ConsentEntry::unclear(Timestamp::from_second(20).unwrap());
        for (status, forbids) in [(ConsentStatus::OptedIn, false), (ConsentStatus::OptedOut, true)] {
            let word = entry(status, ConsentSource::Application, 10);
            let first = [unclear.clone(), word.clone()].into_iter().fold(ConsentLedger::default(), taken);
            let last = [word.clone(), unclear.clone()].into_iter().fold(ConsentLedger::default(), taken);
            for ledger in [first, last] {
                assert_eq!((ledger.word(), ledger.opted_out(), ledger.is_unclear()), (Some(&word), forbids, false));
            }
        }
        let mut ledger = ConsentLedger::default();
        assert_eq!(ledger.take(unclear.clone()), ConsentOutcome::Changed);
        assert_eq!((ledger.word(), ledger.opted_out(), ledger.is_unclear()), (None, true, true));
        assert_eq!(ledger.take(unclear), ConsentOutcome::Unchanged);
    }

    #[test]
    fn the_words_of_newsletter_tools_are_read_and_others_say_nothing() {
        for yes in ["Yes", " on ", "SUBSCRIBED", "opted-in", "opt_in", "oui", "'1"] {
            assert_eq!(said(&Value::from(yes)), Some(true), "{yes}");
        }
        for no in ["unsubscribed", "Cleaned", "off", "non", "Opted Out", "NEVER_SUBSCRIBED", "non-subscribed", "'0"] {
            assert_eq!(said(&Value::from(no)), Some(false), "{no}");
        }
        for neither in ["", "pending", "perhaps", "yes and no", "2", "subscribed?"] {
            assert_eq!(said(&Value::from(neither)), None, "{neither}");
        }
        assert_eq!(
            (said(&Value::from(1)), said(&Value::from(0)), said(&Value::from(2))),
            (Some(true), Some(false), None)
        );
    }

    fn taken(mut ledger: ConsentLedger, entry: ConsentEntry) -> ConsentLedger {
        ledger.take(entry);
        ledger
    }
}
