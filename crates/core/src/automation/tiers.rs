//! What events do to the tier that a user has. Pure.

use std::cmp::Reverse;

use serde_json::Value;

use crate::domain::record::Fields;
use crate::error::{Failure, FailureKind, Result};

use super::rulebook::RuleBook;
use super::rules::{Direction, TierMode};
use super::subject::{Context, Past};

/// The tier before and after an event.
pub(super) struct Change {
    pub(super) name: String,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    pub(super) direction: Direction,
    pub(super) speaks: bool,
    /// How the subscription stands that counts, when that is another one than the event's.
    pub(super) status: Option<String>,
}

/// The tier after the event; the context is taken there. Of several subscriptions the one with the highest tier counts, of equal
/// ones the one that stands best: what happens to another changes the user's status as little as the tier.
pub(super) fn change_tier(book: &RuleBook, past: &Past, context: &mut Context) -> Change {
    let mode = book.rules_for(past.name.as_str()).find_map(|(_, rule)| rule.tier);
    let change = change_by(book, past, context, mode);
    let own = mode.and(subscription(past));
    let other = own.and_then(|own| counting(book, context).filter(|counts| *counts != own));
    match other {
        None => change,
        Some(other) => {
            let status = context.statuses.get(&other).map_or(ACTIVE, String::as_str).to_owned();
            Change { name: CHANGED_PLAN.to_owned(), status: Some(status), ..change }
        }
    }
}

fn change_by(book: &RuleBook, past: &Past, context: &mut Context, mode: Option<TierMode>) -> Change {
    let before = context.tier.clone();
    let said = old_tier(book, &past.facts).ok().flatten();
    let unchanged = |context: &Context| Change {
        name: past.name.as_str().to_owned(),
        old: said.clone().or_else(|| before.clone()),
        new: context.tier.clone(),
        direction: Direction::Same,
        speaks: false,
        status: None,
    };
    let Some(mode) = mode else { return unchanged(context) };
    let named = named_tier(book, &past.facts).ok().flatten();
    let Some(tier) = tier_by(mode, named, book, context) else {
        return match mode {
            TierMode::None => cancelled(book, past, context),
            TierMode::Keep => {
                note_status(past, context);
                unchanged(context)
            }
            TierMode::New | TierMode::First | TierMode::Back => unchanged(context),
        };
    };
    settle(book, past, context, tier);
    let old = said.or(before);
    let direction = match mode {
        // Who comes back, or signs up once more, did not change plans.
        TierMode::Back => Direction::Same,
        TierMode::First | TierMode::New | TierMode::Keep | TierMode::None => {
            direction(book, old.as_deref(), context.tier.as_deref())
        }
    };
    Change {
        name: past.name.as_str().to_owned(),
        old,
        new: context.tier.clone(),
        direction,
        speaks: true,
        status: None,
    }
}

fn tier_by(mode: TierMode, named: Option<String>, book: &RuleBook, context: &Context) -> Option<String> {
    match mode {
        TierMode::New => named,
        TierMode::First => {
            named.or_else(|| context.tier.clone()).or_else(|| book.tiers().first().map(|tier| tier.name.clone()))
        }
        TierMode::Back => named.or_else(|| context.tier.clone()).or_else(|| context.last_tier.clone()),
        TierMode::Keep | TierMode::None => None,
    }
}

/// The user has the tier, by the subscription that the event names, or altogether.
fn settle(book: &RuleBook, past: &Past, context: &mut Context, tier: String) {
    let key = subscription(past).unwrap_or_default();
    if key.is_empty() {
        context.plans.clear();
        context.statuses.clear();
    } else {
        context.plans.remove("");
        context.statuses.remove("");
    }
    context.statuses.insert(key.clone(), status(past));
    context.plans.insert(key, tier);
    context.tier = highest(book, context);
    context.last_tier = context.tier.clone();
}

/// How a subscription stands after an event about it; all of them, when the event names none.
fn note_status(past: &Past, context: &mut Context) {
    let named = subscription(past);
    for key in context.plans.keys().filter(|key| named.as_ref().is_none_or(|named| named == *key)) {
        context.statuses.insert(key.clone(), status(past));
    }
}

