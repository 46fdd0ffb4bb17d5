//! From the payload of a request to a change of a contact.

use jiff::Timestamp;
use serde_json::Value;
use tandem_core::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};
use tandem_core::domain::identity::Email;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::kind::Kind;
use tandem_core::domain::record::{Change, Patch, UPDATED_AT};
use tandem_core::domain::relationship;
use tandem_core::mapping::RuleSet;
use tandem_core::mapping::rules::{FieldRole, FieldRule, Target};
use tandem_core::sync::change::{ContactChange, Subject};

use super::input::Input;
use crate::rows::{LONGEST_TEXT, MOST_FIELDS};

/// Parts of a payload that hold fields, and what stands before their names in the record.
const PARTS: &[(&str, &str)] =
    &[("contact", ""), ("fields", ""), ("custom", ""), ("custom_fields", ""), ("utm", "utm_"), ("ml", "ml_")];
/// Names of a payload that are no fields of the contact.
const RESERVED: &[&str] = &[
    "id",
    "email",
    "contact",
    "fields",
    "custom",
    "custom_fields",
    "utm",
    "ml",
    "consent",
    "mtc_id",
    "mtc_signature",
    "mauticContactId",
    "marketing_opt_in",
];

/// Reads a payload. A value that can't be taken becomes an issue and holds nothing else back.
///
/// # Errors
/// The issues, when nothing says which contact is meant, or a part has the wrong type.
pub fn read_change(payload: Input<'_>, rules: &RuleSet, now: Timestamp) -> Result<ContactChange, Vec<FieldIssue>> {
    let mut issues = Vec::new();
    let contact = payload.object("contact", "contact").map_err(|issue| vec![issue])?;
    let external_id = payload.external_id("id").map_err(|issue| vec![issue])?;
    let email = read_email(payload, contact, &mut issues);
    if external_id.is_none() && email.is_none() {
        return Err(nobody(payload, contact, issues));
    }
    let fields = read_fields(payload, rules, &mut issues);
    let consent = read_consent(payload, contact, now, &mut issues);
    Ok(ContactChange { subject: Subject::Person { external_id, email }, fields, consent, visitor: None, issues })
}

fn read_email(payload: Input<'_>, contact: Option<Input<'_>>, issues: &mut Vec<FieldIssue>) -> Option<Email> {
    for part in contact.into_iter().chain([payload]) {
        match part.email("email") {
            Ok(Some(email)) => return Some(email),
            Ok(None) => {}
            Err(issue) => {
                issues.push(issue);
                return None;
            }
        }
    }
    None
}

/// Neither an id nor a sound address: says what is wrong with the address, or that it is missing.
fn nobody(payload: Input<'_>, contact: Option<Input<'_>>, mut issues: Vec<FieldIssue>) -> Vec<FieldIssue> {
    if issues.is_empty() {
        let part = contact.unwrap_or(payload);
        issues.push(part.issue("email", IssueCode::Missing, "Give an email address or an id."));
    }
    issues
}

fn read_fields(payload: Input<'_>, rules: &RuleSet, issues: &mut Vec<FieldIssue>) -> Patch {
    let mut patch = Patch::new();
    for (name, value) in payload.entries().filter(|(name, _)| !RESERVED.contains(&name.as_str())) {
        add(&mut patch, payload, name, name, value, rules, issues);
    }
    for (part, prefix) in PARTS {
        match payload.object(part, part) {
            Ok(None) => {}
            Ok(Some(input)) => {
                let read_already = |name: &str| name == "marketing_opt_in" || (name == "email" && *part == "contact");
                for (name, value) in input.entries().filter(|(name, _)| !read_already(name)) {
                    add(&mut patch, input, name, &format!("{prefix}{name}"), value, rules, issues);
                }
            }
            Err(issue) => issues.push(issue),
        }
    }
    patch
}

