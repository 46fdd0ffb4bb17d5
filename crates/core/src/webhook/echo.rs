//! Is what the platform tells only what Tandem sent it? Platforms change what they store: Mautic cuts seconds, rounds
//! numbers and shows booleans as 1 and 0 (recording `068-contact-custom-fields`). And in its usual mode it tells of a write
//! before it answers it: then the write is not committed yet, and what it sent follows from the record.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil};
use serde_json::Value;

use crate::domain::consent::ConsentLedger;
use crate::domain::identity::{Email, RecordKey};
use crate::domain::link::{LinkState, RemoteId};
use crate::error::Result;
use crate::mapping::RuleSet;
use crate::ports::Stored;
use crate::sync::plan::{self, Rulebook};
use crate::sync::services::Desk;

use super::entry::{Entry, EntryKind};

/// Fields by the platform's names.
type Fields = BTreeMap<String, Value>;

impl Desk {
    /// Whether a saved contact shows nothing but what Tandem sent, or is sending just now. Two reads, three for a contact
    /// that is being made.
    pub(super) async fn is_echo(&self, entry: &Entry, contact: &RemoteId) -> Result<bool> {
        let EntryKind::Saved { fields, .. } = &entry.kind else { return Ok(false) };
        let (contacts, scope) = (&self.services.contacts, &self.integration.scope);
        let known = contacts.by_remote_id(scope, contact).await?;
        let Some((key, consent)) = self.writer_of(entry, known).await? else { return Ok(false) };
        let stored = contacts.load(scope, &key).await?;
        let shows_ours = match stored.link.as_ref().map(|link| link.state) {
            None => return Ok(false),
            Some(LinkState::Synced) => shows_all(&snapshot_of(&stored), fields),
            Some(LinkState::Pending | LinkState::Error | LinkState::Conflict) => {
                shows_none_but(&self.being_sent(&stored, &consent), fields)
            }
        };
        let sent = [snapshot_of(&stored), self.being_sent(&stored, &consent)];
        Ok(shows_ours && shows_nothing_else(&sent, fields, &self.integration.rules))
    }

    /// The record that the contact belongs to; one whose contact is just being made is found by the address.
    async fn writer_of(&self, entry: &Entry, known: Option<RecordKey>) -> Result<Option<(RecordKey, ConsentLedger)>> {
        let Some(identity) = entry.email.as_ref().map(Email::identity) else {
            return Ok(known.map(|key| (key, ConsentLedger::default())));
        };
        let resolved = self.services.contacts.resolve(&self.integration.scope, None, Some(&identity)).await?;
        Ok(known.or(resolved.by_email).map(|key| (key, resolved.consent)))
    }

    /// What a write that is under way sends, as far as the record tells it.
    fn being_sent(&self, stored: &Stored, consent: &ConsentLedger) -> Fields {
        let Some(record) = &stored.record else { return Fields::new() };
        let integration = &self.integration;
        let book = Rulebook {
            rules: &integration.rules,
            vocabulary: &*integration.vocabulary,
            catalog: None,
            enrolment: None,
            vanished: &integration.vanished,
        };
        let (mut wanted, ..) = plan::wanted(record, consent, &book);
        wanted.retain(|name, _| !name.starts_with('@'));
        wanted
    }
}

fn snapshot_of(stored: &Stored) -> Fields {
    let snapshot = stored.link.iter().flat_map(|link| &link.snapshot);
    let sent = snapshot.filter(|(name, value)| !name.starts_with('@') && !value.is_null());
    sent.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Every value that was sent is shown.
fn shows_all(sent: &Fields, shown: &Fields) -> bool {
    !sent.is_empty() && sent.iter().all(|(name, value)| is_same(value, shown.get(name)))
}

/// What is shown of the values that are being sent is as it was sent; the platform may lack a field.
fn shows_none_but(sent: &Fields, shown: &Fields) -> bool {
    let mut both = sent.iter().filter_map(|(name, value)| Some((value, shown.get(name)?))).peekable();
    both.peek().is_some() && both.all(|(sent, shown)| is_same(sent, Some(shown)))
}

/// A field that Tandem could have sent and did not was filled in by somebody else.
fn shows_nothing_else(sent: &[Fields], shown: &Fields, rules: &RuleSet) -> bool {
    let mut known = rules.rules().iter().filter(|rule| rule.pushes()).filter_map(|rule| rule.remote.as_ref());
    known.all(|name| {
        let was_sent = sent.iter().any(|sent| sent.contains_key(name));
        was_sent || shown.get(name).is_none_or(|shown| shown.is_null() || shown == "")
    })
}

/// Half of the last place that Mautic keeps of a number by default.
const ROUNDING: f64 = 0.005;
/// What is cut off a moment.
const CUT: SignedDuration = SignedDuration::from_secs(60);

/// Whether the platform shows what was sent, as far as it keeps it.
pub(crate) fn is_same(sent: &Value, shown: Option<&Value>) -> bool {
    let shown = shown.unwrap_or(&Value::Null);
    if sent == shown {
        return true;
    }
    if let (Some(sent), Some(shown)) = (number(sent), number(shown)) {
        return (sent - shown).abs() <= ROUNDING;
    }
    if let (Some(sent), Some(shown)) = (moment(sent), moment(shown)) {
        return sent.duration_since(shown).abs() < CUT;
    }
    match (text(sent), text(shown)) {
        (Some(sent), Some(shown)) => sent == shown,
        _ => false,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn moment(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    text.parse().ok().or_else(|| {
        let local: civil::DateTime = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(local).ok()
    })
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_platform_made_of_a_value_is_still_that_value() {
        for (sent, shown) in [
            (json!("2026-11-01T10:20:30Z"), json!("2026-11-01 10:20:00")),
            (json!(1234.567), json!("1234.57")),
            (json!(true), json!(1)),
            (json!("vip"), json!(" vip")),
            (json!(0), json!("0")),
        ] {
            assert!(is_same(&sent, Some(&shown)), "{sent} {shown}");
        }
    }

    #[test]
    fn another_value_is_another_value() {
        assert!(!is_same(&json!("vip"), Some(&json!("regular"))));
        assert!(!is_same(&json!(5), Some(&json!(6))));
        assert!(!is_same(&json!("vip"), None));
    }
}
