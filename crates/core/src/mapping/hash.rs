//! A digest of what a contact shall be, to see without a comparison that nothing changed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

/// SHA-256, in hex, of the fields, the tags in any order and the stage. Equal numbers are equal, however written.
#[must_use]
pub fn hash(fields: &BTreeMap<String, Value>, tags: &[String], stage: Option<&str>) -> String {
    let fields: BTreeMap<&String, Value> = fields.iter().map(|(name, value)| (name, canonical(value))).collect();
    let tags: BTreeSet<&String> = tags.iter().collect();
    // `Value` prints object keys in order and without blanks, so equal values are equal bytes.
    let text = serde_json::json!([fields, tags, stage]).to_string();
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The value with every whole number written as an integer.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(number)),
        Value::Array(entries) => Value::Array(entries.iter().map(canonical).collect()),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(name, value)| (name.clone(), canonical(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// Up to 2^53 a float holds every integer exactly; beyond, it stays what it is.
fn whole(number: &Number) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => Number::from(float as i64),
        _ => number.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(name: &str, value: Value) -> String {
        hash(&[(name.to_owned(), value)].into(), &[], None)
    }

    #[test]
    fn equal_numbers_are_equal_however_written() {
        assert_eq!(of("n", json!(1)), of("n", json!(1.0)));
        assert_eq!(of("n", json!(0)), of("n", json!(-0.0)));
        assert_ne!(of("n", json!(1)), of("n", json!(1.5)));
        assert_ne!(of("n", json!(1)), of("n", json!("1")));
    }

    #[test]
    fn every_part_counts_and_the_order_of_tags_does_not() {
        let none = BTreeMap::new();
        let tags = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(hash(&none, &tags(&["a", "b"]), None), hash(&none, &tags(&["b", "a"]), None));
        assert_ne!(hash(&none, &tags(&["a"]), None), hash(&none, &[], None));
        assert_ne!(hash(&none, &[], Some("a")), hash(&none, &[], None));
        assert_ne!(of("a", json!("x")), of("b", json!("x")));
        assert_eq!(of("a", json!("x")).len(), 64);
    }
}
