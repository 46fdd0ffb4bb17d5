//! The address of a contact, three-way: what the application says, what was sent last, what the platform shows. Pure.

use jiff::Timestamp;

use crate::domain::identity::Email;
use crate::domain::link::Link;
use crate::domain::record::Record;
use crate::mapping::RuleSet;
use crate::mapping::rules::{FieldRule, Strategy};

/// The address that the platform shows of a contact.
#[derive(Clone, Copy)]
pub(crate) struct ShownAddress<'a> {
    /// As the platform has it.
    pub(crate) text: &'a str,
    /// When it was changed, as far as that is told, else when the contact was.
    pub(crate) at: Timestamp,
}

/// Why an address does not come back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is none that can be mailed.
    Unsound,
    /// Another record has it.
    Anothers,
    /// It is that of a person who was deleted.
    Erased,
    /// The mapping takes no corrections back.
    NotTakenBack,
}

/// What follows from the address that is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Correction {
    /// It says nothing new, or the application's goes over it.
    Nothing,
    /// Both sides say the same.
    Agreed,
    /// It is the record's from now on, if nothing stands against it.
    Take(Email),
    /// Both sides changed it, and a person decides by the integration's strategy.
    Contest,
    /// It is left to a person.
    Leave(Reason),
}

/// Whether the platform's address is what was sent, is being sent, or was left to a person before.
#[must_use]
pub(crate) fn is_known(link: &Link, shown: &str, rules: &RuleSet) -> bool {
    let Some(name) = rules.address().and_then(|rule| rule.remote.as_ref()) else { return true };
    let known = [&link.snapshot, &link.sending, &link.seen].into_iter().filter_map(|held| held.get(name)?.as_str());
    known.into_iter().any(|known| is_one(known, shown))
}

/// Addresses are one in any letter case.
fn is_one(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// What follows from the address that the platform shows of a record's contact.
#[must_use]
pub(crate) fn correction(
    record: &Record,
    link: &Link,
    shown: &ShownAddress<'_>,
    rules: &RuleSet,
    strategy: Strategy,
) -> Correction {
    let Some((rule, sent)) = rules.address().and_then(|rule| Some((rule, sent(link, rule)?))) else {
        return Correction::Nothing;
    };
    if link.overwritten || shown.text.trim().is_empty() || is_known(link, shown.text, rules) {
        return Correction::Nothing;
    }
    let own = record.email.as_ref().map(Email::as_str);
    if own.is_some_and(|own| is_one(own, shown.text)) {
        return Correction::Agreed;
    }
    let application_changed = own.is_some_and(|own| !is_one(own, sent));
    if application_changed {
        match rule.conflict.unwrap_or(strategy) {
            Strategy::Manual => return Correction::Contest,
            Strategy::LastWriteWins if said_at(record, rule) < shown.at => {}
            Strategy::LastWriteWins | Strategy::FieldMerge => return Correction::Nothing,
        }
    }
    match shown.text.parse::<Email>() {
        _ if !rule.takes_corrections() => Correction::Leave(Reason::NotTakenBack),
        Ok(email) => Correction::Take(email),
        Err(_) => Correction::Leave(Reason::Unsound),
    }
}

/// What was sent last; `None` for a contact to which no address ever was.
fn sent<'a>(link: &'a Link, rule: &FieldRule) -> Option<&'a str> {
    link.snapshot.get(rule.remote.as_ref()?)?.as_str()
}

/// When the record's address was said: by the application, or by another integration's platform.
fn said_at(record: &Record, rule: &FieldRule) -> Timestamp {
    record.corrected.as_ref().map_or_else(|| record.value_said_at(rule.names()), |corrected| corrected.said.at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::link::LinkState;
    use crate::domain::record::Fields;

    const RULES: &str = "[[rule]]\nlocal = \"email\"\nrole = \"address\"\nremote = \"email\"\ntransform = \"email\"\n";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(email: &str) -> Record {
        Record {
            external_id: None,
            email: Some(email.parse().unwrap()),
            awaited: None,
            corrected: None,
            fields: Fields::new(),
            updated_at: at(10),
            version: 1,
            gone_since: None,
            overlaid: Fields::new(),
            older: Default::default(),
            dated: Default::default(),
            said: Default::default(),
        }
    }

    /// A contact to which `a@example.com` was sent.
    fn link() -> Link {
        let snapshot = [("email".to_owned(), json!("a@example.com"))].into();
        Link { state: LinkState::Synced, snapshot, ..Link::new(at(0)) }
    }

    fn of(own: &str, link: &Link, text: &str, second: i64, strategy: Strategy) -> Correction {
        let shown = ShownAddress { text, at: at(second) };
        correction(&record(own), link, &shown, &RuleSet::parse(RULES).unwrap(), strategy)
    }

    #[test]
    fn what_was_sent_or_is_blank_or_was_told_before_says_nothing_new() {
        let sending = Link { sending: [("email".to_owned(), json!("b@example.com"))].into(), ..link() };
        let seen = Link { seen: [("email".to_owned(), json!("b@example.com"))].into(), ..link() };
        let unsent = Link { snapshot: Default::default(), ..link() };
        for (link, text) in [
            (&link(), "A@Example.com "),
            (&link(), " "),
            (&sending, "b@example.com"),
            (&seen, "B@example.com"),
            (&unsent, "b@example.com"),
            (&Link { overwritten: true, ..link() }, "b@example.com"),
        ] {
            assert_eq!(of("a@example.com", link, text, 20, Strategy::LastWriteWins), Correction::Nothing, "{text}");
        }
    }

    #[test]
    fn what_only_the_platform_changed_is_taken_if_it_can_be_mailed() {
        let taken = of("a@example.com", &link(), "B@example.com", 1, Strategy::FieldMerge);
        assert_eq!(taken, Correction::Take("b@example.com".parse().unwrap()));
        let unsound = of("a@example.com", &link(), "b@", 1, Strategy::LastWriteWins);
        assert_eq!(unsound, Correction::Leave(Reason::Unsound));
        assert_eq!(of("b@example.com", &link(), "b@example.com", 1, Strategy::Manual), Correction::Agreed);
    }

    #[test]
    fn of_what_both_changed_the_strategy_decides() {
        let both = |second, strategy| of("c@example.com", &link(), "b@example.com", second, strategy);
        assert_eq!(both(9, Strategy::LastWriteWins), Correction::Nothing);
        assert_eq!(both(11, Strategy::LastWriteWins), Correction::Take("b@example.com".parse().unwrap()));
        assert_eq!(both(11, Strategy::FieldMerge), Correction::Nothing);
        assert_eq!(both(11, Strategy::Manual), Correction::Contest);
    }
}
