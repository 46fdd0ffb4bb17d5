//! `POST /mautic-sync`: who calls, with what, and which operation that is.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::scope::TenantId;
use tracing::Instrument;

use super::envelope::{ApiError, Reply, Started};
use super::input::Input;
use super::operations::{delete_contact, export_contact, identify, membership, ping, upsert_contact};
use super::{AppState, auth, idempotency, request};

/// The actions of `mautic-sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Is Mautic there?
    Ping,
    /// Bring a contact to Mautic.
    UpsertContact,
    /// A visitor becomes known.
    Identify,
    /// Into a campaign or segment, or out of it.
    Membership(membership::Kind),
    /// Delete a contact everywhere.
    DeleteContact,
    /// All that is held about a person.
    ExportContact,
}

/// The names of the actions, for requests and for the message that lists them.
const ACTIONS: &[(&str, Action)] = &[
    ("ping", Action::Ping),
    ("upsert_contact", Action::UpsertContact),
    ("identify", Action::Identify),
    ("add_to_campaign", Action::Membership(membership::Kind::AddToCampaign)),
    ("remove_from_campaign", Action::Membership(membership::Kind::RemoveFromCampaign)),
    ("add_to_segment", Action::Membership(membership::Kind::AddToSegment)),
    ("remove_from_segment", Action::Membership(membership::Kind::RemoveFromSegment)),
    ("delete_contact", Action::DeleteContact),
    ("export_contact", Action::ExportContact),
];

/// Handles a call.
pub async fn mautic_sync(State(state): State<AppState>, headers: HeaderMap, body: Body) -> Response<Body> {
    let started = Started::new(&state, &headers);
    let span = tracing::info_span!("mautic_sync", correlation_id = %started.correlation_id);
    let (operation, reply) = handle(&state, &started, &headers, body).instrument(span).await;
    started.answer(&state, operation, &reply)
}

async fn handle(state: &AppState, started: &Started, headers: &HeaderMap, body: Body) -> (&'static str, Reply) {
    let call = match read(state, started, headers, body).await {
        Ok(call) => call,
        Err(error) => return ("refused", Reply::Failed(error)),
    };
    let reply = match idempotency::key(headers) {
        Ok(None) => perform(state, started, &call).await,
        Ok(Some(key)) => {
            idempotency::once(state, started, &call.tenant, key, &call.body, perform(state, started, &call)).await
        }
        Err(error) => Reply::Failed(error),
    };
    (call.name, reply)
}

/// A call that may be performed.
struct Call {
    tenant: TenantId,
    name: &'static str,
    action: Action,
    object: Map<String, Value>,
    body: Vec<u8>,
    api_key: String,
}

async fn read(state: &AppState, started: &Started, headers: &HeaderMap, body: Body) -> Result<Call, ApiError> {
    let tenant = state.keys.tenant(headers, started.at).await?;
    has_integration(state, &tenant)?;
    let body = request::read_body(headers, body).await?;
    let object = request::parse_object(&body)?;
    let (name, action) = action_of(Input::root(&object)).map_err(|issue| ApiError::invalid(vec![issue]))?;
    let api_key = auth::bearer(headers).unwrap_or_default().to_owned();
    Ok(Call { tenant, name, action, object, body, api_key })
}

/// A tenant without an integration of its own must not reach the data of the one that has it.
fn has_integration(state: &AppState, tenant: &TenantId) -> Result<(), ApiError> {
    if state.desk.as_ref().is_none_or(|desk| desk.integration.scope.tenant == *tenant) {
        return Ok(());
    }
    let message = "the tenant of this API key has no Mautic integration";
    Err(ApiError::new(StatusCode::FORBIDDEN, "no_integration", message))
}

fn action_of(input: Input<'_>) -> Result<(&'static str, Action), FieldIssue> {
    let known = || ACTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let Some(given) = input.text("action")? else {
        return Err(input.issue("action", IssueCode::Missing, format!("Name an action: {}.", known())));
    };
    ACTIONS
        .iter()
        .find(|(name, _)| *name == given)
        .copied()
        .ok_or_else(|| input.issue("action", IssueCode::NotInList, format!("The actions are {}.", known())))
}

async fn perform(state: &AppState, started: &Started, call: &Call) -> Reply {
    let input = Input::root(&call.object);
    match call.action {
        Action::Ping => ping::ping(state, started).await,
        Action::UpsertContact => upsert_contact::upsert_contact(state, started, input).await,
        Action::Identify => identify::identify(state, started, input, &call.api_key).await,
        Action::Membership(kind) => membership::change(state, started, input, kind).await,
        Action::DeleteContact => delete_contact::delete_contact(state, started, input).await,
        Action::ExportContact => export_contact::export_contact(state, started, input).await,
    }
}
