//! Lemon Squeezy's documents to lifecycle events. A delivery carries no id: the event's is made of what it tells and when the
//! resource was changed. `subscription_updated` comes beside every other delivery about a subscription, and says the same.

use serde_json::{Value, json};
use tandem_core::automation::event::LifecycleEvent;
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::domain::issue::{FieldIssue, IssueCode};

use super::wire::{Envelope, Status, ends_at, sold, status};
use crate::billing::document::Document;
use crate::billing::telling::{Person, event, highest, moment, properties, rank};
use crate::billing::{Provider, Told, money};

const LEMON: Provider = Provider::LemonSqueezy;

/// What a delivery of Lemon Squeezy's tells.
///
/// # Errors
/// What the document lacks, for a kind that is used.
pub fn told(document: &Value, rules: &RuleBook) -> Result<Told, FieldIssue> {
    let root = Document::whole(document);
    let name = root.need("meta")?.need("event_name")?.text()?;
    let read = || Envelope::read(&root, name.clone());
    let event = match name.as_str() {
        "subscription_created" => state(read()?, rules, rank::CREATED)?,
        "subscription_updated" => state(read()?, rules, rank::UPDATED)?,
        "subscription_resumed" | "subscription_unpaused" => resumed(read()?, rules)?,
        "subscription_paused" => said(read()?, "subscription_paused", "paused", rank::PAUSED)?,
        "subscription_cancelled" => cancelled(read()?, rules, rank::PAUSED)?,
        "subscription_expired" => said(read()?, "subscription_cancelled", "expired", rank::ENDED)?,
        "subscription_payment_success" => return paid(read()?, "invoice"),
        "subscription_payment_failed" => failed(read()?)?,
        "subscription_payment_refunded" => return refunded(read()?, "invoice"),
        "order_created" => return ordered(read()?, rules),
        "order_refunded" => return order_refunded(read()?, rules),
        _ => return Ok(Told::Nothing("Tandem does not use events of this type.")),
    };
    Ok(Told::Events(vec![event]))
}

/// A subscription as it is now.
fn state(envelope: Envelope<'_>, rules: &RuleBook, rank: u8) -> Result<LifecycleEvent, FieldIssue> {
    match status(&envelope.object)? {
        Status::Active => with_price(envelope, rules, "plan_change", "active", rank),
        Status::Trialing => with_price(envelope, rules, "plan_change", "trialing", rank),
        Status::PastDue => said(envelope, "subscription_past_due", "past_due", rank),
        Status::Paused => said(envelope, "subscription_paused", "paused", rank),
        Status::Cancelled => cancelled(envelope, rules, rank),
        Status::Expired => said(envelope, "subscription_cancelled", "expired", rank),
    }
}

/// A cancelled subscription goes on to the end of the period that is paid: until then, the customer has what was bought.
fn cancelled(envelope: Envelope<'_>, rules: &RuleBook, rank: u8) -> Result<LifecycleEvent, FieldIssue> {
    if ends_at(&envelope.object)?.is_some_and(|end| end > envelope.at) {
        return with_price(envelope, rules, "plan_change", "cancels_at_period_end", rank);
    }
    said(envelope, "subscription_cancelled", "cancelled", rank)
}

fn resumed(envelope: Envelope<'_>, rules: &RuleBook) -> Result<LifecycleEvent, FieldIssue> {
    with_price(envelope, rules, "subscription_resumed", "active", rank::TAKEN_UP)
}

fn with_price(
    envelope: Envelope<'_>,
    rules: &RuleBook,
    name: &str,
    status: &str,
    rank: u8,
) -> Result<LifecycleEvent, FieldIssue> {
    let price = highest(&[sold(&envelope.object)?], LEMON, rules);
    about(envelope, name, [("price", price.map(Value::from)), ("status", Some(json!(status)))], rank)
}

/// An event that names no price: what ends, waits or fails needs none, and an unknown one must not hold it up.
fn said(envelope: Envelope<'_>, name: &str, status: &str, rank: u8) -> Result<LifecycleEvent, FieldIssue> {
    about(envelope, name, [("status", Some(json!(status))), ("price", None)], rank)
}

