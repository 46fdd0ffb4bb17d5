//! The admin API, `/api/v1/…`: what operators do with tenants, keys and integrations. Every write leaves an audit entry.

pub mod audit;
pub mod integrations;
pub mod keys;
pub mod mappings;
pub mod tenants;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::Label;
use tandem_core::error::Failure;
use tracing::Instrument;

use super::auth::Holder;
use super::dispatch;
use super::envelope::{ApiError, Reply, Started};
use super::input::Input;
use super::routes::Access;
use super::{AppState, request};
use crate::admin::integrations::blamed;
use crate::admin::{Actor, Refused};
use crate::store::Act;

/// The largest body of a call, in bytes.
const LARGEST: usize = 64 * 1024;
/// The most entries of a page, and how many there are when nobody says.
const LONGEST_PAGE: usize = 200;
const USUAL_PAGE: usize = 50;

/// A call that may be made.
struct Call {
    state: AppState,
    started: Started,
    holder: Holder,
}

impl Call {
    fn tenant(&self) -> &TenantId {
        &self.holder.tenant
    }

    fn actor(&self) -> Actor {
        let act = Act {
            by: self.holder.name.clone(),
            at: self.started.at,
            id: self.state.entropy.id(),
            correlation_id: self.started.correlation_id.clone(),
        };
        Actor { tenant: self.holder.tenant.clone(), act }
    }

    fn refused(&self, refused: Refused) -> ApiError {
        match refused {
            Refused::NotFound(message) => ApiError::new(StatusCode::NOT_FOUND, "not_found", message),
            Refused::NameTaken(message) => ApiError::new(StatusCode::CONFLICT, "name_taken", message),
            Refused::Changed => changed(),
            Refused::Invalid(issues) => ApiError::invalid(issues),
            Refused::NotConnected(failure) => not_connected(&failure),
            Refused::Failed(failure) => ApiError::from_failure(failure, self.started.at),
        }
    }
}

/// Performs a call for whoever may make it, and answers.
async fn answered<Work>(
    state: AppState,
    access: Access,
    headers: &HeaderMap,
    operation: &'static str,
    work: impl FnOnce(Call) -> Work,
) -> Response<Body>
where
    Work: Future<Output = Result<Reply, ApiError>>,
{
    let started = Started::new(&state, headers);
    let span = tracing::info_span!("admin", operation, correlation_id = %started.correlation_id);
    let reply = async {
        let holder = dispatch::authenticated(&state, &started, access, headers).await?;
        work(Call { state: state.clone(), started: started.clone(), holder }).await
    };
    let reply = reply.instrument(span).await.unwrap_or_else(Reply::Failed);
    started.answer(&state, operation, &reply)
}

/// The body's object, in which nothing stands that nobody asked for: a setting that is misspelt must not pass for done.
async fn object(headers: &HeaderMap, body: Body, known: &[&str]) -> Result<Map<String, Value>, ApiError> {
    let body = request::read_body(headers, body, LARGEST).await?;
    let object = request::parse_object(&body)?;
    let unknown: Vec<FieldIssue> = object
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .map(|name| {
            let name: String = name.chars().take(100).collect();
            FieldIssue::new(name, IssueCode::UnknownField, format!("The fields are {}.", known.join(", ")))
        })
        .collect();
    let null = object.iter().filter(|(_, value)| value.is_null());
    let null = null.map(|(name, _)| FieldIssue::new(name, IssueCode::WrongType, "Leave out what shall stay as it is."));
    let issues: Vec<FieldIssue> = unknown.into_iter().chain(null).collect();
    if issues.is_empty() { Ok(object) } else { Err(ApiError::invalid(issues)) }
}

/// A name that people gave something.
fn label(input: Input<'_>, field: &str) -> Result<Option<Label>, FieldIssue> {
    let label = input.text(field)?.map(|text| Label::try_from(text.to_owned())).transpose();
    label.map_err(|error| input.issue(field, IssueCode::Invalid, format!("The value can't be taken: {error}.")))
}

/// The same where it must be given.
fn required_label(input: Input<'_>, field: &str) -> Result<Label, FieldIssue> {
    label(input, field)?.ok_or_else(|| input.issue(field, IssueCode::Missing, "Give a name."))
}

/// What stands in a path for an id.
type InPath = Result<Path<String>, PathRejection>;

/// The id; of what is no text nobody has an id.
fn in_path(id: InPath) -> String {
    id.map(|Path(id)| id).unwrap_or_default()
}

/// Which page of a list.
#[derive(Deserialize)]
pub struct Page {
    limit: Option<usize>,
    after: Option<String>,
}

/// The page that is asked for: what it begins after, and how many entries it has.
fn page(query: Result<Query<Page>, QueryRejection>) -> Result<(Option<String>, usize), ApiError> {
    let bad = || {
        ApiError::invalid(vec![FieldIssue::new(
            "limit",
            IssueCode::Invalid,
            format!("The value must be 1 to {LONGEST_PAGE}."),
        )])
    };
    let Ok(Query(page)) = query else { return Err(bad()) };
    let limit = page.limit.unwrap_or(USUAL_PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(bad());
    }
    // Nothing comes after nothing; and what ids and digests can't hold is none of them.
    let after = page.after.filter(|after| !after.is_empty());
    let is_id =
        |text: &String| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !after.as_ref().is_none_or(is_id) {
        let message = "The value must be `next` of an answer.";
        return Err(ApiError::invalid(vec![FieldIssue::new("after", IssueCode::Invalid, message)]));
    }
    Ok((after, limit))
}

/// The revision that the caller saw, when the call depends on it.
fn seen(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    tag.and_then(|tag| tag.parse().ok()).map(Some).ok_or_else(|| {
        let message = "The value must be the ETag of an answer.";
        ApiError::invalid(vec![FieldIssue::new("If-Match", IssueCode::Invalid, message)])
    })
}

fn not_connected(failure: &Failure) -> ApiError {
    let message = format!("nothing was stored, because the platform could not be called: {failure}");
    let details = vec![blamed(failure)];
    ApiError { details, ..ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "connection_failed", message) }
}

fn changed() -> ApiError {
    let message = "it was changed since it was read: read it again (If-Match names another revision)";
    ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message)
}
