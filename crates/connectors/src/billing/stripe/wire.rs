//! Documents as Stripe sends them, in the shapes of API versions before and after 2025-03-31 ("basil"), which moved what an
//! invoice says of its subscription under `parent`. <https://docs.stripe.com/changelog/basil>

use jiff::Timestamp;
use tandem_core::domain::issue::{FieldIssue, IssueCode};

use crate::billing::document::Document;
use crate::billing::telling::{Person, Sold, user_id};

/// What all events have.
pub(super) struct Envelope<'a> {
    /// `evt_…`.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What it is about, as it was then.
    pub object: Document<'a>,
    /// Of what an update changed, what it was before.
    pub before: Option<Document<'a>>,
}

impl<'a> Envelope<'a> {
    /// Reads it.
    pub fn read(event: &Document<'a>) -> Result<Self, FieldIssue> {
        let created = event.need("created")?;
        let at = Timestamp::from_second(created.number()?)
            .map_err(|_| created.issue(IssueCode::Invalid, "The value must be a second since 1970."))?;
        let data = event.need("data")?;
        let before = data.get("previous_attributes");
        Ok(Self { id: event.need("id")?.text()?, at, object: data.need("object")?, before })
    }
}

/// A subscription.
pub(super) struct Subscription {
    /// `sub_…`.
    pub id: String,
    /// Its state.
    pub status: Status,
    /// Whether it ends by itself: at the end of the period, or at another moment that is fixed.
    pub ends: bool,
    /// What is subscribed.
    pub sold: Vec<Sold>,
    /// Whose it is.
    pub person: Person,
}

/// What a subscription's state means. <https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Paid, or about to be.
    Active,
    /// Not to be paid yet.
    Trialing,
    /// A payment failed.
    PastDue,
    /// No payments are collected.
    Paused,
    /// It ended.
    Ended,
    /// Its first payment is awaited, or never came.
    Incomplete,
}

impl Subscription {
    /// Reads it.
    pub fn read(object: &Document<'_>) -> Result<Self, FieldIssue> {
        Ok(Self {
            id: object.need("id")?.text()?,
            status: status(object)?,
            ends: object.get("cancel_at_period_end").is_some_and(|flag| flag.is_true())
                || object.get("cancel_at").is_some(),
            sold: sold(object),
            person: Person {
                customer: object.id_at("customer"),
                user_id: user_id(object.get("metadata").as_ref()),
                ..Person::default()
            },
        })
    }
}

/// The state `active` stays while the collection of payments is paused.
fn status(object: &Document<'_>) -> Result<Status, FieldIssue> {
    let told = object.need("status")?;
    let status = match told.text()?.as_str() {
        "canceled" => Status::Ended,
        // Its first payment never came: whoever tried was no customer, and nobody to win back.
        "incomplete" | "incomplete_expired" => Status::Incomplete,
        "paused" => Status::Paused,
        "active" | "trialing" | "past_due" | "unpaid" if object.get("pause_collection").is_some() => Status::Paused,
        "active" => Status::Active,
        "trialing" => Status::Trialing,
        "past_due" | "unpaid" => Status::PastDue,
        _ => return Err(told.issue(IssueCode::NotInList, "Stripe had no such state when this was written.")),
    };
    Ok(status)
}

/// The prices of a subscription's items; accounts of before 2020 have plans in their place.
pub(super) fn sold(object: &Document<'_>) -> Vec<Sold> {
    let items = object.find(&["items", "data"]).map(|items| items.items()).unwrap_or_default();
    let price = |item: &Document<'_>| {
        let price = item.get("price").or_else(|| item.get("plan"))?;
        Some(Sold { price: price.id().ok()?, product: price.id_at("product") })
    };
    items.iter().filter_map(price).collect()
}

/// An invoice.
pub(super) struct Invoice {
    /// `in_…`.
    pub id: String,
    /// The subscription that it is for.
    pub subscription: Option<String>,
    /// Whether it is a subscription's first one.
    pub is_first: bool,
    /// How often it was tried to collect it.
    pub attempts: i64,
    /// Whom it was sent.
    pub person: Person,
}

