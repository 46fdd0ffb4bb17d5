//! A call of the admin API: who makes it, what came with it, and how it is answered. The one place for all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Map, Value};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::error::Failure;
use tandem_core::sync::services::Desk;
use tracing::Instrument;

use super::{Answered, Params, changed, not_connected, unfit};
use crate::admin::{Actor, Refused};
use crate::http::auth::Holder;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::{Access, AppState, dispatch, request};
use crate::store::Act;

/// The largest body of a call, in bytes.
const LARGEST: usize = 64 * 1024;

/// A call that may be made, and what came with it.
pub struct Call {
    pub(super) state: AppState,
    pub(super) started: Started,
    pub(super) holder: Holder,
    pub(super) headers: HeaderMap,
    path: BTreeMap<String, String>,
    uri: Uri,
    /// Until somebody reads it.
    body: Mutex<Body>,
}

/// What serves a route: it lets callers in, has the work done, and answers.
pub fn served<Work, Done>(verb: MethodFilter, operation: &'static str, work: Work) -> MethodRouter<AppState>
where
    Work: Fn(Call) -> Done + Clone + Send + Sync + 'static,
    Done: Future<Output = Answered> + Send + 'static,
{
    on(
        verb,
        move |State(state): State<AppState>,
              Extension(access): Extension<Access>,
              path: Result<RawPathParams, RawPathParamsRejection>,
              uri: Uri,
              headers: HeaderMap,
              body: Body| {
            let work = work.clone();
            async move {
                let path = path.map(named).unwrap_or_default();
                answered(state, access, operation, Came { path, uri, headers, body }, work).await
            }
        },
    )
}

/// What came with a call.
struct Came {
    path: BTreeMap<String, String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
}

/// What stands in a path, by name; of what is no text nothing has an id.
fn named(path: RawPathParams) -> BTreeMap<String, String> {
    path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn answered<Work, Done>(
    state: AppState,
    access: Access,
    operation: &'static str,
    came: Came,
    work: Work,
) -> Response<Body>
where
    Work: Fn(Call) -> Done,
    Done: Future<Output = Answered>,
{
    let started = Started::new(&state, &came.headers);
    let span = tracing::info_span!("admin", operation, correlation_id = %started.correlation_id);
    let reply = async {
        let holder = dispatch::authenticated(&state, &started, access, &came.headers).await?;
        let Came { path, uri, headers, body } = came;
        work(Call {
            state: state.clone(),
            started: started.clone(),
            holder,
            headers,
            path,
            uri,
            body: Mutex::new(body),
        })
        .await
    };
    let reply = reply.instrument(span).await.unwrap_or_else(Reply::Failed);
    started.answer(&state, operation, &reply)
}

impl Call {
    /// Whose call it is.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.holder.tenant
    }

    /// The tenant's scope, for what belongs to no integration.
    pub(super) fn scope(&self) -> Scope {
        Scope { tenant: self.holder.tenant.clone(), integration: IntegrationId::mautic() }
    }

    /// What stands in the path under a name.
    pub(super) fn path(&self, name: &str) -> String {
        self.path.get(name).cloned().unwrap_or_default()
    }

    /// The parameters of the query, of which there are these.
    pub(super) fn params(&self, known: &[&str]) -> Result<Params, ApiError> {
        Params::of(&self.uri, known)
    }

    /// Who acts now, for an audit entry.
    pub(super) fn actor(&self) -> Actor {
        let act = Act {
            by: self.holder.name.clone(),
            at: self.started.at,
            id: self.state.entropy.id(),
            correlation_id: self.started.correlation_id.clone(),
        };
        Actor { tenant: self.holder.tenant.clone(), act }
    }

    /// Notes in the audit what is about to be done, where no transaction of the deed does.
    pub(super) async fn note(&self, action: &str, target: &str, fields: &[&str]) -> Result<(), ApiError> {
        let entry = self.actor().act.entry(action, target, fields);
        self.state.admin.audit.note(self.tenant(), &entry).await.map_err(|failure| self.failed(failure))
    }

    /// The desk of the integration that the call is for: the one that the header `Tandem-Integration` names, else the tenant's
    /// first that is in use, or the first of those that are not.
    pub(super) async fn desk(&self) -> Result<Desk, ApiError> {
        let state = self.state.to_look_after(self.tenant(), &self.headers).await?.current().await?;
        state.desk.ok_or_else(|| {
            let message = "no Mautic is configured: the installation runs in demo mode";
            ApiError::new(StatusCode::FORBIDDEN, "no_integration", message)
        })
    }

    /// The body, when it is JSON of at most so many bytes.
    pub(super) async fn document(&self, largest: usize) -> Result<Map<String, Value>, ApiError> {
        let body = std::mem::take(&mut *self.body.lock().unwrap_or_else(PoisonError::into_inner));
        request::parse_object(&request::read_body(&self.headers, body, largest).await?)
    }

    /// The body's object, in which nothing stands that nobody asked for: a setting that is misspelt must not pass for done.
    pub(super) async fn object(&self, known: &[&str]) -> Result<Map<String, Value>, ApiError> {
        let object = self.document(LARGEST).await?;
        let unknown: Vec<FieldIssue> = object
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
            .map(|name| {
                let name: String = name.chars().take(100).collect();
                FieldIssue::new(name, IssueCode::UnknownField, format!("The fields are {}.", known.join(", ")))
            })
            .collect();
        let null = object.iter().filter(|(_, value)| value.is_null());
        let null =
            null.map(|(name, _)| FieldIssue::new(name, IssueCode::WrongType, "Leave out what shall stay as it is."));
        let issues: Vec<FieldIssue> = unknown.into_iter().chain(null).collect();
        if issues.is_empty() { Ok(object) } else { Err(ApiError::invalid(issues)) }
    }

    /// The revision that the caller saw, when the call depends on it.
    pub(super) fn seen(&self) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.headers.get(header::IF_MATCH) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let seen = tag.and_then(|tag| tag.parse().ok());
        seen.map(Some).ok_or_else(|| unfit("If-Match", "The value must be the ETag of an answer."))
    }

    /// The public face of a refusal.
    pub(super) fn refused(&self, refused: Refused) -> ApiError {
        match refused {
            Refused::NotFound(message) => ApiError::new(StatusCode::NOT_FOUND, "not_found", message),
            Refused::NameTaken(message) => ApiError::new(StatusCode::CONFLICT, "name_taken", message),
            Refused::Changed => changed(),
            Refused::Invalid(issues) => ApiError::invalid(issues),
            Refused::NotConnected(failure) => not_connected(&failure),
            Refused::Failed(failure) => self.failed(failure),
        }
    }

    /// The public face of a failure.
    pub(super) fn failed(&self, failure: Failure) -> ApiError {
        ApiError::from_failure(failure, self.started.at)
    }
}
