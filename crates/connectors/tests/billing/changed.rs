//! Documents that differ in one place from those of the examples.

use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use super::*;

/// An example document, changed at a place, signed anew.
fn changed(file: &str, place: &str, value: Value) -> Result<Told, Unusable> {
    let mut body: Value = serde_json::from_str(document(file)["body"].as_str().unwrap()).unwrap();
    match place.rsplit_once('/') {
        Some((parent, name)) => body.pointer_mut(parent).unwrap()[name] = value,
        None => body = value,
    }
    read(file, &body)
}

fn read(file: &str, body: &Value) -> Result<Told, Unusable> {
    let (body, secret) = (body.to_string().into_bytes(), "secret");
    let is_stripe = file.starts_with("stripe");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    if is_stripe {
        mac.update(format!("{SIGNED_AT}.").as_bytes());
    }
    mac.update(&body);
    let code = hex::encode(mac.finalize().into_bytes());
    let (provider, signature) = match is_stripe {
        true => (Provider::Stripe, format!("t={SIGNED_AT},v1={code}")),
        false => (Provider::LemonSqueezy, code),
    };
    let delivery = Unverified { provider, body, signature: Some(signature) };
    let now = Timestamp::from_second(SIGNED_AT).unwrap();
    delivery.verify(&Secrets::new([secret.to_owned()]), now).unwrap().told(&RULES, Mode::Test)
}

fn only(told: Result<Told, Unusable>) -> LifecycleEvent {
    match told {
        Ok(Told::Events(mut events)) if events.len() == 1 => events.remove(0),
        other => panic!("{other:?}"),
    }
}

