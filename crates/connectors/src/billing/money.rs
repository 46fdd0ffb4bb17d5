//! Amounts: providers count a currency's smallest unit, events its main one.

use iso_currency::Currency;
use serde_json::{Value, json};

/// Currencies that Stripe counts otherwise than ISO 4217: ISK and UGX still in hundredths, though they have none any more; MGA,
/// whose units are fifths, in whole ones. <https://docs.stripe.com/currencies>, "Zero-decimal currencies", "Special cases".
const STRIPE: &[(&str, u32)] = &[("ISK", 2), ("UGX", 2), ("MGA", 0)];

/// An amount of Stripe's in main units; `None` for a code that ISO 4217 does not have.
pub(super) fn of_stripe(minor: i64, currency: &str) -> Option<Value> {
    let own = STRIPE.iter().find(|(code, _)| code.eq_ignore_ascii_case(currency)).map(|(_, exponent)| *exponent);
    Some(main_units(minor, own.or_else(|| exponent(currency))?))
}

/// An amount in the units of ISO 4217 in main units; `None` for a code that it does not have.
pub(super) fn of_iso(minor: i64, currency: &str) -> Option<Value> {
    Some(main_units(minor, exponent(currency)?))
}

/// Funds and metals have no units: what is said of them is taken as it is.
fn exponent(currency: &str) -> Option<u32> {
    Currency::from_code(&currency.to_ascii_uppercase()).map(|known| known.exponent().unwrap_or(0).into())
}

/// The number that is written with these digits: both parts of the division are exact, so that the result is the nearest
/// one there is.
fn main_units(minor: i64, exponent: u32) -> Value {
    json!(minor as f64 / 10_f64.powi(i32::try_from(exponent).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_currency_has_its_own_units() {
        assert_eq!(of_stripe(1999, "usd"), Some(json!(19.99)));
        assert_eq!(of_stripe(500, "jpy"), Some(json!(500.0)));
        assert_eq!(of_stripe(5120, "kwd"), Some(json!(5.12)));
        assert_eq!(of_stripe(1045, "huf"), Some(json!(10.45)));
        assert_eq!(of_iso(990, "EUR"), Some(json!(9.9)));
        assert_eq!(of_iso(500, "XYZ"), None);
    }

    #[test]
    fn stripe_counts_some_otherwise() {
        assert_eq!(of_stripe(500, "isk"), Some(json!(5.0)));
        assert_eq!(of_stripe(500, "UGX"), Some(json!(5.0)));
        assert_eq!(of_stripe(500, "mga"), Some(json!(500.0)));
        assert_eq!(of_iso(500, "ISK"), Some(json!(500.0)));
    }

    #[test]
    fn every_amount_of_cents_is_the_number_that_is_written_so() {
        for minor in (0..2_000_000_i64).step_by(7) {
            let written: f64 = format!("{}.{:02}", minor / 100, minor % 100).parse().unwrap();
            assert_eq!(of_stripe(minor, "eur"), Some(json!(written)));
        }
    }
}
