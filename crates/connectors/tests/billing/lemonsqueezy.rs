//! Lemon Squeezy's documents.

use serde_json::json;

use super::*;

#[test]
fn a_new_subscription_is_a_plan() {
    let new = event("lemonsqueezy-subscription-created.json");
    let properties = json!({"provider": "lemonsqueezy", "price": "510001", "subscription": "1001", "status": "active"});
    let id = format!("lemonsqueezy:subscription_created:1001:{HAPPENED}");
    assert_eq!(essence(&new), json!({"id": id, "name": "plan_change", "properties": properties}));
    assert_eq!(whom(&new), (Some("7f9c24e8"), Some("mira.oduya@example.com"), Some("310001")));
    assert_eq!(new.user.fields.keys().collect::<Vec<_>>(), ["first_name", "last_name"]);
    assert_eq!(event("lemonsqueezy-subscription-trial.json").properties["status"], "trialing");
}

#[test]
fn deliveries_about_a_subscription_say_how_it_stands() {
    for (file, name, status, price) in [
        ("subscription-updated", "plan_change", "active", Some("510002")),
        ("subscription-cancelled", "plan_change", "cancels_at_period_end", Some("510001")),
        ("subscription-expired", "subscription_cancelled", "expired", None),
        ("subscription-paused", "subscription_paused", "paused", None),
        ("subscription-unpaused", "subscription_resumed", "active", Some("510001")),
        ("subscription-resumed", "subscription_resumed", "active", Some("510001")),
    ] {
        let event = event(&format!("lemonsqueezy-{file}.json"));
        assert_eq!((event.name.as_str(), &event.properties["status"]), (name, &json!(status)), "{file}");
        assert_eq!(event.properties.get("price").and_then(Value::as_str), price, "{file}");
        assert_eq!((&event.properties["subscription"], event.user.fields.len()), (&json!("1001"), 0), "{file}");
    }
}

#[test]
fn payments_count_once_by_their_invoice() {
    let paid = event("lemonsqueezy-payment-success.json");
    let properties = json!({"provider": "lemonsqueezy", "amount": 19.0, "currency": "EUR", "subscription": "1001"});
    let id = "lemonsqueezy:invoice-2001:paid";
    assert_eq!(essence(&paid), json!({"id": id, "name": "payment_succeeded", "properties": properties}));
    let back = event("lemonsqueezy-payment-refunded.json");
    assert_eq!((back.name.as_str(), &back.properties["amount"]), ("payment_refunded", &json!(19.0)));
    assert_eq!(back.by.id, "lemonsqueezy:invoice-2001:refunded:1900");
    let failed = event("lemonsqueezy-payment-failed.json");
    assert_eq!((failed.name.as_str(), &failed.properties["subscription"]), ("subscription_past_due", &json!("1001")));
}

#[test]
fn an_order_counts_unless_a_subscription_pays_for_it() {
    let ordered = event("lemonsqueezy-order-created.json");
    assert_eq!((ordered.name.as_str(), &ordered.properties["amount"]), ("payment_succeeded", &json!(49.0)));
    assert_eq!(ordered.by.id, "lemonsqueezy:order-410002:paid");
    assert!(nothing("lemonsqueezy-order-of-subscription.json").contains("subscription"));
    assert!(nothing("lemonsqueezy-unused-type.json").contains("type"));
}
