//! Stripe's documents.

use serde_json::json;
use tandem_core::domain::issue::IssueCode;

use super::*;

#[test]
fn a_new_subscription_is_a_plan_in_either_shape_of_the_document() {
    let new = event("stripe-subscription-created.json");
    let properties =
        json!({"provider": "stripe", "price": "price_example_pro", "subscription": "sub_example1", "status": "active"});
    assert_eq!(essence(&new), json!({"id": "stripe:evt_example01", "name": "plan_change", "properties": properties}));
    assert_eq!(whom(&new), (Some("7f9c24e8"), None, Some("cus_example1")));
    assert_eq!(new.by.at.to_string(), HAPPENED);
    let old = event("stripe-subscription-created-2024.json");
    assert_eq!((old.name.as_str(), &old.properties["status"]), ("plan_change", &json!("trialing")));
    assert_eq!(old.properties["price"], "price_example_pro");
}

#[test]
fn an_upgrade_names_both_prices_and_a_product_stands_in_for_a_price() {
    let upgrade = event("stripe-subscription-updated.json");
    assert_eq!(upgrade.properties["price"], "prod_example_enterprise");
    assert_eq!(upgrade.properties["old_price"], "price_example_pro");
}

#[test]
fn what_ends_later_has_not_ended() {
    let ending = event("stripe-subscription-cancels.json");
    assert_eq!((ending.name.as_str(), &ending.properties["status"]), ("plan_change", &json!("cancels_at_period_end")));
}

#[test]
fn states_become_events_of_their_own() {
    for (file, name, status) in [
        ("stripe-subscription-past-due.json", "subscription_past_due", "past_due"),
        ("stripe-subscription-collection-paused.json", "subscription_paused", "paused"),
        ("stripe-subscription-paused.json", "subscription_paused", "paused"),
        ("stripe-subscription-deleted.json", "subscription_cancelled", "cancelled"),
    ] {
        let event = event(file);
        assert_eq!(event.name.as_str(), name, "{file}");
        let given = json!({"provider": "stripe", "subscription": "sub_example1", "status": status});
        assert_eq!(json!(event.properties), given, "{file}");
    }
    let resumed = event("stripe-subscription-resumed.json");
    assert_eq!(
        (resumed.name.as_str(), &resumed.properties["price"]),
        ("subscription_resumed", &json!("price_example_pro"))
    );
}

#[test]
fn of_one_second_what_ends_comes_after_what_begins_and_payments_before_both() {
    let rank = |file: &str| event(file).by.rank;
    let order = [
        rank("stripe-invoice-paid.json"),
        rank("stripe-subscription-created.json"),
        rank("stripe-subscription-updated.json"),
        rank("stripe-subscription-paused.json"),
        rank("stripe-subscription-deleted.json"),
    ];
    assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
}

#[test]
fn an_invoice_is_a_payment_in_main_units_in_either_shape() {
    let paid = event("stripe-invoice-paid.json");
    let properties = json!({"provider": "stripe", "amount": 19.0, "currency": "EUR", "subscription": "sub_example1"});
    let id = "stripe:in_example1:paid";
    assert_eq!(essence(&paid), json!({"id": id, "name": "payment_succeeded", "properties": properties}));
    assert_eq!(whom(&paid), (Some("7f9c24e8"), Some("mira.oduya@example.com"), Some("cus_example1")));
    assert!(paid.user.fields.is_empty(), "the name on an invoice is not the user's");
    let older = event("stripe-invoice-paid-2024.json");
    assert_eq!((whom(&older), &older.properties), (whom(&paid), &paid.properties));
}

#[test]
fn each_failed_attempt_is_an_event_of_its_own() {
    let failed = event("stripe-invoice-payment-failed.json");
    assert_eq!((failed.name.as_str(), failed.by.id.as_str()), ("subscription_past_due", "stripe:in_example3:failed:2"));
}

#[test]
fn a_checkout_ties_customer_user_and_address_together() {
    let checkout = event("stripe-checkout-completed.json");
    assert_eq!(checkout.name.as_str(), "checkout_completed");
    assert_eq!(whom(&checkout), (Some("7f9c24e8"), Some("mira.oduya@example.com"), Some("cus_example1")));
    assert_eq!(checkout.user.fields.keys().collect::<Vec<_>>(), ["first_name", "last_name"]);
}

#[test]
fn a_checkout_of_something_paid_once_is_a_payment_too() {
    let Ok(Told::Events(events)) = told("stripe-checkout-one-off.json") else { panic!("two events") };
    assert_eq!(
        events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(),
        ["checkout_completed", "payment_succeeded"]
    );
    assert_eq!(
        (events[1].by.id.as_str(), &events[1].properties["amount"]),
        ("stripe:cs_test_example2:paid", &json!(49.0))
    );
}

#[test]
fn a_price_that_nobody_configured_is_told_as_it_is() {
    assert_eq!(event("stripe-subscription-unknown-price.json").properties["price"], "price_example_new");
}

#[test]
fn what_tandem_does_not_use_says_why() {
    assert!(nothing("stripe-subscription-incomplete.json").contains("not begun"));
    assert!(nothing("stripe-unused-type.json").contains("type"));
}

#[test]
fn what_is_lacking_is_named() {
    let Err(Unusable::Lacking(issue)) = told("stripe-subscription-without-price.json") else { panic!("an issue") };
    assert_eq!((issue.field.as_str(), issue.code), ("data.object.items", IssueCode::Missing));
    assert!(matches!(told("stripe-malformed.json"), Err(Unusable::Unreadable { line: 1, .. })));
}

#[test]
fn what_is_not_proved_can_not_be_read() {
    for file in ["stripe-forged.json", "stripe-stale.json", "stripe-unsigned.json", "lemonsqueezy-forged.json"] {
        assert!(proved(file).is_none(), "{file}");
    }
}