/// A subscription ended. Who has another one goes on with the tier of that.
fn cancelled(book: &RuleBook, past: &Past, context: &mut Context) -> Change {
    let before = context.tier.take();
    match subscription(past) {
        None => {
            context.plans.clear();
            context.statuses.clear();
        }
        Some(subscription) => {
            for key in [subscription.as_str(), ""] {
                context.plans.remove(key);
                context.statuses.remove(key);
            }
        }
    }
    context.tier = highest(book, context);
    let (name, direction) = match &context.tier {
        None => {
            context.last_tier = before.clone().or(context.last_tier.take());
            (past.name.as_str(), Direction::Downgrade)
        }
        Some(tier) => {
            context.last_tier = Some(tier.clone());
            (CHANGED_PLAN, direction(book, before.as_deref(), Some(tier)))
        }
    };
    Change { name: name.to_owned(), old: before, new: context.tier.clone(), direction, speaks: true, status: None }
}

/// What it is when one of several subscriptions ends, or when something happens to one that does not count.
const CHANGED_PLAN: &str = "plan_change";
/// How a subscription stands of which nothing else is said.
const ACTIVE: &str = "active";
/// How subscriptions can stand, the best first. What is not among them is as good as one that is about to end.
const BEST_FIRST: &[&str] = &[ACTIVE, "trialing", "cancels_at_period_end", "past_due", "unpaid", "paused"];
const UNKNOWN: usize = 2;

/// The subscription that counts.
fn counting(book: &RuleBook, context: &Context) -> Option<String> {
    let standing = |key: &String| {
        let status = context.statuses.get(key).map_or(ACTIVE, String::as_str);
        BEST_FIRST.iter().position(|one| *one == status).unwrap_or(UNKNOWN)
    };
    let best = context.plans.iter().max_by_key(|(key, tier)| (book.rank(tier), Reverse(standing(key)), Reverse(*key)));
    best.map(|(key, _)| key.clone())
}

fn highest(book: &RuleBook, context: &Context) -> Option<String> {
    counting(book, context).and_then(|key| context.plans.get(&key).cloned())
}

/// How the event's subscription stands after it.
fn status(past: &Past) -> String {
    let by_name = || match past.name.as_str() {
        "subscription_past_due" => "past_due",
        "subscription_paused" => "paused",
        _ => ACTIVE,
    };
    text(&past.facts, "status").unwrap_or_else(|| by_name().to_owned())
}

/// Who comes to the lowest tier from none, or to the same one, goes nowhere.
fn direction(book: &RuleBook, old: Option<&str>, new: Option<&str>) -> Direction {
    let rank = |tier: Option<&str>| tier.and_then(|tier| book.rank(tier)).unwrap_or(0);
    match rank(new).cmp(&rank(old)) {
        std::cmp::Ordering::Less => Direction::Downgrade,
        std::cmp::Ordering::Equal => Direction::Same,
        std::cmp::Ordering::Greater => Direction::Upgrade,
    }
}

fn subscription(past: &Past) -> Option<String> {
    text(&past.facts, "subscription").filter(|id| !id.is_empty())
}

fn text(facts: &Fields, name: &str) -> Option<String> {
    match facts.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The tier that an event names as the new one.
pub(super) fn named_tier(book: &RuleBook, facts: &Fields) -> Result<Option<String>> {
    tier_in(book, facts, &["new_tier", "tier", "plan"], "price")
}

/// The tier that an event names as the old one. A name that the rules don't know is no fault: plans come and go.
pub(super) fn old_tier(book: &RuleBook, facts: &Fields) -> Result<Option<String>> {
    Ok(tier_in(book, facts, &["old_tier"], "old_price").ok().flatten())
}

fn tier_in(book: &RuleBook, facts: &Fields, names: &[&str], price: &str) -> Result<Option<String>> {
    if let Some((property, name)) = names.iter().find_map(|name| Some((*name, text(facts, name)?))) {
        let tier = book.tier_named(&name).ok_or_else(|| unknown_tier(book, property))?;
        return Ok(Some(tier.name.clone()));
    }
    let Some(price) = text(facts, price) else { return Ok(None) };
    let provider = text(facts, "provider").unwrap_or_default();
    let tier = book.tier_of_price(&provider, &price).ok_or_else(|| unknown_price(&provider, &price))?;
    Ok(Some(tier.name.clone()))
}

fn unknown_tier(book: &RuleBook, property: &str) -> Failure {
    let names: Vec<&str> = book.tiers().iter().map(|tier| tier.name.as_str()).collect();
    let message = format!("properties.{property}: the rules know no such tier; they know {}", names.join(", "));
    Failure::new(FailureKind::NotFound, message)
}

fn unknown_price(provider: &str, price: &str) -> Failure {
    let message =
        format!("no tier is configured for {provider}'s price {price}: add it to a tier of the rules, then replay");
    Failure::new(FailureKind::NotFound, message)
}
