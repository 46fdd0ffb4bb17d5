//! `/api/v1/rules`: what follows from the tenant's lifecycle events, by version. `tandem rules` says the same.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::mapping::{Problem, RuleSet};

use super::mappings::{no_such_version, not_a_version, note};
use super::{Answered, Call, changed};
use crate::api::versions::Versions;
use crate::http::envelope::{ApiError, Reply};
use crate::lifecycle_rules::StoredRules;
use crate::mappings::{Setting, Taken};

/// The largest body of a call, in bytes: rules as JSON writes them, with a note.
const LARGEST: usize = 600 * 1024;

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

/// The field rules that the rules set fields of.
async fn fields(call: &Call) -> Result<Arc<RuleSet>, ApiError> {
    Ok(call.desk().await?.integration.rules)
}

fn text(document: &Map<String, Value>) -> Result<String, ApiError> {
    let unknown = document.keys().find(|name| *name != "rules");
    if let Some(name) = unknown {
        let name: String = name.chars().take(100).collect();
        return Err(issue(&name, IssueCode::UnknownField, "The fields are rules, note."));
    }
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
