//! The rules of an installation, checked and put together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;

use crate::domain::record::Fields;
use crate::error::{Failure, FailureKind, Result};
use crate::mapping::RuleSet;
use crate::sync::lists::ListKind;

use super::event::Customer;
use super::rules::{ConsentWord, Direction, ListEntry, OneOrMore, Rule, RulesFile, Tier, TierMode};
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
    fn is_about_tiers(&self) -> bool {
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
        Ok(Self { lists, tiers, rules, mentioned, currency: file.currency.map(|code| code.trim().to_uppercase()) })
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

    /// The currency in which payments are added up; `None` takes all.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// Whether payments of this currency are added up.
    #[must_use]
    pub fn takes_currency(&self, code: Option<&str>) -> bool {
        match (&self.currency, code) {
            (Some(own), Some(code)) => own.eq_ignore_ascii_case(code.trim()),
            (None, _) | (Some(_), None) => true,
        }
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

/// What the parser says can repeat values of the file; where it is does not.
fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
    format!("line {line}: {}", error.message())
}

fn lists(
    file: &RulesFile,
    variable: &impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> BTreeMap<Target, ListRef> {
    let segments = file.segments.iter().map(|(key, entry)| (Target::Segment(key.clone()), ListKind::Segment, entry));
    let campaigns =
        file.campaigns.iter().map(|(key, entry)| (Target::Campaign(key.clone()), ListKind::Campaign, entry));
    let mut lists = BTreeMap::new();
    for (target, kind, entry) in segments.chain(campaigns) {
        match list(kind, entry, variable) {
            Some(list) => drop(lists.insert(target, list)),
            None => problems.push(format!("{target}: give a name, an id, or a variable (env) that is set")),
        }
    }
    lists
}

/// What the variable says is meant: it must be there, then.
fn list(kind: ListKind, entry: &ListEntry, variable: &impl Fn(&str) -> Option<String>) -> Option<ListRef> {
    let env = entry.env.clone();
    let given = env.as_deref().and_then(variable).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some(text) = given {
        let is_number = text.parse::<u64>().is_ok();
        let (id, name) = if is_number { (Some(text), None) } else { (None, Some(text)) };
        return Some(ListRef { kind, id, name, optional: false, env });
    }
    let name = entry.name.as_ref().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let id = entry.id.map(|id| id.to_string());
    (id.is_some() || name.is_some()).then_some(ListRef { kind, id, name, optional: entry.optional, env })
}

/// The tiers, with the prices that the environment adds.
fn tiers(mut tiers: Vec<Tier>, variable: &impl Fn(&str) -> Option<String>, problems: &mut Vec<String>) -> Vec<Tier> {
    for (name, provider) in PRICE_VARIABLES {
        for (price, tier) in pairs(name, &variable(name).unwrap_or_default(), problems) {
            let found = tiers.iter_mut().find(|own| own.name.eq_ignore_ascii_case(&tier));
            match (found, provider) {
                (None, _) => problems.push(format!("{name}: there is no tier {tier}")),
                (Some(own), Provider::Stripe) => own.stripe_prices.push(price),
                (Some(own), Provider::LemonSqueezy) => own.lemonsqueezy_variants.push(price),
            }
        }
    }
    tiers
}

#[derive(Clone, Copy)]
enum Provider {
    Stripe,
    LemonSqueezy,
}

/// The variables that say which prices mean which tier.
const PRICE_VARIABLES: &[(&str, Provider)] =
    &[("TANDEM_STRIPE_PRICES", Provider::Stripe), ("TANDEM_LEMONSQUEEZY_VARIANTS", Provider::LemonSqueezy)];

fn pairs(variable: &str, text: &str, problems: &mut Vec<String>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((price, tier)) if !price.trim().is_empty() => {
                pairs.push((price.trim().to_owned(), tier.trim().to_owned()))
            }
            _ => problems.push(format!("{variable}: give pairs of a price and a tier: price_1=pro,price_2=enterprise")),
        }
    }
    pairs
}

fn check_tiers(tiers: &[Tier], lists: &BTreeMap<Target, ListRef>, problems: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    for tier in tiers {
        for name in std::iter::once(&tier.name).chain(&tier.aliases) {
            if !names.insert(name.to_lowercase()) {
                problems.push(format!("tier {}: the name {name} is given twice", tier.name));
            }
        }
        let own = [tier.segment.clone().map(Target::Segment), tier.campaign.clone().map(Target::Campaign)];
        for target in own.into_iter().flatten().filter(|target| !lists.contains_key(target)) {
            problems.push(format!("tier {}: {target} is not in the file", tier.name));
        }
    }
}

