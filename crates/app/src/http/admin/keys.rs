//! `/api/v1/keys`: made, listed and revoked. A key is shown once.

use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::role::{Right, Role};
use tandem_core::domain::scope::TenantId;

use super::params::listed;
use super::tenants::named;
use super::{Answered, Call, required_label};
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;
use crate::store::{ApiKey, NewKey};
use crate::system::new_key;

/// Lists the keys of the caller's tenant.
pub async fn list(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let keys = call.state.admin.keys.list(call.tenant(), page.after.as_deref(), page.limit).await;
    let keys = keys.map_err(|failure| call.failed(failure))?;
    let (next, now) = (page.next(&keys, |key| key.hash.clone()), call.started.at);
    listed("keys", &keys.iter().map(|key| view(key, now)).collect::<Vec<_>>(), next.as_deref())
}

/// Makes a key of the caller's tenant.
pub async fn create(call: Call) -> Answered {
    let tenant = call.tenant().clone();
    create_in(&call, tenant).await
}

/// Makes a key of any tenant: how a new one gets its first.
pub async fn create_for_tenant(call: Call) -> Answered {
    let tenant = named(&call.path("tenant"))?;
    create_in(&call, tenant).await
}

async fn create_in(call: &Call, tenant: TenantId) -> Answered {
    let object = call.object(&["name", "role", "expiresAt"]).await?;
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
pub async fn show(call: Call) -> Answered {
    let key = call.state.admin.key(call.tenant(), &call.path("digest")).await;
    let key = key.map_err(|refused| call.refused(refused))?;
    Ok(Reply::Done(json!({"key": view(&key, call.started.at)})))
}

/// Takes a key's right away.
pub async fn revoke(call: Call) -> Answered {
    let revoked = call.state.admin.revoke_key(call.tenant(), &call.path("digest"), &call.actor()).await;
    let revoked = revoked.map_err(|refused| call.refused(refused))?;
    Ok(Reply::Done(json!({"key": view(&revoked, call.started.at)})))
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
