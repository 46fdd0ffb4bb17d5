//! What the documents of payment providers become, from the bytes and headers of `events/billing-webhook` on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]

#[path = "billing/changed.rs"]
mod changed;
#[path = "billing/lemonsqueezy.rs"]
mod lemonsqueezy;
#[path = "billing/stripe.rs"]
mod stripe;

use std::path::Path;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_connectors::billing::proof::{Mode, Unverified, Verified};
use tandem_connectors::billing::{Provider, Told, Unusable};
use tandem_connectors::mautic::FIELDS;
use tandem_core::automation::event::LifecycleEvent;
use tandem_core::automation::rulebook::{DEFAULT_RULES, RuleBook};
use tandem_core::mapping::RuleSet;
use tandem_core::webhook::proof::Secrets;

/// The moment at which the documents' signatures were made.
const SIGNED_AT: i64 = 1_795_169_737;
/// Five seconds before: when what they tell happened.
const HAPPENED: &str = "2026-11-20T10:15:32Z";

static RULES: LazyLock<RuleBook> = LazyLock::new(rules);

fn rules() -> RuleBook {
    let prices = |name: &str| match name {
        "TANDEM_STRIPE_PRICES" => Some("price_example_pro=pro,prod_example_enterprise=enterprise".to_owned()),
        "TANDEM_LEMONSQUEEZY_VARIANTS" => Some("510001=pro,510002=enterprise".to_owned()),
        _ => None,
    };
    // The fields that the default rules set beside those of the connector's own rules.
    let own = ["subscription_tier", "subscription_status", "subscription_updated_at", "signup_date", "last_login"];
    let more: String = own
        .into_iter()
        .chain(["lifetime_value"])
        .filter(|name| !FIELDS.contains(&format!("\"{name}\"")))
        .map(|name| format!("\n[[rule]]\nlocal = \"{name}\"\nremote = \"{name}\"\n"))
        .collect();
    RuleBook::parse(DEFAULT_RULES, &RuleSet::parse(&format!("{FIELDS}{more}")).unwrap(), prices).unwrap()
}

fn document(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/billing-webhook").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn proved(file: &str) -> Option<Verified> {
    let document = document(file);
    let (provider, header, secret) = if file.starts_with("stripe") {
        (Provider::Stripe, "stripe-signature", "whsec_example_of_the_tests")
    } else {
        (Provider::LemonSqueezy, "x-signature", "lemon_example_of_the_tests")
    };
    let signature = document["headers"][header].as_str().map(str::to_owned);
    let body = document["body"].as_str().unwrap().as_bytes().to_vec();
    let secrets = Secrets::new([secret.to_owned()]);
    Unverified { provider, body, signature }.verify(&secrets, Timestamp::from_second(SIGNED_AT).unwrap()).ok()
}

fn told(file: &str) -> Result<Told, Unusable> {
    proved(file).expect("a document that is proved").told(&RULES, Mode::Test)
}

/// The only event of a document.
fn event(file: &str) -> LifecycleEvent {
    match told(file) {
        Ok(Told::Events(mut events)) if events.len() == 1 => events.remove(0),
        other => panic!("{file}: {other:?}"),
    }
}

fn nothing(file: &str) -> &'static str {
    match told(file) {
        Ok(Told::Nothing(why)) => why,
        other => panic!("{file}: {other:?}"),
    }
}

/// An event's id, name and properties, to be compared.
fn essence(event: &LifecycleEvent) -> Value {
    json!({"id": event.by.id, "name": event.name.as_str(), "properties": event.properties})
}

/// Whom an event is about: the application's id, the address, the customer.
fn whom(event: &LifecycleEvent) -> (Option<&str>, Option<&str>, Option<&str>) {
    let user = &event.user;
    (
        user.external_id.as_ref().map(|id| id.as_str()),
        user.email.as_ref().map(|email| email.as_str()),
        user.customer.as_ref().map(|customer| customer.id.as_str()),
    )
}
