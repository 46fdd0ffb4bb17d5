//! `/api/v1/keys`: made, listed and revoked. A key is shown once.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::role::{Right, Role};
use tandem_core::domain::scope::TenantId;

use super::tenants::named;
use super::{Call, InPath, Page, answered, in_path, object, page, required_label};
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;
use crate::http::{Access, AppState};
use crate::store::{ApiKey, NewKey};
use crate::system::new_key;

/// Lists the keys of the caller's tenant.
pub async fn list(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    query: Result<Query<Page>, QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    answered(state, access, &headers, "list_keys", |call| async move {
        let (after, limit) = page(query)?;
        let listed = call.state.admin.keys.list(call.tenant(), after.as_deref(), limit).await;
        let listed = listed.map_err(|failure| call.refused(failure.into()))?;
        let next = listed.last().filter(|_| listed.len() == limit).map(|key| key.hash.clone());
        let now = call.started.at;
        Ok(Reply::Done(json!({"keys": listed.iter().map(|key| view(key, now)).collect::<Vec<_>>(), "next": next})))
    })
    .await
}

/// Makes a key of the caller's tenant.
pub async fn create(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let headers = &headers;
    answered(state, access, headers, "create_key", |call| async move {
        let tenant = call.tenant().clone();
        create_in(&call, tenant, headers, body).await
    })
    .await
}

/// Makes a key of any tenant: how a new one gets its first.
pub async fn create_for_tenant(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    id: InPath,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let headers = &headers;
    answered(
        state,
        access,
        headers,
        "create_key",
        |call| async move { create_in(&call, named(id)?, headers, body).await },
    )
    .await
}

async fn create_in(call: &Call, tenant: TenantId, headers: &HeaderMap, body: Body) -> Result<Reply, ApiError> {
    let object = object(headers, body, &["name", "role", "expiresAt"]).await?;
    let new = new(Input::root(&object), tenant).map_err(|issue| ApiError::invalid(vec![issue]))?;
    if new.role == Role::Admin {
        // Nobody gives away what they do not have.
        call.holder.must(Right::Administer)?;
    }
    let secret = new_key();
    let made = call.state.admin.create_key(new, &secret, &call.actor()).await;
    let made = made.map_err(|refused| call.refused(refused))?;
    Ok(Reply::Done(json!({"key": view(&made, call.started.at), "secret": secret.reveal()})))
}

fn new(input: Input<'_>, tenant: TenantId) -> Result<NewKey, FieldIssue> {
    let name = required_label(input, "name")?;
    let role: Role = match input.text("role")? {
        None => return Err(input.issue("role", IssueCode::Missing, "Give a role: ingest, operator or admin.")),
        Some(text) => {
            text.parse().map_err(|what| input.issue("role", IssueCode::NotInList, format!("The value {what}.")))?
        }
    };
    let end = input.text("expiresAt")?.map(str::parse::<Timestamp>).transpose();
    let expires_at = end.map_err(|_| {
        input.issue("expiresAt", IssueCode::Invalid, "The value must be a moment, as RFC 3339 writes it.")
    })?;
    Ok(NewKey { tenant, name, role, expires_at })
}

/// Shows one.
pub async fn show(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    digest: InPath,
    headers: HeaderMap,
) -> Response<Body> {
    answered(state, access, &headers, "show_key", |call| async move {
        let key = call.state.admin.key(call.tenant(), &in_path(digest)).await;
        let key = key.map_err(|refused| call.refused(refused))?;
        Ok(Reply::Done(json!({"key": view(&key, call.started.at)})))
    })
    .await
}

/// Takes a key's right away.
pub async fn revoke(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    digest: InPath,
    headers: HeaderMap,
) -> Response<Body> {
    answered(state, access, &headers, "revoke_key", |call| async move {
        let revoked = call.state.admin.revoke_key(call.tenant(), &in_path(digest), &call.actor()).await;
        let revoked = revoked.map_err(|refused| call.refused(refused))?;
        Ok(Reply::Done(json!({"key": view(&revoked, call.started.at)})))
    })
    .await
}

/// A key as answers show it.
pub fn view(key: &ApiKey, now: Timestamp) -> Value {
    let status = match key.revoked_at {
        Some(_) => "revoked",
        None if key.is_valid(now) => "active",
        None => "expired",
    };
    json!({
        "digest": key.hash,
        "name": key.name,
        "role": key.role,
        "status": status,
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
        "lastUsedAt": key.used_at,
    })
}
