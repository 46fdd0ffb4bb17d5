//! `/api/v1/tenants`: made, listed, renamed, suspended, resumed and deleted, by whoever administers the installation.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::{Tenant, TenantStatus};

use super::{InPath, Page, answered, in_path, label, object, page, required_label, seen};
use crate::admin::TenantChange;
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;
use crate::http::{Access, AppState};

/// How long a call goes on deleting; then it is to be called again.
const LONGEST_DELETION: SignedDuration = SignedDuration::from_secs(15);

/// Lists tenants.
pub async fn list(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    query: Result<Query<Page>, QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    answered(state, access, &headers, "list_tenants", |call| async move {
        let (after, limit) = page(query)?;
        let after = after.map(id_of).transpose().map_err(|_| bad_cursor())?;
        let listed = call.state.admin.list_tenants(after.as_ref(), limit).await;
        let listed = listed.map_err(|refused| call.refused(refused))?;
        let next = listed.last().filter(|_| listed.len() == limit).map(|tenant| tenant.id.to_string());
        Ok(Reply::Done(json!({"tenants": listed.iter().map(view).collect::<Vec<_>>(), "next": next})))
    })
    .await
}

/// Makes a tenant.
pub async fn create(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let headers = &headers;
    answered(state, access, headers, "create_tenant", |call| async move {
        let object = object(headers, body, &["id", "name"]).await?;
        let input = Input::root(&object);
        let read = || {
            let id = input.text("id")?.ok_or_else(|| input.issue("id", IssueCode::Missing, "Give an id."))?;
            let id = id_of(id.to_owned()).map_err(|message| input.issue("id", IssueCode::Invalid, message))?;
            Ok((id, required_label(input, "name")?))
        };
        let (id, name) = read().map_err(|issue: FieldIssue| ApiError::invalid(vec![issue]))?;
        let made = call.state.admin.create_tenant(id, name, &call.actor()).await;
        found(&made.map_err(|refused| call.refused(refused))?)
    })
    .await
}

/// Shows one.
pub async fn show(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    id: InPath,
    headers: HeaderMap,
) -> Response<Body> {
    answered(state, access, &headers, "show_tenant", |call| async move {
        let tenant = call.state.admin.tenant(&named(id)?).await;
        found(&tenant.map_err(|refused| call.refused(refused))?)
    })
    .await
}

/// Renames, suspends or resumes one.
pub async fn change(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    id: InPath,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let headers = &headers;
    answered(state, access, headers, "change_tenant", |call| async move {
        let object = object(headers, body, &["name", "status"]).await?;
        let input = Input::root(&object);
        let read = || {
            let suspended = match input.text("status")? {
                None => None,
                Some("active") => Some(false),
                Some("suspended") => Some(true),
                Some(_) => {
                    return Err(input.issue("status", IssueCode::NotInList, "The value must be active or suspended."));
                }
            };
            Ok(TenantChange { name: label(input, "name")?, suspended })
        };
        let change = read().map_err(|issue| ApiError::invalid(vec![issue]))?;
        let (id, seen) = (named(id)?, seen(headers)?);
        let changed = call.state.admin.change_tenant(&id, change, seen, &call.actor()).await;
        found(&changed.map_err(|refused| call.refused(refused))?)
    })
    .await
}

/// The name of what is to be deleted.
#[derive(Deserialize)]
pub struct Confirmed {
    pub(super) name: Option<String>,
}

/// Deletes one with everything it owns; 202 when that takes longer than a call may.
pub async fn delete(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    id: InPath,
    query: Result<Query<Confirmed>, QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    answered(state, access, &headers, "delete_tenant", |call| async move {
        let name = query.ok().and_then(|Query(confirmed)| confirmed.name).unwrap_or_default();
        let (clock, began) = (call.state.clock.clone(), call.started.at);
        let in_time = move || clock.now().duration_since(began) < LONGEST_DELETION;
        let done = call.state.admin.delete_tenant(&named(id)?, &name, &call.actor(), &in_time).await;
        match done.map_err(|refused| call.refused(refused))? {
            true => Ok(Reply::Done(json!({"deleted": true}))),
            false => Ok(Reply::Accepted(json!({"deleted": false}))),
        }
    })
    .await
}

fn found(tenant: &Tenant) -> Result<Reply, ApiError> {
    Ok(Reply::Found(json!({"tenant": view(tenant)}), tenant.revision))
}

/// A tenant as answers show it.
fn view(tenant: &Tenant) -> Value {
    let (status, since) = match &tenant.status {
        TenantStatus::Active => ("active", None),
        TenantStatus::Suspended { since } => ("suspended", Some(since)),
        TenantStatus::Deleting { since } => ("deleting", Some(since)),
    };
    json!({
        "id": tenant.id,
        "name": tenant.name,
        "status": status,
        "since": since,
        "createdAt": tenant.created_at,
        "revision": tenant.revision,
    })
}

fn id_of(text: String) -> Result<TenantId, String> {
    TenantId::try_from(text).map_err(|error| format!("The value can't be taken: {error}."))
}

/// A tenant that a path names. No tenant has an id that none can have.
pub(super) fn named(id: InPath) -> Result<TenantId, ApiError> {
    let nobody = || ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such tenant");
    TenantId::try_from(in_path(id)).map_err(|_| nobody())
}

fn bad_cursor() -> ApiError {
    ApiError::invalid(vec![FieldIssue::new("after", IssueCode::Invalid, "The value must be `next` of an answer.")])
}