/// An event about a subscription. Who its customer is, its beginning says.
fn about(
    envelope: Envelope<'_>,
    name: &str,
    given: [(&str, Option<Value>); 2],
    rank: u8,
) -> Result<LifecycleEvent, FieldIssue> {
    let id = format!("{}:{}:{}", envelope.name, envelope.id, envelope.at);
    let is_new = rank == rank::CREATED;
    let mut properties = properties(LEMON, given);
    properties.insert("subscription".to_owned(), json!(envelope.id));
    let person = if is_new { envelope.person } else { nameless(envelope.person) };
    let user = person.user(LEMON, &envelope.object, "customer_id")?;
    event(moment(envelope.at, rank, LEMON, &id), name, user, properties)
}

fn failed(envelope: Envelope<'_>) -> Result<LifecycleEvent, FieldIssue> {
    let id = format!("invoice-{}:failed:{}", envelope.id, envelope.at);
    let given = properties(
        LEMON,
        [
            ("subscription", Some(json!(envelope.object.need("subscription_id")?.text()?))),
            ("status", Some(json!("past_due"))),
        ],
    );
    let user = nameless(envelope.person).user(LEMON, &envelope.object, "customer_id")?;
    event(moment(envelope.at, rank::PAYMENT, LEMON, &id), "subscription_past_due", user, given)
}

/// A one-off order. The first payment of a subscription comes as an order, too: what means a tier is counted by the
/// subscription's own payment.
fn ordered(envelope: Envelope<'_>, rules: &RuleBook) -> Result<Told, FieldIssue> {
    if envelope.object.need("status")?.text()? != "paid" {
        return Ok(Told::Nothing("The order is not paid."));
    }
    if is_of_a_subscription(&envelope.object, rules)? { Ok(ITS_OWN_COUNT) } else { paid(envelope, "order") }
}

/// What was given back of a one-off order.
fn order_refunded(envelope: Envelope<'_>, rules: &RuleBook) -> Result<Told, FieldIssue> {
    if is_of_a_subscription(&envelope.object, rules)? { Ok(ITS_OWN_COUNT) } else { refunded(envelope, "order") }
}

const ITS_OWN_COUNT: Told = Told::Nothing("The order is a subscription's: its own payments count.");

fn is_of_a_subscription(order: &Document<'_>, rules: &RuleBook) -> Result<bool, FieldIssue> {
    Ok(sold(&order.need("first_order_item")?)?.tier(LEMON, rules).is_some())
}

fn paid(envelope: Envelope<'_>, kind: &str) -> Result<Told, FieldIssue> {
    let minor = envelope.object.need("total")?.number()?;
    let id = format!("{kind}-{}:paid", envelope.id);
    payment(envelope, "payment_succeeded", &id, minor, None)
}

/// What is told is how much was given back so far: the same sum told again counts once, and of a larger one what is more.
fn refunded(envelope: Envelope<'_>, kind: &str) -> Result<Told, FieldIssue> {
    let part = envelope.object.get("refunded_amount").map(|amount| amount.number()).transpose()?;
    let minor = match part.filter(|amount| *amount != 0) {
        Some(part) => part,
        None => envelope.object.need("total")?.number()?,
    };
    let charge = format!("{kind}-{}", envelope.id);
    payment(envelope, "payment_refunded", &format!("{charge}:refunded:{minor}"), minor, Some(charge))
}

/// A payment, or what was given back of `charge`.
fn payment(
    envelope: Envelope<'_>,
    name: &str,
    id: &str,
    minor: i64,
    charge: Option<String>,
) -> Result<Told, FieldIssue> {
    if minor == 0 {
        return Ok(Told::Nothing("Nothing was paid."));
    }
    let currency = envelope.object.need("currency")?;
    let code = currency.text()?.to_uppercase();
    let amount = money::of_iso(minor, &code)
        .ok_or_else(|| currency.issue(IssueCode::NotInList, "ISO 4217 has no such currency."))?;
    let subscription = envelope.object.id_at("subscription_id").map(Value::from);
    let given = properties(
        LEMON,
        [
            ("refunded_total", charge.is_some().then(|| amount.clone())),
            ("charge", charge.map(Value::from)),
            ("amount", Some(amount)),
            ("currency", Some(json!(code))),
            ("subscription", subscription),
        ],
    );
    let user = nameless(envelope.person).user(LEMON, &envelope.object, "customer_id")?;
    Ok(Told::Events(vec![event(moment(envelope.at, rank::PAYMENT, LEMON, id), name, user, given)?]))
}

fn nameless(person: Person) -> Person {
    Person { name: None, ..person }
}
