//! The webhook is kept as it must be, and what it missed is made up for, once.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::engagement::{EmailStatus, EngagementKind, Standing};
use tandem_core::ports::{HookCheck, HookDelivery};
use tandem_core::webhook::repair::Hook;
use tandem_simulators::MauticVersion;
use tandem_tests::system::{Options, System, WEBHOOK_SECRET};

async fn hooks(system: &System) -> Vec<Value> {
    let hooks = system.in_mautic(Method::GET, "/api/hooks", None).await;
    hooks["hooks"].as_object().into_iter().flat_map(|hooks| hooks.values().cloned()).collect()
}

async fn change(system: &System, change: Value) {
    let id = hooks(system).await[0]["id"].clone();
    system.in_mautic(Method::PATCH, &format!("/api/hooks/{id}/edit"), Some(change)).await;
}

async fn person(system: &System, email: &str) -> String {
    let answer = system.caller.upsert(json!({"contact": {"email": email}})).await.unwrap();
    answer.contact_id().unwrap().to_owned()
}

async fn lives(system: &System, email: &str) {
    system.engage("send", json!({"address": email})).await;
    for action in ["open", "click", "submit", "unsubscribe"] {
        system.engage(action, json!({"address": email})).await;
    }
}

#[tokio::test]
async fn a_missing_hook_is_made_and_a_right_one_costs_two_calls_and_stays() {
    let system = System::start().await;
    assert_eq!(system.guard().await, HookCheck::Made);
    let made = hooks(&system).await;
    assert_eq!(made.len(), 1);
    assert_eq!((&made[0]["webhookUrl"], &made[0]["isPublished"]), (&json!(system.hook().url), &json!(true)));
    assert_eq!((&made[0]["secret"], &made[0]["eventsOrderbyDir"]), (&json!(WEBHOOK_SECRET), &json!("ASC")));
    let calls = system.calls();
    assert_eq!(system.guard().await, HookCheck::Right);
    assert_eq!((system.calls() - calls, hooks(&system).await), (2, made));
}

#[tokio::test]
async fn a_hook_that_was_made_is_proved_by_a_delivery_of_no_person() {
    let system = System::start().await;
    let watched = system.desk().watch(Some(&system.hook()), "test").await.unwrap();
    assert_eq!((watched.hook, watched.delivery), (Some(HookCheck::Made), Some(HookDelivery::Arrives)));
    let contacts = system.in_mautic(Method::GET, "/api/contacts?limit=1", None).await;
    let companies = system.in_mautic(Method::GET, "/api/companies?limit=5", None).await;
    assert_eq!((&contacts["total"], &companies["total"]), (&json!("0"), &json!("0")), "nothing of it is left");
}

#[tokio::test]
async fn a_hook_that_leads_nowhere_is_told_as_one_by_which_nothing_arrives() {
    let system = System::start().await;
    let nowhere = Hook { url: "http://127.0.0.1:9/mautic-webhook/mautic".to_owned(), ..system.hook() };
    let watched = system.desk().watch(Some(&nowhere), "test").await.unwrap();
    assert!(matches!(watched.delivery, Some(HookDelivery::Fails { .. })), "{watched:?}");
}

