//! A local record: what the application says of a person, field by field.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::{Email, ExternalId};

/// Fields of a record by the application's names; `null` where a value was taken away.
pub type Fields = BTreeMap<String, Value>;

/// What the application wants a contact to be. The newest state of all that it sent, not only of the last call.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The application's id, when it gave one.
    pub external_id: Option<ExternalId>,
    /// The address, when it is known and sound.
    pub email: Option<Email>,
    /// All other fields.
    pub fields: Fields,
    /// When the record was last changed, by Tandem's clock.
    pub updated_at: Timestamp,
    /// Grows by one with every change; the guard of optimistic writes.
    pub version: u64,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.fields.keys().collect();
        f.debug_struct("Record").field("version", &self.version).field("fields", &names).finish_non_exhaustive()
    }
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

/// The fields after a patch. A cleared field stays as `null`: only that tells it from one that nobody ever spoke of.
#[must_use]
pub fn patched(fields: &Fields, patch: &Patch) -> Fields {
    let mut result = fields.clone();
    for (name, change) in patch {
        let value = match change {
            Change::Clear => Value::Null,
            Change::Set(value) => value.clone(),
        };
        result.insert(name.clone(), value);
    }
    result
}
