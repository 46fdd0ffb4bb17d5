//! `POST /mautic-sync`: who calls, with what, and which operation that is.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde_json::{Map, Value};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::role::Right;
use tracing::Instrument;

use super::auth::Holder;
use super::envelope::{ApiError, Reply, Started};
use super::input::Input;
use super::operations::{
    delete_contact, export_contact, identify, membership, ping, sync_campaigns, sync_contacts, upsert_contact,
};
use super::routes::Access;
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
    /// Which campaigns there are.
    SyncCampaigns,
    /// Bring chosen records to Mautic.
    SyncContacts,
}

/// The names of the actions, for requests and for the message that lists them, and what a caller must have the right to.
const ACTIONS: &[(&str, Action, Right)] = &[
    ("ping", Action::Ping, Right::Ingest),
    ("upsert_contact", Action::UpsertContact, Right::Ingest),
    ("identify", Action::Identify, Right::Ingest),
    ("add_to_campaign", Action::Membership(membership::Kind::AddToCampaign), Right::Operate),
    ("remove_from_campaign", Action::Membership(membership::Kind::RemoveFromCampaign), Right::Operate),
    ("add_to_segment", Action::Membership(membership::Kind::AddToSegment), Right::Operate),
    ("remove_from_segment", Action::Membership(membership::Kind::RemoveFromSegment), Right::Operate),
    ("delete_contact", Action::DeleteContact, Right::Operate),
    ("export_contact", Action::ExportContact, Right::Operate),
    ("sync_campaigns", Action::SyncCampaigns, Right::Operate),
    ("sync_contacts", Action::SyncContacts, Right::Operate),
];

/// Handles a call.
pub async fn mautic_sync(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    answer(&state, access, &headers, body, None).await
}

/// Handles a call of the path that implies the action `sync_campaigns`; its body may be empty.
pub async fn campaigns(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    answer(&state, access, &headers, body, Some("sync_campaigns")).await
}

/// Handles a call of the path that implies the action `sync_contacts`.
pub async fn contacts(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    answer(&state, access, &headers, body, Some("sync_contacts")).await
}

async fn answer(
    state: &AppState,
    access: Access,
    headers: &HeaderMap,
    body: Body,
    implied: Option<&str>,
) -> Response<Body> {
    let started = Started::new(state, headers);
    let span = tracing::info_span!("mautic_sync", correlation_id = %started.correlation_id);
    let (operation, reply) = handle(state, &started, access, headers, body, implied).instrument(span).await;
    started.answer(state, operation, &reply)
}

async fn handle(
    state: &AppState,
    started: &Started,
    access: Access,
    headers: &HeaderMap,
    body: Body,
    implied: Option<&str>,
) -> (&'static str, Reply) {
    match read(state, started, access, headers, body, implied).await {
        Ok(call) => {
            let state = &call.caller.state;
            let work = perform(state, started, &call);
            (call.name, idempotency::if_named(state, started, headers, &call.caller, call.name, work).await)
        }
        Err(error) => ("refused", Reply::Failed(error)),
    }
}

/// A caller who may call, and what came.
pub struct Caller {
    /// Who it is.
    pub holder: Holder,
    /// What operations work with for the caller's tenant, and for no other.
    pub state: AppState,
    /// The body of the call.
    pub body: Vec<u8>,
}

/// A call that may be performed.
struct Call {
    name: &'static str,
    action: Action,
    object: Map<String, Value>,
    api_key: String,
    caller: Caller,
}

async fn read(
    state: &AppState,
    started: &Started,
    access: Access,
    headers: &HeaderMap,
    body: Body,
    implied: Option<&str>,
) -> Result<Call, ApiError> {
    let caller = match implied {
        None => admit(state, started, access, headers, body, request::LARGEST).await?,
        Some(_) => admit_bare(state, started, access, headers, body).await?,
    };
    let object = request::parse_object(&caller.body)?;
    let (name, action, right) =
        action_of(Input::root(&object), implied).map_err(|issue| ApiError::invalid(vec![issue]))?;
    caller.holder.must(right)?;
    let api_key = auth::key(headers).unwrap_or_default();
    Ok(Call { name, action, object, api_key, caller })
}

