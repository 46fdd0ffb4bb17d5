//! Stripe's documents to lifecycle events. Stripe promises no order, and repeats: each event stands where `created` and its kind
//! put it, and has the id of what it tells of, so that a payment counts once, whichever documents tell of it.

use serde_json::{Value, json};
use tandem_core::automation::event::{EventUser, LifecycleEvent};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::domain::issue::{FieldIssue, IssueCode};

use super::wire::{Charge, Envelope, Invoice, Refund, Session, Status, Subscription, sold};
use crate::billing::document::Document;
use crate::billing::telling::{Person, event, highest, moment, properties, rank};
use crate::billing::{Provider, Told, money};

const STRIPE: Provider = Provider::Stripe;

/// What an event of Stripe's tells.
///
/// # Errors
/// What the document lacks, for a kind that is used.
pub fn told(document: &Value, rules: &RuleBook) -> Result<Told, FieldIssue> {
    let root = Document::whole(document);
    refuse_thin(&root)?;
    let kind = root.need("type")?.text()?;
    let read = || Envelope::read(&root);
    match kind.as_str() {
        "customer.subscription.created" => state(&read()?, rules, rank::CREATED),
        "customer.subscription.updated" => state(&read()?, rules, rank::UPDATED),
        "customer.subscription.deleted" => ended(&read()?),
        "customer.subscription.paused" => one(paused(&read()?)?),
        "customer.subscription.resumed" => one(resumed(&read()?, rules)?),
        "invoice.paid" => invoice_paid(&read()?),
        "invoice.payment_failed" => invoice_failed(&read()?),
        "checkout.session.completed" => checkout(&read()?),
        "checkout.session.async_payment_succeeded" => paid_later(&read()?),
        "charge.refunded" => charge_refunded(&read()?),
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => refund(&read()?),
        _ => Ok(Told::Nothing("Tandem does not use events of this type.")),
    }
}

/// Whoever tried was no customer, and is nobody to win back.
const NEVER_BEGAN: Told = Told::Nothing("The subscription has not begun: its first payment is missing.");

/// Thin events say that something happened, and not what is so now.
fn refuse_thin(root: &Document<'_>) -> Result<(), FieldIssue> {
    let Some(kind) = root.get("object").filter(|kind| kind.text().is_ok_and(|kind| kind.starts_with("v2."))) else {
        return Ok(());
    };
    let message = "This is a thin event, which carries no document: choose snapshot as the payload style of the event \
                   destination in Stripe.";
    Err(kind.issue(IssueCode::Invalid, message))
}

fn one(event: LifecycleEvent) -> Result<Told, FieldIssue> {
    Ok(Told::Events(vec![event]))
}

/// A subscription as it is now.
fn state(envelope: &Envelope<'_>, rules: &RuleBook, rank: u8) -> Result<Told, FieldIssue> {
    let subscription = Subscription::read(&envelope.object)?;
    let status = match subscription.status {
        Status::Incomplete => return Ok(NEVER_BEGAN),
        Status::Ended => return one(said(envelope, subscription, "subscription_cancelled", "cancelled", rank)?),
        Status::PastDue => return one(said(envelope, subscription, "subscription_past_due", "past_due", rank)?),
        Status::Paused => return one(said(envelope, subscription, "subscription_paused", "paused", rank)?),
        Status::Active | Status::Trialing if subscription.ends => "cancels_at_period_end",
        Status::Active => "active",
        Status::Trialing => "trialing",
    };
    let old = envelope.before.as_ref().and_then(|before| highest(&sold(before), STRIPE, rules));
    let given = properties(
        STRIPE,
        [
            ("price", Some(json!(price(&envelope.object, &subscription, rules)?))),
            ("old_price", old.map(Value::from)),
            ("subscription", Some(json!(subscription.id))),
            ("status", Some(json!(status))),
        ],
    );
    let user = user(subscription.person, &envelope.object)?;
    one(event(moment(envelope.at, rank, STRIPE, &envelope.id), "plan_change", user, given)?)
}

