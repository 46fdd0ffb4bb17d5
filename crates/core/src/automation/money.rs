//! Sums of money: what was given back counts once, whichever documents tell of it, and currencies are never added to each
//! other. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::record::Fields;

use super::derive::amount;
use super::rulebook::RuleBook;
use super::subject::{Past, Subject};

/// Of how many payments it is remembered what was given back.
const REMEMBERED: usize = 50;

/// What was given back of a user's payments, by the payment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Refunds(BTreeMap<String, Refunded>);

/// What was given back of one payment, as told in two ways: by sums and by single refunds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Refunded {
    /// The largest sum that was told, and when.
    #[serde(default)]
    whole: Option<(Timestamp, f64)>,
    /// Single refunds.
    #[serde(default)]
    parts: BTreeMap<String, f64>,
    /// Single refunds that failed, when, and of how much: a sum that was told before still has them.
    #[serde(default)]
    failed: BTreeMap<String, (Timestamp, f64)>,
    /// When it was last heard of.
    #[serde(default)]
    heard_at: Timestamp,
}

impl Refunds {
    /// Whether nothing was given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what an event tells of a payment, and gives how much more was given back than was known. `None` for an event
    /// that names no payment: it counts by itself.
    pub(super) fn news(&mut self, event: &Past, properties: &Fields) -> Option<f64> {
        let text = |name: &str| properties.get(name)?.as_str().map(str::to_owned);
        let payment = text("charge")?;
        let known = self.0.entry(payment).or_default();
        let before = known.sum();
        known.heard_at = known.heard_at.max(event.by.at);
        known.take(event.by.at, properties, text("refund"));
        let news = known.sum() - before;
        self.forget_oldest();
        Some(news)
    }

    fn forget_oldest(&mut self) {
        while self.0.len() > REMEMBERED {
            let oldest =
                self.0.iter().min_by_key(|(_, refunded)| refunded.heard_at).map(|(payment, _)| payment.clone());
            oldest.and_then(|payment| self.0.remove(&payment));
        }
    }
}

impl Refunded {
    fn take(&mut self, at: Timestamp, properties: &Fields, refund: Option<String>) {
        if let Some(sum) = properties.get("refunded_total").and_then(amount)
            && self.whole.is_none_or(|(_, known)| known < sum)
        {
            self.whole = Some((at, sum));
        }
        let Some(refund) = refund else { return };
        let Some(told) = properties.get("amount").and_then(amount) else { return };
        match properties.get("status").and_then(|status| status.as_str()) {
            Some("failed") => {
                let of = properties.get("failed_amount").and_then(amount).unwrap_or(told);
                self.parts.remove(&refund);
                self.failed.insert(refund, (at, of));
            }
            Some(_) | None => {
                if !self.failed.contains_key(&refund) {
                    self.parts.insert(refund, told);
                }
            }
        }
    }

    fn sum(&self) -> f64 {
        let parts: f64 = self.parts.values().sum();
        let whole = self.whole.map_or(0.0, |(told_at, sum)| {
            let failed_since = self.failed.values().filter(|(at, _)| *at >= told_at).map(|(_, of)| of);
            sum - failed_since.sum::<f64>()
        });
        whole.max(parts)
    }
}

/// An amount in the currency in which the user's payments are added up; `Err` says why it is not added.
pub(super) fn in_one_currency(
    book: &RuleBook,
    subject: &mut Subject,
    currency: Option<&str>,
    amount: f64,
) -> Result<f64, String> {
    // What names no currency is in the application's own.
    let Some(code) = currency.map(|code| code.trim().to_uppercase()).filter(|code| !code.is_empty()) else {
        return Ok(amount);
    };
    let Some(own) = book.currency() else {
        let own = subject.currency.get_or_insert_with(|| code.clone());
        return if *own == code { Ok(amount) } else { Err(not_added(&code, own)) };
    };
    match book.rate(&code) {
        _ if own == code => Ok(amount),
        Some(rate) => Ok(amount * rate),
        None => Err(not_added(&code, own)),
    }
}

fn not_added(code: &str, own: &str) -> String {
    format!(
        "the amount is in {code}, and payments are added up in {own}: it was not added, since no rate is given for it"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::event::Moment;
    use super::*;

    fn told(second: i64, properties: Value) -> (Past, Fields) {
        let at = Timestamp::from_second(second).unwrap();
        let by = Moment { at, rank: 0, id: second.to_string() };
        let past = Past { by, name: "payment_refunded".to_owned().try_into().unwrap(), facts: Fields::new() };
        (past, properties.as_object().unwrap().clone().into_iter().collect())
    }

    fn sum(told: &[&(Past, Fields)]) -> f64 {
        let mut refunds = Refunds::default();
        told.iter().map(|(past, properties)| refunds.news(past, properties).unwrap()).sum()
    }

    #[test]
    fn a_refund_that_is_told_by_sum_and_by_itself_counts_once_in_any_order() {
        let whole = |second, sum: f64| told(second, json!({"charge": "c", "amount": sum, "refunded_total": sum}));
        let part = |second, id: &str, of: f64| told(second, json!({"charge": "c", "refund": id, "amount": of}));
        let all = [whole(1, 5.0), part(1, "a", 5.0), whole(3, 8.0), part(3, "b", 3.0), part(4, "a", 5.0)];
        let forth: Vec<_> = all.iter().collect();
        let back: Vec<_> = all.iter().rev().collect();
        assert_eq!((sum(&forth), sum(&back), sum(&forth[..2])), (8.0, 8.0, 5.0));
    }

    #[test]
    fn a_refund_that_fails_is_counted_back() {
        let whole = told(1, json!({"charge": "c", "amount": 8.0, "refunded_total": 8.0}));
        let parts = [
            told(1, json!({"charge": "c", "refund": "a", "amount": 5.0})),
            told(1, json!({"charge": "c", "refund": "b", "amount": 3.0})),
        ];
        let failed =
            told(9, json!({"charge": "c", "refund": "a", "amount": 0.0, "failed_amount": 5.0, "status": "failed"}));
        assert_eq!(sum(&[&whole, &parts[0], &parts[1], &failed]), 3.0);
        assert_eq!(sum(&[&failed, &parts[1], &parts[0], &whole]), 3.0);
    }

    #[test]
    fn only_so_many_payments_are_remembered() {
        let mut refunds = Refunds::default();
        for second in 0..80 {
            let (past, properties) =
                told(second, json!({"charge": second.to_string(), "amount": 1, "refunded_total": 1}));
            assert_eq!(refunds.news(&past, &properties), Some(1.0));
        }
        assert_eq!(refunds.0.len(), REMEMBERED);
    }
}
