//! From a file of rules to a rulebook: every key is looked at, and all that is wrong is told together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;

use crate::jobs::message::ListKind;
use crate::mapping::RuleSet;

use super::rulebook::{CheckedRule, ListRef};
use super::rules::{ListEntry, Rule, RulesFile, Tier};
use super::target::Target;
use super::template::Template;

/// The place, what the parser says, and the key that it means when one is given twice.
pub(super) fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let (message, span) = (error.message(), error.span().unwrap_or_default());
    let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
    match text.get(span).map(str::trim).filter(|key| message.contains("duplicate key") && !key.is_empty()) {
        Some(key) => format!("line {line}: {key} is given twice"),
        None => format!("line {line}: {message}"),
    }
}

pub(super) fn lists(
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

/// The lists that name a variable.
pub(super) fn named_variables(file: &RulesFile) -> Vec<Target> {
    let named = |entry: &ListEntry| entry.env.is_some();
    let segments = file.segments.iter().filter(|(_, entry)| named(entry)).map(|(key, _)| Target::Segment(key.clone()));
    let campaigns =
        file.campaigns.iter().filter(|(_, entry)| named(entry)).map(|(key, _)| Target::Campaign(key.clone()));
    segments.chain(campaigns).collect()
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
pub(super) fn tiers(
    mut tiers: Vec<Tier>,
    variable: &impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Vec<Tier> {
    for (name, provider) in PRICE_VARIABLES {
        for (price, tier) in pairs(name, "a price and a tier: price_1=pro,price_2=enterprise", variable, problems) {
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

/// The pairs of a variable; `what` says what they are.
fn pairs(
    name: &str,
    what: &str,
    variable: &impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Vec<(String, String)> {
    let text = variable(name).unwrap_or_default();
    let mut pairs = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((price, tier)) if !price.trim().is_empty() => {
                pairs.push((price.trim().to_owned(), tier.trim().to_owned()))
            }
            _ => problems.push(format!("{name}: give pairs of {what}")),
        }
    }
    pairs
}

/// The currency in which payments are added up, and the rates by which others are converted: those of the variables before those of
/// the file.
pub(super) fn currencies(
    currency: Option<String>,
    rates: BTreeMap<String, f64>,
    variable: &impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> (Option<String>, BTreeMap<String, f64>) {
    let code = |text: &str| text.trim().to_uppercase();
    let currency = variable(CURRENCY).or(currency).map(|text| code(&text)).filter(|code| !code.is_empty());
    let mut all: BTreeMap<String, f64> = rates.iter().map(|(name, rate)| (code(name), *rate)).collect();
    for (name, rate) in pairs(RATES, "a currency and what one unit of it is: USD=0.92,GBP=1.17", variable, problems) {
        match rate.parse() {
            Ok(rate) => drop(all.insert(code(&name), rate)),
            Err(_) => problems.push(format!("{RATES}: the rate of {name} is no number")),
        }
    }
    let is_code = |code: &str| code.len() == 3 && code.chars().all(|c| c.is_ascii_uppercase());
    for wrong in all.keys().chain(&currency).filter(|code| !is_code(code)) {
        problems.push(format!("{CURRENCY}, {RATES}: {wrong} is no code of a currency, such as EUR"));
    }
    for (name, _) in all.iter().filter(|(_, rate)| !(rate.is_finite() && **rate > 0.0)) {
        problems.push(format!("{RATES}: the rate of {name} must be a number above 0"));
    }
    if currency.is_none() && !all.is_empty() {
        problems.push(format!("{RATES}: rates say what other currencies are in one: name that as {CURRENCY}"));
    }
    (currency, all)
}

/// The variable that names the currency in which payments are added up.
const CURRENCY: &str = "TANDEM_CURRENCY";
/// The variable that gives rates.
const RATES: &str = "TANDEM_EXCHANGE_RATES";

pub(super) fn check_tiers(tiers: &[Tier], lists: &BTreeMap<Target, ListRef>, problems: &mut Vec<String>) {
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
pub(super) fn check_pace(rules: &[CheckedRule], problems: &mut Vec<String>) {
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
pub(super) struct Reader<'a> {
    pub(super) lists: &'a BTreeMap<Target, ListRef>,
    pub(super) fields: &'a RuleSet,
    pub(super) problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    pub(super) fn rule(&mut self, index: usize, rule: &Rule) -> CheckedRule {
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

pub(super) fn mentioned(rules: &[CheckedRule]) -> BTreeSet<String> {
    let of_rule = |rule: &CheckedRule| -> Vec<String> {
        let values = rule.set.iter().chain(&rule.first).map(|(_, template)| template);
        let used = values.filter_map(Template::property).map(str::to_owned);
        used.chain(rule.properties.keys().cloned()).collect()
    };
    rules.iter().flat_map(of_rule).collect()
}
