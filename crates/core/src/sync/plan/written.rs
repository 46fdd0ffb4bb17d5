//! What is written of a plan, and what the link remembers of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::consent::ConsentLedger;
use crate::domain::issue::IssueCode;
use crate::domain::link::Link;
use crate::domain::platform::{ContactWrite, DoNotContact, RemoteContact};
use crate::domain::situation::Situation;

use super::super::conflict::MERGED;
use super::super::left_out::Refusals;
use super::{Draft, FORBIDDEN, MAIL, STAGE, TAGS};

/// The write that brings the platform from what was last sent (`base`) to `values`. `consent` says why mail is forbidden.
#[must_use]
pub fn contact_write(
    values: &BTreeMap<String, Value>,
    base: &BTreeMap<String, Value>,
    consent: &ConsentLedger,
) -> ContactWrite {
    let fields = values.iter().filter(|(name, _)| !name.starts_with('@'));
    let forbid = values.get(MAIL).map(|_| DoNotContact::of_opt_out(consent.standing()));
    ContactWrite {
        fields: fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
        tags: tag_changes(values.get(TAGS), base.get(TAGS)),
        forbid_mail: forbid,
        stage: values.get(STAGE).and_then(Value::as_str).map(str::to_owned),
    }
}

/// Mail turned out to be forbidden there.
pub fn note_forbidden(wanted: &mut BTreeMap<String, Value>) {
    wanted.insert(MAIL.to_owned(), json!(FORBIDDEN));
}

/// Tags to add as they are, tags to take away with a leading `-`.
fn tag_changes(now: Option<&Value>, before: Option<&Value>) -> Vec<String> {
    let Some(now) = now else { return Vec::new() };
    let (now, before) = (texts(Some(now)), texts(before));
    let gone = before.iter().filter(|tag| !now.contains(tag)).map(|tag| format!("-{tag}"));
    let new = now.iter().filter(|tag| !before.contains(tag)).map(|tag| (*tag).to_owned());
    gone.chain(new).collect()
}

/// The names that values carry of things which the platform may make by them, each with the field that carries it: tags, and
/// the texts of the fields `named`.
pub(crate) fn names_in<'a>(
    values: &'a BTreeMap<String, Value>,
    named: &'a [&'a str],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let tags = texts(values.get(TAGS)).into_iter().map(|tag| (TAGS, tag));
    let named = named.iter().filter_map(|field| Some((*field, values.get(*field)?.as_str()?)));
    tags.chain(named)
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// Notes on the link that the draft's write succeeded: all that was wanted but for what the platform did not take (`refused`
/// names what it refused, `left_out` what is to be remembered), the blanks as `null`. What a person has to decide, and what was
/// refused, keeps the value that both sides last agreed on. `contact` is the platform's answer.
pub(crate) fn note_written(
    link: &mut Link,
    draft: &Draft,
    refused: &[String],
    left_out: Refusals,
    contact: &RemoteContact,
) {
    // Of a record that is left out, only the word about mail was sent: what was known of the rest is known still.
    let keeps_rest = draft.situation == Situation::NotMapped && draft.link.base().is_some();
    let is_untouched = |name: &String| keeps_rest && name != MAIL && !draft.wanted.contains_key(name);
    let is_left_out = |name: &String| refused.contains(name) || left_out.contains_key(name);
    let is_kept = |name: &String| {
        let is_lost = left_out.get(name).is_some_and(|refusal| refusal.code == IssueCode::MissingOnPlatform);
        draft.withheld.contains(name) || is_left_out(name) && !is_lost && !name.starts_with('@')
    };
    let mut sent = draft.wanted.clone();
    sent.extend(draft.clear.iter().map(|name| (name.clone(), Value::Null)));
    sent.retain(|name, _| !is_left_out(name) && !draft.withheld.contains(name));
    // What is known to be blank stays so: or it would be cleared once more.
    let stays = link
        .snapshot
        .iter()
        .filter(|(name, value)| is_kept(name) || is_untouched(name) || value.is_null() && !sent.contains_key(*name));
    let stays: Vec<_> = stays.map(|(name, value)| (name.clone(), value.clone())).collect();
    sent.extend(stays);
    link.snapshot = sent;
    link.refused = left_out;
    link.sending.clear();
    link.overwritten = false;
    link.unmade = false;
    link.missing_since = None;
    if draft.withheld.is_empty() {
        link.conflicts.clear();
    }
    note_stage(link, contact);
    link.seen.remove(MERGED);
    link.state = link.settled_state();
    link.error = None;
}

/// A stage of that name is there: from now on it is what the platform was last seen to hold.
fn note_stage(link: &mut Link, contact: &RemoteContact) {
    let sent = link.snapshot.get(STAGE).and_then(Value::as_str);
    if let (Some(sent), Some(shown)) = (sent, &contact.stage)
        && sent.trim().eq_ignore_ascii_case(shown.trim())
    {
        link.seen.insert(STAGE.to_owned(), json!(shown));
    }
}

/// A digest of what shall stand on the platform, in hex.
#[must_use]
pub fn digest(wanted: &BTreeMap<String, Value>) -> String {
    let text = serde_json::to_string(wanted).unwrap_or_default();
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}
