//! The rules of an installation, checked and put together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;

use crate::domain::record::Fields;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::ListKind;
use crate::mapping::RuleSet;

use super::checking::{
    Reader, check_pace, check_tiers, currencies, lists, mentioned, named_variables, tiers, unreadable,
};
use super::event::Customer;
use super::rules::{ConsentWord, Direction, OneOrMore, RulesFile, Tier, TierMode};
use super::target::Target;
use super::template::Template;

/// The rules that apply when nobody gives others.
pub const DEFAULT_RULES: &str = include_str!("lifecycle.toml");

/// How a list of the platform is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRef {
    /// Campaign or segment.
    pub kind: ListKind,
    /// By its number, when that is known.
    pub id: Option<String>,
    /// By its name or alias.
    pub name: Option<String>,
    /// Whether it may be missing.
    pub optional: bool,
    /// The variable that may name it.
    pub env: Option<String>,
}

/// A rule whose values were read.
#[derive(Clone, Debug)]
pub struct CheckedRule {
    /// Events.
    pub on: OneOrMore<String>,
    /// Which way the tier must change.
    pub direction: Option<OneOrMore<Direction>>,
    /// Values that properties must have.
    pub properties: BTreeMap<String, Value>,
    /// What becomes of the tier.
    pub tier: Option<TierMode>,
    /// Fields to set.
    pub set: Vec<(Target, Template)>,
    /// Fields of which the oldest event's value stays.
    pub first: Vec<(Target, Template)>,
    /// Numbers to add, and whether they are subtracted.
    pub add: Vec<(String, Template, bool)>,
    /// Lists to put into.
    pub into: Vec<Target>,
    /// Lists to take out of.
    pub out_of: Vec<Target>,
    /// What the person says about being mailed.
    pub consent: Option<ConsentWord>,
    /// Whether the person is deleted.
    pub erase: bool,
    /// How often it is applied at most.
    pub at_most_every: Option<SignedDuration>,
}

impl CheckedRule {
    /// Whether it decides on tiers, or by them.
    pub(super) fn is_about_tiers(&self) -> bool {
        self.tier.is_some() || self.direction.is_some()
    }
}

/// All rules.
#[derive(Clone, Debug)]
pub struct RuleBook {
    lists: BTreeMap<Target, ListRef>,
    tiers: Vec<Tier>,
    rules: Vec<CheckedRule>,
    mentioned: BTreeSet<String>,
    currency: Option<String>,
    rates: BTreeMap<String, f64>,
}

/// Properties that always tell of tiers.
const TIER_PROPERTIES: &[&str] =
    &["new_tier", "old_tier", "tier", "plan", "price", "old_price", "provider", "subscription", "status"];
/// The longest text of a property that is kept for later, in bytes.
const LONGEST_FACT: usize = 200;

