//! The admin API, `/api/v1/…`: what operators do with a tenant, its keys, integrations, people and runs. Every write leaves an
//! audit entry.

pub mod audit;
mod call;
pub mod conflicts;
pub mod deliveries;
pub mod events;
pub mod integrations;
pub mod issues;
pub mod jobs;
pub mod keys;
pub mod mappings;
mod params;
pub mod records;
pub mod rules;
pub mod runs;
pub mod status;
pub mod tenants;

use axum::http::StatusCode;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::tenant::Label;
use tandem_core::error::Failure;

use super::envelope::{ApiError, Reply};
use super::input::Input;
use crate::admin::integrations::blamed;

use call::Call;
pub use call::served;
use params::Params;

/// What a call is answered.
type Answered = Result<Reply, ApiError>;

/// A name that people gave something.
fn label(input: Input<'_>, field: &str) -> Result<Option<Label>, FieldIssue> {
    let label = input.text(field)?.map(|text| Label::try_from(text.to_owned())).transpose();
    label.map_err(|error| input.issue(field, IssueCode::Invalid, format!("The value can't be taken: {error}.")))
}

/// The same where it must be given.
fn required_label(input: Input<'_>, field: &str) -> Result<Label, FieldIssue> {
    label(input, field)?.ok_or_else(|| input.issue(field, IssueCode::Missing, "Give a name."))
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

/// There is nothing of this name, as far as the caller may know.
fn nothing(message: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// A parameter or field that can't be taken as it is.
fn unfit(name: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid(vec![FieldIssue::new(name, IssueCode::Invalid, message)])
}
