//! What must hold of an item for a write to be made.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

/// A condition expression with its values.
///
/// Attribute names in expressions hold an underscore or are `pk`, `sk` and `document`: none of them is one of DynamoDB's
/// reserved words, so no name needs an alias.
#[derive(Clone)]
pub(super) struct Condition {
    pub(super) text: String,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Condition {
    /// A condition on the item's attributes; its placeholders get their values by the methods below.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: HashMap::new() }
    }

    /// The item is not there.
    pub(super) fn absent() -> Self {
        Self::new("attribute_not_exists(pk)")
    }

    /// The same, and nobody has a lease on the item at `now`.
    pub(super) fn and_unheld(mut self, now: Timestamp) -> Self {
        self.text = format!("({}) AND (attribute_not_exists(lease_until) OR lease_until < :unheld_at)", self.text);
        self.moment(":unheld_at", now)
    }

    /// Gives a placeholder a text.
    pub(super) fn text(mut self, placeholder: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(placeholder.into(), AttributeValue::S(value.into()));
        self
    }

    /// Gives a placeholder a number.
    pub(super) fn number(mut self, placeholder: &str, value: impl ToString) -> Self {
        self.values.insert(placeholder.to_owned(), AttributeValue::N(value.to_string()));
        self
    }

    /// Gives a placeholder a moment, in the unit that rows hold moments in.
    pub(super) fn moment(self, placeholder: &str, value: Timestamp) -> Self {
        self.number(placeholder, value.as_microsecond())
    }
}
