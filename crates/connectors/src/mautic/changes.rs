//! Mautic's audit log as the feed of changes: who changed what of a contact, and when (recordings
//! `225-stats-audit-dnc-by-person-and-by-admin`, `219-audit-log-of-changes`). It is the same in all versions, while a
//! contact's `dateModified` is frozen in 7.0 and 6.0 (recording `217-date-modified-patch`).

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tandem_core::domain::author::Author;
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{DoNotContactReason, is_own_note};
use tandem_core::error::{FailureKind, Result};
use tandem_core::ports::changes::{Change, ChangeLog, Edit, LogPage, LogPlace, MailChange, News, TagChange};

use super::Mautic;
use super::client::Request;
use super::companies;
use super::convert::{contact_number, reason_of};
use super::feeds::{NUMBERS_AGAIN, ordered, serialized, utc};
use super::webhook::part::{Part, Read};

/// What contacts are called in it.
const PERSON: &str = "lead";
/// The table.
const LOG: &str = "audit_log";
/// Rows of a page: a third of a kilobyte each when they tell of do-not-contact, as half of the rows of an import may; so the
/// first look after one of 18,000 contacts is two calls.
const PAGE: usize = 5_000;
/// Rows of some contacts, the newest first: enough for the last change of each.
const NEWEST: usize = 1_000;
/// The user of whoever is not logged in: a visitor, or Mautic's own work.
const NOBODY: &str = "System";

#[async_trait]
impl ChangeLog for Mautic {
    async fn log_page(&self, place: LogPlace, with_made: bool) -> Result<Option<LogPage>> {
        let request = match place {
            LogPlace::Behind(row) => log().filtered(0, "id", "gt", row.saturating_sub(NUMBERS_AGAIN)),
            LogPlace::From(moment) => log().filtered(0, "date_added", "gte", utc(moment)),
        };
        let actions = if with_made { "update,merge,delete,create" } else { "update,merge,delete" };
        let request = ordered(request.filtered(2, "action", "in", actions), &["id"]);
        let Some(rows) = self.log_rows(request, PAGE).await? else { return Ok(None) };
        let more = rows.len() >= PAGE;
        let last = rows.iter().filter_map(|row| Part::new(row, LOG).id("id").ok().flatten()).max();
        Ok(Some(LogPage { changes: rows.iter().filter_map(read_row).collect(), last, more }))
    }

    async fn edits_of(&self, contacts: &[RemoteId]) -> Result<Option<Vec<Change>>> {
        let Some(first) = contacts.first() else { return Ok(Some(Vec::new())) };
        // Of companies the log is recorded to tell of creates alone: of an edit it may tell nothing.
        let are_companies = first.within(companies::OBJECT).is_some();
        let number = if are_companies { companies::company_number } else { contact_number };
        let numbers: Vec<String> = contacts.iter().map(|id| Ok(number(id)?.to_string())).collect::<Result<_>>()?;
        let request = log_of(if are_companies { companies::OBJECT } else { PERSON })
            .filtered(0, "object_id", "in", numbers.join(","))
            .filtered(2, "action", "eq", "update")
            .with("order[0][col]", "id")
            .with("order[0][dir]", "desc");
        let Some(rows) = self.log_rows(request, NEWEST).await? else { return Ok(None) };
        let changes = rows.iter().filter_map(read_row).filter(|change| contacts.contains(&change.contact));
        Ok(Some(changes.collect()))
    }
}

impl Mautic {
    /// Whether the role may read the audit log. One call.
    ///
    /// # Errors
    /// As a call fails.
    pub(super) async fn log_is_readable(&self) -> Result<bool> {
        Ok(self.log_rows(Request::get(format!("stats/{LOG}")), 1).await?.is_some())
    }

