//! What must hold of an item for a write to be made.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use tandem_core::domain::link::Lease;

use super::keys::{MOST_OF_PARTITION, MOST_OF_SORT, is_within};

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

    /// The lease that ends at the moment in this attribute is over, or there is none; as [`Lease::is_held`] tells it.
    pub(super) fn unheld(until: &str, now: Timestamp) -> Self {
        Self::new(format!("attribute_not_exists({until}) OR {until} < :unheld_at OR {until} > :too_far"))
            .moment(":unheld_at", now)
            .moment(":too_far", Lease::farthest(now))
    }

    /// The same, or the item is ours already: the SDK may repeat a request whose answer was lost.
    pub(super) fn unheld_or_ours(until: &str, owner_attribute: &str, owner: &str, now: Timestamp) -> Self {
        let mut condition = Self::unheld(until, now);
        condition.text = format!("{} OR {owner_attribute} = :owner", condition.text);
        condition.text(":owner", owner)
    }

    /// Whether it compares keys with what keys can be: `:pk` with a partition key, the others with sort keys.
    pub(super) fn fits_keys(&self) -> bool {
        self.values.iter().all(|(placeholder, value)| {
            let most = if placeholder == ":pk" { MOST_OF_PARTITION } else { MOST_OF_SORT };
            value.as_s().is_ok_and(|text| is_within(text, most))
        })
    }

    /// Both hold. Neither has parentheses around all of it: DynamoDB refuses redundant ones.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.text = format!("({}) AND ({})", self.text, other.text);
        self.values.extend(other.values);
        self
    }

    /// One of the two holds.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.text = format!("({}) OR ({})", self.text, other.text);
        self.values.extend(other.values);
        self
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
