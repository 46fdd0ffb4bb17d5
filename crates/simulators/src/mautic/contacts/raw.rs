//! The values that a create takes over before its form has seen them.
//!
//! Mautic looks for a known contact with the values as they were sent, and where it finds none it goes on with the empty
//! contact that it put them into. That is why a create keeps a 0.25 which the form's own path would drop.

use serde_json::{Map, Value, json};

use super::value::{clean_email, joined_choices, moment};
use crate::mautic::{php, rows::Field};

/// The raw value of a field, cleaned a little; None where it counts as empty.
pub(crate) fn raw_value(field: &Field, params: &Map<String, Value>) -> Option<Value> {
    let raw = params.get(&field.alias).filter(|raw| !raw.is_null())?;
    let value = match field.kind.as_str() {
        "boolean" => json!(php::boolean(raw)),
        "number" => json!(php::numeric(raw).unwrap_or(0.0)),
        "email" => json!(clean_email(&php::text(raw))),
        "datetime" | "date" | "time" => moment(&field.kind, raw, true)?,
        "multiselect" => json!(joined_choices(raw)),
        _ => json!(php::text(raw)),
    };
    (!php::loosely_empty(&value)).then_some(value)
}

/// The identifier by which a create looks for a known contact.
pub(crate) fn raw_identifier(field: &Field, params: &Map<String, Value>) -> Option<String> {
    raw_value(field, params).map(|value| php::text(&value)).filter(|text| !text.is_empty())
}

/// The address that a request carries.
pub(crate) fn raw_email(params: &Map<String, Value>) -> Option<String> {
    let email = clean_email(&php::text(params.get("email")?));
    (!email.is_empty()).then_some(email)
}
