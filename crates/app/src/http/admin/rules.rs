//! `/api/v1/rules`: what follows from the tenant's lifecycle events, by version. `tandem rules` says the same.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::mapping::{Problem, RuleSet};

use super::mappings::{no_such_version, not_a_version, note};
use super::{Answered, Call, changed};
use crate::api::versions::Versions;
use crate::http::envelope::{ApiError, Reply};
use crate::lifecycle_rules::StoredRules;
use crate::mappings::{Setting, Taken};
use crate::rules_explained::{self, Unexplained};

/// The largest body of a call, in bytes: rules as JSON writes them, with a note.
const LARGEST: usize = 600 * 1024;
/// The same with events.
const LARGEST_EXPLAINED: usize = 1024 * 1024;

/// Shows the rules that count, or a stored version.
pub async fn show(call: Call) -> Answered {
    let version = call.params(&["version"])?.parsed::<u64>("version", "the number of a version")?;
    let Some(number) = version else { return counting(&call).await };
    let found = call.state.lifecycle_rules.version(call.tenant(), number).await;
    let found = found.map_err(|failure| call.failed(failure))?.ok_or_else(no_such_version)?;
    let view = json!({
        "version": number, "stored": found.content.text.is_some(), "setAt": found.set_at, "setBy": found.set_by,
        "note": found.note, "rules": found.content.text,
    });
    Ok(Reply::Found(view, number))
}

/// Lists the versions that were stored.
pub async fn list(call: Call) -> Answered {
    call.params(&[])?;
    let versions = call.state.lifecycle_rules.list(call.tenant()).await.map_err(|failure| call.failed(failure))?;
    Ok(Reply::Done(json!(Versions::of_rules(&versions))))
}

/// Makes rules those that count.
pub async fn set(call: Call) -> Answered {
    let mut document = call.document(LARGEST).await?;
    let note = note(&mut document)?;
    let text = text(&document)?;
    let fields = fields(&call).await?;
    let setting = Setting { act: call.actor().act, note, seen: call.seen()? };
    let taken = call.state.lifecycle_rules.set(call.tenant(), Some(&text), &fields, setting).await;
    told(&call, taken.map_err(|failure| call.failed(failure))?).await
}

/// Makes the rules of an older version those that count again; 0 are those of the configuration.
pub async fn roll_back(call: Call) -> Answered {
    let document = call.object(&["version"]).await?;
    let number = document.get("version").and_then(Value::as_u64).ok_or_else(not_a_version)?;
    let fields = fields(&call).await?;
    let setting = Setting { act: call.actor().act, note: None, seen: call.seen()? };
    let taken = call.state.lifecycle_rules.roll_back(call.tenant(), number, &fields, setting).await;
    told(&call, taken.map_err(|failure| call.failed(failure))?).await
}

/// Says what is wrong with rules, what they say and, where it is asked for, what of it the platform has; changes nothing.
pub async fn check(call: Call) -> Answered {
    let document = call.document(LARGEST).await?;
    known(&document, &["rules", "live"])?;
    let live = match document.get("live") {
        None => false,
        Some(Value::Bool(live)) => *live,
        Some(_) => return Err(issue("live", IssueCode::WrongType, "The value must be true or false.")),
    };
    let desk = call.desk().await?;
    let fields = &desk.integration.rules;
    let (mut checked, book) = rules_explained::checked(book(&call, &document, fields).await?, fields);
    if let Some(book) = book.filter(|_| live) {
        checked.live = Some(rules_explained::look(&desk, &book).await.map_err(|failure| call.failed(failure))?);
    }
    Ok(Reply::Done(json!(checked)))
}