#[tokio::test]
async fn a_hook_to_a_private_address_that_mautic_7_refuses_is_told_with_its_setting() {
    let options = Options::default().mautic_version(MauticVersion::V7_0).without_private_webhooks();
    let system = System::with(options).await;
    for turn in ["when it is made", "when it is looked at again"] {
        let watched = system.desk().watch(Some(&system.hook()), "test").await.unwrap();
        match watched.delivery {
            Some(HookDelivery::Fails { cure, .. }) => {
                assert!(cure.contains("webhook_allowed_private_addresses"), "{turn}: {cure}");
            }
            // Looked at in the first quarter of an hour only.
            None => assert_eq!(watched.hook, Some(HookCheck::Right), "{turn}"),
            other => panic!("{turn}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_hook_that_was_proved_survives_its_first_failures_on_mautic_5_1() {
    let system = System::with(Options::default().mautic_version(MauticVersion::V5_1)).await;
    assert_eq!(system.guard().await, HookCheck::Made);
    change(&system, json!({"webhookUrl": "http://127.0.0.1:9/mautic-webhook"})).await;
    for number in 0..3 {
        person(&system, &format!("failing{number}@example.com")).await;
    }
    assert_eq!(hooks(&system).await[0]["isPublished"], json!(true));
}

#[tokio::test]
async fn whatever_is_wrong_with_the_hook_is_repaired() {
    let system = System::start().await;
    system.guard().await;
    let made = hooks(&system).await.remove(0);
    for wrong in [json!({"isPublished": false}), json!({"secret": "another"}), json!({"eventsOrderbyDir": "DESC"})] {
        change(&system, wrong.clone()).await;
        assert_eq!(system.guard().await, HookCheck::Repaired, "{wrong}");
        let now = hooks(&system).await;
        assert_eq!(now.len(), 1, "{wrong}");
        for part in ["id", "webhookUrl", "secret", "triggers", "eventsOrderbyDir", "isPublished"] {
            assert_eq!(now[0][part], made[part], "{wrong} {part}");
        }
        assert_eq!(system.guard().await, HookCheck::Right, "{wrong}");
    }
}

#[tokio::test]
async fn of_two_hooks_that_lead_here_one_is_left_and_foreign_ones_are_not_touched() {
    let system = System::start().await;
    system.guard().await;
    let hook =
        |url: String| json!({"name": "Other", "webhookUrl": url, "secret": "x", "triggers": ["mautic.email_on_open"]});
    for url in [system.hook().url, "https://other.example.com/mautic-webhook".to_owned()] {
        system.in_mautic(Method::POST, "/api/hooks/new", Some(hook(url))).await;
    }
    assert_eq!(system.guard().await, HookCheck::Repaired);
    let urls: Vec<Value> = hooks(&system).await.into_iter().map(|hook| hook["webhookUrl"].clone()).collect();
    assert_eq!(urls, [json!(system.hook().url), json!("https://other.example.com/mautic-webhook")]);
    assert_eq!(system.guard().await, HookCheck::Right);
}

#[tokio::test]
async fn a_hook_with_the_secret_in_its_address_stays() {
    let system = System::start().await;
    let url = format!("{}?secret={WEBHOOK_SECRET}", system.hook().url);
    let with_secret = Hook { url: url.clone(), ..system.hook() };
    assert_eq!(system.desk().guard_hook(&with_secret, "test").await.unwrap(), HookCheck::Made);
    assert_eq!(system.guard().await, HookCheck::Right);
    let found = hooks(&system).await;
    assert_eq!((found.len(), &found[0]["webhookUrl"]), (1, &json!(url)));
}

#[tokio::test]
async fn an_unpublished_hook_that_has_the_secret_in_its_address_is_repaired_and_keeps_it() {
    let system = System::start().await;
    let url = format!("{}?secret={WEBHOOK_SECRET}", system.hook().url);
    let with_secret = Hook { url: url.clone(), ..system.hook() };
    system.desk().guard_hook(&with_secret, "test").await.unwrap();
    change(&system, json!({"isPublished": false})).await;
    assert_eq!(system.guard().await, HookCheck::Repaired);
    let found = hooks(&system).await;
    assert_eq!((&found[0]["webhookUrl"], &found[0]["isPublished"]), (&json!(url), &json!(true)));
}

#[tokio::test]
async fn what_happened_while_the_hook_was_off_is_made_up_for_when_it_is_found_off() {
    let system = System::start().await;
    system.guard().await;
    let contact = person(&system, "gap@example.com").await;
    change(&system, json!({"isPublished": false})).await;
    lives(&system, "gap@example.com").await;
    assert_eq!(system.standing(&contact).await.events, 0);
    assert_eq!(system.guard().await, HookCheck::Repaired);
    let standing = system.standing(&contact).await;
    assert_eq!(standing.email_status, EmailStatus::Unsubscribed);
    use EngagementKind::{Click, Form, Open, Unsubscribe};
    assert_eq!(standing.counts, BTreeMap::from([(Open, 1), (Click, 1), (Form, 1), (Unsubscribe, 1)]));
    assert_eq!(system.consent("gap@example.com").await.unwrap(), Some(ConsentStatus::OptedOut));
    system.finish().await;
    assert_eq!(system.feedback("gap@example.com").await.unwrap().marketing_opt_in, Some(false));
}

#[tokio::test]
async fn repairing_again_changes_nothing_and_reads_little() {
    let system = System::start().await;
    let mut contacts = Vec::new();
    for number in 0..5 {
        let email = format!("again{number}@example.com");
        contacts.push(person(&system, &email).await);
        lives(&system, &email).await;
    }
    let desk = system.desk();
    let first = desk.repair_gaps("test").await.unwrap();
    let mut before: Vec<Standing> = Vec::new();
    for contact in &contacts {
        before.push(system.standing(contact).await);
    }
    assert!(before.iter().all(|standing| standing.events >= 4) && first.entries >= 20, "{first:?} {before:?}");
    let calls = system.calls();
    let again = desk.repair_gaps("test").await.unwrap();
    assert_eq!((again.calls, system.calls() - calls), (5, 5));
    for (contact, before) in contacts.iter().zip(before) {
        assert_eq!(system.standing(contact).await, before);
    }
}

#[tokio::test]
async fn what_came_by_webhook_and_by_feed_counts_once() {
    let system = System::start().await;
    system.guard().await;
    let contact = person(&system, "both@example.com").await;
    let bounced = person(&system, "bounced@example.com").await;
    lives(&system, "both@example.com").await;
    system.engage("bounce", json!({"address": "bounced@example.com"})).await;
    let before = (system.standing(&contact).await, system.standing(&bounced).await);
    assert_eq!((before.0.email_status, before.1.email_status), (EmailStatus::Unsubscribed, EmailStatus::Bounced));
    assert!(before.0.events >= 4);
    let repaired = system.desk().repair_gaps("test").await.unwrap();
    assert!(repaired.entries >= 5);
    assert_eq!((system.standing(&contact).await, system.standing(&bounced).await), before);
}

#[tokio::test]
async fn a_failing_mautic_leaves_the_repair_where_it_was_and_the_next_goes_on() {
    let system = System::start().await;
    let contact = person(&system, "later@example.com").await;
    lives(&system, "later@example.com").await;
    system.mautic_answers(500);
    assert!(system.desk().repair_gaps("test").await.is_err());
    system.mautic.clear_faults();
    system.desk().repair_gaps("test").await.unwrap();
    assert_eq!(system.standing(&contact).await.email_status, EmailStatus::Unsubscribed);
}
