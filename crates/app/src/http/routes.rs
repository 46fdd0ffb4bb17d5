//! The one list of the paths that are served: by which function, by which method. `docs/openapi.yaml` and `template.yaml` are
//! held against it by a test.

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::{AppState, billing, dispatch, operations, webhook};

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

/// The methods that paths take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `GET`; answers `HEAD` too.
    Get,
    /// `POST`.
    Post,
}

impl Verb {
    /// The method as requests name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
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
    handler: fn(MethodFilter) -> MethodRouter<AppState>,
}

/// All that is served. A route that is not here does not exist.
pub const ROUTES: &[Route] = &[
    route(Function::MauticSync, Verb::Post, "/mautic-sync", |verb| on(verb, dispatch::mautic_sync)),
    route(Function::MauticSync, Verb::Post, "/mautic-sync/campaigns", |verb| on(verb, dispatch::campaigns)),
    route(Function::MauticSync, Verb::Post, "/mautic-sync/contacts", |verb| on(verb, dispatch::contacts)),
    route(Function::MauticSync, Verb::Post, "/records", |verb| on(verb, operations::records::records)),
    route(Function::MauticSync, Verb::Post, "/events", |verb| on(verb, operations::events::post)),
    route(Function::MauticSync, Verb::Get, "/events", |verb| on(verb, operations::events::list)),
    route(Function::MauticSync, Verb::Get, "/events/{id}", |verb| on(verb, operations::events::show)),
    route(Function::MauticSync, Verb::Post, "/v1/{call}", |verb| on(verb, operations::calls::post)),
    route(Function::MauticSync, Verb::Get, "/health", |verb| on(verb, operations::health::health)),
    route(Function::MauticWebhook, Verb::Post, "/mautic-webhook", |verb| on(verb, webhook::default_integration)),
    route(Function::MauticWebhook, Verb::Post, "/mautic-webhook/{integration}", |verb| on(verb, webhook::integration)),
    route(Function::BillingWebhook, Verb::Post, "/billing/stripe/{integration}", |verb| on(verb, billing::stripe)),
    route(Function::BillingWebhook, Verb::Post, "/billing/lemonsqueezy/{integration}", |verb| {
        on(verb, billing::lemonsqueezy)
    }),
];

const fn route(
    function: Function,
    verb: Verb,
    path: &'static str,
    handler: fn(MethodFilter) -> MethodRouter<AppState>,
) -> Route {
    Route { function, verb, path, handler }
}

/// The routes of the functions that `wanted` names.
pub(super) fn router(wanted: impl Fn(Function) -> bool) -> Router<AppState> {
    let routes = ROUTES.iter().filter(|route| wanted(route.function));
    routes.fold(Router::new(), |router, route| router.route(route.path, (route.handler)(route.verb.filter())))
}
