//! Numbers, as JSON numbers: the platform compares and counts with them.

use serde_json::{Number, Value};

use super::text::without_apostrophe;
use super::{Outcome, invalid, wrong_type};

/// A number, or a plain decimal text such as `39.08`. It is not rounded: the platform does that to the field's scale.
pub(crate) fn number(value: &Value) -> Outcome {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(Some(Value::Number(unsigned_zero(number)))),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => match decimal(without_apostrophe(text).trim()) {
            Some(number) => Ok(Some(Value::Number(number))),
            None => Err(invalid("is not a plain decimal number such as 1234.5")),
        },
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(wrong_type("a number")),
    }
}

/// `-0.0` would be another text in JSON, and so a change, though it is no other number.
fn unsigned_zero(number: &Number) -> Number {
    if number.as_f64() == Some(0.0) { Number::from(0) } else { number.clone() }
}

fn decimal(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.chars().any(|c| c.is_ascii_digit())
        && digits.matches('.').count() <= 1;
    if !plain {
        return None;
    }
    match text.parse::<i64>() {
        Ok(integer) => Some(Number::from(integer)),
        Err(_) => text.parse::<f64>().ok().and_then(Number::from_f64).as_ref().map(unsigned_zero),
    }
}
