//! Which URL does what, and the layers around the API.

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Uri},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use serde_json::json;

use super::{
    answer::{Answer, Versioned},
    auth, campaigns, companies, contacts, control, emails, fields, forms, hooks, segments,
    simulator::MauticSimulator,
    stages, stats, tags, tracking, users,
    version::MauticVersion,
    webhooks,
};

/// Bodies of a full batch are large.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Everything that the simulator answers.
pub(crate) fn build(mautic: MauticSimulator) -> Router {
    let layer = |router: Router<MauticSimulator>| {
        router
            .route_layer(from_fn_with_state(mautic.clone(), inject))
            .route_layer(from_fn_with_state(mautic.clone(), count))
    };
    let api = api_routes().route_layer(from_fn_with_state(mautic.clone(), guard));
    let token = Router::new().route("/oauth/v2/token", post(auth::token).get(auth::token));
    let public = tracking::routes().route_layer(from_fn_with_state(mautic.clone(), deliver));
    Router::new()
        .merge(layer(api))
        .merge(layer(token))
        .merge(public)
        .merge(control::routes().route_layer(from_fn_with_state(mautic.clone(), deliver)))
        .fallback(no_such_url)
        .method_not_allowed_fallback(not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(mautic.clone(), name_version))
        .with_state(mautic)
}

fn api_routes() -> Router<MauticSimulator> {
    Router::new()
        .merge(contact_routes())
        .merge(member_routes())
        .merge(content_routes())
        .route("/api/stats", get(stats::index))
        .route("/api/stats/{table}", get(stats::table))
        .route("/api/users/self", get(users::whoami))
        .route("/api/roles", get(users::roles))
        .route("/api/tags", get(tags::list))
        .route("/api/tags/new", post(tags::create))
        .route("/api/fields/{object}", get(fields::list))
        .route("/api/fields/{object}/new", post(fields::create))
        .route("/api/fields/{object}/{id}", get(fields::get_one))
        .route("/api/fields/{object}/{id}/edit", patch(fields::edit).put(fields::edit))
        .route("/api/fields/{object}/{id}/delete", delete(fields::remove))
        .route("/api/hooks", get(hooks::list))
        .route("/api/hooks/triggers", get(hooks::triggers))
        .route("/api/hooks/new", post(hooks::create))
        .route("/api/hooks/{id}", get(hooks::get_one))
        .route("/api/hooks/{id}/edit", patch(hooks::edit).put(hooks::edit))
        .route("/api/hooks/{id}/delete", delete(hooks::remove))
}

fn contact_routes() -> Router<MauticSimulator> {
    Router::new()
        .route("/api/contacts", get(contacts::list))
        .route("/api/contacts/new", post(contacts::create))
        .route("/api/contacts/batch/new", post(contacts::batch_new))
        .route("/api/contacts/batch/edit", patch(contacts::batch_edit).put(contacts::batch_edit))
        .route("/api/contacts/batch/delete", delete(contacts::batch_delete))
        .route("/api/contacts/{id}", get(contacts::get_one))
        .route("/api/contacts/{id}/edit", patch(contacts::edit).put(contacts::edit))
        .route("/api/contacts/{id}/delete", delete(contacts::remove))
        .route("/api/contacts/{id}/segments", get(contacts::segments))
        .route("/api/contacts/{id}/campaigns", get(contacts::campaigns))
        .route("/api/contacts/{id}/activity", get(contacts::activity))
        .route("/api/contacts/{id}/dnc/{channel}/add", post(contacts::dnc_add))
        .route("/api/contacts/{id}/dnc/{channel}/remove", post(contacts::dnc_remove))
        .route("/api/contacts/{id}/points/{operator}/{delta}", post(contacts::points))
}

