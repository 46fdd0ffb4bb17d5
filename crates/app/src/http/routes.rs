//! The one list of the paths that are served: by which function, by which method. `docs/openapi.yaml` and `template.yaml` are
//! held against it by a test.

use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use tandem_core::domain::role::Right;

use super::admin::served;
use super::{AppState, admin, billing, dispatch, operations, webhook};

/// The Lambda functions that serve HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// What applications call.
    MauticSync,
    /// What Mautic calls.
    MauticWebhook,
    /// What payment providers call.
    BillingWebhook,
}

impl Function {
    /// The name of its program, and of the folder of its zip.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MauticSync => "mautic-sync",
            Self::MauticWebhook => "mautic-webhook",
            Self::BillingWebhook => "billing-webhook",
        }
    }
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody; the answer tells nothing that is anybody's own.
    Open,
    /// Whoever proves it by a signature or secret of the delivery.
    Proof,
    /// Whoever holds a key with this right.
    Key(Right),
    /// Whoever holds a key with the right that the action in the body asks for: see the list of actions. No action asks for
    /// less than to hand over records.
    Action,
}

impl Access {
    /// What a key must be good for; `None` where no key is asked for.
    #[must_use]
    pub const fn right(self) -> Option<Right> {
        match self {
            Self::Open | Self::Proof => None,
            Self::Key(right) => Some(right),
            Self::Action => Some(Right::Ingest),
        }
    }
}

/// The methods that paths take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `GET`; answers `HEAD` too.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

impl Verb {
    /// The method as requests name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// One path with one method.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Who serves it.
    pub function: Function,
    /// By which method.
    pub verb: Verb,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    handler: Handler,
}

const INGEST: Access = Access::Key(Right::Ingest);
const OPERATE: Access = Access::Key(Right::Operate);
const ADMINISTER: Access = Access::Key(Right::Administer);

