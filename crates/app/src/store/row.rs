//! Items of the table and what they hold.
//!
//! An item is a row: plain attributes that conditions look at, and one attribute with the whole value as JSON text. JSON
//! text gives back exactly the numbers that went in, which DynamoDB's own decimals do not.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_core::error::{Failure, FailureKind, Result};

use super::failure::storage;
use super::keys::Key;

/// An item as the SDK holds it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The longest text that an item holds, in bytes: DynamoDB takes 400 KB an item, with its keys and names.
pub(super) const LONGEST_TEXT: usize = 350_000;

/// The attribute with the whole value as JSON text.
pub(super) const DOCUMENT: &str = "document";

/// The item of a row under a key.
pub(super) fn item(key: Key, row: &impl Serialize) -> Result<Item> {
    let mut item: Item =
        serde_dynamo::to_item(row).map_err(|_| storage("an item could not be written as attributes"))?;
    item.extend(attributes(key));
    Ok(item)
}

/// A key as attributes.
pub(super) fn attributes(key: Key) -> Item {
    HashMap::from([("pk".to_owned(), AttributeValue::S(key.pk)), ("sk".to_owned(), AttributeValue::S(key.sk))])
}

/// The key of an item.
pub(super) fn key_of(item: &Item) -> Option<Key> {
    Some(Key { pk: text(item, "pk")?.to_owned(), sk: text(item, "sk")?.to_owned() })
}

/// The text that an attribute of an item holds.
pub(super) fn text<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute)?.as_s().ok().map(String::as_str)
}

/// The row of an item; attributes that it has no place for are left out.
pub(super) fn row<T: DeserializeOwned>(item: Item) -> Result<T> {
    // The cause is not told: it can repeat values.
    serde_dynamo::from_item(item).map_err(|_| storage("an item of the table does not have the attributes it should"))
}

/// A value as JSON text; `Invalid` when it is too long for an item.
pub(super) fn document(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value).map_err(|_| storage("a value could not be written as JSON"))?;
    if text.len() > LONGEST_TEXT {
        return Err(Failure::new(FailureKind::Invalid, "is longer than the 350 KB that one item can hold"));
    }
    Ok(text)
}

/// A value from JSON text.
pub(super) fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| storage("an item of the table holds JSON that can't be read"))
}

/// A moment from the microseconds that a row holds.
pub(super) fn moment(microseconds: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|_| storage("an item of the table holds no moment where it should"))
}
