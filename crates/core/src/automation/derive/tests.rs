use jiff::Timestamp;

use super::*;
use crate::automation::rulebook::DEFAULT_RULES;
use crate::mapping::RuleSet;

const FIELDS: &str = r#"
[[rule]]
local = "subscription_tier"
remote = "subscription_tier"
[[rule]]
local = "subscription_status"
remote = "subscription_status"
[[rule]]
local = "subscription_updated_at"
remote = "subscription_updated_at"
[[rule]]
local = "signup_date"
remote = "signup_date"
[[rule]]
local = "last_login"
remote = "last_login"
[[rule]]
local = "lifetime_value"
remote = "lifetime_value"
"#;

fn book() -> RuleBook {
    let prices = |name: &str| (name == "TANDEM_STRIPE_PRICES").then(|| "p_pro=pro,p_ent=enterprise".to_owned());
    RuleBook::parse(DEFAULT_RULES, &RuleSet::parse(FIELDS).unwrap(), prices).unwrap()
}

fn event(second: i64, name: &str, properties: Value) -> Past {
    let facts = properties.as_object().unwrap().clone().into_iter().collect();
    let at = Timestamp::from_second(1_000_000 + second).unwrap();
    Past { by: Moment { at, rank: 0, id: format!("{name}{second}") }, name: name.to_owned().try_into().unwrap(), facts }
}

/// What is decided after events that arrive in this order.
fn after(events: &[&Past]) -> BTreeMap<String, Value> {
    let book = book();
    let subject = events
        .iter()
        .fold(Subject::default(), |subject, event| derive(&book, &subject, event, &event.facts).unwrap().subject);
    subject.decided.into_iter().map(|(target, written)| (target.to_string(), written.value)).collect()
}

fn is_in(state: &BTreeMap<String, Value>) -> Vec<&str> {
    state.iter().filter(|(_, value)| **value == json!(true)).map(|(target, _)| target.as_str()).collect()
}

fn permutations(items: &[Past]) -> Vec<Vec<&Past>> {
    fn go<'a>(left: Vec<&'a Past>, taken: Vec<&'a Past>, all: &mut Vec<Vec<&'a Past>>) {
        if left.is_empty() {
            all.push(taken);
            return;
        }
        for place in 0..left.len() {
            let (mut left, mut taken) = (left.clone(), taken.clone());
            taken.push(left.remove(place));
            go(left, taken, all);
        }
    }
    let mut all = Vec::new();
    go(items.iter().collect(), Vec::new(), &mut all);
    all
}

fn is_the_same_in_every_order(events: &[Past]) -> BTreeMap<String, Value> {
    let ordered = after(&events.iter().collect::<Vec<_>>());
    for order in permutations(events) {
        let names: Vec<_> = order.iter().map(|past| past.by.id.as_str()).collect();
        assert_eq!(after(&order), ordered, "{names:?}");
    }
    ordered
}

#[test]
fn a_signup_and_an_upgrade_end_in_the_new_tier() {
    let state = is_the_same_in_every_order(&[
        event(0, "user_signup", json!({})),
        event(10, "plan_change", json!({"old_tier": "free", "new_tier": "Pro"})),
    ]);
    assert_eq!(is_in(&state), ["campaign.pro_onboarding", "campaign.welcome", "segment.new_users", "segment.pro_tier"]);
    assert_eq!(state["field.subscription_tier"], "pro");
    assert_eq!(state["field.signup_date"], "1970-01-12T13:46:40Z");
}

#[test]
fn a_history_has_the_same_end_in_whatever_order_it_arrives() {
    let state = is_the_same_in_every_order(&[
        event(0, "user_signup", json!({})),
        event(10, "plan_change", json!({"new_tier": "enterprise"})),
        event(20, "plan_change", json!({"new_tier": "pro"})),
        event(30, "subscription_cancelled", json!({})),
        event(40, "subscription_resumed", json!({})),
        event(50, "subscription_past_due", json!({})),
    ]);
    assert_eq!(is_in(&state), ["campaign.welcome", "segment.new_users", "segment.pro_tier"]);
    assert_eq!(state["field.subscription_status"], "past_due");
}