fn member_routes() -> Router<MauticSimulator> {
    Router::new()
        .route("/api/segments", get(segments::list))
        .route("/api/segments/new", post(segments::create))
        .route("/api/segments/batch/new", post(segments::batch_create))
        .route("/api/segments/{id}", get(segments::get_one))
        .route("/api/segments/{id}/delete", delete(segments::remove))
        .route("/api/segments/{id}/contacts/add", post(segments::add_members))
        .route("/api/segments/{id}/contact/{contact}/{action}", post(segments::change_member))
        .route("/api/campaigns", get(campaigns::list))
        .route("/api/campaigns/new", post(campaigns::create))
        .route("/api/campaigns/{id}", get(campaigns::get_one))
        .route("/api/campaigns/{id}/contacts", get(campaigns::contacts))
        .route("/api/campaigns/{id}/contact/{contact}/{action}", post(campaigns::change_member))
        .route("/api/companies", get(companies::list))
        .route("/api/companies/new", post(companies::create))
        .route("/api/companies/{id}", get(companies::get_one))
        .route("/api/companies/{id}/edit", patch(companies::edit))
        .route("/api/companies/{id}/delete", delete(companies::remove))
        .route("/api/companies/{id}/contact/{contact}/{action}", post(companies::change_member))
        .route("/api/stages", get(stages::list))
        .route("/api/stages/new", post(stages::create))
        .route("/api/stages/{id}/contact/{contact}/{action}", post(stages::change_member))
}

fn content_routes() -> Router<MauticSimulator> {
    Router::new()
        .route("/api/emails", get(emails::list))
        .route("/api/emails/new", post(emails::create))
        .route("/api/emails/{id}", get(emails::get_one))
        .route("/api/emails/{id}/delete", delete(emails::remove))
        .route("/api/emails/{id}/contact/{contact}/send", post(emails::send_to_contact))
        .route("/api/forms", get(forms::list))
        .route("/api/forms/new", post(forms::create))
        .route("/api/forms/{id}/delete", delete(forms::remove))
}

/// Says which Mautic answers, where Mautic does.
async fn name_version(State(mautic): State<MauticSimulator>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.extensions_mut().remove::<Versioned>().is_some() {
        let version = HeaderValue::from_static(mautic.inner.options.version.full());
        response.headers_mut().insert("Mautic-Version", version);
    }
    response
}

async fn no_such_url(State(mautic): State<MauticSimulator>, headers: HeaderMap, uri: Uri) -> Response {
    // Whatever is no call of an API is a visit of the website, which leaves a visitor behind.
    if !["/api", "/oauth/", "/_control/"].iter().any(|area| uri.path().starts_with(area)) {
        let visit = async { tracking::missing_page(&mautic, &headers, &uri) };
        return webhooks::within_request(&mautic, auth::Actor::visitor(), visit).await;
    }
    // The second API takes no token of this kind (recordings `213` to `215` of 7.0.0).
    if mautic.inner.options.version.is_7() && uri.path().starts_with("/api/v2/") {
        return Answer::with(401, json!({"message": "Invalid credentials."})).unversioned().into_response();
    }
    Answer::no_such_url(uri.path()).into_response()
}

async fn not_allowed() -> Answer {
    Answer::general_error(405)
}

/// Counts a call under its route.
async fn count(State(mautic): State<MauticSimulator>, route: MatchedPath, request: Request, next: Next) -> Response {
    mautic.inner.counts.call(request.method().as_str(), route.as_str());
    next.run(request).await
}

/// Lets faults strike.
async fn inject(State(mautic): State<MauticSimulator>, request: Request, next: Next) -> Response {
    let Some(rule) = mautic.inner.faults.strike(request.method(), request.uri().path()) else {
        return next.run(request).await;
    };
    mautic.inner.counts.fault();
    match rule.before().await {
        Some(instead) => instead,
        None => rule.after(next.run(request).await).await,
    }
}

/// What stands before every call of the API: credentials, the rate limit, and the time that things take.
async fn guard(State(mautic): State<MauticSimulator>, mut request: Request, next: Next) -> Response {
    let actor = match auth::check(&mautic, request.headers()) {
        Ok(actor) => actor,
        Err(refusal) => return refusal.into_response(),
    };
    // 7.0 has no limiter (recording `138`).
    let allowance = match mautic.inner.options.version {
        MauticVersion::V5_1 => mautic.inner.limit.take(),
        MauticVersion::V7_0 => None,
    };
    if let Some(exceeded) = allowance.filter(|allowance| allowance.exceeded) {
        return exceeded.refusal();
    }
    mautic.inner.ceiling.wait().await;
    tokio::time::sleep(mautic.inner.options.latency).await;
    request.extensions_mut().insert(actor.clone());
    let response = webhooks::within_request(&mautic, actor, next.run(request)).await;
    match allowance {
        Some(allowance) => allowance.stamp(response),
        None => response,
    }
}

/// Sends webhooks that a visitor's request caused, before it is answered.
async fn deliver(State(mautic): State<MauticSimulator>, request: Request, next: Next) -> Response {
    webhooks::within_request(&mautic, auth::Actor::visitor(), next.run(request)).await
}
