//! A row of the source as a change of its record. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::consent::{self, ConsentEntry, ConsentSource, ConsentStatus};
use crate::domain::identity::{Email, ExternalId, Identity};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::kind::Kind;
use crate::domain::record::{Change, LARGEST_ROW, Patch, UPDATED_AT};
use crate::domain::relationship;
use crate::mapping::RuleSet;
use crate::mapping::rules::{FieldRole, FieldRule};
use crate::ports::runs::RosterEntry;
use crate::ports::source::SourceRow;
use crate::sync::change::{ContactChange, Subject};
use crate::sync::tombstone::{made_at, tells_when_made};

/// A row that can be taken.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    /// What it is a row of.
    pub(super) kind: Kind,
    /// The application's id, as the source wrote it, told apart from that of another kind: for people.
    pub(super) row: String,
    /// The row's id.
    pub(super) id: ExternalId,
    /// Its address.
    pub(super) email: Option<Email>,
    /// What it says.
    pub(super) change: ContactChange,
    /// The row's entry in the roster.
    pub(super) entry: RosterEntry,
    /// When the application made the record, if the row says so.
    pub(super) made_at: Option<Timestamp>,
}

impl Incoming {
    pub(super) fn identities(&self) -> (Option<Identity>, Option<Identity>) {
        (Some(self.id.identity_as(self.kind)), self.email.as_ref().map(Email::identity))
    }
}

/// Reads a row. A value that can't be taken becomes an issue of the change and holds nothing else back; a row of which more would
/// be taken than a record holds is not taken at all.
pub(super) fn read(row: &SourceRow, rules: &RuleSet, now: Timestamp) -> Result<Incoming, FieldIssue> {
    let incoming = taken(row, rules, now)?;
    match oversize(&incoming.change.fields) {
        None => Ok(incoming),
        Some(issue) => Err(issue),
    }
}

fn taken(row: &SourceRow, rules: &RuleSet, now: Timestamp) -> Result<Incoming, FieldIssue> {
    let invalid = |error: crate::domain::identity::InvalidExternalId| {
        FieldIssue::new("id", IssueCode::Invalid, format!("The id {error}."))
    };
    let id = ExternalId::try_from(row.id.clone()).map_err(invalid)?;
    let entry = entry(row);
    if !row.kind.is_person() {
        return Ok(of_other_kind(row, id, entry));
    }
    let mut reading = Reading { rules, fields: Patch::new(), issues: Vec::new(), email: None, consent: None };
    for (name, value) in &row.fields {
        reading.take(name, value);
    }
    let said_at = row.updated_at.map_or(now, |at| at.min(now));
    if let Some(at) = row.updated_at {
        reading.fields.insert(UPDATED_AT.to_owned(), Change::Set(json!(at.to_string())));
    }
    let Reading { fields, issues, email, consent, .. } = reading;
    let is_unread = issues.iter().any(|issue| issue.code == IssueCode::UnreadableConsent);
    let consent = match consent {
        Some(yes) => Some(ConsentEntry {
            status: ConsentStatus::of(yes),
            source: ConsentSource::Application,
            at: said_at,
            proof: None,
        }),
        None => is_unread.then(|| ConsentEntry::unclear(said_at)),
    };
    let subject = Subject::Person { external_id: Some(id.clone()), email: email.clone() };
    let change = ContactChange { subject, fields, consent, visitor: None, issues };
    let made_at = made_at(&row.fields);
    Ok(Incoming { kind: row.kind, row: row.id.clone(), id, email, change, entry, made_at })
}

/// Of an organisation or a deal every column is taken: the record is one for all integrations, and each sends what it maps.
fn of_other_kind(row: &SourceRow, id: ExternalId, entry: RosterEntry) -> Incoming {
    let change_of = |value: &Value| if is_blank(value) { Change::Clear } else { Change::Set(value.clone()) };
    let columns = row.fields.iter().filter(|(name, _)| *name != UPDATED_AT);
    let mut fields: Patch = columns.map(|(name, value)| (name.clone(), change_of(value))).collect();
    if let Some(at) = row.updated_at {
        fields.insert(UPDATED_AT.to_owned(), Change::Set(json!(at.to_string())));
    }
    let subject = Subject::Other { kind: row.kind, id: id.clone() };
    let change = ContactChange { subject, fields, consent: None, visitor: None, issues: Vec::new() };
    Incoming {
        kind: row.kind,
        row: row.kind.named(&row.id).into_owned(),
        id,
        email: None,
        change,
        entry,
        made_at: None,
    }
}

/// What is wrong with a row that is too large for a record: it is told by its largest column.
fn oversize(fields: &Patch) -> Option<FieldIssue> {
    // Quotes, colon and comma beside name and value.
    let size = |(name, change): (&String, &Change)| (name.len() + change.value().to_string().len() + 4, name.clone());
    let sizes: Vec<(usize, String)> = fields.iter().map(size).collect();
    let whole: usize = sizes.iter().map(|(size, _)| size).sum();
    let (_, largest) = sizes.into_iter().max()?;
    let message = || format!("Of a row at most {LARGEST_ROW} bytes of JSON are taken; this is its largest column.");
    (whole > LARGEST_ROW).then(|| FieldIssue::new(largest, IssueCode::TooLong, message()))
}