    /// A refusal is no failure: whoever may do nothing at all is told so by the next call.
    async fn log_rows(&self, request: Request, limit: usize) -> Result<Option<Vec<Map<String, Value>>>> {
        match self.rows(request.with("limit", limit).in_bulk()).await {
            Ok(rows) => Ok(rows.map(|rows| rows.into_iter().map(|row| row.into_iter().collect()).collect())),
            Err(failure) if failure.kind == FailureKind::Credentials => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

fn log() -> Request {
    log_of(PERSON)
}

fn log_of(object: &str) -> Request {
    Request::get(format!("stats/{LOG}")).filtered(1, "object", "eq", object)
}

/// A row that can't be read is passed over: held up by it, the feed would never get to the next.
fn read_row(row: &Map<String, Value>) -> Option<Change> {
    match change(&Part::new(row, LOG)) {
        Ok(change) => change,
        Err(issue) => {
            tracing::warn!(field = issue.field, "a row of Mautic's audit log can't be read: {}", issue.message);
            None
        }
    }
}

fn change(row: &Part<'_>) -> Read<Option<Change>> {
    let (Some(number), Some(id)) = (row.id("id")?, row.id("object_id")?) else { return Ok(None) };
    let contact = match row.text("object")?.as_deref() {
        Some(PERSON) => RemoteId(id.to_string()),
        Some(companies::OBJECT) => RemoteId::of_object(companies::OBJECT, &id.to_string()),
        Some(_) | None => return Ok(None),
    };
    let at = moment(row)?;
    let details = details(row);
    let news = match row.text("action")?.as_deref() {
        Some("update") => News::Edited(edit(&details)),
        Some("merge") => match survivor(&details) {
            Some(into) => News::Merged { into: RemoteId(into.to_string()) },
            None => News::Gone,
        },
        Some("delete") => News::Gone,
        Some("create") => News::Made,
        Some(_) | None => return Ok(None),
    };
    Ok(Some(Change { row: number, contact, at, author: author(row)?, news }))
}

/// When a row was written; columns hold UTC.
fn moment(row: &Part<'_>) -> Read<Timestamp> {
    const DATE: &str = "date_added";
    row.moment_of(&[DATE]).ok_or_else(|| row.issue(DATE, IssueCode::Invalid, "Must be a moment."))
}

/// The details, read whole: a text among the values may look like anything. Not as a text of the row, which is cut.
pub(super) fn details(row: &Part<'_>) -> Value {
    row.value("details").and_then(Value::as_str).and_then(serialized::read).unwrap_or_default()
}

/// Who wrote a row.
pub(super) fn author(row: &Part<'_>) -> Read<Author> {
    let name = row.text("user_name")?.unwrap_or_default();
    Ok(match row.id("user_id")? {
        Some(id) if id > 0 => Author::User { id, name },
        _ if name == NOBODY => Author::Person,
        _ if name.is_empty() => Author::Unknown,
        _ => Author::Program(name),
    })
}

fn survivor(details: &Value) -> Option<u64> {
    match details.get("merged_into")? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn edit(details: &Value) -> Edit {
    let mut fields: BTreeMap<String, Value> = details.get("fields").map(new_values).unwrap_or_default();
    if let Some(points) = details.get("points").and_then(new_value) {
        fields.insert("points".to_owned(), points);
    }
    Edit { fields, tags: tags(details), stage: details.get("stage").is_some(), mail: mail(details) }
}

fn new_values(fields: &Value) -> BTreeMap<String, Value> {
    let members = fields.as_object().into_iter().flatten();
    members.filter_map(|(name, change)| Some((name.clone(), new_value(change)?))).collect()
}

/// A change is a pair: the value before, and the one after it.
fn new_value(change: &Value) -> Option<Value> {
    change.get("1").cloned()
}

fn tags(details: &Value) -> Option<TagChange> {
    let tags = details.get("tags")?;
    let names = |key: &str| -> BTreeSet<String> {
        let members = tags.get(key).and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(_, name)| name.as_str().map(str::to_owned)).collect()
    };
    Some(TagChange { added: names("added"), removed: names("removed") })
}

/// What became of the entry of the channel `email`; reason 0 says that it is gone.
pub(super) fn mail(details: &Value) -> Option<MailChange> {
    let channel = details.pointer("/dnc_channel_status/email")?;
    let reason = channel.get("reason")?;
    let number = reason.as_i64().or_else(|| reason.as_str()?.trim().parse().ok())?;
    if number == 0 {
        return Some(MailChange::Allowed);
    }
    let own = channel.get("comments").and_then(Value::as_str).is_some_and(is_own_note);
    let reason: DoNotContactReason = reason_of(&number.to_string());
    Some(MailChange::Forbidden { reason, own })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(row: &Value) -> Change {
        read_row(row.as_object().unwrap()).unwrap()
    }

    fn row(action: &str, user: (&str, &str), details: &str) -> Value {
        json!({"id": "12", "user_id": user.0, "user_name": user.1, "bundle": "lead", "object": "lead", "object_id": "5",
            "action": action, "details": details, "date_added": "2026-11-28 08:19:02", "ip_address": "127.0.0.1"})
    }

    /// The recorded row of a PATCH (recording `219-audit-log-of-changes`).
    const PATCHED: &str = r#"a:4:{s:9:"firstname";a:2:{i:0;s:1:"A";i:1;s:1:"B";}s:6:"fields";a:1:{s:9:"firstname";a:2:{i:0;s:1:"A";i:1;s:1:"B";}}s:14:"manipulated_by";s:7:"hub [1]";s:15:"manipulator_key";s:15:"lead:api-single";}"#;

    #[test]
    fn an_edit_tells_its_fields_its_time_and_who_made_it() {
        let change = read(&row("update", ("0", "hub [1]"), PATCHED));
        assert_eq!((change.row, change.contact.0.as_str()), (12, "5"));
        assert_eq!(change.at, "2026-11-28T08:19:02Z".parse().unwrap());
        assert_eq!(change.author, Author::Program("hub [1]".to_owned()));
        let News::Edited(edit) = change.news else { panic!("no edit") };
        assert_eq!(edit, Edit { fields: [("firstname".to_owned(), json!("B"))].into(), ..Edit::default() });
    }

    #[test]
    fn the_persons_own_click_and_an_administrators_differ() {
        let lifted = r#"a:1:{s:18:"dnc_channel_status";a:1:{s:5:"email";a:3:{s:6:"reason";i:0;s:10:"old_reason";i:1;s:8:"comments";s:18:"User unsubscribed.";}}}"#;
        for (user, author) in [
            (("0", "System"), Author::Person),
            (("1", "Ada Admin"), Author::User { id: 1, name: "Ada Admin".to_owned() }),
            (("0", ""), Author::Unknown),
        ] {
            let change = read(&row("update", user, lifted));
            assert_eq!(change.author, author);
            let News::Edited(edit) = change.news else { panic!("no edit") };
            assert_eq!(edit.mail, Some(MailChange::Allowed));
        }
    }

    #[test]
    fn a_merge_names_the_survivor() {
        let change = read(&row("merge", ("0", "System"), r#"a:1:{s:11:"merged_into";i:361;}"#));
        assert_eq!(change.news, News::Merged { into: RemoteId("361".to_owned()) });
        assert_eq!(read(&row("delete", ("1", "Ada"), "cut off a:1:{")).news, News::Gone);
        assert_eq!(read(&row("create", ("1", "Ada"), "a:0:{}")).news, News::Made);
    }

    #[test]
    fn an_entry_of_tandems_own_is_known_by_its_note() {
        for (comments, own) in [("opted out in the application", true), ("by an admin", false)] {
            let length = comments.len();
            let details = format!(
                "a:1:{{s:18:\"dnc_channel_status\";a:1:{{s:5:\"email\";a:2:{{s:6:\"reason\";i:3;s:8:\"comments\";s:{length}:\"{comments}\";}}}}}}"
            );
            let News::Edited(edit) = read(&row("update", ("0", "hub [1]"), &details)).news else { panic!("no edit") };
            assert_eq!(edit.mail, Some(MailChange::Forbidden { reason: DoNotContactReason::Manual, own }));
        }
    }
}
