//! Documents as Lemon Squeezy sends them: JSON:API resources, with `meta` beside them.

use jiff::Timestamp;
use tandem_core::domain::issue::{FieldIssue, IssueCode};

use crate::billing::document::Document;
use crate::billing::telling::{Person, Sold, user_id};

/// What all deliveries have. They carry no id of their own.
pub(super) struct Envelope<'a> {
    /// `subscription_updated`, …
    pub name: String,
    /// The resource's id.
    pub id: String,
    /// The resource.
    pub object: Document<'a>,
    /// When it was changed last.
    pub at: Timestamp,
    /// Who bought.
    pub person: Person,
}

impl<'a> Envelope<'a> {
    /// Reads it.
    pub fn read(document: &Document<'a>, name: String) -> Result<Self, FieldIssue> {
        let data = document.need("data")?;
        let object = data.need("attributes")?;
        let updated = object.need("updated_at")?;
        let at = updated.text()?.parse();
        Ok(Self {
            name,
            id: data.need("id")?.text()?,
            at: at.map_err(|_| updated.issue(IssueCode::Invalid, "The value must be a moment with its zone."))?,
            person: Person {
                customer: object.id_at("customer_id"),
                user_id: user_id(document.find(&["meta", "custom_data"]).as_ref()),
                email: object.text_at("user_email"),
                name: object.text_at("user_name"),
                payments: Vec::new(),
            },
            object,
        })
    }
}

/// What a subscription's state means. <https://docs.lemonsqueezy.com/api/subscriptions/the-subscription-object>
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
    /// It was cancelled, and ends with the period that is paid.
    Cancelled,
    /// It ended.
    Expired,
}

/// A subscription's state.
pub(super) fn status(object: &Document<'_>) -> Result<Status, FieldIssue> {
    let told = object.need("status")?;
    let status = match told.text()?.as_str() {
        "on_trial" => Status::Trialing,
        "active" => Status::Active,
        "past_due" | "unpaid" => Status::PastDue,
        "paused" => Status::Paused,
        "cancelled" => Status::Cancelled,
        "expired" => Status::Expired,
        _ => return Err(told.issue(IssueCode::NotInList, "Lemon Squeezy had no such state when this was written.")),
    };
    Ok(status)
}

/// When a cancelled subscription ends.
pub(super) fn ends_at(object: &Document<'_>) -> Result<Option<Timestamp>, FieldIssue> {
    let Some(told) = object.get("ends_at") else { return Ok(None) };
    let moment = told.text()?.parse();
    moment.map(Some).map_err(|_| told.issue(IssueCode::Invalid, "The value must be a moment with its zone."))
}

/// What a subscription, or an order's item, is of.
pub(super) fn sold(object: &Document<'_>) -> Result<Sold, FieldIssue> {
    Ok(Sold { price: object.need("variant_id")?.text()?, product: object.id_at("product_id") })
}
