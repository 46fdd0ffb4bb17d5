//! Contact fields, as listed.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Listed, Loose, Loosely};

/// `{"total": 28, "fields": …}`.
#[derive(Deserialize)]
pub(in crate::mautic) struct Fields {
    pub total: Loosely<usize>,
    pub fields: Listed<Field>,
}

/// `{"field": …}`.
#[derive(Deserialize)]
pub(in crate::mautic) struct OneField {
    pub field: Field,
}

/// A contact field (recording `058-fields-list`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Field {
    #[serde(default)]
    pub id: Loosely<u64>,
    pub alias: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, rename = "isPublished")]
    pub is_published: Loose,
    #[serde(default)]
    pub properties: Properties,
}

/// What a field's kind needs: options of a select, decimal places of a number. `[]` when there is nothing to say.
#[derive(Default)]
pub(in crate::mautic) struct Properties {
    pub options: Vec<String>,
    pub scale: Option<u8>,
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut properties = Self::default();
        for (name, value) in Listed::<Value>::deserialize(deserializer)?.0 {
            match name.as_str() {
                "list" => properties.options = options(&value),
                "scale" => properties.scale = scale(&value),
                _ => {}
            }
        }
        Ok(properties)
    }
}

/// `["Mr"]`, `[{"label": "VIP", "value": "vip"}]`, `{"vip": "VIP"}`, or in older versions `"a|b"`.
fn options(list: &Value) -> Vec<String> {
    let option = |item: &Value| item.get("value").unwrap_or(item).as_str().map(str::to_owned);
    match list {
        Value::Array(items) => items.iter().filter_map(option).collect(),
        Value::Object(items) => items.keys().cloned().collect(),
        Value::String(text) => text.split('|').map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// A number, or a number as text (recording `061-field-create-total_spent`).
fn scale(value: &Value) -> Option<u8> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|number| u8::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