/// All that is served, and to whom. A route that is not here does not exist.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    sync(Verb::Post, "/mautic-sync", Access::Action, |verb| on(verb, dispatch::mautic_sync)),
    sync(Verb::Post, "/mautic-sync/campaigns", OPERATE, |verb| on(verb, dispatch::campaigns)),
    sync(Verb::Post, "/mautic-sync/contacts", OPERATE, |verb| on(verb, dispatch::contacts)),
    sync(Verb::Post, "/records", INGEST, |verb| on(verb, operations::records::records)),
    sync(Verb::Post, "/events", INGEST, |verb| on(verb, operations::events::post)),
    sync(Verb::Get, "/events", OPERATE, |verb| on(verb, operations::events::list)),
    sync(Verb::Get, "/events/{id}", OPERATE, |verb| on(verb, operations::events::show)),
    sync(Verb::Post, "/v1/{call}", INGEST, |verb| on(verb, operations::calls::post)),
    sync(Verb::Get, "/health", Access::Open, |verb| on(verb, operations::health::health)),
    sync(Verb::Get, "/api/v1/tenants", ADMINISTER, |verb| served(verb, "list_tenants", admin::tenants::list)),
    sync(Verb::Post, "/api/v1/tenants", ADMINISTER, |verb| served(verb, "create_tenant", admin::tenants::create)),
    sync(Verb::Get, "/api/v1/tenants/{tenant}", ADMINISTER, |verb| served(verb, "show_tenant", admin::tenants::show)),
    sync(Verb::Patch, "/api/v1/tenants/{tenant}", ADMINISTER, |verb| served(verb, "change_tenant", admin::tenants::change)),
    sync(Verb::Delete, "/api/v1/tenants/{tenant}", ADMINISTER, |verb| served(verb, "delete_tenant", admin::tenants::delete)),
    sync(Verb::Post, "/api/v1/tenants/{tenant}/keys", ADMINISTER, |verb| served(verb, "create_key", admin::keys::create_for_tenant)),
    sync(Verb::Get, "/api/v1/keys", OPERATE, |verb| served(verb, "list_keys", admin::keys::list)),
    sync(Verb::Post, "/api/v1/keys", OPERATE, |verb| served(verb, "create_key", admin::keys::create)),
    sync(Verb::Get, "/api/v1/keys/{digest}", OPERATE, |verb| served(verb, "show_key", admin::keys::show)),
    sync(Verb::Delete, "/api/v1/keys/{digest}", OPERATE, |verb| served(verb, "revoke_key", admin::keys::revoke)),
    sync(Verb::Get, "/api/v1/integrations", OPERATE, |verb| served(verb, "list_integrations", admin::integrations::list)),
    sync(Verb::Post, "/api/v1/integrations", OPERATE, |verb| served(verb, "create_integration", admin::integrations::create)),
    sync(Verb::Get, "/api/v1/integrations/{id}", OPERATE, |verb| served(verb, "show_integration", admin::integrations::show)),
    sync(Verb::Patch, "/api/v1/integrations/{id}", OPERATE, |verb| served(verb, "change_integration", admin::integrations::change)),
    sync(Verb::Delete, "/api/v1/integrations/{id}", OPERATE, |verb| served(verb, "remove_integration", admin::integrations::delete)),
    sync(Verb::Get, "/api/v1/integrations/{id}/mappings", OPERATE, |verb| served(verb, "show_mappings", admin::mappings::show)),
    sync(Verb::Put, "/api/v1/integrations/{id}/mappings", OPERATE, |verb| served(verb, "set_mappings", admin::mappings::set)),
    sync(Verb::Post, "/api/v1/integrations/{id}/mappings/check", OPERATE, |verb| served(verb, "check_mappings", admin::mappings::check)),
    sync(Verb::Post, "/api/v1/integrations/{id}/mappings/try", OPERATE, |verb| served(verb, "try_mappings", admin::mappings::try_out)),
    sync(Verb::Post, "/api/v1/integrations/{id}/mappings/rollback", OPERATE, |verb| served(verb, "roll_back_mappings", admin::mappings::roll_back)),
    sync(Verb::Get, "/api/v1/integrations/{id}/mappings/versions", OPERATE, |verb| served(verb, "list_mappings", admin::mappings::list)),
    sync(Verb::Get, "/api/v1/rules", OPERATE, |verb| served(verb, "show_rules", admin::rules::show)),
    sync(Verb::Put, "/api/v1/rules", OPERATE, |verb| served(verb, "set_rules", admin::rules::set)),
    sync(Verb::Get, "/api/v1/rules/versions", OPERATE, |verb| served(verb, "list_rules", admin::rules::list)),
    sync(Verb::Post, "/api/v1/rules/rollback", OPERATE, |verb| served(verb, "roll_back_rules", admin::rules::roll_back)),
    sync(Verb::Post, "/api/v1/rules/check", OPERATE, |verb| served(verb, "check_rules", admin::rules::check)),
    sync(Verb::Post, "/api/v1/rules/explain", OPERATE, |verb| served(verb, "explain_rules", admin::rules::explain)),
    sync(Verb::Get, "/api/v1/audit", OPERATE, |verb| served(verb, "list_audit", admin::audit::list)),
    sync(Verb::Get, "/api/v1/changes", OPERATE, |verb| on(verb, operations::changes::list)),
    sync(Verb::Get, "/api/v1/operations", OPERATE, |verb| on(verb, operations::operation_log::list)),
    sync(Verb::Get, "/api/v1/status", OPERATE, |verb| served(verb, "show_status", admin::status::show)),
    sync(Verb::Get, "/api/v1/status/tenants", ADMINISTER, |verb| served(verb, "list_status_of_tenants", admin::status::tenants)),
    sync(Verb::Get, "/api/v1/runs", OPERATE, |verb| served(verb, "list_runs", admin::runs::list)),
    sync(Verb::Post, "/api/v1/runs", OPERATE, |verb| served(verb, "start_run", admin::runs::start)),
    sync(Verb::Get, "/api/v1/runs/{run}", OPERATE, |verb| served(verb, "show_run", admin::runs::show)),
    sync(Verb::Get, "/api/v1/runs/{run}/rows", OPERATE, |verb| served(verb, "list_rows_of_run", admin::runs::rows)),
    sync(Verb::Get, "/api/v1/runs/{run}/plan", OPERATE, |verb| served(verb, "list_plan_of_run", admin::runs::plan)),
    sync(Verb::Post, "/api/v1/runs/{run}/stop", OPERATE, |verb| served(verb, "stop_run", admin::runs::stop)),
    sync(Verb::Get, "/api/v1/records", OPERATE, |verb| served(verb, "list_records", admin::records::list)),
    sync(Verb::Post, "/api/v1/records/find", OPERATE, |verb| served(verb, "find_record", admin::records::find)),
    sync(Verb::Get, "/api/v1/records/{record}", OPERATE, |verb| served(verb, "show_record", admin::records::show)),
    sync(Verb::Get, "/api/v1/records/{record}/timeline", OPERATE, |verb| served(verb, "show_timeline", admin::records::timeline)),
    sync(Verb::Get, "/api/v1/conflicts", OPERATE, |verb| served(verb, "list_conflicts", admin::conflicts::list)),
    sync(Verb::Post, "/api/v1/conflicts/resolve", OPERATE, |verb| served(verb, "resolve_conflict", admin::conflicts::resolve)),
    sync(Verb::Get, "/api/v1/issues", OPERATE, |verb| served(verb, "list_issues", admin::issues::list)),
    sync(Verb::Get, "/api/v1/issues/{issue}", OPERATE, |verb| served(verb, "show_issue", admin::issues::show)),
    sync(Verb::Patch, "/api/v1/issues/{issue}", OPERATE, |verb| served(verb, "change_issue", admin::issues::change)),
    sync(Verb::Post, "/api/v1/issues/{issue}/replay", OPERATE, |verb| served(verb, "replay_issue", admin::issues::replay)),
    sync(Verb::Get, "/api/v1/jobs", OPERATE, |verb| served(verb, "list_jobs", admin::jobs::list)),
    sync(Verb::Get, "/api/v1/jobs/{job}", OPERATE, |verb| served(verb, "show_job", admin::jobs::show)),
    sync(Verb::Post, "/api/v1/jobs/{job}/replay", OPERATE, |verb| served(verb, "replay_job", admin::jobs::replay_one)),
    sync(Verb::Get, "/api/v1/events", OPERATE, |verb| served(verb, "list_events_of_tenant", admin::events::list)),
    sync(Verb::Get, "/api/v1/events/{id}", OPERATE, |verb| served(verb, "show_event_of_tenant", admin::events::show)),
    sync(Verb::Post, "/api/v1/events/{id}/replay", OPERATE, |verb| served(verb, "replay_event", admin::events::replay)),
    sync(Verb::Get, "/api/v1/deliveries", OPERATE, |verb| served(verb, "list_deliveries", admin::deliveries::list)),
    sync(Verb::Get, "/api/v1/deliveries/{digest}", OPERATE, |verb| served(verb, "show_delivery", admin::deliveries::show)),
    sync(Verb::Post, "/api/v1/deliveries/{digest}/replay", OPERATE, |verb| served(verb, "replay_delivery", admin::deliveries::replay)),
    hook(Function::MauticWebhook, "/mautic-webhook", |verb| on(verb, webhook::default_integration)),
    hook(Function::MauticWebhook, "/mautic-webhook/{integration}", |verb| on(verb, webhook::integration)),
    hook(Function::BillingWebhook, "/billing/stripe/{integration}", |verb| on(verb, billing::stripe)),
    hook(Function::BillingWebhook, "/billing/lemonsqueezy/{integration}", |verb| on(verb, billing::lemonsqueezy)),
];

/// What makes the handler of a route.
type Handler = fn(MethodFilter) -> MethodRouter<AppState>;

/// What applications and operators call.
const fn sync(verb: Verb, path: &'static str, access: Access, handler: Handler) -> Route {
    Route { function: Function::MauticSync, verb, path, access, handler }
}

/// What other systems call.
const fn hook(function: Function, path: &'static str, handler: Handler) -> Route {
    Route { function, verb: Verb::Post, path, access: Access::Proof, handler }
}

/// The routes of the functions that `wanted` names. Each handler is told who may call its route.
pub(super) fn router(wanted: impl Fn(Function) -> bool) -> Router<AppState> {
    let routes = ROUTES.iter().filter(|route| wanted(route.function));
    routes.fold(Router::new(), |router, route| {
        let handler = (route.handler)(route.verb.filter()).route_layer(Extension(route.access));
        router.route(route.path, handler)
    })
}