#[test]
fn what_an_event_about_no_tier_says_late_is_not_said_over_a_later_event_about_tiers() {
    let state = is_the_same_in_every_order(&[
        event(0, "plan_change", json!({"new_tier": "pro"})),
        event(10, "subscription_past_due", json!({})),
        event(20, "subscription_cancelled", json!({})),
    ]);
    assert_eq!(state["field.subscription_status"], "cancelled");
}

#[test]
fn which_way_a_change_goes_follows_from_the_one_before_also_when_that_comes_late() {
    let state = is_the_same_in_every_order(&[
        event(0, "user_signup", json!({})),
        event(10, "plan_change", json!({"new_tier": "enterprise"})),
        event(20, "plan_change", json!({"new_tier": "pro"})),
    ]);
    assert_eq!(state["campaign.retention"], json!(true));
    assert_eq!(state["campaign.enterprise_onboarding"], json!(false));
}

#[test]
fn a_cancellation_is_out_of_the_paid_tiers_and_into_winning_back() {
    let state = is_the_same_in_every_order(&[
        event(0, "plan_change", json!({"new_tier": "pro"})),
        event(10, "subscription_cancelled", json!({})),
        event(11, "user_login", json!({})),
    ]);
    assert_eq!(is_in(&state), ["campaign.winback", "segment.churned"]);
    assert_eq!(state["segment.pro_tier"], json!(false));
}

#[test]
fn who_ends_one_of_two_subscriptions_keeps_the_tier_of_the_other() {
    let stripe =
        |price: &str, subscription: &str| json!({"provider": "stripe", "price": price, "subscription": subscription});
    let state = is_the_same_in_every_order(&[
        event(0, "user_signup", json!({})),
        event(10, "plan_change", stripe("p_ent", "sub_1")),
        event(20, "plan_change", stripe("p_pro", "sub_2")),
        event(30, "subscription_cancelled", json!({"provider": "stripe", "subscription": "sub_1"})),
    ]);
    assert_eq!(state["field.subscription_tier"], "pro");
    assert_eq!(state["segment.pro_tier"], json!(true));
    assert!(!state.contains_key("segment.churned") || state["segment.churned"] == json!(false));
}

#[test]
fn a_second_signup_of_a_paying_user_changes_no_tier() {
    let state = is_the_same_in_every_order(&[
        event(0, "user_signup", json!({})),
        event(10, "plan_change", json!({"new_tier": "pro"})),
        event(20, "user_signup", json!({})),
    ]);
    assert_eq!(state["segment.pro_tier"], json!(true));
    assert_eq!(state["field.signup_date"], "1970-01-12T13:46:40Z");
}

#[test]
fn the_same_event_twice_writes_no_list_again() {
    let (book, signup) = (book(), event(0, "user_signup", json!({})));
    let first = derive(&book, &Subject::default(), &signup, &signup.facts).unwrap();
    let again = derive(&book, &first.subject, &signup, &signup.facts).unwrap();
    assert!(again.writes.iter().all(|(target, _)| matches!(target, Target::Field(_))), "{:?}", again.writes);
}

#[test]
fn logins_count_once_an_hour() {
    let book = book();
    let login = |second| event(second, "user_login", json!({}));
    let first = derive(&book, &Subject::default(), &login(0), &Fields::new()).unwrap();
    assert_eq!(first.writes.len(), 1);
    let soon = derive(&book, &first.subject, &login(3_599), &Fields::new()).unwrap();
    assert!(soon.writes.is_empty() && soon.notes.len() == 1, "{:?}", soon.notes);
    let later = derive(&book, &soon.subject, &login(3_600), &Fields::new()).unwrap();
    assert_eq!(later.writes.len(), 1);
}

#[test]
fn what_a_payment_adds_needs_a_number() {
    let (book, paid) = (book(), event(0, "payment_succeeded", json!({})));
    let amount = |value: Value| Fields::from([("amount".to_owned(), value)]);
    let adds = |value| derive(&book, &Subject::default(), &paid, &amount(value)).map(|derived| derived.adds);
    assert_eq!(adds(json!("12.5")).unwrap(), [("lifetime_value".to_owned(), 12.5)]);
    assert_eq!(adds(json!("much")).unwrap_err().kind, FailureKind::Invalid);
}