impl RuleBook {
    /// Reads and checks a file. `variable` gives the value of an environment variable; `fields` are the field rules, by
    /// which the fields that are set must be known.
    ///
    /// # Errors
    /// All that is wrong, a sentence each, with the place.
    pub fn parse(text: &str, fields: &RuleSet, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let file: RulesFile = toml::from_str(text).map_err(|error| vec![unreadable(text, &error)])?;
        let mut problems = Vec::new();
        let lists = lists(&file, &variable, &mut problems);
        let tiers = tiers(file.tiers, &variable, &mut problems);
        check_tiers(&tiers, &lists, &mut problems);
        let (currency, rates) = currencies(file.currency, file.rates, &variable, &mut problems);
        let mut reader = Reader { lists: &lists, fields, problems: &mut problems };
        let rules: Vec<CheckedRule> =
            file.rules.iter().enumerate().map(|(index, rule)| reader.rule(index, rule)).collect();
        if tiers.is_empty() && rules.iter().any(|rule| rule.tier.is_some()) {
            problems.push("tier: rules speak of tiers, and there are none".to_owned());
        }
        check_pace(&rules, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mentioned = mentioned(&rules);
        Ok(Self { lists, tiers, rules, mentioned, currency, rates })
    }

    /// The same for rules that were stored: whoever may write them need not know what the operator's environment holds, so
    /// they can't read any of it.
    ///
    /// # Errors
    /// As [`RuleBook::parse`]; a list that names a variable is one of the problems.
    pub fn parse_stored(text: &str, fields: &RuleSet) -> Result<Self, Vec<String>> {
        let book = Self::parse(text, fields, |_| None);
        let file: RulesFile = match toml::from_str(text) {
            Ok(file) => file,
            Err(_) => return book,
        };
        let named = named_variables(&file);
        if named.is_empty() {
            return book;
        }
        let told = |target: &Target| format!("{target}: stored rules can't read variables (env): give a name or an id");
        let mut problems: Vec<String> = named.iter().map(told).collect();
        problems.extend(book.err().unwrap_or_default());
        Err(problems)
    }

    /// The same, for start-up.
    ///
    /// # Errors
    /// `Misconfigured` with all that is wrong.
    pub fn load(text: &str, fields: &RuleSet, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Self::parse(text, fields, variable).map_err(|problems| {
            Failure::new(
                FailureKind::Misconfigured,
                format!("the lifecycle rules can't be used: {}", problems.join("; ")),
            )
        })
    }

    /// The list that a target means.
    #[must_use]
    pub fn list(&self, target: &Target) -> Option<&ListRef> {
        self.lists.get(target)
    }

    /// All lists that the rules may use, by what they are called there.
    pub fn lists(&self) -> impl Iterator<Item = (&Target, &ListRef)> {
        self.lists.iter()
    }

    /// The local names of the fields that the rules write.
    #[must_use]
    pub fn fields(&self) -> BTreeSet<&str> {
        let set =
            self.rules.iter().flat_map(|rule| rule.set.iter().chain(&rule.first)).filter_map(
                |(target, _)| match target {
                    Target::Field(name) => Some(name.as_str()),
                    Target::Segment(_) | Target::Campaign(_) => None,
                },
            );
        set.chain(self.rules.iter().flat_map(|rule| &rule.add).map(|(name, ..)| name.as_str())).collect()
    }

    /// The tiers, the lowest first.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// The place of a tier among them.
    #[must_use]
    pub fn rank(&self, tier: &str) -> Option<usize> {
        self.tiers.iter().position(|one| one.name == tier)
    }

    /// The tier that an event calls so, in any letter case.
    #[must_use]
    pub fn tier_named(&self, name: &str) -> Option<&Tier> {
        let name = name.trim();
        let called =
            |tier: &&Tier| std::iter::once(&tier.name).chain(&tier.aliases).any(|own| own.eq_ignore_ascii_case(name));
        self.tiers.iter().find(called)
    }

    /// The tier that a provider's price, variant or product means.
    #[must_use]
    pub fn tier_of_price(&self, provider: &str, price: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| {
            let prices = match provider {
                "stripe" => &tier.stripe_prices,
                "lemonsqueezy" => &tier.lemonsqueezy_variants,
                _ => return false,
            };
            prices.iter().any(|own| own == price)
        })
    }

    /// All rules, in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[CheckedRule] {
        &self.rules
    }

    /// The rules for an event.
    pub fn rules_for(&self, name: &str) -> impl Iterator<Item = (usize, &CheckedRule)> {
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.on.as_slice().iter().any(|on| on == name))
    }

    /// Whether what an event does depends on the user's tiers, so that it has to be remembered among them.
    #[must_use]
    pub fn is_about_tiers(&self, name: &str) -> bool {
        self.rules_for(name).any(|(_, rule)| rule.is_about_tiers())
    }

    /// Whether an event is the application's word that somebody signs up.
    #[must_use]
    pub fn is_signup(&self, name: &str) -> bool {
        name == "user_signup" || self.rules_for(name).any(|(_, rule)| rule.tier == Some(TierMode::First))
    }

    /// Whether an event must name a tier.
    #[must_use]
    pub fn needs_tier(&self, name: &str) -> bool {
        self.rules_for(name).any(|(_, rule)| rule.tier == Some(TierMode::New))
    }

    /// The properties whose numbers an event must bring.
    pub fn needed_numbers(&self, name: &str) -> impl Iterator<Item = &str> {
        let adds = self.rules_for(name).flat_map(|(_, rule)| &rule.add);
        adds.filter_map(|(_, template, _)| template.property())
    }

    /// The currency in which payments are added up; `None` leaves it to each user's first payment.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// What one unit of a currency is in the one in which payments are added up, if that is given.
    #[must_use]
    pub fn rate(&self, code: &str) -> Option<f64> {
        self.rates.get(code).copied()
    }

    /// Of an event's properties, those that the rules look at: what is remembered of it.
    #[must_use]
    pub fn facts(&self, properties: &Fields) -> Fields {
        let wanted = |name: &str| TIER_PROPERTIES.contains(&name) || self.mentioned.contains(name);
        let short = |value: &Value| match value {
            Value::String(text) => text.len() <= LONGEST_FACT,
            Value::Bool(_) | Value::Number(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        let kept = properties.iter().filter(|(name, value)| wanted(name) && short(value));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

impl Customer {
    /// The customer as text, for keys.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}#{}", self.provider, self.id)
    }
}
