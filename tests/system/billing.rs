//! What deliveries of payment providers get: unproved ones nothing, and proved ones their events, once.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::local_table::LocalTable;
use tandem_app::system::SystemClock;
use tandem_connectors::billing::Provider;
use tandem_core::ports::Clock;
use tandem_tests::billing::{self, Bill, LEMON_SECRET, STRIPE_SECRET};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::faulty_table::FaultyTable;
use tandem_tests::system::{KEY, Options, System};

fn now() -> Timestamp {
    SystemClock.now()
}

async fn system() -> System {
    System::with(billing::options().without_worker().without_fields()).await
}

fn stripe(document: &Value) -> Bill {
    Bill::new(Provider::Stripe, document.to_string().into_bytes(), now())
}

fn lemon(document: &Value) -> Bill {
    Bill::new(Provider::LemonSqueezy, document.to_string().into_bytes(), now())
}

fn subscribed() -> Value {
    billing::document("stripe-subscription-created.json")
}

async fn listed(system: &System) -> Vec<Value> {
    let request = system.caller.bare(Method::GET, "/events").bearer_auth(KEY);
    let answer = system.caller.send(request).await.unwrap();
    answer.data()["events"].as_array().unwrap().clone()
}

fn is_refused(answer: &Answer) -> bool {
    (answer.status, answer.error_code()) == (401, "unproved")
}

