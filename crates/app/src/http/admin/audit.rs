//! `GET /api/v1/audit`: who changed what of the tenant's settings, the newest first.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response};
use serde_json::json;

use super::{Page, answered, page};
use crate::http::envelope::Reply;
use crate::http::{Access, AppState};

/// Lists entries.
pub async fn list(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    query: Result<Query<Page>, QueryRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    answered(state, access, &headers, "list_audit", |call| async move {
        let (after, limit) = page(query)?;
        let listed = call.state.admin.audit.list(call.tenant(), after.as_deref(), limit).await;
        let listed = listed.map_err(|failure| call.refused(failure.into()))?;
        let next = listed.last().filter(|_| listed.len() == limit).map(|entry| entry.id.clone());
        Ok(Reply::Done(json!({"entries": listed, "next": next})))
    })
    .await
}
