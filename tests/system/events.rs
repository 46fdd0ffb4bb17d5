//! The documents in `events/` are what API Gateway really sends: each goes through the parser that the function uses to
//! the function's own handler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use jiff::Timestamp;
use serde_json::Value;
use tandem_app::config::ApiKey;
use tandem_app::http::{self, AppState};
use tandem_core::ports::Clock;
use tandem_tests::system::{Options, System};
use tandem_tests::{billing, paths};
use tower::ServiceExt;

/// The key that the documents carry.
pub const EXAMPLE_KEY: &str = "tdm_local_example_key_for_reading_only";

/// What a document is answered with.
struct Expected {
    file: &'static str,
    /// The status with a Mautic that has neither the contact nor the lists that the documents name.
    live: u16,
    /// The live answer's error code, or what a good answer's data has.
    shows: &'static str,
    /// The status in demo mode, where nothing has to exist.
    demo: u16,
}

const fn expected(file: &'static str, live: u16, shows: &'static str, demo: u16) -> Expected {
    Expected { file, live, shows, demo }
}

const EXPECTED: &[Expected] = &[
    expected("add_to_campaign.json", 404, "not_found", 200),
    expected("add_to_segment.json", 404, "not_found", 200),
    expected("base64-body.json", 200, "contactId", 200),
    expected("delete_contact.json", 200, "action", 200),
    expected("event-unfit.json", 422, "invalid_request", 422),
    expected("events.json", 202, "events", 200),
    expected("export_contact.json", 404, "not_found", 200),
    expected("health.json", 200, "checks", 200),
    expected("identify.json", 200, "setCookie", 200),
    expected("list_events.json", 200, "events", 200),
    expected("malformed-json.json", 400, "malformed_json", 400),
    expected("no-key.json", 401, "unauthenticated", 401),
    expected("ping.json", 200, "mautic", 200),
    expected("records.json", 200, "results", 200),
    expected("remove_from_campaign.json", 404, "not_found", 200),
    expected("remove_from_segment.json", 404, "not_found", 200),
    expected("sync_campaigns.json", 200, "campaigns", 200),
    expected("sync_contacts.json", 200, "results", 200),
    // The id may be known already, which only a table can tell: then the rest of the contact is taken.
    expected("upsert_contact-bad-email.json", 422, "invalid_request", 200),
    expected("upsert_contact.json", 200, "contactId", 200),
    expected("wrong-method.json", 405, "method_not_allowed", 405),
];

/// The same for `mautic-webhook`: a delivery is proved in demo mode too, and has no effect there.
const EXPECTED_OF_WEBHOOKS: &[Expected] = &[
    expected("empty.json", 400, "empty_body", 400),
    expected("open.json", 200, "results", 200),
    expected("secret-in-query.json", 200, "results", 200),
    expected("unknown-integration.json", 404, "unknown_integration", 404),
    expected("unproved.json", 401, "unproved", 401),
    expected("unsubscribe.json", 200, "results", 200),
];

/// The same for `billing-webhook`, at the moment at which the documents were signed.
const EXPECTED_OF_BILLS: &[Expected] = &[
    expected("lemonsqueezy-forged.json", 401, "unproved", 401),
    expected("lemonsqueezy-order-created.json", 200, "events", 200),
    expected("lemonsqueezy-order-of-subscription.json", 200, "reason", 200),
    expected("lemonsqueezy-payment-failed.json", 200, "events", 200),
    expected("lemonsqueezy-payment-refunded.json", 200, "events", 200),
    expected("lemonsqueezy-payment-success.json", 200, "events", 200),
    expected("lemonsqueezy-subscription-cancelled.json", 200, "events", 200),
    expected("lemonsqueezy-subscription-created.json", 200, "events", 200),
    expected("lemonsqueezy-subscription-expired.json", 200, "events", 200),
    expected("lemonsqueezy-subscription-paused.json", 200, "events", 200),
    expected("lemonsqueezy-subscription-resumed.json", 200, "events", 200),
    expected("lemonsqueezy-subscription-trial.json", 200, "events", 200),
    expected("lemonsqueezy-subscription-unpaused.json", 200, "events", 200),
    expected("lemonsqueezy-subscription-updated.json", 200, "events", 200),
    expected("lemonsqueezy-unused-type.json", 200, "reason", 200),
    expected("stripe-checkout-completed.json", 200, "events", 200),
    expected("stripe-checkout-one-off.json", 200, "events", 200),
    expected("stripe-forged.json", 401, "unproved", 401),
    expected("stripe-invoice-paid-2024.json", 200, "events", 200),
    expected("stripe-invoice-paid.json", 200, "events", 200),
    expected("stripe-invoice-payment-failed.json", 200, "events", 200),
    expected("stripe-malformed.json", 400, "malformed_json", 400),
    expected("stripe-stale.json", 401, "unproved", 401),
    expected("stripe-subscription-cancels.json", 200, "events", 200),
    expected("stripe-subscription-collection-paused.json", 200, "events", 200),
    expected("stripe-subscription-created-2024.json", 200, "events", 200),
    expected("stripe-subscription-created.json", 200, "events", 200),
    expected("stripe-subscription-deleted.json", 200, "events", 200),
    expected("stripe-subscription-incomplete.json", 200, "reason", 200),
    expected("stripe-subscription-past-due.json", 200, "events", 200),
    expected("stripe-subscription-paused.json", 200, "events", 200),
    expected("stripe-subscription-resumed.json", 200, "events", 200),
    // A price that nobody configured is no fault of the delivery.
    expected("stripe-subscription-unknown-price.json", 200, "events", 200),
    expected("stripe-subscription-updated.json", 200, "events", 200),
    expected("stripe-subscription-without-price.json", 422, "invalid_request", 422),
    expected("stripe-unknown-integration.json", 404, "unknown_integration", 404),
    expected("stripe-unsigned.json", 401, "unproved", 401),
    expected("stripe-unused-type.json", 200, "reason", 200),
];