impl Invoice {
    /// Reads it.
    pub fn read(object: &Document<'_>) -> Result<Self, FieldIssue> {
        let details = object.find(&["parent", "subscription_details"]).or_else(|| object.get("subscription_details"));
        let of_subscription = details.as_ref().and_then(|details| details.get("metadata"));
        Ok(Self {
            id: object.need("id")?.text()?,
            subscription: details
                .as_ref()
                .and_then(|details| details.id_at("subscription"))
                .or_else(|| object.id_at("subscription")),
            is_first: object.text_at("billing_reason").as_deref() == Some("subscription_create"),
            attempts: object.get("attempt_count").and_then(|count| count.number().ok()).unwrap_or(0),
            person: Person {
                customer: object.id_at("customer"),
                user_id: user_id(of_subscription.as_ref()).or_else(|| user_id(object.get("metadata").as_ref())),
                email: object.text_at("customer_email"),
                payments: payments(object),
                name: None,
            },
        })
    }
}

/// A checkout.
pub(super) struct Session {
    /// `cs_…`.
    pub id: String,
    /// `payment`, `subscription` or `setup`.
    pub mode: String,
    /// Whether it was paid by itself: what an invoice was made for, is told of by that.
    pub is_paid: bool,
    /// The subscription that it began.
    pub subscription: Option<String>,
    /// Who bought.
    pub person: Person,
}

impl Session {
    /// Reads it. The application's id among the metadata goes before the reference, which may mean a cart.
    pub fn read(object: &Document<'_>) -> Result<Self, FieldIssue> {
        let mode = object.need("mode")?.text()?;
        let paid = object.text_at("payment_status").as_deref() == Some("paid");
        let details = object.get("customer_details");
        let detail = |name: &str| details.as_ref().and_then(|details| details.text_at(name));
        Ok(Self {
            id: object.need("id")?.text()?,
            is_paid: mode == "payment" && paid && object.get("invoice").is_none(),
            mode,
            subscription: object.id_at("subscription"),
            person: Person {
                customer: object.id_at("customer"),
                user_id: user_id(object.get("metadata").as_ref()).or_else(|| object.text_at("client_reference_id")),
                email: detail("email").or_else(|| object.text_at("customer_email")),
                name: detail("individual_name").or_else(|| detail("name")),
                payments: object.id_at("payment_intent").into_iter().collect(),
            },
        })
    }
}

/// What an invoice was paid by. Since "basil" it stands in a list, where Stripe was asked to show it.
fn payments(object: &Document<'_>) -> Vec<String> {
    let own = ["charge", "payment_intent"].into_iter().filter_map(|name| object.id_at(name));
    let listed = object.find(&["payments", "data"]).map(|list| list.items()).unwrap_or_default();
    let of_list = listed.iter().filter_map(|item| item.get("payment")).flat_map(|payment| {
        ["charge", "payment_intent"].into_iter().filter_map(move |name| payment.id_at(name)).collect::<Vec<_>>()
    });
    own.chain(of_list).collect()
}

/// A payment of which something was given back.
pub(super) struct Charge {
    /// `ch_…`.
    pub id: String,
    /// Who paid.
    pub person: Person,
}

impl Charge {
    /// Reads it.
    pub fn read(object: &Document<'_>) -> Result<Self, FieldIssue> {
        let id = object.need("id")?.text()?;
        let details = object.get("billing_details");
        let person = Person {
            customer: object.id_at("customer"),
            user_id: user_id(object.get("metadata").as_ref()),
            email: details.and_then(|details| details.text_at("email")).or_else(|| object.text_at("receipt_email")),
            payments: std::iter::once(id.clone()).chain(object.id_at("payment_intent")).collect(),
            name: None,
        };
        Ok(Self { id, person })
    }
}

/// A refund.
pub(super) struct Refund {
    /// `re_…`.
    pub id: String,
    /// What it gives back of: the charge, or the payment that led to it.
    pub charge: String,
    /// How much, in the currency's smallest unit.
    pub amount: i64,
    /// Whether the money came back.
    pub has_failed: bool,
    /// Who paid, as far as it says so.
    pub person: Person,
}

impl Refund {
    /// Reads it.
    pub fn read(object: &Document<'_>) -> Result<Self, FieldIssue> {
        let paid: Vec<String> =
            ["charge", "payment_intent"].into_iter().filter_map(|name| object.id_at(name)).collect();
        let charge = match paid.first() {
            Some(charge) => charge.clone(),
            None => object.need("charge")?.id()?,
        };
        Ok(Self {
            id: object.need("id")?.text()?,
            charge: charge.clone(),
            amount: object.need("amount")?.number()?,
            has_failed: matches!(object.text_at("status").as_deref(), Some("failed" | "canceled")),
            person: Person {
                customer: Some(charge),
                user_id: user_id(object.get("metadata").as_ref()),
                payments: paid,
                ..Person::default()
            },
        })
    }
}
