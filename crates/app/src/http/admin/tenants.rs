//! `/api/v1/tenants`: made, listed, renamed, suspended, resumed and deleted, by whoever administers the installation.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::{Tenant, TenantStatus};

use super::params::{bad_cursor, listed};
use super::{Answered, Call, label, nothing, required_label};
use crate::admin::TenantChange;
use crate::http::envelope::{ApiError, Reply};
use crate::http::input::Input;

/// How long a call goes on deleting; then it is to be called again.
const LONGEST_DELETION: SignedDuration = SignedDuration::from_secs(15);

/// Lists tenants.
pub async fn list(call: Call) -> Answered {
    let page = call.params(&["after", "limit"])?.page()?;
    let after = page.after.clone().map(id_of).transpose().map_err(|_| bad_cursor())?;
    let tenants = call.state.admin.list_tenants(after.as_ref(), page.limit).await;
    let tenants = tenants.map_err(|refused| call.refused(refused))?;
    let next = page.next(&tenants, |tenant| tenant.id.to_string());
    listed("tenants", &tenants.iter().map(view).collect::<Vec<_>>(), next.as_deref())
}

/// Makes a tenant.
pub async fn create(call: Call) -> Answered {
    let object = call.object(&["id", "name"]).await?;
    let input = Input::root(&object);
    let read = || {
        let id = input.text("id")?.ok_or_else(|| input.issue("id", IssueCode::Missing, "Give an id."))?;
        let id = id_of(id.to_owned()).map_err(|message| input.issue("id", IssueCode::Invalid, message))?;
        Ok((id, required_label(input, "name")?))
    };
    let (id, name) = read().map_err(|issue: FieldIssue| ApiError::invalid(vec![issue]))?;
    let made = call.state.admin.create_tenant(id, name, &call.actor()).await;
    found(&made.map_err(|refused| call.refused(refused))?)
}

/// Shows one.
pub async fn show(call: Call) -> Answered {
    let tenant = call.state.admin.tenant(&named(&call.path("tenant"))?).await;
    found(&tenant.map_err(|refused| call.refused(refused))?)
}

/// Renames, suspends or resumes one.
pub async fn change(call: Call) -> Answered {
    let object = call.object(&["name", "status"]).await?;
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
    let (id, seen) = (named(&call.path("tenant"))?, call.seen()?);
    let changed = call.state.admin.change_tenant(&id, change, seen, &call.actor()).await;
    found(&changed.map_err(|refused| call.refused(refused))?)
}

/// Deletes one with everything it owns; 202 when that takes longer than a call may.
pub async fn delete(call: Call) -> Answered {
    let params = call.params(&["name"])?;
    let name = params.text("name").unwrap_or_default();
    let (clock, began) = (call.state.clock.clone(), call.started.at);
    let in_time = move || clock.now().duration_since(began) < LONGEST_DELETION;
    let done = call.state.admin.delete_tenant(&named(&call.path("tenant"))?, name, &call.actor(), &in_time).await;
    match done.map_err(|refused| call.refused(refused))? {
        true => Ok(Reply::Done(json!({"deleted": true}))),
        false => Ok(Reply::Accepted(json!({"deleted": false}))),
    }
}

fn found(tenant: &Tenant) -> Result<Reply, ApiError> {
    Ok(Reply::Found(json!({"tenant": view(tenant)}), tenant.revision))
}

/// A tenant as answers show it.
fn view(tenant: &Tenant) -> Value {
    let (status, since) = status(tenant);
    json!({
        "id": tenant.id,
        "name": tenant.name,
        "status": status,
        "since": since,
        "createdAt": tenant.created_at,
        "revision": tenant.revision,
    })
}

/// The word for a tenant's status, and since when it is not active.
pub(super) fn status(tenant: &Tenant) -> (&'static str, Option<Timestamp>) {
    match tenant.status {
        TenantStatus::Active => ("active", None),
        TenantStatus::Suspended { since } => ("suspended", Some(since)),
        TenantStatus::Deleting { since } => ("deleting", Some(since)),
    }
}

fn id_of(text: String) -> Result<TenantId, String> {
    TenantId::try_from(text).map_err(|error| format!("The value can't be taken: {error}."))
}

/// A tenant that a path names. No tenant has an id that none can have.
pub(super) fn named(id: &str) -> Result<TenantId, ApiError> {
    TenantId::try_from(id.to_owned()).map_err(|_| nothing("there is no such tenant"))
}