struct Reading<'a> {
    rules: &'a RuleSet,
    fields: Patch,
    issues: Vec<FieldIssue>,
    email: Option<Email>,
    consent: Option<bool>,
}

impl Reading<'_> {
    fn take(&mut self, name: &str, value: &Value) {
        if relationship::is_column(Kind::Person, name) {
            let change = if is_blank(value) { Change::Clear } else { Change::Set(value.clone()) };
            self.fields.insert(name.to_owned(), change);
            return;
        }
        let Some(rule) = self.rules.rule_of(name) else {
            if !is_blank(value) && !tells_when_made(name) {
                self.issue(name, IssueCode::UnknownField, "No rule maps this column: it was not taken.");
            }
            return;
        };
        match rule.role {
            Some(FieldRole::Address) => self.take_email(rule, value),
            Some(FieldRole::Consent) => self.take_consent(name, value),
            // Both are read from the row itself.
            Some(FieldRole::ExternalId | FieldRole::Moment) => {}
            None => self.take_field(rule, value),
        }
    }

    fn take_email(&mut self, rule: &FieldRule, value: &Value) {
        let text = value.as_str().unwrap_or_default();
        match text.parse::<Email>() {
            Ok(email) => self.email = Some(email),
            Err(_) if text.trim().is_empty() => self.issue(&rule.local, IssueCode::Missing, "The row has no address."),
            Err(invalid) => self.issue(&rule.local, IssueCode::Invalid, &format!("The value {invalid}.")),
        }
    }

    fn take_consent(&mut self, name: &str, value: &Value) {
        self.consent = consent::said(value);
        if self.consent.is_none() && !is_blank(value) {
            let message = "The value says neither yes nor no to being mailed. Somebody new is not mailed until one of them is said.";
            self.issue(name, IssueCode::UnreadableConsent, message);
        }
    }

    /// A column without a value takes the value away; where the first value stays, it says nothing.
    fn take_field(&mut self, rule: &FieldRule, value: &Value) {
        match (is_blank(value), rule.preserve_if_absent) {
            (true, true) => {}
            (true, false) => {
                // An alias without a value does not take away what the field's other name gave.
                self.fields.entry(rule.local.clone()).or_insert(Change::Clear);
            }
            (false, _) => {
                self.fields.insert(rule.local.clone(), Change::Set(value.clone()));
            }
        }
    }

    fn issue(&mut self, name: &str, code: IssueCode, message: &str) {
        self.issues.push(FieldIssue::new(self.rules.path_of(name), code, message));
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A row's entry in the roster.
pub(super) fn entry(row: &SourceRow) -> RosterEntry {
    RosterEntry { id: digest(row.kind, &row.id), content: content(row) }
}

/// The digest of an id, as [`Identity`] makes it.
pub(super) fn digest(kind: Kind, id: &str) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(kind.qualified(id.trim()).as_bytes())[..16]);
    digest
}

/// A digest of what a row says; never 0, which stands for one that is not known.
fn content(row: &SourceRow) -> u64 {
    let text = json!([row.updated_at, row.deleted, row.fields]).to_string();
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(text.as_bytes())[..8]);
    u64::from_be_bytes(first).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind, fields: Value) -> SourceRow {
        let fields = fields.as_object().unwrap().clone().into_iter().collect();
        SourceRow { kind, id: "7".to_owned(), updated_at: None, fields, deleted: false }
    }

    fn refused(kind: Kind, fields: Value) -> Option<String> {
        let read = read(&row(kind, fields), &RuleSet::default(), Timestamp::UNIX_EPOCH);
        read.err().filter(|issue| issue.code == IssueCode::TooLong).map(|issue| issue.field)
    }

    #[test]
    fn a_row_that_no_record_can_hold_is_refused_by_its_largest_column_whatever_it_is_of() {
        let (much, most) = ("x".repeat(LARGEST_ROW), "x".repeat(LARGEST_ROW - 1_000));
        for kind in [Kind::Organisation, Kind::Deal] {
            assert_eq!(refused(kind, json!({"name": "Globex", "notes": much})), Some("notes".to_owned()));
            assert_eq!(refused(kind, json!({"name": "Globex", "notes": most})), None);
            let many = json!({"name": "Globex", "notes": most, "history": ["x".repeat(2_000)]});
            assert_eq!(refused(kind, many), Some("notes".to_owned()));
        }
        assert_eq!(refused(Kind::Person, json!({"organisation_ids": much})), Some("organisation_ids".to_owned()));
        assert_eq!(refused(Kind::Person, json!({"biography": much})), None, "no rule takes the column");
    }
}
