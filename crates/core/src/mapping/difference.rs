//! What has to be written: the difference between what is wanted and what was last sent.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// The wanted values that differ from what was sent. Numbers are compared as numbers.
///
/// What the platform echoes is no measure: it cuts seconds, rounds numbers and answers booleans as 1 and 0 (recording
/// `068-contact-custom-fields`).
#[must_use]
pub fn changed(wanted: &BTreeMap<String, Value>, sent: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    wanted
        .iter()
        .filter(|(name, value)| sent.get(*name).is_none_or(|sent| !is_equal(sent, value)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether two of the application's values are one value.
#[must_use]
pub fn is_equal(one: &Value, other: &Value) -> bool {
    canonical(one) == canonical(other)
}

/// The value with every whole number written as an integer.
fn canonical(value: &Value) -> Value {
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

    fn values(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn only_what_differs_from_what_was_sent_is_written() {
        let sent = values(&[("firstname", json!("Zoë")), ("total_orders", json!(3)), ("city", json!("Perth"))]);
        let wanted = values(&[("firstname", json!("Zoë")), ("total_orders", json!(0)), ("phone", json!("+61"))]);
        assert_eq!(changed(&wanted, &sent), values(&[("total_orders", json!(0)), ("phone", json!("+61"))]));
    }

    #[test]
    fn the_same_number_written_otherwise_is_no_change() {
        assert!(changed(&values(&[("total", json!(12.0))]), &values(&[("total", json!(12))])).is_empty());
        assert!(changed(&values(&[("total", json!(0))]), &values(&[("total", json!(-0.0))])).is_empty());
        assert!(!changed(&values(&[("total", json!(1))]), &values(&[("total", json!("1"))])).is_empty());
    }
}
