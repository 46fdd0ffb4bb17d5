//! What the default rules make of a history that arrives in order: written from what they promise, not from how Tandem
//! works it out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::story::{Event, What};
use crate::lifecycle::as_in_mautic;

/// The tiers, the lowest first.
const TIERS: [&str; 3] = ["free", "pro", "enterprise"];

/// Where a user ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// The fields that rules write, but for `last_login`, which depends on the order of arrival within an hour.
    pub fields: BTreeMap<String, Value>,
    /// The names of the segments.
    pub segments: BTreeSet<String>,
    /// The names of the campaigns.
    pub campaigns: BTreeSet<String>,
}

/// A user on the way there.
#[derive(Default)]
struct Walk {
    end: End,
    tier: Option<usize>,
    last: Option<usize>,
    value: f64,
}

/// The end of a history.
#[must_use]
pub fn end_of(history: &[Event]) -> End {
    let mut ordered: Vec<&Event> = history.iter().collect();
    ordered.sort_by_key(|event| (event.at, event.id.clone()));
    let mut walk = Walk::default();
    ordered.into_iter().for_each(|event| walk.take(event));
    if walk.end.fields.contains_key("lifetime_value") {
        walk.set("lifetime_value", json!((walk.value * 100.0).round() / 100.0));
    }
    walk.end
}

impl Walk {
    fn take(&mut self, event: &Event) {
        let time = as_in_mautic(event.at);
        match &event.what {
            What::Signup(tier) => {
                let to = tier.map(place).or(self.tier).unwrap_or(0);
                self.end.fields.entry("signup_date".to_owned()).or_insert(time);
                self.goes_to(to, true);
                self.set("subscription_tier", json!(TIERS[to]));
                self.returns();
                self.enters(&["New Users"], &["Welcome Campaign"]);
            }
            What::Plan(tier) => {
                let (from, to) = (self.tier.unwrap_or(0), place(tier));
                self.goes_to(to, true);
                self.set("subscription_tier", json!(tier));
                self.is("active", time);
                self.returns();
                match to.cmp(&from) {
                    std::cmp::Ordering::Greater => self.leaves(&[], &["Retention Campaign"]),
                    std::cmp::Ordering::Less => self.enters(&[], &["Retention Campaign"]),
                    std::cmp::Ordering::Equal => {}
                }
            }
            What::Cancelled => {
                self.last = self.tier.or(self.last);
                self.tier = None;
                self.is("cancelled", time);
                self.leaves(
                    &["Pro Tier", "Enterprise Tier"],
                    &["Pro Onboarding", "Enterprise Onboarding", "Retention Campaign"],
                );
                self.enters(&["Churned"], &["Win-back Campaign"]);
            }
            What::Resumed(tier) => {
                if let Some(to) = tier.map(place).or(self.tier).or(self.last) {
                    self.goes_to(to, false);
                }
                self.is("active", time);
                self.returns();
            }
            What::PastDue => self.is("past_due", time),
            What::Paused => self.is("paused", time),
            What::Paid(cents) => self.pays(*cents),
            What::Refunded(cents) => self.pays(-*cents),
            What::Login => {}
        }
    }

    /// Into the tier's segment and out of the others'; into its campaign, where going there is a change of plans.
    fn goes_to(&mut self, to: usize, is_a_change: bool) {
        let from = self.tier.unwrap_or(0);
        (self.tier, self.last) = (Some(to), Some(to));
        self.leaves(&["Free Tier", "Pro Tier", "Enterprise Tier"], &[]);
        self.enters(&[["Free Tier", "Pro Tier", "Enterprise Tier"][to]], &[]);
        if is_a_change && from != to {
            self.leaves(&[], &["Pro Onboarding", "Enterprise Onboarding"]);
            match to {
                1 => self.enters(&[], &["Pro Onboarding"]),
                2 => self.enters(&[], &["Enterprise Onboarding"]),
                _ => {}
            }
        }
    }

    fn returns(&mut self) {
        self.leaves(&["Churned"], &["Win-back Campaign"]);
    }

    fn is(&mut self, status: &str, time: Value) {
        self.set("subscription_status", json!(status));
        self.set("subscription_updated_at", time);
    }

    fn pays(&mut self, cents: i32) {
        self.value += f64::from(cents) / 100.0;
        self.set("lifetime_value", Value::Null);
    }

    fn set(&mut self, field: &str, value: Value) {
        self.end.fields.insert(field.to_owned(), value);
    }

    fn enters(&mut self, segments: &[&str], campaigns: &[&str]) {
        self.end.segments.extend(segments.iter().map(|name| (*name).to_owned()));
        self.end.campaigns.extend(campaigns.iter().map(|name| (*name).to_owned()));
    }

    fn leaves(&mut self, segments: &[&str], campaigns: &[&str]) {
        self.end.segments.retain(|held| !segments.contains(&held.as_str()));
        self.end.campaigns.retain(|held| !campaigns.contains(&held.as_str()));
    }
}

fn place(tier: &'static str) -> usize {
    TIERS.iter().position(|one| *one == tier).unwrap_or(0)
}