#[test]
fn a_price_without_a_tier_is_told_with_what_to_do() {
    let unknown = event(0, "plan_change", json!({"provider": "stripe", "price": "p_new"}));
    let failure = derive(&book(), &Subject::default(), &unknown, &unknown.facts).unwrap_err();
    assert!(failure.kind == FailureKind::NotFound && failure.message.contains("p_new"), "{failure}");
}

#[test]
fn a_long_history_is_remembered_by_what_it_led_to() {
    let changes: Vec<Past> = (0..120)
        .map(|n| event(n, "plan_change", json!({"new_tier": if n % 2 == 0 { "pro" } else { "enterprise" }})))
        .collect();
    let all: Vec<&Past> = changes.iter().collect();
    let mut late = all.clone();
    late.swap(80, 81);
    assert_eq!(after(&all), after(&late));
    let too_late = event(-5, "plan_change", json!({"new_tier": "free"}));
    let mut with_too_late = all.clone();
    with_too_late.push(&too_late);
    assert_eq!(after(&with_too_late), after(&all));
}

#[test]
fn what_turns_out_to_be_the_same_plan_is_no_change_of_plans() {
    let events = [
        event(1, "user_signup", json!({})),
        event(2, "subscription_resumed", json!({"tier": "pro"})),
        event(3, "plan_change", json!({"new_tier": "pro"})),
    ];
    let ordered = after(&events.iter().collect::<Vec<_>>());
    for order in permutations(&events) {
        assert_eq!(is_in(&after(&order)), is_in(&ordered));
    }
    assert!(!is_in(&ordered).contains(&"campaign.pro_onboarding"));
}

#[test]
fn an_event_older_than_all_that_is_remembered_changes_the_version_and_nothing_else() {
    let book = book();
    let mut subject = Subject::default();
    for second in 100..160 {
        let event = event(second, "plan_change", json!({"new_tier": "pro"}));
        subject = derive(&book, &subject, &event, &event.facts).unwrap().subject;
    }
    let late = event(1, "plan_change", json!({"new_tier": "free"}));
    let derived = derive(&book, &subject, &late, &late.facts).unwrap();
    assert!(derived.writes.is_empty() && derived.notes[0].contains("older"));
    assert_eq!(derived.subject, Subject { version: subject.version + 1, ..subject });
}

#[test]
fn a_late_word_on_the_status_changes_nothing_that_a_later_change_of_plans_decided() {
    let events = [
        event(1, "user_signup", json!({})),
        event(2, "subscription_paused", json!({})),
        event(3, "plan_change", json!({"new_tier": "pro"})),
        event(4, "subscription_past_due", json!({})),
        event(5, "subscription_resumed", json!({})),
    ];
    let state = is_the_same_in_every_order(&events);
    assert_eq!(state["field.subscription_status"], "active");
}

fn told_by_stripe(second: i64, name: &str, subscription: &str, more: Value) -> Past {
    let mut facts = json!({"provider": "stripe", "subscription": subscription});
    facts.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event(second, name, facts)
}

#[test]
fn the_status_of_the_subscription_that_counts_is_the_users_whichever_document_comes_last() {
    let state = is_the_same_in_every_order(&[
        told_by_stripe(10, "plan_change", "big", json!({"price": "p_ent", "status": "active"})),
        told_by_stripe(20, "plan_change", "small", json!({"price": "p_pro", "status": "trialing"})),
        told_by_stripe(30, "subscription_past_due", "small", json!({"status": "past_due"})),
        told_by_stripe(40, "subscription_paused", "small", json!({"status": "paused"})),
    ]);
    assert_eq!(
        (&state["field.subscription_tier"], &state["field.subscription_status"]),
        (&json!("enterprise"), &json!("active"))
    );
    let state = is_the_same_in_every_order(&[
        told_by_stripe(10, "plan_change", "big", json!({"price": "p_ent", "status": "active"})),
        told_by_stripe(20, "subscription_past_due", "big", json!({"status": "past_due"})),
        told_by_stripe(30, "plan_change", "small", json!({"price": "p_pro", "status": "active"})),
    ]);
    assert_eq!(state["field.subscription_status"], "past_due");
}

