//! The values that Mautic drops without a word.

use serde_json::Value;

/// Whether PHP takes the value for a number whose integer part is 0.
///
/// Mautic answers 200 to a POST or PATCH of such a value and keeps the old one (recordings `148-patch-zero`,
/// `158-create-with-zero`); only a PUT stores it (`157-put-full-zero`, `161-batch-put-no-id`). Booleans are stored.
#[must_use]
pub fn casts_to_zero(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(below_one),
        Value::String(text) => numeric(text).is_some_and(below_one),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn below_one(number: f64) -> bool {
    number.abs() < 1.0
}

/// PHP 8's `is_numeric`: a decimal with an optional exponent, blanks on either side; no hexadecimal, no `inf`.
fn numeric(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_php_casts_to_zero_is_found() {
        for value in [
            json!(0),
            json!(0.0),
            json!(-0.0),
            json!(0.25),
            json!(-0.99),
            json!("0"),
            json!("0000"),
            json!("0.25"),
            json!(" 0"),
            json!("0 "),
            json!("\n0"),
            json!("0e123"),
            json!("1e-3"),
            json!("-0.5"),
            json!(".5"),
            json!("+0"),
            json!("0."),
        ] {
            assert!(casts_to_zero(&value), "{value}");
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        for value in [
            json!(1),
            json!(-1),
            json!(1.5),
            json!("1"),
            json!("0x0"),
            json!("0 0"),
            json!(""),
            json!(" "),
            json!("."),
            json!("e5"),
            json!("1e"),
            json!("inf"),
            json!("nan"),
            json!("zero"),
            json!("0,0"),
            json!(false),
            json!(null),
            json!([0]),
            json!({"a": 0}),
            json!("1e400"),
        ] {
            assert!(!casts_to_zero(&value), "{value}");
        }
    }
}
