//! A local record: what the application says of a person, field by field.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dated::Dated;
use super::identity::{Email, ExternalId, Identity};
use super::kind::Kind;
use super::scope::IntegrationId;

/// Fields of a record by the application's names; `null` where a value was taken away.
pub type Fields = BTreeMap<String, Value>;

/// The most that is taken of one row, in bytes of its fields' JSON: several of them, and what is noted beside them, fit into an
/// item of the table.
pub const LARGEST_ROW: usize = 64 * 1024;

/// What the application wants a contact to be. The newest state of all that it sent, not only of the last call.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The application's id, when it gave one.
    pub external_id: Option<ExternalId>,
    /// The address, when it is known and sound.
    pub email: Option<Email>,
    /// The address that the application gives the person while another record has it: taken as soon as that one gives it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Email>,
    /// Where the address was corrected on a platform: the application's own one, until it says another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<Corrected>,
    /// All other fields.
    pub fields: Fields,
    /// When the application changed the record last, by Tandem's clock. What comes from the platform does not count.
    pub updated_at: Timestamp,
    /// Grows by one with every change; the guard of optimistic writes.
    pub version: u64,
    /// Since when the application does not have it any more.
    #[serde(default)]
    pub gone_since: Option<Timestamp>,
    /// Values of the application that the platform's took the place of, by the rules' local names: until the application
    /// says something else, its old value is no change. Kept with the fields, so that no crash parts the two.
    #[serde(default)]
    pub overlaid: Fields,
    /// Fields whose values come from an older state than the newest one, and when the application made that state: of several
    /// rows of one person, an older one gives what the newest does not have at all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub older: BTreeMap<String, Timestamp>,
    /// When the application said its values, as far as that was not with its newest state.
    #[serde(default, skip_serializing_if = "Dated::is_empty")]
    pub dated: Dated,
    /// Of fields whose values came from a platform, which integration said so and when, by the rules' local names. The
    /// application said all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub said: BTreeMap<String, Said>,
}

/// Who said a field's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The integration in whose platform it was changed.
    pub by: IntegrationId,
    /// When, by the platform's clock.
    pub at: Timestamp,
}

/// That people corrected the address on a platform.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrected {
    /// The application's address. It leads to the record all the same: the application goes on saying it.
    pub application: Email,
    /// Who corrected it.
    #[serde(flatten)]
    pub said: Said,
}

impl std::fmt::Debug for Corrected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Corrected").field("said", &self.said).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.fields.keys().collect();
        f.debug_struct("Record").field("version", &self.version).field("fields", &names).finish_non_exhaustive()
    }
}

impl Record {
    /// When the application changed the record last: by its own word, else by Tandem's clock.
    #[must_use]
    pub fn said_at(&self) -> Timestamp {
        self.source_updated_at().unwrap_or(self.updated_at)
    }

    /// When the application said the value that it has under these names.
    #[must_use]
    pub fn value_said_at<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Timestamp {
        let older = names.clone().filter_map(|name| self.older.get(name)).max();
        older.copied().or_else(|| self.dated.of(names)).unwrap_or_else(|| self.said_at())
    }

    /// The addresses that lead to the record.
    pub fn addresses(&self) -> impl Iterator<Item = &Email> {
        let of_application = self.corrected.as_ref().map(|corrected| &corrected.application);
        self.email.iter().chain(of_application)
    }

    /// The identities by which the record is known, one of this kind.
    pub fn identities(&self, kind: Kind) -> impl Iterator<Item = Identity> {
        let id = self.external_id.iter().map(move |id| id.identity_as(kind));
        id.chain(self.addresses().filter(move |_| kind.is_person()).map(Email::identity))
    }

    /// Whether an address leads to the record.
    #[must_use]
    pub fn has_address(&self, email: &Email) -> bool {
        self.addresses().any(|held| held == email)
    }

    /// Whether an address is the application's old word, in whose place a platform's stands.
    #[must_use]
    pub fn is_corrected(&self, given: &Email) -> bool {
        self.corrected.as_ref().is_some_and(|corrected| corrected.application == *given)
    }

    /// When the application says that it changed the record last, if it says so.
    #[must_use]
    pub fn source_updated_at(&self) -> Option<Timestamp> {
        moment(self.fields.get(UPDATED_AT)?)
    }
}

/// The field in which an application says when it changed the record.
pub const UPDATED_AT: &str = "updated_at";

/// When the application says that it made these changes, if it says so.
#[must_use]
pub fn source_updated_at(patch: &Patch) -> Option<Timestamp> {
    match patch.get(UPDATED_AT)? {
        Change::Set(value) => moment(value),
        Change::Clear => None,
    }
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str()?.trim().parse().ok()
}

/// What a call says of one field: nothing (keep), nothing any more (clear), or a value (set).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Take the value away.
    Clear,
    /// Put this value there.
    Set(Value),
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Clear => "Clear",
            Self::Set(_) => "Set(..)",
        })
    }
}

/// Changes by field; a field that is not in it is kept.
pub type Patch = BTreeMap<String, Change>;

impl Change {
    /// What a record holds after it. A cleared field stays as `null`: only that tells it from one that nobody ever spoke of.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Clear => Value::Null,
            Self::Set(value) => value.clone(),
        }
    }
}

/// The fields after a patch.
#[must_use]
pub fn patched(fields: &Fields, patch: &Patch) -> Fields {
    let mut result = fields.clone();
    result.extend(patch.iter().map(|(name, change)| (name.clone(), change.value())));
    result
}

/// Whether a value is a text of nothing but white space. It stands for a column that is there and has no value: it changes
/// nothing on the platform, and is no gap that an older state could fill.
#[must_use]
pub fn is_blank_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}