fn lacking(told: Result<Told, Unusable>) -> String {
    match told {
        Err(Unusable::Lacking(issue)) => issue.field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_several_items_the_highest_tier_counts() {
    let item = |price: &str| json!({"price": {"id": price, "product": "prod_of_seats"}});
    let enterprise = json!({"price": {"id": "price_of_a_year", "product": "prod_example_enterprise"}});
    let items = |data: Value| changed("stripe-subscription-created.json", "/data/object/items/data", data);
    let price = |data: Value| only(items(data)).properties["price"].clone();
    assert_eq!(price(json!([item("seats"), item("price_example_pro"), enterprise])), "prod_example_enterprise");
    assert_eq!(price(json!([item("seats"), item("price_example_pro")])), "price_example_pro");
    assert_eq!(price(json!([item("seats"), item("support")])), "seats");
    assert_eq!(price(json!([{"plan": {"id": "price_example_pro"}}])), "price_example_pro");
}

#[test]
fn every_state_of_a_stripe_subscription_is_understood() {
    let file = "stripe-subscription-updated.json";
    let state = |status: &str| changed(file, "/data/object/status", json!(status));
    for (status, name) in [
        ("active", "plan_change"),
        ("trialing", "plan_change"),
        ("past_due", "subscription_past_due"),
        ("unpaid", "subscription_past_due"),
        ("paused", "subscription_paused"),
        ("canceled", "subscription_cancelled"),
    ] {
        assert_eq!(only(state(status)).name.as_str(), name, "{status}");
    }
    for never_begun in ["incomplete", "incomplete_expired"] {
        assert!(matches!(state(never_begun), Ok(Told::Nothing(_))), "{never_begun}");
    }
    assert_eq!(lacking(state("resting")), "data.object.status");
}

#[test]
fn every_state_of_a_lemon_squeezy_subscription_is_understood() {
    let state =
        |status: &str| changed("lemonsqueezy-subscription-updated.json", "/data/attributes/status", json!(status));
    for (status, name) in [
        ("on_trial", "plan_change"),
        ("active", "plan_change"),
        ("past_due", "subscription_past_due"),
        ("unpaid", "subscription_past_due"),
        ("paused", "subscription_paused"),
        ("cancelled", "subscription_cancelled"),
        ("expired", "subscription_cancelled"),
    ] {
        assert_eq!(only(state(status)).name.as_str(), name, "{status}");
    }
    assert_eq!(lacking(state("resting")), "data.attributes.status");
}

#[test]
fn a_first_payment_that_fails_begins_nothing_and_none_of_nothing_counts() {
    let failed = |place: &str, value: Value| changed("stripe-invoice-payment-failed.json", place, value);
    assert!(matches!(failed("/data/object/billing_reason", json!("subscription_create")), Ok(Told::Nothing(_))));
    assert!(matches!(failed("/data/object/parent", Value::Null), Ok(Told::Nothing(_))));
    let paid = changed("stripe-invoice-paid.json", "/data/object/amount_paid", json!(0));
    assert!(matches!(paid, Ok(Told::Nothing(_))));
    for file in ["lemonsqueezy-payment-success.json", "lemonsqueezy-order-created.json"] {
        assert!(matches!(changed(file, "/data/attributes/total", json!(0)), Ok(Told::Nothing(_))), "{file}");
    }
    let pending = changed("lemonsqueezy-order-created.json", "/data/attributes/status", json!("pending"));
    assert!(matches!(pending, Ok(Told::Nothing(_))));
}

#[test]
fn an_order_with_an_invoice_or_without_a_payment_yet_counts_later() {
    let names = |place: &str, value: Value| match changed("stripe-checkout-one-off.json", place, value) {
        Ok(Told::Events(events)) => events.iter().map(|event| event.name.as_str().to_owned()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(names("/data/object/invoice", json!("in_1")), ["checkout_completed"]);
    assert_eq!(names("/data/object/payment_status", json!("unpaid")), ["checkout_completed"]);
    let later = changed("stripe-checkout-one-off.json", "/type", json!("checkout.session.async_payment_succeeded"));
    assert_eq!(only(later).by.id, "stripe:cs_test_example2:paid");
}

#[test]
fn a_refund_counts_by_what_was_given_back_and_without_a_sum_as_a_whole() {
    let back = |amount: Value| {
        let event = only(changed("lemonsqueezy-payment-refunded.json", "/data/attributes/refunded_amount", amount));
        (event.properties["amount"].clone(), event.by.id)
    };
    assert_eq!(back(json!(500)), (json!(5.0), "lemonsqueezy:invoice-2001:refunded:500".to_owned()));
    assert_eq!(back(Value::Null), (json!(19.0), "lemonsqueezy:invoice-2001:refunded:1900".to_owned()));
}

#[test]
fn the_users_id_is_found_under_each_of_its_names() {
    let metadata = |value: Value| only(changed("stripe-subscription-created.json", "/data/object/metadata", value));
    for given in [json!({"user_id": "42"}), json!({"userId": "42"}), json!({"external_id": "42", "plan": "x"})] {
        assert_eq!(whom(&metadata(given)).0, Some("42"));
    }
    assert_eq!(whom(&metadata(json!({}))), (None, None, Some("cus_example1")));
    let custom = only(changed("lemonsqueezy-subscription-created.json", "/meta/custom_data", json!({"user_id": 42})));
    assert_eq!(whom(&custom).0, Some("42"));
    let reference = only(changed("stripe-checkout-completed.json", "/data/object/metadata", json!({"user_id": "7"})));
    assert_eq!(whom(&reference).0, Some("7"), "what is named goes before a reference that may be a cart's");
}

#[test]
fn expanded_objects_are_taken_for_their_ids() {
    let file = "stripe-subscription-created.json";
    let expanded = only(changed(file, "/data/object/customer", json!({"id": "cus_9", "object": "customer"})));
    assert_eq!(whom(&expanded).2, Some("cus_9"));
}

#[test]
fn what_is_needed_and_not_there_is_named() {
    for (file, place, field) in [
        ("stripe-subscription-created.json", "/type", "type"),
        ("stripe-subscription-created.json", "/id", "id"),
        ("stripe-subscription-created.json", "/created", "created"),
        ("stripe-subscription-created.json", "/data", "data"),
        ("stripe-subscription-created.json", "/data/object", "data.object"),
        ("stripe-subscription-created.json", "/data/object/id", "data.object.id"),
        ("stripe-subscription-created.json", "/data/object/status", "data.object.status"),
        ("stripe-subscription-created.json", "/data/object/items", "data.object.items"),
        ("stripe-invoice-paid.json", "/data/object/amount_paid", "data.object.amount_paid"),
        ("stripe-invoice-paid.json", "/data/object/currency", "data.object.currency"),
        ("stripe-checkout-completed.json", "/data/object/mode", "data.object.mode"),
        ("lemonsqueezy-subscription-created.json", "/meta/event_name", "meta.event_name"),
        ("lemonsqueezy-subscription-created.json", "/data/id", "data.id"),
        ("lemonsqueezy-subscription-created.json", "/data/attributes", "data.attributes"),
        ("lemonsqueezy-subscription-created.json", "/data/attributes/updated_at", "data.attributes.updated_at"),
        ("lemonsqueezy-subscription-created.json", "/data/attributes/variant_id", "data.attributes.variant_id"),
        ("lemonsqueezy-payment-success.json", "/data/attributes/total", "data.attributes.total"),
        ("lemonsqueezy-payment-success.json", "/data/attributes/currency", "data.attributes.currency"),
        ("lemonsqueezy-payment-failed.json", "/data/attributes/subscription_id", "data.attributes.subscription_id"),
    ] {
        assert_eq!(lacking(changed(file, place, Value::Null)), field, "{file}");
    }
}

#[test]
fn what_is_of_another_type_is_named_and_never_repeated() {
    for (place, value, field) in [
        ("/created", json!("soon"), "created"),
        ("/created", json!(i64::MAX), "created"),
        ("/data/object/currency", json!("zzz"), "data.object.currency"),
        ("/data/object/amount_paid", json!("19.00"), "data.object.amount_paid"),
        ("/data/object/amount_paid", json!(19.5), "data.object.amount_paid"),
        ("/data/object/id", json!("x".repeat(300)), "id"),
    ] {
        assert_eq!(lacking(changed("stripe-invoice-paid.json", place, value.clone())), field, "{value}");
    }
}

#[test]
fn a_document_about_nobody_is_lacking() {
    let mut body: Value = serde_json::from_str(document("stripe-invoice-paid.json")["body"].as_str().unwrap()).unwrap();
    for name in ["customer", "customer_email", "parent"] {
        body["data"]["object"][name] = Value::Null;
    }
    assert_eq!(lacking(read("stripe-invoice-paid.json", &body)), "data.object.customer");
    body["data"]["object"]["customer_email"] = json!("no address");
    assert_eq!(lacking(read("stripe-invoice-paid.json", &body)), "data.object.customer");
}

#[test]
fn no_document_at_all_is_unreadable() {
    for body in [json!([]), json!("text"), json!(1), Value::Null] {
        assert!(matches!(changed("stripe-invoice-paid.json", "", body), Err(Unusable::Unreadable { .. })));
    }
}

#[test]
fn nothing_that_can_be_taken_away_or_replaced_brings_the_reading_down() {
    for file in [
        "stripe-subscription-updated.json",
        "stripe-invoice-paid-2024.json",
        "stripe-checkout-one-off.json",
        "lemonsqueezy-subscription-created.json",
        "lemonsqueezy-payment-refunded.json",
        "lemonsqueezy-order-created.json",
    ] {
        let body: Value = serde_json::from_str(document(file)["body"].as_str().unwrap()).unwrap();
        for place in places(&body, String::new()) {
            for value in [Value::Null, json!([]), json!({}), json!(""), json!(-1), json!(true), json!("\u{0}é")] {
                // Whatever it is, it is an answer.
                let _ = changed(file, &place, value);
            }
        }
    }
}

fn places(value: &Value, path: String) -> Vec<String> {
    let inside = match value {
        Value::Object(object) => {
            object.iter().flat_map(|(name, inner)| places(inner, format!("{path}/{name}"))).collect()
        }
        _ => Vec::new(),
    };
    let own = (!path.is_empty()).then(|| path.clone());
    own.into_iter().chain(inside).collect()
}

#[test]
fn a_cancelled_subscription_stays_in_its_tier_to_its_end() {
    let cancelled = |file: &str, end: Value| {
        let mut body: Value = serde_json::from_str(document(file)["body"].as_str().unwrap()).unwrap();
        body["data"]["attributes"]["status"] = json!("cancelled");
        body["data"]["attributes"]["ends_at"] = end;
        let event = only(read(file, &body));
        (event.name.as_str().to_owned(), event.properties["status"].clone())
    };
    for file in ["lemonsqueezy-subscription-cancelled.json", "lemonsqueezy-subscription-updated.json"] {
        let ends = ("plan_change".to_owned(), json!("cancels_at_period_end"));
        assert_eq!(cancelled(file, json!("2026-12-18T11:06:40.000000Z")), ends, "{file}");
        let ended = ("subscription_cancelled".to_owned(), json!("cancelled"));
        assert_eq!(cancelled(file, json!("2026-11-20T00:00:00Z")), ended, "{file}");
        assert_eq!(cancelled(file, Value::Null), ended, "{file}");
    }
}

#[test]
fn the_end_of_a_subscription_that_never_began_ends_nothing() {
    let file = "stripe-subscription-deleted.json";
    assert!(matches!(changed(file, "/data/object/status", json!("incomplete_expired")), Ok(Told::Nothing(_))));
}

/// An event of Stripe's about this object.
fn stripe(kind: &str, object: Value, before: Value) -> Value {
    json!({
        "id": format!("evt_{kind}"), "object": "event", "created": 1_795_169_732, "livemode": true, "type": kind,
        "data": {"object": object, "previous_attributes": before},
    })
}

fn charge(refunded: i64) -> Value {
    json!({
        "id": "ch_1", "object": "charge", "amount": 1900, "amount_refunded": refunded, "currency": "eur",
        "customer": "cus_example1", "payment_intent": "pi_1", "billing_details": {"email": "mira.oduya@example.com"},
    })
}

#[test]
fn what_is_given_back_of_a_charge_is_told_as_a_sum_and_as_what_is_more() {
    let first = only(read("stripe", &stripe("charge.refunded", charge(500), json!({"amount_refunded": 0}))));
    let properties = json!({
        "provider": "stripe", "amount": 5.0, "currency": "EUR", "charge": "ch_1", "refunded_total": 5.0,
    });
    let id = "stripe:ch_1:refunded:500";
    assert_eq!(essence(&first), json!({"id": id, "name": "payment_refunded", "properties": properties}));
    let second = only(read("stripe", &stripe("charge.refunded", charge(800), json!({"amount_refunded": 500}))));
    assert_eq!((&second.properties["amount"], &second.properties["refunded_total"]), (&json!(3.0), &json!(8.0)));
    let known: Vec<&str> = first.user.payments.iter().map(|payment| payment.id.as_str()).collect();
    assert_eq!((whom(&first).2, known), (Some("cus_example1"), vec!["ch_1", "pi_1"]));
}

#[test]
fn a_refund_names_what_was_paid_and_counts_until_it_fails() {
    let refund = |kind: &str, status: &str| {
        let object = json!({
            "id": "re_1", "object": "refund", "amount": 500, "currency": "eur", "charge": "ch_1", "payment_intent": "pi_1",
            "status": status, "metadata": {},
        });
        only(read("stripe", &stripe(kind, object, Value::Null)))
    };
    let made = refund("refund.created", "pending");
    assert_eq!((made.by.id.as_str(), whom(&made).2), ("stripe:re_1:refunded", Some("ch_1")));
    assert_eq!((&made.properties["amount"], &made.properties["charge"]), (&json!(5.0), &json!("ch_1")));
    assert_eq!(refund("refund.updated", "succeeded").by.id, made.by.id);
    let failed = refund("refund.failed", "failed");
    assert_eq!((failed.by.id.as_str(), &failed.properties["amount"]), ("stripe:re_1:failed", &json!(0)));
    assert_eq!(failed.properties["failed_amount"], 5.0);
}

#[test]
fn a_refunded_order_counts_as_its_payment_did() {
    let order = |file: &str, amount: Value| {
        let mut body: Value = serde_json::from_str(document(file)["body"].as_str().unwrap()).unwrap();
        body["meta"]["event_name"] = json!("order_refunded");
        body["data"]["attributes"]["refunded_amount"] = amount;
        read(file, &body)
    };
    let part = only(order("lemonsqueezy-order-created.json", json!(900)));
    assert_eq!(
        (part.name.as_str(), part.by.id.as_str()),
        ("payment_refunded", "lemonsqueezy:order-410002:refunded:900")
    );
    assert_eq!((&part.properties["charge"], &part.properties["refunded_total"]), (&json!("order-410002"), &json!(9.0)));
    assert!(matches!(order("lemonsqueezy-order-of-subscription.json", json!(900)), Ok(Told::Nothing(_))));
}

#[test]
fn documents_of_test_mode_count_only_when_that_is_said() {
    for file in ["stripe-invoice-paid.json", "lemonsqueezy-payment-success.json"] {
        let delivery = proved(file).unwrap();
        let Ok(Told::Nothing(why)) = delivery.told(&RULES, Mode::Live) else { panic!("{file}") };
        assert!(why.contains("TANDEM_BILLING_TEST_MODE"));
        assert!(matches!(delivery.told(&RULES, Mode::Test), Ok(Told::Events(_))), "{file}");
    }
}

#[test]
fn a_thin_event_says_what_to_choose() {
    let thin = json!({
        "id": "evt_1", "object": "v2.core.event", "type": "v1.customer.subscription.created", "livemode": true,
        "created": "2026-11-20T10:15:32.000Z", "related_object": {"id": "sub_1", "type": "subscription"},
    });
    let Err(Unusable::Lacking(issue)) = read("stripe", &thin) else { panic!("an issue") };
    assert!(issue.message.contains("choose snapshot"), "{issue:?}");
}