/// Adds one field under the name by which its rule knows it.
fn add(
    patch: &mut Patch,
    part: Input<'_>,
    name: &str,
    known_as: &str,
    value: &Value,
    rules: &RuleSet,
    issues: &mut Vec<FieldIssue>,
) {
    if relationship::is_column(Kind::Person, name) {
        return add_relationship(patch, part, name, value, issues);
    }
    let Some(rule) = rules.rule_of(known_as) else {
        issues.push(part.issue(name, IssueCode::UnknownField, "No rule maps this field: it was not taken."));
        return;
    };
    if rule.role == Some(FieldRole::Address) {
        issues.push(part.issue(name, IssueCode::UnknownField, "Give the address as contact.email: it was not taken."));
        return;
    }
    if says_nothing(value, rule) {
        return;
    }
    if rule.role == Some(FieldRole::Moment) && !is_moment(value) {
        issues.push(part.issue(name, IssueCode::Invalid, "The value must be a moment in RFC 3339."));
        return;
    }
    let change = match value {
        Value::Null => Change::Clear,
        Value::Array(_) if takes_lists(rule) => Change::Set(value.clone()),
        Value::Array(_) | Value::Object(_) => {
            issues.push(part.wrong_type(name, "text, a number, or true or false"));
            return;
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Change::Set(value.clone()),
    };
    if too_long(value) {
        issues.push(part.issue(name, IssueCode::TooLong, format!("The value has more than {LONGEST_TEXT} bytes.")));
    } else if patch.len() >= MOST_FIELDS {
        issues.push(part.issue(name, IssueCode::Invalid, format!("A contact takes at most {MOST_FIELDS} fields.")));
    } else {
        let name = if rule.role == Some(FieldRole::Moment) { UPDATED_AT } else { rule.local.as_str() };
        patch.insert(name.to_owned(), change);
    }
}

/// Adds what the payload says of other records, under its own name. An empty text changes nothing.
fn add_relationship(patch: &mut Patch, part: Input<'_>, name: &str, value: &Value, issues: &mut Vec<FieldIssue>) {
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return;
    }
    let alone = [(name.to_owned(), value.clone())].into();
    let wrong = relationship::said(Kind::Person, &alone).issues;
    if wrong.is_empty() {
        let change = if value.is_null() { Change::Clear } else { Change::Set(value.clone()) };
        patch.insert(name.to_owned(), change);
    }
    issues.extend(wrong.into_iter().map(|issue| part.issue(name, issue.code, issue.message)));
}

/// An empty text changes nothing, nor does a null where the first value stays.
fn says_nothing(value: &Value, rule: &FieldRule) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty(),
        Value::Null => rule.preserve_if_absent,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn takes_lists(rule: &FieldRule) -> bool {
    match rule.target {
        Target::Tags | Target::Segments | Target::None => true,
        Target::Field | Target::Stage => false,
    }
}

fn is_moment(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().parse::<Timestamp>().is_ok())
}

fn too_long(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() > LONGEST_TEXT,
        Value::Array(list) => list.len() > MOST_FIELDS || list.iter().any(too_long),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// What the payload says about being mailed. `"explicit": true` says that the person just chose it.
fn read_consent(
    payload: Input<'_>,
    contact: Option<Input<'_>>,
    now: Timestamp,
    issues: &mut Vec<FieldIssue>,
) -> Option<ConsentEntry> {
    let consent = payload.object("consent", "consent").unwrap_or_else(|issue| {
        issues.push(issue);
        None
    });
    let custom =
        ["fields", "custom", "custom_fields"].into_iter().filter_map(|part| payload.object(part, part).ok().flatten());
    let said = consent.into_iter().chain(contact).chain(custom).chain([payload]).find_map(|part| {
        part.consent("marketing_opt_in").unwrap_or_else(|issue| {
            issues.push(issue);
            None
        })
    });
    let Some(yes) = said else {
        let is_unread = issues.iter().any(|issue| issue.code == IssueCode::UnreadableConsent);
        return is_unread.then(|| ConsentEntry::unclear(now));
    };
    let (status, source) = (ConsentStatus::of(yes), ConsentSource::Application);
    let entry = ConsentEntry { status, source, at: now, proof: None };
    Some(consent.map_or(entry.clone(), |input| with_proof(input, entry, now, issues)))
}

fn with_proof(input: Input<'_>, mut entry: ConsentEntry, now: Timestamp, issues: &mut Vec<FieldIssue>) -> ConsentEntry {
    let mut or_issue = |issue: FieldIssue| issues.push(issue);
    match input.flag("explicit") {
        Ok(Some(true)) => entry.source = ConsentSource::Person,
        Ok(_) => {}
        Err(issue) => or_issue(issue),
    }
    match input.text("at").map(|text| text.map(str::parse::<Timestamp>)) {
        Ok(None) => {}
        // A moment in the future is a clock that is wrong: it must not win over all that is said until then.
        Ok(Some(Ok(at))) => entry.at = at.min(now),
        Ok(Some(Err(_))) => or_issue(input.issue("at", IssueCode::Invalid, "The value must be a moment in RFC 3339.")),
        Err(issue) => or_issue(issue),
    }
    match input.text("proof") {
        Ok(proof) => entry.proof = proof.map(|text| text.chars().take(191).collect()),
        Err(issue) => or_issue(issue),
    }
    entry
}