/// Lets a caller in whose key is good for the route, and reads a body of JSON.
///
/// # Errors
/// 401 and 403 for whoever may not call, before the body is read; as [`request::read_body`].
pub async fn admit(
    state: &AppState,
    started: &Started,
    access: Access,
    headers: &HeaderMap,
    body: Body,
    largest: usize,
) -> Result<Caller, ApiError> {
    let (holder, state) = permitted(state, started, access, headers).await?;
    Ok(Caller { holder, state, body: request::read_body(headers, body, largest).await? })
}

/// The same for a path that says it all: no body is an empty object.
async fn admit_bare(
    state: &AppState,
    started: &Started,
    access: Access,
    headers: &HeaderMap,
    body: Body,
) -> Result<Caller, ApiError> {
    let (holder, state) = permitted(state, started, access, headers).await?;
    let body = request::read_bytes(body, request::LARGEST).await?;
    let body = if body.is_empty() { b"{}".to_vec() } else { body };
    Ok(Caller { holder, state, body })
}

/// Lets a caller in whose key is good for the route and whose tenant has an integration; gives what operations work with for
/// that tenant, by the rules of just now.
///
/// # Errors
/// 401 and 403 for whoever may not call; 500 and 503 when the rules can't be had.
pub async fn permitted(
    state: &AppState,
    started: &Started,
    access: Access,
    headers: &HeaderMap,
) -> Result<(Holder, AppState), ApiError> {
    let holder = authenticated(state, started, access, headers).await?;
    let state = state.of_tenant(&holder.tenant, headers).await?.current().await?;
    Ok((holder, state))
}

/// The same for what only reads: while the tenant's integration is paused, too.
///
/// # Errors
/// As [`permitted`].
pub async fn permitted_to_read(
    state: &AppState,
    started: &Started,
    access: Access,
    headers: &HeaderMap,
) -> Result<(Holder, AppState), ApiError> {
    let holder = authenticated(state, started, access, headers).await?;
    let state = state.to_look_after(&holder.tenant, headers).await?.current().await?;
    Ok((holder, state))
}

/// Lets a caller in whose key is good for the route.
///
/// # Errors
/// 401 and 403 for whoever may not call.
pub async fn authenticated(
    state: &AppState,
    started: &Started,
    access: Access,
    headers: &HeaderMap,
) -> Result<Holder, ApiError> {
    let holder = state.keys.holder(headers, started.at).await?;
    // A route that asks for no key has no callers that could be let in by one.
    holder.must(access.right().unwrap_or(Right::Administer))?;
    Ok(holder)
}

/// The action that the call names. A path that implies one takes no other.
fn action_of(input: Input<'_>, implied: Option<&str>) -> Result<(&'static str, Action, Right), FieldIssue> {
    let known = || ACTIONS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    let given = match (input.text("action")?, implied) {
        (None, Some(implied)) => implied,
        (None, None) => {
            return Err(input.issue("action", IssueCode::Missing, format!("Name an action: {}.", known())));
        }
        (Some(given), Some(implied)) if given != implied => {
            return Err(input.issue("action", IssueCode::NotInList, format!("The action of this path is {implied}.")));
        }
        (Some(given), _) => given,
    };
    let found = ACTIONS.iter().find(|(name, ..)| *name == given).copied();
    found.ok_or_else(|| input.issue("action", IssueCode::NotInList, format!("The actions are {}.", known())))
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
        Action::SyncCampaigns => sync_campaigns::sync_campaigns(state).await,
        Action::SyncContacts => sync_contacts::sync_contacts(state, started, input).await,
    }
}
