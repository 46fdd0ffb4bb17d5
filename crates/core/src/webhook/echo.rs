//! Is what the platform tells only what Tandem sent it? Platforms change what they store: Mautic cuts seconds, rounds
//! numbers and shows booleans as 1 and 0 (recording `068-contact-custom-fields`). And in its usual mode it tells of a write
//! before it answers it: then the write is not committed yet, and what it sent follows from the record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::consent::ConsentLedger;
use crate::domain::identity::{Email, RecordKey};
use crate::domain::link::RemoteId;
use crate::error::Result;
use crate::mapping::{FieldRule, RuleSet, is_same};
use crate::ports::Stored;
use crate::sync::plan;
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
        let Some(link) = &stored.link else { return Ok(false) };
        // What a person has to decide, and what relationships decide, is known to differ.
        let rules = &self.integration.rules;
        let mut contested = plan::withheld(link, rules);
        let gives_way =
            |rule: &&FieldRule| stored.record.as_ref().is_some_and(|record| rules.gives_way(rule, &record.fields));
        contested.extend(rules.rules().iter().filter(gives_way).filter_map(plan::key_of));
        let fields = &fields.iter().filter(|(name, _)| !contested.contains(*name)).map(owned).collect::<Fields>();
        let shows_ours = match link.base() {
            Some(_) => shows_all(&without(snapshot_of(&stored), &contested), fields),
            None => shows_none_but(&without(self.being_sent(&stored, &consent), &contested), fields),
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
        let book = self.rulebook(None);
        let (mut wanted, ..) = plan::wanted(record, consent, &book);
        wanted.retain(|name, _| !name.starts_with('@'));
        wanted
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn snapshot_of(stored: &Stored) -> Fields {
    let snapshot = stored.link.iter().flat_map(|link| &link.snapshot);
    let sent = snapshot.filter(|(name, value)| !name.starts_with('@') && !value.is_null());
    sent.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn without(mut fields: Fields, names: &BTreeSet<String>) -> Fields {
    fields.retain(|name, _| !names.contains(name));
    fields
}

/// Every value that was sent is shown. What a platform tells of a write may have a yes or no as it was before: of a new contact,
/// none at all.
fn shows_all(sent: &Fields, shown: &Fields) -> bool {
    let is_shown = |(name, value): (&String, &Value)| match shown.get(name) {
        None => value.is_boolean() || value.is_null(),
        shown => is_same(value, shown),
    };
    !sent.is_empty() && sent.iter().all(is_shown)
}

/// What is shown of the values that are being sent is as it was sent; the platform may lack a field.
fn shows_none_but(sent: &Fields, shown: &Fields) -> bool {
    let mut both = sent.iter().filter_map(|(name, value)| Some((value, shown.get(name)?))).peekable();
    both.peek().is_some() && both.all(|(sent, shown)| is_same(sent, Some(shown)))
}

/// A field that Tandem could have sent and did not was filled in by somebody else; but a number that nobody gave may be shown as 0
/// (recording `161-batch-put-no-id`).
fn shows_nothing_else(sent: &[Fields], shown: &Fields, rules: &RuleSet) -> bool {
    let mut known = rules.rules().iter().filter(|rule| rule.pushes()).filter_map(|rule| rule.remote.as_ref());
    known.all(|name| {
        let was_sent = sent.iter().any(|sent| sent.contains_key(name));
        was_sent
            || shown
                .get(name)
                .is_none_or(|shown| shown.is_null() || shown == "" || is_same(&Value::from(0), Some(shown)))
    })
}
