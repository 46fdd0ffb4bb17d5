//! The HTTP edge: one router for Lambda and for `tandem dev`, one operation per file.

mod admin;
mod auth;
mod billing;
pub(crate) mod contact;
mod dispatch;
mod envelope;
mod idempotency;
pub(crate) mod input;
mod operations;
pub(crate) mod request;
mod routes;
pub(crate) mod visitor;
mod webhook;

use futures::FutureExt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::{BudgetStore, CircuitStore, Clock, Entropy};
use tandem_core::sync::operations::Recorder;
use tandem_core::sync::services::{Desk, Services};
use tandem_core::webhook::proof::Secrets;

use envelope::ApiError;

pub use auth::KeyRing;
pub use routes::{Access, Function, ROUTES, Route, Verb};

use crate::admin::Admin;
use crate::admin::integrations::Integrations;
use crate::config::BillingConfig;
use crate::lifecycle_rules::LifecycleRules;
use crate::mappings::Mappings;
use crate::rules_in_use::{InUse, RulesInUse};
use crate::store::{HealthTable, IdempotencyStore, RecordsTable};
use crate::stored_desks::StoredDesks;

/// What the operations work with. Cloning is cheap.
#[derive(Clone)]
pub struct AppState {
    /// Table and queue, for what needs no platform.
    pub services: Services,
    /// Which platforms are silent just now.
    pub circuits: Arc<dyn CircuitStore>,
    /// The desk of the default integration; `None` is demo mode.
    pub desk: Option<Desk>,
    /// Notes what is written to platforms while a request is under way.
    pub recorder: Recorder,
    /// Field rules, for reading requests: there also in demo mode.
    pub rules: Arc<tandem_core::mapping::RuleSet>,
    /// Lifecycle rules, for reading events: there also in demo mode.
    pub lifecycle: Arc<tandem_core::automation::rulebook::RuleBook>,
    /// Both as they are stored.
    pub rules_in_use: Arc<RulesInUse>,
    /// The mapping sets of integrations.
    pub mappings: Mappings,
    /// The lifecycle rules of tenants.
    pub lifecycle_rules: LifecycleRules,
    /// Who may call.
    pub keys: Arc<KeyRing>,
    /// What operators do with tenants and keys.
    pub admin: Admin,
    /// What operators do with integrations.
    pub integrations: Arc<Integrations>,
    /// Answers of calls that carried an idempotency key.
    pub idempotency: Arc<IdempotencyStore>,
    /// The desks of all integrations, for calls.
    pub desks: Arc<StoredDesks>,
    /// Where the rows of tenants live that are not the default one.
    pub tenants_records: Arc<RecordsTable>,
    /// Tandem's own table of the application's rows; `None` when they live elsewhere.
    pub records: Option<Arc<RecordsTable>>,
    /// The table, for the health check.
    pub budget: Arc<dyn BudgetStore>,
    /// The secrets that deliveries may be signed with.
    pub webhook_secrets: Secrets,
    /// The secrets of payment providers.
    pub billing: BillingConfig,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes correlation ids.
    pub entropy: Arc<dyn Entropy>,
    /// How long `identify` may keep a login waiting.
    pub identify_budget: Duration,
    /// How long a caller waits for Mautic before its write is queued.
    pub call_budget: Duration,
    /// What the platform answered to health checks, whichever process asked.
    pub platform_health: Arc<HealthTable>,
    /// The last answer of the platform to a health check.
    pub health: Arc<operations::health::HealthCache>,
    /// Whether request metrics are written to standard output.
    pub metrics: bool,
}

/// By which a caller names one of several integrations of its tenant: by id or name.
const INTEGRATION: &str = "tandem-integration";

