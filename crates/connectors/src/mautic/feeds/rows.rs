//! What the rows of Mautic's tables tell. A row without a contact tells of somebody who is gone.

use jiff::Timestamp;
use tandem_core::domain::engagement::{EngagementEvent, EngagementKind};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::ports::changes::MailChange;
use tandem_core::webhook::entry::{Entry, EntryKind};

use super::super::changes;
use super::super::webhook::built::{self, event};
use super::super::webhook::natural::{self, StatName};
use super::super::webhook::part::{Part, Read};
use super::super::webhook::person::Person;
use super::super::webhook::reasons::Status;
use super::super::webhook::subscriptions::{EMAIL, Listed, forbidden};
use super::super::webhook::visits;

/// A row of `lead_donotcontact` (recording `152-stats-dnc`).
pub(super) fn do_not_contact(row: &Part<'_>) -> Read<Option<Entry>> {
    let Some(person) = person(row)? else { return Ok(None) };
    if row.text("channel")?.as_deref() != Some(EMAIL) {
        return Ok(None);
    }
    let status = Status::of_reason(&row.text("reason")?.unwrap_or_default());
    let comments = row.text("comments")?.unwrap_or_default();
    let listed = Listed { id: row.id("id")?, email: row.id("channel_id")?, comments };
    Ok(Some(forbidden(person, status, &listed, dated(row, "date_added")?)))
}

/// A row of `email_stats` that was read (recording `108-stats-email`).
pub(super) fn open(row: &Part<'_>) -> Read<Option<Entry>> {
    let Some(person) = person(row)? else { return Ok(None) };
    let at = dated(row, "date_read")?;
    let stat = StatName { hash: row.text("tracking_hash")?, id: row.id("id")? };
    let from_campaign = row.text("source")?.as_deref() == Some("campaign");
    let event = EngagementEvent {
        email: row.id("email_id")?.map(|id| id.to_string()),
        campaign: if from_campaign { row.text("source_id")? } else { None },
        sent_at: row.moment_of(&["date_sent"]),
        ..event(EngagementKind::Open, stat.opened(at), at)
    };
    Ok(Some(engagement(person, event)))
}

/// A row of `page_hits` (recording `154-stats-page-hits`).
pub(super) fn hit(row: &Part<'_>) -> Read<Option<Entry>> {
    let Some(person) = person(row)? else { return Ok(None) };
    let (at, email, url) = (dated(row, "date_hit")?, row.id("email_id")?, row.text("url")?);
    let kind = visits::visit(row.text("source")?.as_deref(), email.is_some());
    let event = EngagementEvent {
        email: email.map(|id| id.to_string()),
        subject: row.text("url_title")?,
        agent: row.text("user_agent")?,
        ..event(kind, natural::hit(row.id("id")?, at, url.as_deref()), at)
    };
    Ok(Some(engagement(person, EngagementEvent { url, ..event })))
}

/// A row of `form_submissions`.
pub(super) fn form(row: &Part<'_>) -> Read<Option<Entry>> {
    let Some(person) = person(row)? else { return Ok(None) };
    let at = dated(row, "date_submitted")?;
    let url = row.text("referer")?;
    let event = event(EngagementKind::Form, natural::form(row.id("id")?, at), at);
    Ok(Some(engagement(person, EngagementEvent { url, ..event })))
}

/// A row of `audit_log` (recordings `153-stats-audit`, `225-stats-audit-dnc-by-person-and-by-admin`): a contact that was
/// deleted or merged into another, or one that may be mailed again, and who said so.
pub(super) fn audit(row: &Part<'_>) -> Read<Option<Entry>> {
    if row.text("object")?.as_deref() != Some("lead") {
        return Ok(None);
    }
    let Some(contact) = row.id("object_id")? else { return Ok(None) };
    let (person, at) = (Person { contact: Some(contact), email: None }, dated(row, "date_added")?);
    Ok(match row.text("action")?.as_deref() {
        Some("delete" | "merge") => Some(built::entry(person, "contact_gone", EntryKind::Gone, at)),
        Some("update") if changes::mail(&changes::details(row)) == Some(MailChange::Allowed) => {
            let entry = forbidden(person, Status::Contactable, &Listed::default(), at);
            Some(Entry { author: changes::author(row)?, ..entry })
        }
        Some(_) | None => None,
    })
}

fn engagement(person: Person, event: EngagementEvent) -> Entry {
    let (name, at) = (built::name(event.kind), event.at);
    built::entry(person, name, EntryKind::Engagement(event), at)
}

/// Whom a row is about. `email_stats` also knows the address.
fn person(row: &Part<'_>) -> Read<Option<Person>> {
    let Some(contact) = row.id("lead_id")? else { return Ok(None) };
    let email = row.text("email_address")?.and_then(|text| text.parse().ok());
    Ok(Some(Person { contact: Some(contact), email }))
}

/// A column's moment; columns hold UTC.
fn dated(row: &Part<'_>, column: &str) -> Result<Timestamp, FieldIssue> {
    row.moment_of(&[column]).ok_or_else(|| row.issue(column, IssueCode::Invalid, "Must be a moment."))
}