#[test]
fn the_end_of_one_subscription_leaves_the_status_of_the_other() {
    let state = is_the_same_in_every_order(&[
        told_by_stripe(10, "plan_change", "old", json!({"price": "p_pro", "status": "active"})),
        told_by_stripe(20, "plan_change", "new", json!({"price": "p_pro", "status": "trialing"})),
        told_by_stripe(30, "plan_change", "old", json!({"price": "p_pro", "status": "cancels_at_period_end"})),
        told_by_stripe(40, "subscription_cancelled", "old", json!({"status": "cancelled"})),
    ]);
    assert_eq!(state["field.subscription_status"], "trialing");
    assert!(!is_in(&state).contains(&"segment.churned"));
}

#[test]
fn of_two_subscriptions_of_one_tier_the_one_that_stands_better_counts() {
    let state = is_the_same_in_every_order(&[
        told_by_stripe(10, "plan_change", "a", json!({"price": "p_pro", "status": "active"})),
        told_by_stripe(20, "plan_change", "b", json!({"price": "p_pro", "status": "active"})),
        told_by_stripe(30, "subscription_past_due", "a", json!({"status": "past_due"})),
    ]);
    assert_eq!(state["field.subscription_status"], "active");
}

fn with_money(variables: &'static [(&'static str, &'static str)]) -> RuleBook {
    let variable = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
    RuleBook::parse(DEFAULT_RULES, &RuleSet::parse(FIELDS).unwrap(), variable).unwrap()
}

/// What payments add up to, and how many were not added.
fn added(book: &RuleBook, payments: &[Value]) -> (f64, usize) {
    let (mut subject, mut sum, mut notes) = (Subject::default(), 0.0, 0);
    for (second, payment) in (0..).zip(payments) {
        let name = if payment.get("charge").is_some() { "payment_refunded" } else { "payment_succeeded" };
        let past = event(second, name, payment.clone());
        let properties = payment.as_object().unwrap().clone().into_iter().collect();
        let derived = derive(book, &subject, &past, &properties).unwrap();
        sum += derived.adds.iter().map(|(_, number)| number).sum::<f64>();
        notes += derived.notes.len();
        subject = derived.subject;
    }
    (sum, notes)
}

#[test]
fn currencies_are_never_added_to_each_other() {
    let payments = [
        json!({"amount": 10, "currency": "eur"}),
        json!({"amount": 500, "currency": "JPY"}),
        json!({"amount": 5}),
        json!({"amount": 20, "currency": "USD"}),
    ];
    assert_eq!(added(&book(), &payments), (15.0, 2), "the first one's");
    assert_eq!(added(&with_money(&[("TANDEM_CURRENCY", "usd")]), &payments), (25.0, 2), "the one that is named");
    let rates = with_money(&[("TANDEM_CURRENCY", "EUR"), ("TANDEM_EXCHANGE_RATES", "USD=0.5, JPY=0.01")]);
    assert_eq!(added(&rates, &payments), (30.0, 0), "converted by the table");
    let refund = json!({"charge": "c", "amount": 20, "refunded_total": 20, "currency": "USD"});
    assert_eq!(added(&rates, &[payments[3].clone(), refund.clone(), refund]), (0.0, 0));
}

#[test]
fn rates_that_can_not_be_used_are_told() {
    for (variables, told) in [
        (&[("TANDEM_EXCHANGE_RATES", "USD=0.9")][..], "name that as TANDEM_CURRENCY"),
        (&[("TANDEM_CURRENCY", "EUR"), ("TANDEM_EXCHANGE_RATES", "USD=cheap")], "no number"),
        (&[("TANDEM_CURRENCY", "EUR"), ("TANDEM_EXCHANGE_RATES", "USD=0")], "above 0"),
        (&[("TANDEM_CURRENCY", "EUR"), ("TANDEM_EXCHANGE_RATES", "USD")], "give pairs of a currency"),
        (&[("TANDEM_CURRENCY", "euro")], "no code of a currency"),
    ] {
        let variable =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        let problems = RuleBook::parse(DEFAULT_RULES, &RuleSet::parse(FIELDS).unwrap(), variable).unwrap_err();
        assert!(problems.iter().any(|problem| problem.contains(told)), "{problems:?}");
    }
}
