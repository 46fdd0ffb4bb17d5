//! The connector against a Mautic that remembers: what was written is read back.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::ports::World;
use tandem_connectors::http::Http;
use tandem_connectors::mautic::setup::{FieldState, HookState, create_missing, ensure_webhook, examine};
use tandem_connectors::mautic::{Auth, FIELDS, Mautic, Replacement, Settings};
use tandem_core::domain::platform::{ContactWrite, DoNotContact, DoNotContactReason};
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Effect, FailureKind};
use tandem_core::jobs::message::MembershipList;
use tandem_core::mapping::RuleSet;
use tandem_core::ports::MarketingPlatform;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_simulators::{MauticOptions, MauticSimulator, RunningMautic};

/// A Mautic with the fields of the default rules, and a client of it.
async fn installed() -> (RunningMautic, Arc<Mautic>) {
    let running = MauticSimulator::start(MauticOptions::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let auth = Auth::ClientCredentials { id: "1_demo".to_owned(), secret: "demo-secret".to_owned() };
    let settings = Settings::new(&running.base_url(), auth).unwrap();
    let ports = World::default().ports();
    let client = Mautic::new(settings, &Scope::default_mautic(), Http::default(), &ports).unwrap();
    let rules = RuleSet::parse(FIELDS).unwrap();
    let mut report = examine(&client, &rules).await.unwrap();
    create_missing(&client, &rules, &mut report).await.unwrap();
    (running, Arc::new(client))
}

fn write(fields: Value) -> ContactWrite {
    ContactWrite { fields: serde_json::from_value(fields).unwrap(), ..ContactWrite::default() }
}

#[tokio::test]
async fn set_up_makes_what_the_rules_want_and_then_finds_it_right() {
    let (_running, client) = installed().await;
    let report = examine(&client, &RuleSet::parse(FIELDS).unwrap()).await.unwrap();
    let wrong: Vec<_> = report.fields.iter().filter(|(_, state)| **state != FieldState::Right).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let url = "http://127.0.0.1:9/mautic-webhook/mautic";
    assert_eq!(ensure_webhook(&client, url, "s1").await.unwrap(), HookState::Made);
    assert_eq!(ensure_webhook(&client, url, "s1").await.unwrap(), HookState::Right);
    assert_eq!(ensure_webhook(&client, url, "s2").await.unwrap(), HookState::Repaired);
    assert_eq!(ensure_webhook(&client, url, "s2").await.unwrap(), HookState::Right);
}

#[tokio::test]
async fn a_zero_is_stored_by_a_create_and_by_a_rewrite_that_leaves_the_rest_alone() {
    let (_running, client) = installed().await;
    let created =
        client.create(&write(json!({"email": "a@example.com", "lead_score": 0, "city": "Rome"}))).await.unwrap();
    assert!(created.created);
    let id = created.contact.id;
    assert_eq!(client.get(&id).await.unwrap().fields["lead_score"].as_f64(), Some(0.0));
    let again = client.create(&write(json!({"email": "A@example.com"}))).await.unwrap_err();
    assert_eq!(again.kind, FailureKind::Taken);

    client.update(&id, &write(json!({"lead_score": 7.5, "phone": "+391"}))).await.unwrap();
    client.add_points(&id, 12).await.unwrap();
    client.rewrite(&id, &write(json!({"lead_score": 0})), &["phone".to_owned()]).await.unwrap();
    let contact = client.get(&id).await.unwrap();
    assert_eq!(contact.fields["lead_score"].as_f64(), Some(0.0));
    assert_eq!((&contact.fields["city"], contact.points), (&json!("Rome"), 12));
    assert!(contact.fields.get("phone").is_none_or(|value| value == ""));
}

#[tokio::test]
async fn a_batch_replaces_many_contacts_at_once() {
    let (_running, client) = installed().await;
    let writes: Vec<_> =
        (0..50).map(|n| write(json!({"email": format!("b{n}@example.com"), "lead_score": 5}))).collect();
    let created = client.batch_create(&writes).await.unwrap();
    let ids: Vec<_> = created.into_iter().map(|outcome| outcome.unwrap().contact.id).collect();
    let whole = client.get_many(&ids).await.unwrap();
    assert_eq!(whole.len(), 50);
    let zero = |whole| Replacement { whole, write: write(json!({"lead_score": 0})), clear: Vec::new() };
    let outcomes = client.batch_replace(&whole.into_iter().map(zero).collect::<Vec<_>>()).await.unwrap();
    assert!(outcomes.into_iter().all(|outcome| outcome.is_ok_and(|written| !written.created)));
    let emails = [0, 49].map(|n| format!("b{n}@example.com").parse().unwrap());
    let found = client.find_by_emails(&emails).await.unwrap();
    assert_eq!(found.iter().map(|one| one.fields["lead_score"].as_f64()).collect::<Vec<_>>(), [Some(0.0); 2]);
    assert_eq!(client.batch_delete(&ids).await.unwrap(), vec![true; 50]);
}

#[tokio::test]
async fn consent_and_membership_are_written_and_exported() {
    let (_running, client) = installed().await;
    let id = client.upsert(&write(json!({"email": "c@example.com"}))).await.unwrap().contact.id;
    let segment = client.create_segment("Pro Tier").await.unwrap();
    let list = MembershipList::Segment(segment.id.clone());
    client.set_membership(&id, &list, true).await.unwrap();
    let entry = DoNotContact {
        channel: "email".to_owned(),
        reason: DoNotContactReason::Unsubscribed,
        comments: "asked by phone".to_owned(),
    };
    client.forbid_mail(&id, &entry).await.unwrap();
    assert_eq!(client.get(&id).await.unwrap().mail_forbidden(), Some(&entry));
    let export = client.export(&id).await.unwrap();
    assert_eq!(export["contact"]["fields"]["email"], "c@example.com");
    assert!(export["segments"].to_string().contains("Pro Tier"));
    client.allow_mail(&id).await.unwrap();
    client.set_membership(&id, &list, false).await.unwrap();
    assert_eq!(client.get(&id).await.unwrap().mail_forbidden(), None);
    assert!(client.delete(&id).await.unwrap());
    assert!(!client.delete(&id).await.unwrap());
}

#[tokio::test]
async fn a_lost_reply_is_an_unknown_effect_and_the_contact_is_found_afterwards() {
    let (running, client) = installed().await;
    let lost = FaultRule::new(FaultKind::LostReply).path("/api/contacts").method("PUT").times(1).how(LostReply::Close);
    running.inject_faults(vec![lost]);
    let failure = client.create(&write(json!({"email": "lost@example.com"}))).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Unavailable, Effect::Unknown));
    assert_eq!(client.find_by_email(&"lost@example.com".parse().unwrap()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_without_the_caller_noticing() {
    let (running, client) = installed().await;
    running.revoke_tokens();
    client.ping().await.unwrap();
    assert_eq!(running.stats().token_requests, 2);
}