/// Says what events would do by rules; calls nobody and changes nothing.
pub async fn explain(call: Call) -> Answered {
    let mut document = call.document(LARGEST_EXPLAINED).await?;
    known(&document, &["rules", "events", "history"])?;
    let fields = fields(&call).await?;
    let book = book(&call, &document, &fields).await?.map_err(|problems| {
        let issue = |problem: &String| FieldIssue::new("rules", IssueCode::Invalid, problem.as_str());
        ApiError::invalid(problems.iter().map(issue).collect())
    })?;
    let events = document.remove("events").filter(Value::is_array);
    let events = events.ok_or_else(|| issue("events", IssueCode::Missing, "Give a list of events."))?;
    let history = document.remove("history").filter(|history| history.as_array().is_none_or(|list| !list.is_empty()));
    if history.as_ref().is_some_and(|history| !history.is_array()) {
        return Err(issue("history", IssueCode::WrongType, "The value must be a list of events."));
    }
    match rules_explained::explained(&book, &fields, call.started.at, (events, history)) {
        Ok(explained) => Ok(Reply::Done(json!(explained))),
        Err(Unexplained::Unfit(issues)) => Err(ApiError::invalid(issues)),
        Err(Unexplained::Failed(failure)) => Err(issue("events", IssueCode::Invalid, &failure.message)),
    }
}

/// The rules that came with a call, or those that count; else what is wrong with them. Two read calls at most.
async fn book(
    call: &Call,
    document: &Map<String, Value>,
    fields: &RuleSet,
) -> Result<Result<RuleBook, Vec<String>>, ApiError> {
    let text = document.contains_key("rules").then(|| text_of(document)).transpose()?;
    let book = call.state.lifecycle_rules.book_of(call.tenant(), text.as_deref(), fields).await;
    book.map_err(|failure| call.failed(failure))
}

/// The field rules that the rules set fields of.
async fn fields(call: &Call) -> Result<Arc<RuleSet>, ApiError> {
    Ok(call.desk().await?.integration.rules)
}

fn text(document: &Map<String, Value>) -> Result<String, ApiError> {
    match document.keys().find(|name| *name != "rules") {
        Some(name) => Err(unknown(name, &["rules", "note"])),
        None => text_of(document),
    }
}

/// Nothing stands in it that nobody asked for.
fn known(document: &Map<String, Value>, names: &[&str]) -> Result<(), ApiError> {
    document.keys().find(|name| !names.contains(&name.as_str())).map_or(Ok(()), |name| Err(unknown(name, names)))
}

fn unknown(name: &str, names: &[&str]) -> ApiError {
    let name: String = name.chars().take(100).collect();
    issue(&name, IssueCode::UnknownField, &format!("The fields are {}.", names.join(", ")))
}

fn text_of(document: &Map<String, Value>) -> Result<String, ApiError> {
    match document.get("rules") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(issue("rules", IssueCode::WrongType, "The value must be a text: the rules in TOML.")),
        None => Err(issue("rules", IssueCode::Missing, "Give the rules, in TOML.")),
    }
}

fn issue(name: &str, code: IssueCode, message: &str) -> ApiError {
    ApiError::invalid(vec![FieldIssue::new(name, code, message)])
}

async fn told(call: &Call, taken: Taken<StoredRules>) -> Answered {
    match taken {
        Taken::Set { .. } | Taken::Same(_) => counting(call).await,
        Taken::Refused(problems) => {
            let issue = |problem: &Problem| FieldIssue::new("rules", IssueCode::Invalid, &*problem.message);
            Err(ApiError::invalid(problems.iter().map(issue).collect()))
        }
        Taken::Changed(_) => Err(changed()),
        Taken::Unknown => Err(no_such_version()),
    }
}

/// The rules that count. Three read calls at most.
async fn counting(call: &Call) -> Answered {
    let (rules, tenant) = (&call.state.lifecycle_rules, call.tenant());
    let active = rules.active(tenant).await.map_err(|failure| call.failed(failure))?;
    let version = rules.version(tenant, active.version).await.map_err(|failure| call.failed(failure))?;
    let view = json!({
        "version": active.version, "stored": active.are_stored(), "rules": active.text(),
        "setAt": version.as_ref().map(|version| version.set_at),
        "setBy": version.as_ref().map(|version| version.set_by.clone()),
        "note": version.and_then(|version| version.note),
    });
    Ok(Reply::Found(view, active.version))
}
