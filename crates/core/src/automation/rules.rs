//! Lifecycle rules as a file holds them. Data, read from TOML; [`super::rulebook`] checks them and puts them together.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A file of rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesFile {
    /// The currency in which payments are added up, by its ISO 4217 code. Without one, it is that of each user's first payment.
    /// Payments in others are not added, unless `rates` has them.
    pub currency: Option<String>,
    /// What one unit of other currencies is in `currency`, by their codes.
    #[serde(default)]
    pub rates: BTreeMap<String, f64>,
    /// Segments by the keys that the rules use.
    #[serde(default)]
    pub segments: BTreeMap<String, ListEntry>,
    /// Campaigns by the keys that the rules use.
    #[serde(default)]
    pub campaigns: BTreeMap<String, ListEntry>,
    /// The tiers from the lowest to the highest.
    #[serde(default, rename = "tier")]
    pub tiers: Vec<Tier>,
    /// The rules.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// How a list of the platform is found.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListEntry {
    /// Its name or alias.
    pub name: Option<String>,
    /// Its number.
    pub id: Option<u64>,
    /// The variable that gives its number or name, and goes before both.
    pub env: Option<String>,
    /// Whether the step is skipped when it is missing.
    #[serde(default)]
    pub optional: bool,
}

/// A tier of the application's plans.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// What events call it.
    pub name: String,
    /// What else they call it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The segment of those who have it, by its key.
    pub segment: Option<String>,
    /// The campaign of those who come to it, by its key.
    pub campaign: Option<String>,
    /// Whether it costs something: a cancellation takes out of such tiers.
    #[serde(default)]
    pub paid: bool,
    /// Stripe's prices or products that mean it.
    #[serde(default)]
    pub stripe_prices: Vec<String>,
    /// Lemon Squeezy's variants or products that mean it.
    #[serde(default)]
    pub lemonsqueezy_variants: Vec<String>,
}

/// What follows from an event.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The event's name, or several.
    pub on: OneOrMore<String>,
    /// What else must hold.
    #[serde(default)]
    pub when: When,
    /// What the event does to the user's tier.
    pub tier: Option<TierMode>,
    /// Fields by local name, and their values: literals, or `$time`, `$tier`, `$old_tier`, `$name`, `$properties.<name>`,
    /// each with what stands in for it after a `|`.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// The same for fields of which the first value stays: that of the oldest event.
    #[serde(default)]
    pub first: BTreeMap<String, Value>,
    /// Numbers to add to fields.
    #[serde(default)]
    pub add: BTreeMap<String, Value>,
    /// Numbers to subtract from fields.
    #[serde(default)]
    pub subtract: BTreeMap<String, Value>,
    /// Lists to put the contact into: `segment.<key>`, `campaign.<key>`.
    #[serde(default)]
    pub into: Vec<String>,
    /// Lists to take the contact out of.
    #[serde(default)]
    pub out_of: Vec<String>,
    /// What the person says about being mailed.
    pub consent: Option<ConsentWord>,
    /// Deletes the person everywhere.
    #[serde(default)]
    pub erase: bool,
    /// The rule is skipped when it was applied to the user less than this before: `1h`, `30m`, `24h`.
    pub at_most_every: Option<String>,
}

/// What must hold of an event.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Which way the tier changes.
    pub direction: Option<OneOrMore<Direction>>,
    /// Values that properties must have; of a list, one.
    #[serde(default)]
    pub properties: BTreeMap<String, Value>,
}

/// Which way a tier changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To a higher one.
    Upgrade,
    /// To a lower one.
    Downgrade,
    /// It stays.
    Same,
}

/// What an event does to the tier. The contact is put into the tier's segment and taken out of those of the others; when the
/// tier changes, the same goes for the campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierMode {
    /// The event names the new one (`new_tier`, `tier`, `plan`, or a provider's price).
    New,
    /// The one that the event names, else the one that the user has, else the lowest.
    First,
    /// The one that the event names, else the last one that the user had.
    Back,
    /// The one that the user has: the event says how a subscription stands (`status`).
    Keep,
    /// None any more: out of the segments of paid tiers, and of all campaigns of tiers.
    None,
}

/// What a person says about being mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentWord {
    /// Yes.
    OptIn,
    /// No.
    OptOut,
}

/// One value or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    /// One.
    One(T),
    /// Several.
    More(Vec<T>),
}

impl<T: PartialEq> OneOrMore<T> {
    /// Whether the value is among them.
    pub fn contains(&self, value: &T) -> bool {
        self.as_slice().contains(value)
    }

    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}
