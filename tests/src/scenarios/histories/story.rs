//! Random histories of users.

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

/// What happens to a user.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A signup, with a plan or without.
    Signup(Option<&'static str>),
    /// Another plan, or the same once more.
    Plan(&'static str),
    /// The end of a subscription.
    Cancelled,
    /// Its return, with a plan or to the last one.
    Resumed(Option<&'static str>),
    /// A payment is due.
    PastDue,
    /// A pause.
    Paused,
    /// A payment, in cents.
    Paid(i32),
    /// Money back, in cents.
    Refunded(i32),
    /// A login.
    Login,
}

/// An event of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// When it happened; some events of a user happen at the same time.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
    /// Whether it names its user by the id only.
    pub by_id_only: bool,
}

/// A user and what happens to it, in order.
#[derive(Clone, Debug)]
pub struct Story {
    /// The user's id.
    pub user: String,
    /// The events; the first one is the signup.
    pub events: Vec<Event>,
}

impl Story {
    /// A user's story.
    pub fn of(number: usize, begin: Timestamp, chance: &mut StdRng) -> Self {
        let user = format!("u{number}");
        let mut at = begin;
        let mut events = Vec::new();
        for place in 0..chance.random_range(3..16) {
            let minutes = if chance.random_bool(0.15) { 0 } else { chance.random_range(1..600) };
            at = at.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(at);
            let what = if place == 0 { signup(chance) } else { anything(chance) };
            // Random ids: of events of one moment, what was written later is not always what counts as later.
            let id = format!("{user}-{:04x}-{place}", chance.random::<u16>());
            events.push(Event { id, at, what, by_id_only: place > 0 && chance.random_bool(0.3) });
        }
        Self { user, events }
    }

    /// The user's address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}@example.com", self.user)
    }

    /// An event as it is sent.
    #[must_use]
    pub fn sent(&self, event: &Event) -> Value {
        let (name, properties) = event.what.told();
        let mut user = json!({"id": self.user, "email": self.address()});
        if event.by_id_only {
            user = json!({"id": self.user});
        }
        json!({"id": event.id, "name": name, "time": event.at.to_string(), "user": user, "properties": properties})
    }
}

fn signup(chance: &mut StdRng) -> What {
    What::Signup(chance.random_bool(0.2).then_some("pro"))
}

fn tier(chance: &mut StdRng) -> &'static str {
    ["free", "pro", "pro", "enterprise"].choose(chance).copied().unwrap_or("pro")
}

fn anything(chance: &mut StdRng) -> What {
    match chance.random_range(0..100) {
        0..35 => What::Plan(tier(chance)),
        35..47 => What::Cancelled,
        47..52 => What::Resumed(Some(tier(chance))),
        52..59 => What::Resumed(None),
        59..64 => What::PastDue,
        64..68 => What::Paused,
        68..80 => What::Paid(chance.random_range(1..20_000)),
        80..84 => What::Refunded(chance.random_range(1..5_000)),
        84..88 => signup(chance),
        _ => What::Login,
    }
}

impl What {
    fn told(&self) -> (&'static str, Value) {
        let tier = |tier: &Option<&str>| tier.map_or_else(|| json!({}), |tier| json!({"tier": tier}));
        let money = |cents: &i32| json!({"amount": f64::from(*cents) / 100.0, "currency": "EUR"});
        match self {
            Self::Signup(plan) => ("user_signup", tier(plan)),
            Self::Plan(plan) => ("plan_change", json!({"new_tier": plan})),
            Self::Cancelled => ("subscription_cancelled", json!({})),
            Self::Resumed(plan) => ("subscription_resumed", tier(plan)),
            Self::PastDue => ("subscription_past_due", json!({})),
            Self::Paused => ("subscription_paused", json!({})),
            Self::Paid(cents) => ("payment_succeeded", money(cents)),
            Self::Refunded(cents) => ("payment_refunded", money(cents)),
            Self::Login => ("user_login", json!({})),
        }
    }
}
