//! Is what the platform shows what it was sent? Platforms change what they store: Mautic cuts seconds, rounds numbers and
//! shows booleans as 1 and 0 (recording `068-contact-custom-fields`).

use jiff::{SignedDuration, Timestamp, civil};
use serde_json::Value;

/// Half of the last place that Mautic keeps of a number by default.
const ROUNDING: f64 = 0.005;
/// What is cut off a moment.
const CUT: SignedDuration = SignedDuration::from_secs(60);

/// Whether the platform shows what was sent, as far as it keeps it. Nothing shown is as good as `null`.
#[must_use]
pub fn is_same(sent: &Value, shown: Option<&Value>) -> bool {
    let shown = shown.unwrap_or(&Value::Null);
    if sent == shown {
        return true;
    }
    match (sent, shown) {
        // Two texts are no numbers: a postcode may begin with a zero.
        (Value::String(sent), Value::String(shown)) => sent.trim() == shown.trim() || is_same_moment(sent, shown),
        _ => match (number(sent), number(shown)) {
            (Some(sent), Some(shown)) => (sent - shown).abs() <= ROUNDING,
            _ => false,
        },
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_same_moment(sent: &str, shown: &str) -> bool {
    match (moment(sent), moment(shown)) {
        (Some(sent), Some(shown)) => sent.duration_since(shown).abs() < CUT,
        _ => false,
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let local: civil::DateTime = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(local).ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_platform_made_of_a_value_is_still_that_value() {
        for (sent, shown) in [
            (json!("2026-11-01T10:20:30Z"), json!("2026-11-01 10:20:00")),
            (json!(1234.567), json!("1234.57")),
            (json!(true), json!(1)),
            (json!("vip"), json!(" vip")),
            (json!(0), json!("0")),
        ] {
            assert!(is_same(&sent, Some(&shown)), "{sent} {shown}");
        }
    }

    #[test]
    fn another_value_is_another_value() {
        assert!(!is_same(&json!("vip"), Some(&json!("regular"))));
        assert!(!is_same(&json!(5), Some(&json!(6))));
        assert!(!is_same(&json!("vip"), None));
        assert!(!is_same(&json!("0800"), Some(&json!("800"))));
        assert!(!is_same(&json!("2026-11-01"), Some(&json!("2026-11-02"))));
    }
}
