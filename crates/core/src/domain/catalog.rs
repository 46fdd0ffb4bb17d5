//! Which fields the platform has: what it lacks would be dropped there without a word.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The platform's contact fields by name, as it listed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCatalog {
    /// Fields by alias.
    pub fields: BTreeMap<String, RemoteField>,
    /// When the list was read, by Tandem's clock.
    pub read_at: Timestamp,
}

/// One field of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteField {
    /// What it holds.
    pub kind: RemoteFieldKind,
    /// The values that a select takes; empty for other kinds.
    pub options: Vec<String>,
    /// Decimal places of a number, when the platform rounds.
    pub scale: Option<u8>,
}

/// What a field holds, as far as Tandem treats it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteFieldKind {
    /// Free text of at most 191 characters.
    Text,
    /// Free text without that limit.
    LongText,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// One of `options`.
    Select,
    /// A day.
    Date,
    /// A moment, to the minute.
    DateTime,
    /// An email address.
    Email,
    /// A telephone number.
    Phone,
    /// A web address.
    Url,
    /// One of the platform's countries.
    Country,
    /// One of the platform's regions.
    Region,
    /// One of the platform's locales.
    Locale,
    /// One of the platform's time zones.
    Timezone,
    /// Anything else.
    Other,
}
