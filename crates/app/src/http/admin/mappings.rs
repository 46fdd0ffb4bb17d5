//! `/api/v1/integrations/{integration}/mappings`: which field goes where, by version. `tandem mappings` says the same.

use serde_json::{Map, Value, json};
use tandem_core::domain::catalog::FieldCatalog;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::mapping::{MappingSet, Problem};
use tandem_core::sync::services::Desk;

use super::{Answered, Call, changed, nothing};
use crate::api::versions::Versions;
use crate::http::envelope::{ApiError, Reply};
use crate::mappings::{Setting, StoredMappings, Taken, Tried};
use crate::store::Version;

/// The largest body of a call, in bytes: a set with a note.
const LARGEST: usize = tandem_core::mapping::set::LARGEST + 4 * 1024;
/// On so many records a set is tried at a time.
const MOST_TRIED: usize = 100;
/// The longest note, in characters.
const LONGEST_NOTE: usize = 200;

/// Shows the set that counts, or another version.
pub async fn show(call: Call) -> Answered {
    let scope = desk_of(&call).await?.integration.scope;
    let version = call.params(&["version"])?.parsed::<u64>("version", "the number of a version")?;
    let found = match version {
        Some(number) => call.state.mappings.version(&scope, number).await,
        None => call.state.mappings.active(&scope).await.map(Some),
    };
    match found.map_err(|failure| call.failed(failure))? {
        Some(version) => Ok(Reply::Found(view(&version, &[]), version.version)),
        None => Err(no_such_version()),
    }
}

/// Lists the versions that are kept, the built-in one last.
pub async fn list(call: Call) -> Answered {
    call.params(&[])?;
    let scope = desk_of(&call).await?.integration.scope;
    let versions = call.state.mappings.list(&scope).await.map_err(|failure| call.failed(failure))?;
    Ok(Reply::Done(json!(Versions::of_mappings(&versions))))
}

/// Makes a set the one that counts.
pub async fn set(call: Call) -> Answered {
    let desk = desk_of(&call).await?;
    let mut document = call.document(LARGEST).await?;
    let note = note(&mut document)?;
    let set = read(document)?;
    let catalog = catalog(&desk).await.map_err(|failure| call.failed(failure))?;
    let setting = Setting { act: call.actor().act, note, seen: call.seen()? };
    let taken = call.state.mappings.set(&desk.integration.scope, set, Some(&catalog), setting).await;
    told(&call, &desk, taken.map_err(|failure| call.failed(failure))?).await
}

/// Tells what is wrong with a set, and changes nothing.
pub async fn check(call: Call) -> Answered {
    let desk = desk_of(&call).await?;
    let document = call.document(LARGEST).await?;
    let problems = match MappingSet::of_value(&Value::Object(document)) {
        Err(problems) => problems,
        Ok(set) => {
            let catalog = catalog(&desk).await.map_err(|failure| call.failed(failure))?;
            let found = call.state.mappings.check(&desk.integration.scope, &set, Some(&catalog)).await;
            found.map_err(|failure| call.failed(failure))?
        }
    };
    let sound = !problems.iter().any(Problem::is_error);
    Ok(Reply::Done(json!({"sound": sound, "problems": problems})))
}

/// Says what a set would change and what would be written of chosen records, and changes nothing.
pub async fn try_out(call: Call) -> Answered {
    let desk = desk_of(&call).await?;
    let mut document = call.document(LARGEST).await?;
    let records = records(document.remove("records"))?;
    let set = match MappingSet::of_value(&Value::Object(document)) {
        Ok(set) => set,
        Err(problems) => {
            let tried = Tried { sound: false, problems, differences: Vec::new(), records: Vec::new() };
            return Ok(Reply::Done(json!(tried)));
        }
    };
    let catalog = catalog(&desk).await.map_err(|failure| call.failed(failure))?;
    let tried = call.state.mappings.try_out(desk, &set, &catalog, &records).await;
    Ok(Reply::Done(json!(tried.map_err(|failure| call.failed(failure))?)))
}

