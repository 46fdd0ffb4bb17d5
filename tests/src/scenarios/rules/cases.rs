//! The default rules as they are promised: for each, where a user stands, what happens, and what Mautic must show then.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::lifecycle::{Seen, as_in_mautic};

/// An event: its name, minutes after the first one, its properties, and what it says of its user.
#[derive(Clone)]
pub struct Happening {
    name: &'static str,
    minute: i64,
    properties: Value,
    user: Value,
}

/// A rule's case.
#[derive(Clone)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What happened before.
    pub before: Vec<Happening>,
    /// What happens.
    pub event: Happening,
    /// Whether the user comes as a visitor of the website.
    pub visitor: bool,
    expected: Expected,
}

#[derive(Clone)]
struct Expected {
    segments: &'static [&'static str],
    campaigns: &'static [&'static str],
    /// Campaigns that the user was taken out of, or entered more than once.
    entries: &'static [(&'static str, u64)],
    tier: Option<&'static str>,
    status: Option<(&'static str, i64)>,
    login: Option<i64>,
    value: Option<f64>,
    mail: Option<bool>,
    exists: bool,
}

impl Happening {
    /// The event as it is sent.
    #[must_use]
    pub fn of(&self, user: &str, visitor: Option<u64>, first: Timestamp, id: &str) -> Value {
        let mut of = Map::from_iter([("id".to_owned(), json!(user)), ("email".to_owned(), json!(address(user)))]);
        of.extend(self.user.as_object().cloned().unwrap_or_default());
        of.extend(visitor.map(|visitor| ("mtc_id".to_owned(), json!(visitor))));
        json!({"id": id, "name": self.name, "time": at(first, self.minute), "user": of, "properties": self.properties})
    }
}

impl Case {
    /// What Mautic and the ledger must show after it.
    #[must_use]
    pub fn expected(&self, first: Timestamp) -> Seen {
        let Expected { segments, campaigns, entries, tier, status, login, value, mail, exists } = self.expected.clone();
        if !exists {
            return Seen::default();
        }
        let time = |minute: i64| as_in_mautic(at(first, minute));
        let mut fields = BTreeMap::from([("signup_date".to_owned(), time(0))]);
        fields.extend(tier.map(|tier| ("subscription_tier".to_owned(), json!(tier))));
        if let Some((status, minute)) = status {
            fields.insert("subscription_status".to_owned(), json!(status));
            fields.insert("subscription_updated_at".to_owned(), time(minute));
        }
        fields.extend(login.map(|minute| ("last_login".to_owned(), time(minute))));
        fields.extend(value.map(|value| ("lifetime_value".to_owned(), json!(value))));
        let once = campaigns.iter().map(|name| ((*name).to_owned(), 1));
        let more = entries.iter().map(|(name, times)| ((*name).to_owned(), *times));
        Seen {
            contacts: 1,
            fields,
            segments: texts(segments),
            campaigns: texts(campaigns),
            entries: once.chain(more).collect(),
            mailable: mail != Some(false),
            opted_in: mail,
        }
    }
}

/// A user's address.
#[must_use]
pub fn address(user: &str) -> String {
    format!("{user}@example.com")
}

fn at(first: Timestamp, minute: i64) -> Timestamp {
    first.saturating_add(SignedDuration::from_mins(minute)).unwrap_or(first)
}

