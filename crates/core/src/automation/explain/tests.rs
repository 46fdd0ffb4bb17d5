use serde_json::{Value, json};

use super::*;
use crate::automation::event::{EventUser, Moment};
use crate::automation::rulebook::DEFAULT_RULES;
use crate::mapping::RuleSet;

fn book() -> RuleBook {
    let names = ["subscription_tier", "subscription_status", "subscription_updated_at", "signup_date", "last_login"];
    let rule = |name: &&str| format!("[[rule]]\nlocal = \"{name}\"\nremote = \"{name}\"\n");
    let fields: String = names.iter().chain(&["lifetime_value"]).map(rule).collect();
    RuleBook::parse(DEFAULT_RULES, &RuleSet::parse(&fields).unwrap(), |_| None).unwrap()
}

fn event(second: i64, name: &str, properties: Value) -> LifecycleEvent {
    let at = Timestamp::from_second(1_000_000 + second).unwrap();
    LifecycleEvent {
        by: Moment { at, rank: 0, id: format!("{name}{second}") },
        name: name.to_owned().try_into().unwrap(),
        user: EventUser { external_id: Some("42".to_owned().try_into().unwrap()), ..EventUser::default() },
        properties: properties.as_object().unwrap().clone().into_iter().collect(),
    }
}

fn explained(history: &[LifecycleEvent], event: &LifecycleEvent) -> Vec<String> {
    let line = |effect: &Effect| {
        let says = effect.says.iter().map(|source| format!("{source:?}")).collect::<Vec<_>>().join(" ");
        match &effect.what {
            What::List { target, member } => format!("{} {target}: {says}", if *member { "in" } else { "out" }),
            What::Set { field, .. } => format!("set {field}: {says}"),
            other => format!("{other:?}: {says}"),
        }
    };
    explain(&book(), history, event).unwrap().effects.iter().map(line).collect()
}

#[test]
fn each_effect_names_the_rule_or_the_tier_that_asks_for_it() {
    assert_eq!(
        explained(&[], &event(0, "user_signup", json!({}))),
        [
            "set subscription_tier: Rule(1)",
            "set signup_date: Rule(1)",
            "out segment.churned: Rule(1)",
            "out segment.enterprise_tier: Tier(\"enterprise\")",
            "out segment.pro_tier: Tier(\"pro\")",
            "in segment.free_tier: Tier(\"free\")",
            "in segment.new_users: Rule(1)",
            "in campaign.welcome: Rule(1)",
        ]
    );
}

#[test]
fn a_rule_whose_condition_does_not_hold_is_not_named() {
    let history = [event(0, "user_signup", json!({"tier": "enterprise"}))];
    let effects = explained(&history, &event(9, "plan_change", json!({"new_tier": "pro"})));
    assert!(effects.contains(&"in campaign.retention: Rule(4)".to_owned()), "{effects:?}");
    assert!(!effects.iter().any(|effect| effect.contains("Rule(3)")), "{effects:?}");
}

#[test]
fn a_late_event_shows_what_others_decided_and_what_it_changes_of_them() {
    let history = [event(20, "plan_change", json!({"new_tier": "pro"}))];
    let late = event(10, "plan_change", json!({"new_tier": "enterprise"}));
    let explained = explain(&book(), &history, &late).unwrap();
    let of_other = explained.effects.iter().filter(|effect| effect.of_event.as_deref() == Some("plan_change20"));
    let retention = What::List { target: Target::Campaign("retention".to_owned()), member: true };
    assert!(of_other.map(|effect| &effect.what).any(|what| *what == retention), "{explained:?}");
}

#[test]
fn a_deletion_does_nothing_else_and_what_is_older_does_nothing_any_more() {
    let deleted = event(10, "user_deleted", json!({}));
    assert_eq!(explained(&[], &deleted), ["Erase: Rule(14)"]);
    let signup = event(0, "user_signup", json!({}));
    let explained = explain(&book(), std::slice::from_ref(&deleted), &signup).unwrap();
    assert_eq!((explained.effects.len(), explained.notes.len()), (0, 1));
    let outlived = explain(&book(), &[event(20, "user_login", json!({}))], &deleted).unwrap();
    assert_eq!((outlived.effects.len(), outlived.notes.len()), (0, 1));
}

#[test]
fn what_a_later_event_said_of_the_user_stays() {
    let said = |second, name: &str| {
        let mut event = event(second, "profile_updated", json!({}));
        event.user.fields.insert("first_name".to_owned(), Change::Set(json!(name)));
        event
    };
    let effects = explained(&[said(20, "Later")], &said(10, "Late"));
    assert!(effects.len() == 1 && effects[0].starts_with("Superseded"), "{effects:?}");
    assert_eq!(explained(&[said(10, "Earlier")], &said(20, "Now")), ["set first_name: User"]);
}

#[test]
fn an_event_that_the_rules_can_not_take_is_named() {
    let failure = explain(&book(), &[], &event(0, "plan_change", json!({"new_tier": "gold"}))).unwrap_err();
    assert!(failure.message.starts_with("event plan_change0: properties.new_tier"), "{failure}");
}

#[test]
fn sums_consent_and_what_is_said_of_the_user_are_effects_too() {
    let mut payment = event(0, "payment_refunded", json!({"amount": 5}));
    payment.user.fields.insert("first_name".to_owned(), Change::Set(json!("Jane")));
    let book = book();
    let explained = explain(&book, &[], &payment).unwrap().effects;
    assert_eq!(explained[0].says, [Source::User]);
    assert_eq!(explained[1].what, What::Add { field: "lifetime_value".to_owned(), number: -5.0 });
    let consent = explain(&book, &[], &event(0, "opt_out", json!({}))).unwrap().effects;
    assert_eq!((&consent[0].what, &consent[0].says[..]), (&What::Consent { opted_in: false }, &[Source::Rule(13)][..]));
}