impl AppState {
    /// The same for calls of a tenant: with its own integration, rules and records.
    ///
    /// # Errors
    /// 403 for a tenant without an integration: it must not reach the data of one that has it; 404 when the integration that
    /// the caller names is none of the tenant's; as the table fails.
    async fn of_tenant(&self, tenant: &TenantId, headers: &HeaderMap) -> Result<Self, ApiError> {
        let wanted = wanted(headers);
        self.at_desk(tenant, wanted, self.desks.of_tenant(tenant, wanted).await)
    }

    /// The same for whoever looks after the tenant, also while its integration is paused.
    ///
    /// # Errors
    /// As [`AppState::of_tenant`].
    async fn to_look_after(&self, tenant: &TenantId, headers: &HeaderMap) -> Result<Self, ApiError> {
        let wanted = wanted(headers);
        self.at_desk(tenant, wanted, self.desks.to_look_after(tenant, wanted).await)
    }

    fn at_desk(
        &self,
        tenant: &TenantId,
        wanted: Option<&str>,
        desk: tandem_core::error::Result<Option<Desk>>,
    ) -> Result<Self, ApiError> {
        let desk = match desk.map_err(|failure| ApiError::from_failure(failure, self.clock.now()))? {
            Some(desk) => desk,
            None if wanted.is_some() => return Err(unknown_integration()),
            None if tenant.is_default() => return Ok(self.clone()),
            None => {
                let message = "the tenant of this API key has no Mautic integration";
                return Err(ApiError::new(StatusCode::FORBIDDEN, "no_integration", message));
            }
        };
        let records = if tenant.is_default() { self.records.clone() } else { Some(Arc::clone(&self.tenants_records)) };
        Ok(Self { desk: Some(desk), records, ..self.clone() })
    }

    /// The same with the rules that the integration works by just now. A read call in half a minute.
    ///
    /// # Errors
    /// When the table fails and no rules are known, or those that are stored can't be used.
    async fn current(&self) -> Result<Self, ApiError> {
        let mut state = self.clone();
        let Some(desk) = &mut state.desk else { return Ok(state) };
        let in_use = self.rules_in_use.of(&desk.integration.scope).await;
        let InUse { rules, lifecycle, .. } =
            in_use.map_err(|failure| ApiError::from_failure(failure, self.clock.now()))?;
        (desk.integration.rules, desk.integration.lifecycle) = (Arc::clone(&rules), Arc::clone(&lifecycle));
        (state.rules, state.lifecycle) = (rules, lifecycle);
        Ok(state)
    }
}

/// The integration that a caller names.
fn wanted(headers: &HeaderMap) -> Option<&str> {
    headers.get(INTEGRATION).map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or_default().trim())
}

/// 404 for an integration that is not there, or another tenant's.
fn unknown_integration() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_integration", "there is no integration of this name")
}

/// The routes of the `mautic-sync` function.
pub fn mautic_sync(state: AppState) -> Router {
    served(routes::router(|function| function == Function::MauticSync), state)
}

/// The routes of the `mautic-webhook` function.
pub fn mautic_webhook(state: AppState) -> Router {
    served(routes::router(|function| function == Function::MauticWebhook), state)
}

/// The routes of the `billing-webhook` function.
pub fn billing_webhook(state: AppState) -> Router {
    served(routes::router(|function| function == Function::BillingWebhook), state)
}

/// The routes of all functions, as `tandem dev` serves them.
pub fn all(state: AppState) -> Router {
    served(routes::router(|_every_one| true), state)
}

fn served(routes: Router<AppState>, state: AppState) -> Router {
    let recorded = middleware::from_fn_with_state(state.clone(), recorded);
    let routes = routes.method_not_allowed_fallback(envelope::method_not_allowed).fallback(envelope::no_such_path);
    routes.layer(recorded).with_state(state)
}

/// What a request writes to platforms is noted under its correlation id, and kept before it is answered.
async fn recorded(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let correlation_id = envelope::settle_correlation(&state, request.headers_mut());
    state.recorder.during(&correlation_id, None, next.run(request).boxed()).await
}