fn texts(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn happening(name: &'static str, minute: i64) -> Happening {
    Happening { name, minute, properties: json!({}), user: json!({}) }
}

fn signup() -> Happening {
    Happening { user: json!({"first_name": "Ada"}), ..happening("user_signup", 0) }
}

fn plan(minute: i64, tier: &str) -> Happening {
    Happening { properties: json!({"new_tier": tier}), ..happening("plan_change", minute) }
}

fn paid(name: &'static str, minute: i64, amount: f64) -> Happening {
    Happening { properties: json!({"amount": amount, "currency": "EUR"}), ..happening(name, minute) }
}

/// Who signed up, and nothing else.
fn fresh() -> Expected {
    Expected {
        segments: &["New Users", "Free Tier"],
        campaigns: &["Welcome Campaign"],
        entries: &[],
        tier: Some("free"),
        status: None,
        login: None,
        value: None,
        mail: None,
        exists: true,
    }
}

fn pro(status: &'static str, minute: i64) -> Expected {
    Expected {
        segments: &["New Users", "Pro Tier"],
        campaigns: &["Welcome Campaign", "Pro Onboarding"],
        tier: Some("pro"),
        status: Some((status, minute)),
        ..fresh()
    }
}

fn case(name: &'static str, before: Vec<Happening>, event: Happening, expected: Expected) -> Case {
    Case { name, before, event, visitor: false, expected }
}

/// All cases.
#[must_use]
pub fn all() -> Vec<Case> {
    let mut cases = people();
    cases.extend(tiers());
    cases.extend(subscriptions());
    cases.extend(money_and_mail());
    cases
}

fn people() -> Vec<Case> {
    let login = |minute| happening("user_login", minute);
    let profile =
        Happening { user: json!({"first_name": "Eve", "city": "Hobart"}), ..happening("profile_updated", 10) };
    let nobody = Expected { exists: false, ..fresh() };
    vec![
        case("signup", vec![], signup(), fresh()),
        Case { visitor: true, ..case("visitor", vec![], signup(), fresh()) },
        case("login", vec![signup()], login(10), Expected { login: Some(10), ..fresh() }),
        case("login-again", vec![signup(), login(10)], login(40), Expected { login: Some(10), ..fresh() }),
        case("login-later", vec![signup(), login(10)], login(80), Expected { login: Some(80), ..fresh() }),
        case("profile", vec![signup()], profile, fresh()),
        case("custom", vec![signup()], happening("feature.used", 10), fresh()),
        case("deleted", vec![signup(), plan(10, "pro")], happening("user_deleted", 20), nobody),
    ]
}

fn tiers() -> Vec<Case> {
    let enterprise = Expected {
        segments: &["New Users", "Enterprise Tier"],
        campaigns: &["Welcome Campaign", "Enterprise Onboarding"],
        entries: &[("Pro Onboarding", 1)],
        tier: Some("enterprise"),
        status: Some(("active", 20)),
        ..fresh()
    };
    let down_to_pro = Expected {
        campaigns: &["Welcome Campaign", "Pro Onboarding", "Retention Campaign"],
        entries: &[("Enterprise Onboarding", 1)],
        ..pro("active", 20)
    };
    let down_to_free = Expected {
        campaigns: &["Welcome Campaign", "Retention Campaign"],
        entries: &[("Pro Onboarding", 1)],
        status: Some(("active", 20)),
        ..fresh()
    };
    let up_again = Expected { entries: &[("Pro Onboarding", 2), ("Retention Campaign", 1)], ..pro("active", 30) };
    let before = || vec![signup(), plan(10, "pro")];
    vec![
        case("upgrade", vec![signup()], plan(10, "pro"), pro("active", 10)),
        case("enterprise", before(), plan(20, "enterprise"), enterprise),
        case("downgrade", vec![signup(), plan(10, "enterprise")], plan(20, "pro"), down_to_pro),
        case("down-to-free", before(), plan(20, "free"), down_to_free),
        case("up-again", vec![signup(), plan(10, "pro"), plan(20, "free")], plan(30, "pro"), up_again),
    ]
}

fn subscriptions() -> Vec<Case> {
    let before = || vec![signup(), plan(10, "pro")];
    let and = |minute, name| [before(), vec![happening(name, minute)]].concat();
    let churned = Expected {
        segments: &["New Users", "Churned"],
        campaigns: &["Welcome Campaign", "Win-back Campaign"],
        entries: &[("Pro Onboarding", 1)],
        ..pro("cancelled", 20)
    };
    let back = Expected {
        campaigns: &["Welcome Campaign"],
        entries: &[("Pro Onboarding", 1), ("Win-back Campaign", 1)],
        ..pro("active", 30)
    };
    let anew = Expected { entries: &[("Pro Onboarding", 2), ("Win-back Campaign", 1)], ..pro("active", 30) };
    vec![
        case("past-due", before(), happening("subscription_past_due", 20), pro("past_due", 20)),
        case("paused", before(), happening("subscription_paused", 20), pro("paused", 20)),
        case("resumed", and(20, "subscription_paused"), happening("subscription_resumed", 30), pro("active", 30)),
        case("cancelled", before(), happening("subscription_cancelled", 20), churned),
        case("won-back", and(20, "subscription_cancelled"), happening("subscription_resumed", 30), back),
        case("bought-again", and(20, "subscription_cancelled"), plan(30, "pro"), anew),
    ]
}

fn money_and_mail() -> Vec<Case> {
    let worth = |value| Expected { value: Some(value), ..fresh() };
    let said = |mail| Expected { mail: Some(mail), ..fresh() };
    let first = || vec![signup(), paid("payment_succeeded", 5, 10.50)];
    vec![
        case("payment", first(), paid("payment_succeeded", 10, 20.25), worth(30.75)),
        case("refund", first(), paid("payment_refunded", 10, 4.25), worth(6.25)),
        case("opt-out", vec![signup()], happening("opt_out", 10), said(false)),
        case("opt-in", vec![signup(), happening("opt_out", 10)], happening("opt_in", 20), said(true)),
    ]
}