/// The application's ids of the records that a set is tried on.
fn records(given: Option<Value>) -> Result<Vec<ExternalId>, ApiError> {
    let unfit = |code, message: &str| ApiError::invalid(vec![FieldIssue::new("records", code, message)]);
    let ids = match given {
        None => return Ok(Vec::new()),
        Some(Value::Array(ids)) if ids.len() <= MOST_TRIED => ids,
        Some(Value::Array(_)) => return Err(unfit(IssueCode::TooLong, "A set is tried on at most 100 records.")),
        Some(_) => return Err(unfit(IssueCode::WrongType, "The value must be a list of ids.")),
    };
    let text = |id: &Value| id.as_u64().map(|number| number.to_string()).or_else(|| id.as_str().map(str::to_owned));
    let id = |id: &Value| text(id).and_then(|id| ExternalId::try_from(id).ok());
    let ids: Option<Vec<ExternalId>> = ids.iter().map(id).collect();
    ids.ok_or_else(|| unfit(IssueCode::Invalid, "Each value must be a record's id in your application."))
}

/// Makes an older version the one that counts again.
pub async fn roll_back(call: Call) -> Answered {
    let desk = desk_of(&call).await?;
    let document = call.object(&["version"]).await?;
    let number = document.get("version").and_then(Value::as_u64).ok_or_else(not_a_version)?;
    let catalog = catalog(&desk).await.map_err(|failure| call.failed(failure))?;
    let setting = Setting { act: call.actor().act, note: None, seen: call.seen()? };
    let taken = call.state.mappings.roll_back(&desk.integration.scope, number, Some(&catalog), setting).await;
    told(&call, &desk, taken.map_err(|failure| call.failed(failure))?).await
}

/// The desk of the caller's integration of this id or name. Whether another tenant has one is not told.
async fn desk_of(call: &Call) -> Result<Desk, ApiError> {
    let found = call.state.desks.of_tenant(call.tenant(), Some(&call.path("id"))).await;
    let missing = || nothing("there is no such integration");
    found.map_err(|failure| call.failed(failure))?.ok_or_else(missing)
}

/// The platform's fields, as it lists them now: one call.
async fn catalog(desk: &Desk) -> tandem_core::error::Result<FieldCatalog> {
    desk.integration.platform.fields().await
}

pub(super) fn note(document: &mut Map<String, Value>) -> Result<Option<String>, ApiError> {
    match document.remove("note") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= LONGEST_NOTE => Ok(Some(text)),
        Some(_) => {
            let message = format!("The value must be a text of at most {LONGEST_NOTE} characters.");
            Err(ApiError::invalid(vec![FieldIssue::new("note", IssueCode::Invalid, message)]))
        }
    }
}

fn read(document: Map<String, Value>) -> Result<MappingSet, ApiError> {
    MappingSet::of_value(&Value::Object(document)).map_err(|problems| refused(&problems))
}

async fn told(call: &Call, desk: &Desk, taken: Taken<StoredMappings>) -> Result<Reply, ApiError> {
    match taken {
        Taken::Set { version, warnings } => Ok(Reply::Found(view(&version, &warnings), version.version)),
        Taken::Same(_) => {
            let active = call.state.mappings.active(&desk.integration.scope).await;
            let active = active.map_err(|failure| call.failed(failure))?;
            Ok(Reply::Found(view(&active, &[]), active.version))
        }
        Taken::Refused(problems) => Err(refused(&problems)),
        Taken::Changed(_) => Err(changed()),
        Taken::Unknown => Err(no_such_version()),
    }
}

/// 422, naming each rule.
fn refused(problems: &[Problem]) -> ApiError {
    let errors = problems.iter().filter(|problem| problem.is_error());
    let issue = |problem: &Problem| FieldIssue::new(&*problem.place, IssueCode::Invalid, &*problem.message);
    ApiError::invalid(errors.map(issue).collect())
}

pub(super) fn not_a_version() -> ApiError {
    ApiError::invalid(vec![FieldIssue::new(
        "version",
        IssueCode::Invalid,
        "The value must be the number of a version.",
    )])
}

pub(super) fn no_such_version() -> ApiError {
    nothing("there is no version of this number, or it is not kept any more")
}

fn view(version: &Version<StoredMappings>, warnings: &[Problem]) -> Value {
    json!({
        "version": version.version,
        "setAt": (version.version > 0).then_some(version.set_at),
        "setBy": version.set_by,
        "note": version.note,
        "mappings": version.content.set.mappings,
        "problems": warnings,
    })
}