#[tokio::test]
async fn what_is_not_proved_is_refused_and_not_stored() {
    let (system, now) = (system().await, now());
    let document = subscribed();
    let body = || document.to_string().into_bytes();
    let away = |seconds| now + SignedDuration::from_secs(seconds);
    let good = stripe(&document);
    let of_lemon = lemon(&billing::document("lemonsqueezy-subscription-created.json"));
    for bill in [
        Bill::signed(Provider::Stripe, body(), "whsec_of_somebody_else", now),
        Bill::signed(Provider::Stripe, body(), LEMON_SECRET, now),
        Bill::new(Provider::Stripe, body(), away(-320)),
        Bill::new(Provider::Stripe, body(), away(320)),
        Bill { signature: String::new(), ..good.clone() },
        Bill { signature: "t=,v1=".to_owned(), ..good.clone() },
        Bill { signature: good.signature.replace("v1=", "v0="), ..good.clone() },
        Bill { body: [good.body.clone(), b" ".to_vec()].concat(), ..good.clone() },
        Bill { provider: Provider::LemonSqueezy, ..good.clone() },
        Bill { provider: Provider::Stripe, ..of_lemon.clone() },
        Bill { signature: String::new(), ..of_lemon.clone() },
        Bill { body: b"{}".to_vec(), ..of_lemon.clone() },
        Bill::signed(Provider::LemonSqueezy, of_lemon.body.clone(), STRIPE_SECRET, now),
    ] {
        let answer = system.bill(&bill).await.unwrap();
        assert!(is_refused(&answer), "{} {}: {}", bill.provider, bill.signature, answer.body);
    }
    let without = system.caller.bare(Method::POST, "/billing/stripe/mautic").bearer_auth(KEY).body(body());
    assert!(is_refused(&system.caller.send(without).await.unwrap()), "an API key is no proof");
    assert_eq!(listed(&system).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_delivery_becomes_its_events_and_the_same_again_is_known() {
    let system = system().await;
    let first = system.bill(&stripe(&subscribed())).await.unwrap();
    let event = |duplicate: bool| json!({"id": "stripe:evt_example01", "name": "plan_change", "status": "pending", "duplicate": duplicate});
    assert_eq!(first.data(), &json!({"received": true, "ignored": false, "events": [event(false)]}));
    let again = system.bill(&stripe(&subscribed())).await.unwrap();
    assert_eq!(again.data()["events"], json!([event(true)]));
    let lemons = lemon(&billing::document("lemonsqueezy-payment-success.json"));
    for duplicate in [false, true] {
        let answer = system.bill(&lemons).await.unwrap();
        assert_eq!((answer.status, &answer.data()["events"][0]["duplicate"]), (200, &json!(duplicate)));
    }
    assert_eq!(listed(&system).await.len(), 2);
}

#[tokio::test]
async fn a_payment_that_several_documents_tell_of_counts_once() {
    let system = System::with(billing::options()).await;
    for id in ["evt_1", "evt_2", "evt_3"] {
        let mut paid = billing::document("stripe-invoice-paid.json");
        paid["id"] = json!(id);
        assert_eq!(system.bill(&stripe(&paid)).await.unwrap().status, 200);
    }
    system.finish().await;
    assert_eq!(system.contact("mira.oduya@example.com").fields["lifetime_value"], json!(19.0));
}

#[tokio::test]
async fn both_secrets_are_good_while_they_are_being_changed() {
    let options = billing::options()
        .without_worker()
        .without_fields()
        .with("STRIPE_WEBHOOK_SECRET_PREVIOUS", "whsec_older")
        .with("LEMONSQUEEZY_WEBHOOK_SECRET_PREVIOUS", "older");
    let system = System::with(options).await;
    let (now, plan) = (now(), subscribed().to_string().into_bytes());
    for secret in ["whsec_older", STRIPE_SECRET] {
        let bill = Bill::signed(Provider::Stripe, plan.clone(), secret, now);
        assert_eq!(system.bill(&bill).await.unwrap().status, 200, "{secret}");
    }
    let document = billing::document("lemonsqueezy-order-created.json").to_string().into_bytes();
    for secret in ["older", LEMON_SECRET] {
        let bill = Bill::signed(Provider::LemonSqueezy, document.clone(), secret, now);
        assert_eq!(system.bill(&bill).await.unwrap().status, 200, "{secret}");
    }
}

#[tokio::test]
async fn without_a_secret_every_delivery_is_refused() {
    let system = System::with(Options::default().without_worker().without_fields()).await;
    for provider in [Provider::Stripe, Provider::LemonSqueezy] {
        for secret in ["", STRIPE_SECRET] {
            let bill = Bill::signed(provider, b"{}".to_vec(), secret, now());
            assert!(is_refused(&system.bill(&bill).await.unwrap()));
        }
    }
}

#[tokio::test]
async fn what_can_not_be_used_says_what_is_wrong_and_is_not_stored() {
    let system = system().await;
    let raw = |body: &[u8]| Bill::new(Provider::Stripe, body.to_vec(), now());
    let deep = "[".repeat(100_000);
    for body in [&b""[..], b"{", b"[]", b"null", b"\xff\xfe", br#"{"id":"evt_1","#, deep.as_bytes()] {
        let answer = system.bill(&raw(body)).await.unwrap();
        assert_eq!((answer.status, answer.error_code()), (400, "malformed_json"), "{}", String::from_utf8_lossy(body));
    }
    let lacking = stripe(&billing::document("stripe-subscription-without-price.json"));
    let answer = system.bill(&lacking).await.unwrap();
    assert_eq!((answer.status, answer.complaints()), (422, vec!["data.object.items:missing".to_owned()]));
    let mut late = billing::document("lemonsqueezy-payment-failed.json");
    late["data"]["attributes"]["updated_at"] = json!("yesterday, mira.oduya@example.com");
    let answer = system.bill(&lemon(&late)).await.unwrap();
    assert_eq!((answer.status, answer.complaints()), (422, vec!["data.attributes.updated_at:invalid".to_owned()]));
    assert!(!answer.body.to_string().contains("mira"), "{}", answer.body);
    let huge = vec![b' '; 10 * 1024 * 1024 + 1];
    assert_eq!(system.bill(&raw(&huge)).await.unwrap().status, 413);
    assert_eq!(listed(&system).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_tandem_does_not_use_is_answered_so_that_it_is_not_sent_again() {
    let system = system().await;
    for bill in [
        stripe(&billing::document("stripe-unused-type.json")),
        stripe(&billing::document("stripe-subscription-incomplete.json")),
        lemon(&billing::document("lemonsqueezy-unused-type.json")),
        lemon(&billing::document("lemonsqueezy-order-of-subscription.json")),
    ] {
        let answer = system.bill(&bill).await.unwrap();
        let data = answer.data();
        assert_eq!((answer.status, &data["received"], &data["ignored"]), (200, &json!(true), &json!(true)));
        assert!(data["reason"].as_str().is_some_and(|why| !why.is_empty()) && data["events"] == json!([]), "{data}");
    }
    assert_eq!(listed(&system).await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_way_in_is_post_to_a_known_provider_and_integration() {
    let (system, bill) = (system().await, stripe(&subscribed()));
    let sent = async |method: Method, path: &str| {
        let request = system.caller.bare(method, path).header("Stripe-Signature", &bill.signature);
        let answer = system.caller.send(request.body(bill.body.clone())).await.unwrap();
        (answer.status, answer.error_code().to_owned())
    };
    for path in
        ["/billing/stripe/hubspot", "/billing/stripe/Mautic", "/billing/stripe/..%2Fmautic", "/billing/stripe/%00"]
    {
        assert_eq!(sent(Method::POST, path).await, (404, "unknown_integration".to_owned()), "{path}");
    }
    for path in ["/billing", "/billing/stripe", "/billing/paddle/mautic", "/billing/stripe/mautic/more"] {
        assert_eq!(sent(Method::POST, path).await, (404, "no_such_path".to_owned()), "{path}");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(sent(method, "/billing/lemonsqueezy/mautic").await.0, 405);
    }
    assert_eq!(listed(&system).await, Vec::<Value>::new());
}

#[tokio::test]
async fn in_demo_mode_a_delivery_is_checked_and_has_no_effect() {
    let system = System::with(billing::options().demo()).await;
    let answer = system.bill(&stripe(&subscribed())).await.unwrap();
    assert_eq!((answer.status, &answer.body["demo"]), (200, &json!(true)));
    assert_eq!(answer.data()["events"], json!([{"id": "stripe:evt_example01", "name": "plan_change"}]));
    let forged = Bill::signed(Provider::Stripe, b"{}".to_vec(), "another", now());
    assert!(is_refused(&system.bill(&forged).await.unwrap()));
}

#[tokio::test]
async fn while_the_table_is_away_the_provider_is_told_to_come_again() {
    let mut system = system().await;
    let proxy = FaultyTable::start(system.table.access(), 1.0).await.unwrap();
    let mut foundation = system.foundation.clone();
    foundation.table = LocalTable::attach(proxy.access());
    let router = tandem_app::http::billing_webhook(foundation.app_state(false).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let well = std::mem::replace(&mut system.caller, Caller::new(&url, KEY));
    let answer = system.bill(&stripe(&subscribed())).await.unwrap();
    assert_eq!((answer.status, answer.error_code()), (503, "storage_unavailable"), "{}", answer.body);
    assert!(answer.retry_after.is_some_and(|seconds| seconds > 0));
    system.caller = well;
    assert_eq!(system.bill(&stripe(&subscribed())).await.unwrap().status, 200);
    server.abort();
}

#[tokio::test]
async fn the_tolerance_is_that_of_the_systems_clock() {
    struct Fixed(Timestamp);
    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            self.0
        }
    }
    let at = Timestamp::from_second(billing::SIGNED_AT).unwrap();
    let options = Options { clock: Arc::new(Fixed(at)), ..billing::options().without_worker().without_fields() };
    let system = System::with(options).await;
    let body = subscribed().to_string().into_bytes();
    for (away, status) in [(-300, 200), (300, 200), (-301, 401), (301, 401)] {
        let bill = Bill::new(Provider::Stripe, body.clone(), at + SignedDuration::from_secs(away));
        assert_eq!(system.bill(&bill).await.unwrap().status, status, "{away} s");
    }
}

#[tokio::test]
async fn who_pays_under_another_name_and_address_keeps_those_that_the_application_gave() {
    let system = System::with(billing::options()).await;
    let given = json!({"id": "7f9c24e8", "contact": {"email": "mira@example.org", "first_name": "Mira"}});
    system.caller.upsert(given).await.unwrap();
    let mut checkout = billing::document("stripe-checkout-completed.json");
    checkout["data"]["object"]["customer_details"]["name"] = json!("ODUYA LTD");
    system.bill(&stripe(&checkout)).await.unwrap();
    let mut later = billing::document("stripe-invoice-paid.json");
    later["data"]["object"]["parent"] = Value::Null;
    system.finish().await;
    system.bill(&stripe(&later)).await.unwrap();
    system.finish().await;
    let contact = system.contact("mira@example.org");
    assert_eq!((&contact.fields["firstname"], &contact.fields["lifetime_value"]), (&json!("Mira"), &json!(19.0)));
    assert!(system.contacts_with("mira.oduya@example.com").is_empty());
}

#[tokio::test]
async fn a_bill_of_somebody_who_was_deleted_brings_nobody_back() {
    let system = System::with(billing::options()).await;
    let who = json!({"id": "7f9c24e8", "email": "mira.oduya@example.com"});
    let happened =
        |name: &str| json!({"id": format!("e-{name}"), "name": name, "user": who, "time": "2026-11-20T09:00:00Z"});
    system.send_events("?wait=true", &happened("user_signup")).await.unwrap();
    assert_eq!(system.send_events("?wait=true", &happened("user_deleted")).await.unwrap().status, 200);
    assert!(system.contacts_with("mira.oduya@example.com").is_empty());
    let answer = system.bill(&stripe(&billing::document("stripe-checkout-completed.json"))).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    system.finish().await;
    let event = &listed(&system).await[0];
    assert_eq!((&event["name"], &event["status"]), (&json!("checkout_completed"), &json!("completed")));
    assert!(event["note"].as_str().unwrap().contains("deleted"), "{event}");
    assert!(system.contacts_with("mira.oduya@example.com").is_empty());
}

/// An event of Stripe's about this object.
fn told_by_stripe(kind: &str, object: Value, before: Value) -> Bill {
    let document = json!({
        "id": format!("evt_{kind}_{}", object["amount_refunded"]), "object": "event", "created": now().as_second(),
        "livemode": true, "type": kind, "data": {"object": object, "previous_attributes": before},
    });
    stripe(&document)
}

#[tokio::test]
async fn a_refund_counts_once_whichever_documents_tell_of_it() {
    let charge = |refunded: i64| {
        json!({"id": "ch_1", "amount": 1900, "amount_refunded": refunded, "currency": "eur",
               "customer": "cus_example1", "payment_intent": "pi_1"})
    };
    let refund = |id: &str, amount: i64| json!({"id": id, "amount": amount, "currency": "eur", "charge": "ch_1", "payment_intent": "pi_1", "status": "succeeded"});
    let documents = [
        told_by_stripe("refund.created", refund("re_1", 500), Value::Null),
        told_by_stripe("charge.refunded", charge(500), json!({"amount_refunded": 0})),
        told_by_stripe("refund.updated", refund("re_1", 500), Value::Null),
        told_by_stripe("charge.refunded", charge(800), json!({"amount_refunded": 500})),
        told_by_stripe("refund.created", refund("re_2", 300), Value::Null),
    ];
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 3, 0, 4, 2]] {
        let system = System::with(billing::options()).await;
        system.bill(&stripe(&billing::document("stripe-checkout-completed.json"))).await.unwrap();
        system.bill(&stripe(&billing::document("stripe-invoice-paid.json"))).await.unwrap();
        system.finish().await;
        for place in order {
            assert_eq!(system.bill(&documents[place]).await.unwrap().status, 200);
        }
        system.finish().await;
        let events: Vec<_> =
            listed(&system).await.iter().map(|event| json!([event["id"], event["status"], event["note"]])).collect();
        let contact = system.contact("mira.oduya@example.com");
        assert_eq!(contact.fields["lifetime_value"], json!(11.0), "{order:?} {events:?}");
    }
}

#[tokio::test]
async fn documents_of_test_mode_are_answered_and_have_no_effect() {
    let system = System::with(billing::options().with("TANDEM_BILLING_TEST_MODE", "false")).await;
    let answer = system.bill(&stripe(&billing::document("stripe-checkout-completed.json"))).await.unwrap();
    assert_eq!((answer.status, &answer.data()["ignored"]), (200, &json!(true)), "{}", answer.body);
    assert!(answer.data()["reason"].as_str().unwrap().contains("TANDEM_BILLING_TEST_MODE"));
    assert!(listed(&system).await.is_empty());
}