/// A clock that stands.
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[tokio::test]
async fn every_document_of_billing_webhook_is_answered_as_expected() {
    let clock = Arc::new(Stopped(Timestamp::from_second(billing::SIGNED_AT).unwrap()));
    let system = System::with(Options { clock, ..billing::options().without_worker() }).await;
    check(&system, "billing-webhook", EXPECTED_OF_BILLS, http::billing_webhook).await;
}

#[tokio::test]
async fn every_document_of_mautic_sync_is_answered_as_expected() {
    check(&System::start().await, "mautic-sync", EXPECTED, http::mautic_sync).await;
}

#[tokio::test]
async fn every_document_of_mautic_webhook_is_answered_as_expected() {
    check(&System::start().await, "mautic-webhook", EXPECTED_OF_WEBHOOKS, http::mautic_webhook).await;
}

async fn check(system: &System, function: &str, answers: &[Expected], routes: fn(AppState) -> Router) {
    let (live, demo) = (handler(system, true, routes), handler(system, false, routes));
    let mut wrong = Vec::new();
    for (file, document) in documents(function) {
        match answers.iter().find(|expected| expected.file == file) {
            Some(expected) => {
                let (live, demo) = (answer(&live, &document).await, answer(&demo, &document).await);
                wrong.extend(
                    differences(expected, &document, &live, &demo).into_iter().map(|what| format!("{file}: {what}")),
                );
            }
            None => wrong.push(format!("{file}: say here what it is answered with")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_expectation_has_its_document() {
    for (function, answers) in
        [("mautic-sync", EXPECTED), ("mautic-webhook", EXPECTED_OF_WEBHOOKS), ("billing-webhook", EXPECTED_OF_BILLS)]
    {
        let files: Vec<String> = documents(function).into_iter().map(|(file, _)| file).collect();
        assert_eq!(files, answers.iter().map(|expected| expected.file).collect::<Vec<_>>());
    }
}

/// A status and the envelope that came with it.
type Answer = (u16, Value);

fn differences(expected: &Expected, document: &Value, live: &Answer, demo: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    for (status, wanted, body) in [(live.0, expected.live, &live.1), (demo.0, expected.demo, &demo.1)] {
        let good = wanted < 400;
        let enveloped = body["ok"] == good && body["data"].is_object() == good && body["error"].is_object() != good;
        let same_call = body["correlationId"] == document["headers"]["x-correlation-id"] && body["durationMs"].is_u64();
        if status != wanted || !enveloped || !same_call {
            wrong.push(format!("{status} instead of {wanted}: {body}"));
        }
    }
    let shown = if expected.live < 400 {
        !live.1["data"][expected.shows].is_null()
    } else {
        live.1["error"]["code"] == expected.shows
    };
    if !shown {
        wrong.push(format!("no {} in {}", expected.shows, live.1));
    }
    wrong
}

/// The function's handler over a system, or in demo mode.
fn handler(system: &System, live: bool, routes: fn(AppState) -> Router) -> Router {
    let mut foundation = system.foundation.clone();
    foundation.config.api_key = Some(ApiKey(EXAMPLE_KEY.to_owned()));
    if !live {
        foundation.config.mautic = None;
    }
    routes(foundation.app_state(false).unwrap())
}

async fn answer(handler: &Router, document: &Value) -> Answer {
    let request = lambda_http::request::from_str(&document.to_string()).expect("a document of API Gateway");
    let response = handler.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// The documents of a function by their file names, in order.
fn documents(function: &str) -> Vec<(String, Value)> {
    let folder = paths::project().join("events").join(function);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), document(function, &name))).collect()
}

/// One of them.
pub fn document(function: &str, file: &str) -> Value {
    let path = paths::project().join("events").join(function).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