fn ended(envelope: &Envelope<'_>) -> Result<Told, FieldIssue> {
    let subscription = Subscription::read(&envelope.object)?;
    if subscription.status == Status::Incomplete {
        return Ok(NEVER_BEGAN);
    }
    one(said(envelope, subscription, "subscription_cancelled", "cancelled", rank::ENDED)?)
}

fn paused(envelope: &Envelope<'_>) -> Result<LifecycleEvent, FieldIssue> {
    said(envelope, Subscription::read(&envelope.object)?, "subscription_paused", "paused", rank::PAUSED)
}

fn resumed(envelope: &Envelope<'_>, rules: &RuleBook) -> Result<LifecycleEvent, FieldIssue> {
    let subscription = Subscription::read(&envelope.object)?;
    let given = properties(
        STRIPE,
        [
            ("price", Some(json!(price(&envelope.object, &subscription, rules)?))),
            ("subscription", Some(json!(subscription.id))),
            ("status", Some(json!("active"))),
        ],
    );
    let by = moment(envelope.at, rank::PAUSED, STRIPE, &envelope.id);
    event(by, "subscription_resumed", user(subscription.person, &envelope.object)?, given)
}

/// An event that names no price: what ends, waits or fails needs none, and an unknown one must not hold it up.
fn said(
    envelope: &Envelope<'_>,
    subscription: Subscription,
    name: &str,
    status: &str,
    rank: u8,
) -> Result<LifecycleEvent, FieldIssue> {
    let given = properties(STRIPE, [("subscription", Some(json!(subscription.id))), ("status", Some(json!(status)))]);
    let user = user(subscription.person, &envelope.object)?;
    event(moment(envelope.at, rank, STRIPE, &envelope.id), name, user, given)
}

fn invoice_paid(envelope: &Envelope<'_>) -> Result<Told, FieldIssue> {
    let invoice = Invoice::read(&envelope.object)?;
    if envelope.object.need("amount_paid")?.number()? == 0 {
        return Ok(Told::Nothing("Nothing was paid with this invoice."));
    }
    let subscription = ("subscription", invoice.subscription.map(Value::from));
    let id = format!("{}:paid", invoice.id);
    one(payment(envelope, &id, "amount_paid", subscription, user(invoice.person, &envelope.object)?)?)
}

fn invoice_failed(envelope: &Envelope<'_>) -> Result<Told, FieldIssue> {
    let invoice = Invoice::read(&envelope.object)?;
    let Some(subscription) = invoice.subscription else {
        return Ok(Told::Nothing("The invoice is for no subscription."));
    };
    if invoice.is_first {
        return Ok(Told::Nothing("The subscription has not begun: its first payment failed."));
    }
    // Each attempt is a failure of its own: between two the subscription may have been mended otherwise.
    let by = moment(envelope.at, rank::PAYMENT, STRIPE, &format!("{}:failed:{}", invoice.id, invoice.attempts));
    let given = properties(STRIPE, [("subscription", Some(json!(subscription))), ("status", Some(json!("past_due")))]);
    one(event(by, "subscription_past_due", user(invoice.person, &envelope.object)?, given)?)
}

/// A checkout says who a customer is; with it may come a payment.
fn checkout(envelope: &Envelope<'_>) -> Result<Told, FieldIssue> {
    let session = Session::read(&envelope.object)?;
    let who = user(session.person.clone(), &envelope.object)?;
    let given = properties(
        STRIPE,
        [("mode", Some(json!(session.mode))), ("subscription", session.subscription.clone().map(Value::from))],
    );
    let by = moment(envelope.at, rank::CHECKOUT, STRIPE, &envelope.id);
    let mut events = vec![event(by, "checkout_completed", who, given)?];
    events.extend(session_payment(envelope, session)?);
    Ok(Told::Events(events))
}

/// A payment by a method that takes days.
fn paid_later(envelope: &Envelope<'_>) -> Result<Told, FieldIssue> {
    match session_payment(envelope, Session::read(&envelope.object)?)? {
        Some(payment) => one(payment),
        None => Ok(Told::Nothing("The payment is told of by the invoice that was made for it.")),
    }
}