/// Events about tiers are gone through again in order, all of them: none can be left out for coming soon after another.
fn check_pace(rules: &[CheckedRule], problems: &mut Vec<String>) {
    let is_about_tiers = |name: &String| rules.iter().any(|rule| rule.is_about_tiers() && rule.on.contains(name));
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.at_most_every.is_some()) {
        if let Some(name) = rule.on.as_slice().iter().find(|name| is_about_tiers(name)) {
            problems.push(format!(
                "rule {} ({name}): at_most_every is not for events that rules about tiers speak of",
                index + 1
            ));
        }
    }
}

/// Reads rules, and notes what is wrong with them.
struct Reader<'a> {
    lists: &'a BTreeMap<Target, ListRef>,
    fields: &'a RuleSet,
    problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn rule(&mut self, index: usize, rule: &Rule) -> CheckedRule {
        let place = format!("rule {} ({})", index + 1, rule.on.as_slice().join(", "));
        CheckedRule {
            on: rule.on.clone(),
            direction: rule.when.direction.clone(),
            properties: rule.when.properties.clone(),
            tier: rule.tier,
            set: self.values(&place, &rule.set),
            first: self.values(&place, &rule.first),
            add: self.sums(&place, &rule.add, false).chain(self.sums(&place, &rule.subtract, true)).collect(),
            into: self.targets(&place, &rule.into),
            out_of: self.targets(&place, &rule.out_of),
            consent: rule.consent,
            erase: rule.erase,
            at_most_every: rule.at_most_every.as_deref().and_then(|text| self.duration(&place, text)),
        }
    }

    fn values(&mut self, place: &str, values: &BTreeMap<String, Value>) -> Vec<(Target, Template)> {
        let mut read = Vec::new();
        for (name, value) in values {
            read.extend(self.value(place, name, value).map(|(name, template)| (Target::Field(name), template)));
        }
        read
    }

    fn sums(
        &mut self,
        place: &str,
        values: &BTreeMap<String, Value>,
        minus: bool,
    ) -> std::vec::IntoIter<(String, Template, bool)> {
        let mut read = Vec::new();
        for (name, value) in values {
            read.extend(self.value(place, name, value).map(|(name, template)| (name, template, minus)));
        }
        read.into_iter()
    }

    fn value(&mut self, place: &str, name: &str, value: &Value) -> Option<(String, Template)> {
        let Some(rule) = self.fields.rule_of(name) else {
            self.problems.push(format!("{place}: no field rule knows {name}"));
            return None;
        };
        match Template::parse(value) {
            Ok(template) => Some((rule.local.clone(), template)),
            Err(problem) => {
                self.problems.push(format!("{place}: {name} {problem}"));
                None
            }
        }
    }

    fn targets(&mut self, place: &str, names: &[String]) -> Vec<Target> {
        let mut targets = Vec::new();
        for name in names {
            match name.parse::<Target>() {
                Ok(target) if self.lists.contains_key(&target) => targets.push(target),
                Ok(Target::Segment(_) | Target::Campaign(_)) => {
                    self.problems.push(format!("{place}: {name} is not in the file"))
                }
                Ok(Target::Field(_)) | Err(_) => {
                    self.problems.push(format!("{place}: {name} must be segment.… or campaign.…"))
                }
            }
        }
        targets
    }

    fn duration(&mut self, place: &str, text: &str) -> Option<SignedDuration> {
        let read = text.parse::<SignedDuration>().ok().filter(SignedDuration::is_positive);
        if read.is_none() {
            self.problems.push(format!("{place}: at_most_every must be a time like 1h or 30m"));
        }
        read
    }
}

fn mentioned(rules: &[CheckedRule]) -> BTreeSet<String> {
    let of_rule = |rule: &CheckedRule| -> Vec<String> {
        let values = rule.set.iter().chain(&rule.first).map(|(_, template)| template);
        let used = values.filter_map(Template::property).map(str::to_owned);
        used.chain(rule.properties.keys().cloned()).collect()
    };
    rules.iter().flat_map(of_rule).collect()
}

impl Customer {
    /// The customer as text, for keys.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}#{}", self.provider, self.id)
    }
}
