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
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::{BudgetStore, Clock, Entropy};
use tandem_core::sync::operations::Recorder;
use tandem_core::sync::services::Desk;
use tandem_core::webhook::proof::Secrets;

use envelope::ApiError;

pub use auth::KeyRing;
pub use operations::event_view::event as event_view;
pub use routes::{Access, Function, ROUTES, Route, Verb};

use crate::admin::Admin;
use crate::config::BillingConfig;
use crate::mappings::Mappings;
use crate::rules_in_use::{InUse, RulesInUse};
use crate::store::{HealthTable, IdempotencyStore, RecordsTable};

/// What the operations work with. Cloning is cheap.
#[derive(Clone)]
pub struct AppState {
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
    /// Who may call.
    pub keys: Arc<KeyRing>,
    /// What operators do with tenants and keys.
    pub admin: Admin,
    /// Answers of calls that carried an idempotency key.
    pub idempotency: Arc<IdempotencyStore>,
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

impl AppState {
    /// The same for calls of a tenant.
    ///
    /// # Errors
    /// 403 for a tenant without an integration of its own: it must not reach the data of the one that has it.
    fn of_tenant(&self, tenant: &TenantId) -> Result<Self, ApiError> {
        if self.desk.as_ref().is_none_or(|desk| desk.integration.scope.tenant == *tenant) {
            return Ok(self.clone());
        }
        let message = "the tenant of this API key has no Mautic integration";
        Err(ApiError::new(StatusCode::FORBIDDEN, "no_integration", message))
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