fn session_payment(envelope: &Envelope<'_>, session: Session) -> Result<Option<LifecycleEvent>, FieldIssue> {
    if !session.is_paid || envelope.object.need("amount_total")?.number()? == 0 {
        return Ok(None);
    }
    let id = format!("{}:paid", session.id);
    let who = user(Person { name: None, ..session.person }, &envelope.object)?;
    payment(envelope, &id, "amount_total", ("subscription", None), who).map(Some)
}

fn payment(
    envelope: &Envelope<'_>,
    id: &str,
    amount: &str,
    subscription: (&str, Option<Value>),
    user: EventUser,
) -> Result<LifecycleEvent, FieldIssue> {
    let (amount, currency) = money(envelope, envelope.object.need(amount)?.number()?)?;
    let given = properties(STRIPE, [("amount", Some(amount)), ("currency", Some(currency)), subscription]);
    event(moment(envelope.at, rank::PAYMENT, STRIPE, id), "payment_succeeded", user, given)
}

/// What was given back of a payment so far, with what it was before: the same sum told again counts once.
fn charge_refunded(envelope: &Envelope<'_>) -> Result<Told, FieldIssue> {
    let charge = Charge::read(&envelope.object)?;
    let whole = envelope.object.need("amount_refunded")?.number()?;
    let before = envelope.before.as_ref().and_then(|before| before.get("amount_refunded"));
    let before = before.map(|before| before.number()).transpose()?.unwrap_or(0);
    let (news, currency) = money(envelope, whole.saturating_sub(before))?;
    let (whole_amount, _) = money(envelope, whole)?;
    let id = format!("{}:refunded:{whole}", charge.id);
    let given = properties(
        STRIPE,
        [
            ("amount", Some(news)),
            ("currency", Some(currency)),
            ("charge", Some(json!(charge.id))),
            ("refunded_total", Some(whole_amount)),
        ],
    );
    let by = moment(envelope.at, rank::PAYMENT, STRIPE, &id);
    one(event(by, "payment_refunded", user(charge.person, &envelope.object)?, given)?)
}

/// One refund. It names no customer, but what was paid. While it is pending, the money is taken already; one that fails comes
/// back.
fn refund(envelope: &Envelope<'_>) -> Result<Told, FieldIssue> {
    let refund = Refund::read(&envelope.object)?;
    let (amount, currency) = money(envelope, refund.amount)?;
    let status = if refund.has_failed { "failed" } else { "refunded" };
    let id = format!("{}:{status}", refund.id);
    let given = properties(
        STRIPE,
        [
            ("amount", Some(if refund.has_failed { json!(0) } else { amount.clone() })),
            ("currency", Some(currency)),
            ("charge", Some(json!(refund.charge))),
            ("refund", Some(json!(refund.id))),
            ("status", Some(json!(status))),
            ("failed_amount", refund.has_failed.then_some(amount)),
        ],
    );
    let by = moment(envelope.at, rank::PAYMENT, STRIPE, &id);
    one(event(by, "payment_refunded", user(refund.person, &envelope.object)?, given)?)
}

/// An amount of the document's currency in main units, and the currency's code.
fn money(envelope: &Envelope<'_>, minor: i64) -> Result<(Value, Value), FieldIssue> {
    let currency = envelope.object.need("currency")?;
    let code = currency.text()?.to_uppercase();
    match money::of_stripe(minor, &code) {
        Some(amount) => Ok((amount, json!(code))),
        None => Err(currency.issue(IssueCode::NotInList, "ISO 4217 has no such currency.")),
    }
}

/// What of a subscription's prices counts.
fn price(object: &Document<'_>, subscription: &Subscription, rules: &RuleBook) -> Result<String, FieldIssue> {
    let price = highest(&subscription.sold, STRIPE, rules);
    price.map_or_else(
        || Err(object.need("items")?.issue(IssueCode::Missing, "The subscription has no item with a price.")),
        Ok,
    )
}

fn user(person: Person, object: &Document<'_>) -> Result<EventUser, FieldIssue> {
    person.user(STRIPE, object, "customer")
}
