//! The histories of subscribers: what each provider delivers step by step, in the likeness of the example documents, and how a
//! subscriber stands after each step.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tandem_connectors::billing::Provider;

use crate::billing::document;

/// One subscriber.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who bills.
    pub provider: Provider,
    /// The number that makes all ids.
    pub number: usize,
    /// Whether subscriptions name the application's id of the user; otherwise only the customer ties them to the checkout.
    pub named: bool,
}

/// How a subscriber stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// `subscription_tier`.
    pub tier: &'static str,
    /// `subscription_status`.
    pub status: &'static str,
    /// `lifetime_value`.
    pub value: f64,
    /// The segments' names, sorted.
    pub segments: Vec<&'static str>,
    /// The campaigns' names, sorted.
    pub campaigns: Vec<&'static str>,
}

/// What is delivered of one moment, and how the subscriber stands then.
pub struct Step {
    /// The documents.
    pub documents: Vec<Value>,
    /// After them.
    pub standing: Standing,
}

const PRO: &str = "price_example_pro";
const ENTERPRISE: &str = "price_example_of_a_year";

fn standing(tier: &'static str, status: &'static str, value: f64, lists: [&[&'static str]; 2]) -> Standing {
    let [segments, campaigns] = lists.map(<[&str]>::to_vec);
    Standing { tier, status, value, segments, campaigns }
}

const ON_PRO: [&[&str]; 2] = [&["Pro Tier"], &["Pro Onboarding"]];
const ON_ENTERPRISE: [&[&str]; 2] = [&["Enterprise Tier"], &["Enterprise Onboarding"]];
const DOWN_ON_PRO: [&[&str]; 2] = [&["Pro Tier"], &["Pro Onboarding", "Retention Campaign"]];
const GONE: [&[&str]; 2] = [&["Churned"], &["Win-back Campaign"]];

impl Person {
    /// The address.
    #[must_use]
    pub fn email(&self) -> String {
        format!("payer{}@{}.example.com", self.number, self.provider)
    }

    /// The whole history.
    #[must_use]
    pub fn history(&self, start: Timestamp) -> Vec<Step> {
        let at = |step: i64| start.checked_add(SignedDuration::from_hours(step)).unwrap_or(start);
        match self.provider {
            Provider::Stripe => self.with_stripe(at),
            Provider::LemonSqueezy => self.with_lemon_squeezy(at),
        }
    }

    /// A document about a price that nobody configured.
    #[must_use]
    pub fn unknown_price(&self, at: Timestamp) -> Value {
        match self.provider {
            Provider::Stripe => {
                let mut told = self.subscription("created", at, "sub", "price_of_next_year");
                told["data"]["object"]["metadata"] = json!({"user_id": self.id()});
                told
            }
            Provider::LemonSqueezy => self.lemon("subscription-created", at, "active", 519_999),
        }
    }

    fn id(&self) -> String {
        format!("{}-{}", self.provider, self.number)
    }

    fn with_stripe(&self, at: impl Fn(i64) -> Timestamp) -> Vec<Step> {
        let paid = |step: i64, cents: i64| self.invoice("paid", at(step), step, cents);
        let updated = |step: i64, price: &str| self.subscription("updated", at(step), "sub", price);
        let with = |mut told: Value, name: &str, value: Value| {
            told["data"]["object"][name] = value;
            told
        };
        let created = |step: i64, name: &str, price: &str| self.subscription("created", at(step), name, price);
        let failed = self.invoice("payment-failed", at(2), 2, 9900);
        let deleted = self.subscription("deleted", at(6), "sub", PRO);
        let step = |documents: Vec<Value>, standing: Standing| Step { documents, standing };
        vec![
            step(
                vec![self.checkout(at(0)), created(0, "sub", PRO), paid(0, 1900)],
                standing("pro", "active", 19.0, ON_PRO),
            ),
            step(vec![updated(1, ENTERPRISE), paid(1, 8000)], standing("enterprise", "active", 99.0, ON_ENTERPRISE)),
            step(
                vec![failed, with(updated(2, ENTERPRISE), "status", json!("past_due"))],
                standing("enterprise", "past_due", 99.0, ON_ENTERPRISE),
            ),
            step(vec![updated(3, ENTERPRISE), paid(3, 9900)], standing("enterprise", "active", 198.0, ON_ENTERPRISE)),
            step(vec![updated(4, PRO)], standing("pro", "active", 198.0, DOWN_ON_PRO)),
            step(
                vec![with(updated(5, PRO), "cancel_at_period_end", json!(true))],
                standing("pro", "cancels_at_period_end", 198.0, DOWN_ON_PRO),
            ),
            step(vec![deleted], standing("pro", "cancelled", 198.0, GONE)),
            step(
                vec![created(7, "again", ENTERPRISE), paid(7, 9900)],
                standing("enterprise", "active", 297.0, ON_ENTERPRISE),
            ),
        ]
    }

    /// An event of Stripe's about this person.
    fn stripe(&self, file: &str, at: Timestamp) -> Value {
        let mut told = document(&format!("stripe-{file}.json"));
        let object = &mut told["data"]["object"];
        object["customer"] = json!(format!("cus_{}", self.number));
        let name = format!("{file}{}", at.as_second());
        told["id"] = json!(format!("evt_{}_{name}", self.number));
        told["created"] = json!(at.as_second());
        told
    }

    fn subscription(&self, kind: &str, at: Timestamp, name: &str, price: &str) -> Value {
        let mut told = self.stripe(&format!("subscription-{kind}"), at);
        let product = if price == ENTERPRISE { "prod_example_enterprise" } else { "prod_example" };
        let object = &mut told["data"]["object"];
        object["id"] = json!(format!("{name}_{}", self.number));
        object["metadata"] = if self.named { json!({"user_id": self.id()}) } else { json!({}) };
        object["items"]["data"][0]["price"] = json!({"id": price, "object": "price", "product": product});
        // What was before is told here by no document: it may be found out from those that come late.
        if let Some(data) = told["data"].as_object_mut() {
            data.remove("previous_attributes");
        }
        told
    }

    fn invoice(&self, kind: &str, at: Timestamp, step: i64, cents: i64) -> Value {
        let mut told = self.stripe(&format!("invoice-{kind}"), at);
        let user = if self.named { json!({"user_id": self.id()}) } else { json!({}) };
        let object = &mut told["data"]["object"];
        object["id"] = json!(format!("in_{}_{step}", self.number));
        object["customer_email"] = json!(self.email());
        object["parent"]["subscription_details"] =
            json!({"metadata": user, "subscription": format!("sub_{}", self.number)});
        if kind == "paid" {
            object["amount_paid"] = json!(cents);
        }
        told
    }

    fn checkout(&self, at: Timestamp) -> Value {
        let mut told = self.stripe("checkout-completed", at);
        let object = &mut told["data"]["object"];
        object["id"] = json!(format!("cs_{}", self.number));
        object["client_reference_id"] = json!(self.id());
        object["customer_details"]["email"] = json!(self.email());
        told
    }

    fn with_lemon_squeezy(&self, at: impl Fn(i64) -> Timestamp) -> Vec<Step> {
        const PRO: i64 = 510_001;
        const ENTERPRISE: i64 = 510_002;
        let state = |kind: &str, step: i64, status: &str, variant: i64| self.lemon(kind, at(step), status, variant);
        let updated = |step: i64, status: &str, variant: i64| state("subscription-updated", step, status, variant);
        let invoice = |kind: &str, step: i64, cents: i64| {
            let mut told =
                self.lemon_like(&format!("payment-{kind}"), at(step), self.number * 100 + step.unsigned_abs() as usize);
            told["data"]["attributes"]["subscription_id"] = json!(self.number);
            told["data"]["attributes"]["total"] = json!(cents);
            told
        };
        let order = self.lemon_like("order-of-subscription", at(0), self.number);
        let step = |documents: Vec<Value>, standing: Standing| Step { documents, standing };
        vec![
            step(
                vec![order, state("subscription-created", 0, "active", PRO), invoice("success", 0, 1900)],
                standing("pro", "active", 19.0, ON_PRO),
            ),
            step(
                vec![updated(1, "active", ENTERPRISE), invoice("success", 1, 8000)],
                standing("enterprise", "active", 99.0, ON_ENTERPRISE),
            ),
            step(
                vec![invoice("failed", 2, 9900), updated(2, "past_due", ENTERPRISE)],
                standing("enterprise", "past_due", 99.0, ON_ENTERPRISE),
            ),
            step(
                vec![updated(3, "active", ENTERPRISE), invoice("success", 3, 9900)],
                standing("enterprise", "active", 198.0, ON_ENTERPRISE),
            ),
            step(vec![updated(4, "active", PRO)], standing("pro", "active", 198.0, DOWN_ON_PRO)),
            step(
                vec![state("subscription-paused", 5, "paused", PRO), updated(5, "paused", PRO)],
                standing("pro", "paused", 198.0, DOWN_ON_PRO),
            ),
            step(
                vec![state("subscription-unpaused", 6, "active", PRO), updated(6, "active", PRO)],
                standing("pro", "active", 198.0, DOWN_ON_PRO),
            ),
            step(
                vec![state("subscription-cancelled", 7, "cancelled", PRO), updated(7, "cancelled", PRO)],
                standing("pro", "cancels_at_period_end", 198.0, DOWN_ON_PRO),
            ),
            step(
                vec![state("subscription-resumed", 8, "active", PRO), updated(8, "active", PRO)],
                standing("pro", "active", 198.0, DOWN_ON_PRO),
            ),
            step(
                vec![state("subscription-expired", 9, "expired", PRO), updated(9, "expired", PRO)],
                standing("pro", "expired", 198.0, GONE),
            ),
        ]
    }

    fn lemon(&self, file: &str, at: Timestamp, status: &str, variant: i64) -> Value {
        let mut told = self.lemon_like(file, at, self.number);
        let object = &mut told["data"]["attributes"];
        object["status"] = json!(status);
        object["variant_id"] = json!(variant);
        // A cancelled subscription goes on to the end of the month that is paid.
        let end = at.checked_add(SignedDuration::from_hours(24 * 30)).unwrap_or(at);
        object["ends_at"] = if status == "cancelled" { json!(end.to_string()) } else { Value::Null };
        told
    }

    /// A delivery of Lemon Squeezy's about this person.
    fn lemon_like(&self, file: &str, at: Timestamp, id: usize) -> Value {
        let mut told = document(&format!("lemonsqueezy-{file}.json"));
        told["data"]["id"] = json!(id.to_string());
        told["meta"]["custom_data"] = if self.named { json!({"user_id": self.id()}) } else { json!({}) };
        let object = &mut told["data"]["attributes"];
        object["customer_id"] = json!(self.number);
        object["user_email"] = json!(self.email());
        object["updated_at"] = json!(at.to_string());
        told
    }
}
