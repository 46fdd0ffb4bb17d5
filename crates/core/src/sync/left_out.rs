//! Values that the platform did not take: known by its refusal, or by its own answer, which does not show what was sent. They
//! are in no snapshot, everybody is told of them, and what would be refused again is not sent again. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::catalog::{FieldCatalog, RemoteField};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::{Link, Refusal};
use crate::domain::platform::RemoteContact;
use crate::mapping::{FieldRule, RuleSet, casts_to_zero, is_equal};
use crate::policy;

use super::decision::EMAIL;
use super::plan::{self, Draft, Rulebook};

/// Values by the platform's names of the fields.
pub(crate) type Refusals = BTreeMap<String, Refusal>;

/// The link with no value in its snapshot that the platform can't hold: of a field that it does not list any more, or that
/// was made (or made anew) after the list by which the value was sent; nor of a rule that is younger than the set by which it was.
pub(crate) fn trusted(mut link: Link, book: &Rulebook<'_>) -> Link {
    forget_younger_rules(&mut link, book.rules);
    let Some(catalog) = book.catalog else { return link };
    let as_of = link.fields_as_of;
    let holds = |name: &String| {
        !book.rules.is_listed(name) || catalog.fields.get(name).is_some_and(|field| field.since <= as_of)
    };
    link.snapshot.retain(|name, _| holds(name));
    link.seen.retain(|name, _| holds(name));
    link.fields_as_of = as_of.max(catalog.read_at);
    link
}

/// What was sent by a rule that is gone may not be what stands there when the rule comes back: nobody kept the two in step meanwhile.
fn forget_younger_rules(link: &mut Link, rules: &RuleSet) {
    let (dates, as_of) = (rules.dates(), link.rules_as_of);
    let is_younger = |rule: &&FieldRule| dates.since.get(&rule.local).is_some_and(|since| *since > as_of);
    for name in rules.rules().iter().filter(is_younger).filter_map(plan::key_of) {
        link.snapshot.remove(&name);
        link.seen.remove(&name);
    }
    link.rules_as_of = as_of.max(dates.changed_at);
}

/// The refusals that stand: the same value would be refused again.
pub(crate) fn standing(
    link: &Link,
    wanted: &BTreeMap<String, Value>,
    catalog: Option<&FieldCatalog>,
    now: Timestamp,
) -> Refusals {
    let is_same_value =
        |name: &String, refusal: &Refusal| wanted.get(name).is_some_and(|value| is_equal(value, &refusal.value));
    let stands = |name: &String, refusal: &Refusal| {
        let changed = catalog.and_then(|catalog| catalog.fields.get(name)).map(|field: &RemoteField| field.changed);
        let is_fresh = now < policy::after(refusal.at, policy::REFUSED_FOR);
        is_fresh && is_same_value(name, refusal) && changed.is_none_or(|changed| changed <= refusal.at)
    };
    let standing = link.refused.iter().filter(|(name, refusal)| stands(name, refusal));
    standing.map(|(name, refusal)| (name.clone(), refusal.clone())).collect()
}

/// What of a finished write the platform did not take: the fields that it refused by name, and those of which its answer shows
/// nothing (recording `015-contact-create-unknown-field`). What was known to be refused is among them.
pub(crate) fn of_write(
    draft: &Draft,
    refused: &[String],
    contact: &RemoteContact,
    rules: &RuleSet,
    now: Timestamp,
) -> Refusals {
    let refused = refused.iter().map(|name| (name, IssueCode::RefusedByPlatform));
    let lost = draft.set.iter().filter(|(name, value)| rules.is_listed(name) && is_shown_when_stored(value));
    let lost = lost.filter(|(name, _)| !draft.withheld.contains(*name) && !contact.fields.contains_key(*name));
    let lost = lost.map(|(name, _)| (name, IssueCode::MissingOnPlatform));
    let mut refusals = Refusals::new();
    for (name, code) in lost.chain(refused).filter(|(name, _)| is_remembered(name)) {
        if let Some(value) = draft.wanted.get(name) {
            refusals.insert(name.clone(), Refusal { value: value.clone(), code, at: now });
        }
    }
    refusals.extend(draft.refused.clone());
    refusals
}

/// An address that is another contact's may be free any time, and mail has a call of its own.
fn is_remembered(name: &str) -> bool {
    name != EMAIL && !name.starts_with('@')
}

/// Every value but a zero, which the platform may show as nothing, stands in the answer to the call that wrote it.
fn is_shown_when_stored(value: &Value) -> bool {
    let is_blank = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    !is_blank && !casts_to_zero(value)
}

/// What a person is told of a value that was left out.
pub(crate) fn issue(name: &str, refusal: &Refusal, rules: &RuleSet) -> FieldIssue {
    let message = match refusal.code {
        IssueCode::MissingOnPlatform => {
            "The platform took the rest and shows nothing of this value: the field is gone there, or not in use."
        }
        _ => "The platform refused the value; the rest was taken.",
    };
    FieldIssue::new(rules.path_of_remote(name), refusal.code, message)
}

/// Whether an issue says that a value of the record is not on the platform, though its field may be: what a person mends in
/// the record.
pub(crate) fn is_about_a_value(issue: &FieldIssue) -> bool {
    match issue.code {
        IssueCode::WrongType
        | IssueCode::Invalid
        | IssueCode::TooLong
        | IssueCode::NotInList
        | IssueCode::RefusedByPlatform
        | IssueCode::Taken => true,
        IssueCode::Missing
        | IssueCode::UnknownField
        | IssueCode::MissingOnPlatform
        | IssueCode::SharedIdentity
        | IssueCode::Stale
        | IssueCode::OptOutKept
        | IssueCode::UnreadableConsent
        | IssueCode::Erased
        | IssueCode::Deferred => false,
    }
}
