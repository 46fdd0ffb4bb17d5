//! What rules say, in words.

use std::fmt::{Display, Write};

use serde::{Deserialize, Serialize};
use tandem_core::automation::rulebook::{CheckedRule, ListRef, RuleBook};
use tandem_core::automation::rules::{ConsentWord, Direction, Tier, TierMode};
use tandem_core::automation::target::Target;
use tandem_core::automation::template::Template;

/// What a file of rules says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    rules: Vec<Said>,
    lists: Vec<List>,
    tiers: Vec<OneTier>,
    currency: Option<String>,
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    rule: usize,
    on: Vec<String>,
    when: Vec<String>,
    does: Vec<String>,
}

/// How a list is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List {
    pub(super) list: Target,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    env: Option<String>,
    pub(super) optional: bool,
}

/// A tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneTier {
    tier: String,
    aliases: Vec<String>,
    paid: bool,
    segment: Option<String>,
    campaign: Option<String>,
    stripe_prices: Vec<String>,
    lemonsqueezy_variants: Vec<String>,
}

/// Puts rules into words.
pub(super) fn described(book: &RuleBook) -> Described {
    Described {
        rules: book.rules().iter().enumerate().map(|(index, rule)| said(index, rule)).collect(),
        lists: lists_of(book),
        tiers: book.tiers().iter().map(tier).collect(),
        currency: book.currency().map(str::to_owned),
    }
}

impl Described {
    /// The tables for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = "rules\n".to_owned();
        for said in &self.rules {
            // Writing to a string can't fail, here and below.
            let _infallible = writeln!(text, "  {:>2}  {}", said.rule, said.heading());
            for line in &said.does {
                let _infallible = writeln!(text, "        {line}");
            }
        }
        text.push_str("\nlists\n");
        for list in &self.lists {
            let _infallible = writeln!(text, "  {}", list.line());
        }
        text.push_str("\ntiers, the lowest first\n");
        for tier in &self.tiers {
            let _infallible = writeln!(text, "  {}", tier.line());
        }
        if let Some(currency) = &self.currency {
            let _infallible = writeln!(text, "\npayments are added up in {currency}");
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl Said {
    fn heading(&self) -> String {
        let on = self.on.join(", ");
        if self.when.is_empty() { on } else { format!("{on}, {}", self.when.join(", ")) }
    }
}

impl List {
    fn line(&self) -> String {
        let found = match (&self.id, &self.name) {
            (Some(id), _) => format!("number {id}"),
            (None, name) => format!("named {}", name.as_deref().unwrap_or_default()),
        };
        let missing = match (self.optional, &self.list, &self.id) {
            (true, ..) => "skipped when missing",
            (false, Target::Segment(_), None) => "made when missing",
            (false, ..) => "must be there",
        };
        let env = self.env.as_ref().map(|env| format!(", {env}")).unwrap_or_default();
        format!("{:<32} {found:<32} {missing}{env}", self.list.to_string())
    }
}

impl OneTier {
    fn line(&self) -> String {
        let mut line = format!("{:<16} {}", self.tier, if self.paid { "paid" } else { "free" });
        let parts = [
            ("also", self.aliases.join(", ")),
            ("segment", self.segment.clone().unwrap_or_default()),
            ("campaign", self.campaign.clone().unwrap_or_default()),
            ("Stripe", self.stripe_prices.join(", ")),
            ("Lemon Squeezy", self.lemonsqueezy_variants.join(", ")),
        ];
        for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
            let _infallible = write!(line, "  {name}: {value}");
        }
        line
    }
}

fn said(index: usize, rule: &CheckedRule) -> Said {
    Said { rule: index + 1, on: rule.on.as_slice().to_vec(), when: conditions(rule), does: effects(rule) }
}

fn conditions(rule: &CheckedRule) -> Vec<String> {
    let mut when = Vec::new();
    if let Some(directions) = &rule.direction {
        let words: Vec<&str> = directions.as_slice().iter().map(direction).collect();
        when.push(format!("on {}", words.join(" or ")));
    }
    when.extend(rule.properties.iter().map(|(name, value)| format!("where {name} is {value}")));
    when.extend(rule.at_most_every.map(|every| format!("at most every {every:#}")));
    when
}

fn direction(direction: &Direction) -> &'static str {
    match direction {
        Direction::Upgrade => "an upgrade",
        Direction::Downgrade => "a downgrade",
        Direction::Same => "no change of tier",
    }
}

fn effects(rule: &CheckedRule) -> Vec<String> {
    let mut does = Vec::new();
    if rule.erase {
        does.push("deletes the person everywhere".to_owned());
    }
    does.extend(rule.consent.map(|word| match word {
        ConsentWord::OptIn => "notes that the person opts in".to_owned(),
        ConsentWord::OptOut => "notes that the person opts out".to_owned(),
    }));
    does.extend(rule.tier.map(|mode| tier_text(mode).to_owned()));
    does.extend(values("sets", &rule.set, ""));
    does.extend(values("sets", &rule.first, " (the oldest event's stays)"));
    let sums = rule.add.iter().map(|(field, template, minus)| {
        if *minus { format!("subtracts {template} from {field}") } else { format!("adds {template} to {field}") }
    });
    does.extend(sums);
    does.extend(targets("out of", &rule.out_of));
    does.extend(targets("into", &rule.into));
    does
}

fn tier_text(mode: TierMode) -> &'static str {
    match mode {
        TierMode::New => "takes the tier that the event names; its lists, and out of the other tiers'",
        TierMode::First => "takes the tier that the event names, else the user's own, else the lowest; its lists",
        TierMode::Back => "takes the tier that the event names, else the user's last one; its segment",
        TierMode::Keep => "keeps the tier, and notes how the subscription stands",
        TierMode::None => "takes the tier away: out of the paid tiers' segments and all tiers' campaigns",
    }
}

fn values(verb: &str, values: &[(Target, Template)], note: &str) -> Option<String> {
    let value = |(target, template): &(Target, Template)| match target {
        Target::Field(name) => format!("{name} = {template}"),
        Target::Segment(_) | Target::Campaign(_) => format!("{target} = {template}"),
    };
    (!values.is_empty()).then(|| format!("{verb} {}{note}", joined(values.iter().map(value))))
}

fn targets(word: &str, targets: &[Target]) -> Option<String> {
    (!targets.is_empty()).then(|| format!("{word} {}", joined(targets.iter())))
}

fn joined(items: impl Iterator<Item = impl Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The lists that rules know.
pub(super) fn lists_of(book: &RuleBook) -> Vec<List> {
    book.lists().map(|(target, list)| list_of(target, list)).collect()
}

fn list_of(target: &Target, list: &ListRef) -> List {
    List {
        list: target.clone(),
        id: list.id.clone(),
        name: list.name.clone(),
        env: list.env.clone(),
        optional: list.optional,
    }
}

fn tier(tier: &Tier) -> OneTier {
    OneTier {
        tier: tier.name.clone(),
        aliases: tier.aliases.clone(),
        paid: tier.paid,
        segment: tier.segment.clone(),
        campaign: tier.campaign.clone(),
        stripe_prices: tier.stripe_prices.clone(),
        lemonsqueezy_variants: tier.lemonsqueezy_variants.clone(),
    }
}
