//! `sync_campaigns`, and campaigns and segments by their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::ports::Clock;
use tandem_tests::client::Answer;
use tandem_tests::system::{KEY, Options, System};

/// The machine's time and some seconds more.
#[derive(Clone, Default)]
struct Later(Arc<AtomicI64>);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

async fn call(system: &System, body: Value) -> Answer {
    system.caller.call(&body).await.unwrap()
}

fn ask() -> Value {
    json!({"action": "sync_campaigns"})
}

/// A system with a contact, and these campaigns and segments.
async fn with(options: Options, campaigns: &[&str], segments: &[&str]) -> System {
    let system = System::with(options).await;
    system.caller.upsert(json!({"id": "u1", "contact": {"email": "member@example.com"}})).await.unwrap();
    for name in campaigns {
        system.made_in_mautic("campaigns", name).await;
    }
    for name in segments {
        system.made_in_mautic("segments", name).await;
    }
    system
}

fn add(field: &str, name: &str) -> Value {
    let action = if field.starts_with("campaign") { "add_to_campaign" } else { "add_to_segment" };
    let mut body = json!({"action": action, "id": "u1"});
    body[field] = json!(name);
    body
}

#[tokio::test]
async fn campaigns_are_listed_by_one_call_in_five_minutes() {
    let clock = Later::default();
    let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
    let system = with(options, &["Welcome", "Winback"], &[]).await;
    let calls = system.calls();
    let answer = call(&system, ask()).await;
    let names: Vec<&str> =
        answer.data()["campaigns"].as_array().unwrap().iter().map(|found| found["name"].as_str().unwrap()).collect();
    assert_eq!((answer.status, names, &answer.data()["cached"]), (200, vec!["Welcome", "Winback"], &json!(false)));
    assert!(answer.data()["campaigns"][0]["id"].is_string() && answer.data()["campaigns"][0]["published"].is_boolean());
    clock.0.fetch_add(290, Ordering::Relaxed);
    assert_eq!(call(&system, ask()).await.data()["cached"], true);
    assert_eq!(system.calls() - calls, 1);
    clock.0.fetch_add(20, Ordering::Relaxed);
    assert_eq!(call(&system, ask()).await.data()["cached"], false);
    assert_eq!(system.calls() - calls, 2);
}

#[tokio::test]
async fn the_path_of_campaigns_implies_the_action() {
    let system = with(Options::default(), &["Welcome"], &[]).await;
    let request = || system.caller.bare(Method::POST, "/mautic-sync/campaigns");
    for request in [
        request().bearer_auth(KEY),
        request().bearer_auth(KEY).json(&json!({})),
        request().bearer_auth(KEY).json(&ask()),
    ] {
        let answer = system.caller.send(request).await.unwrap();
        assert_eq!((answer.status, &answer.data()["campaigns"][0]["name"]), (200, &json!("Welcome")));
    }
    for (request, status) in [
        (request(), 401),
        (request().bearer_auth(KEY).json(&json!({"action": "ping"})), 422),
        (request().bearer_auth(KEY).body("{"), 400),
        (request().bearer_auth(KEY).body("[]"), 400),
        (system.caller.bare(Method::GET, "/mautic-sync/campaigns"), 405),
    ] {
        assert_eq!(system.caller.send(request).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn a_list_may_be_named_and_the_exact_name_goes_before_another_letter_case_and_an_alias() {
    let system = with(Options::default(), &["VIP", "vip", "Über Uns"], &["Gold", "Silver", "New Users"]).await;
    for (body, campaigns, segments) in [
        (add("campaignName", "vip"), 1, 0),
        (add("campaignId", " VIP "), 2, 0),
        (add("campaignName", "über uns"), 3, 0),
        (add("segmentName", "GOLD"), 3, 1),
        (add("segmentId", "silver"), 3, 2),
        (json!({"action": "remove_from_campaign", "id": "u1", "campaignName": "VIP"}), 2, 2),
        (json!({"action": "remove_from_segment", "id": "u1", "segmentName": "Gold"}), 2, 1),
        (add("segmentName", "new-users"), 2, 2),
    ] {
        let answer = call(&system, body.clone()).await;
        assert_eq!(answer.status, 200, "{body} {}", answer.body);
        let held = system.contact("member@example.com");
        assert_eq!((held.campaigns.len(), held.segments.len()), (campaigns, segments), "{body}");
    }
    assert_eq!((system.calls_of("GET /api/campaigns"), system.calls_of("GET /api/segments")), (1, 1));
}

#[tokio::test]
async fn an_unknown_name_is_not_found_and_an_ambiguous_one_is_refused() {
    let system = with(Options::default(), &["News", "NEWS", "Welcome"], &[]).await;
    let answer = call(&system, add("campaignName", "canary-7391")).await;
    assert_eq!(
        (answer.status, answer.error_code(), answer.complaints()),
        (404, "not_found", vec!["campaignName:not_in_list".to_owned()])
    );
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("3 campaigns") && message.contains("Welcome") && !message.contains("canary"), "{message}");
    let answer = call(&system, add("campaignName", "news")).await;
    assert_eq!(
        (answer.status, answer.error_code(), answer.complaints()),
        (422, "invalid_request", vec!["campaignName:invalid".to_owned()])
    );
    assert_eq!(call(&system, add("segmentId", "none")).await.complaints(), ["segmentId:not_in_list"]);
    for (field, value) in [
        ("campaignId", json!("-1")),
        ("campaignId", json!(0)),
        ("campaignName", json!(7)),
        ("segmentName", json!("x".repeat(256))),
        ("campaignName", json!(" ")),
    ] {
        let mut body = add(field, "");
        body[field] = value;
        assert_eq!(call(&system, body.clone()).await.status, 422, "{body}");
    }
    assert!(system.contact("member@example.com").campaigns.is_empty());
}

#[tokio::test]
async fn a_campaign_that_was_made_since_is_found_by_its_name() {
    let clock = Later::default();
    let system = with(Options { clock: Arc::new(clock.clone()), ..Options::default() }, &["Welcome"], &[]).await;
    assert_eq!(call(&system, add("campaignName", "Spring")).await.status, 404);
    let calls = system.calls_of("GET /api/campaigns");
    assert_eq!(call(&system, add("campaignName", "Spring")).await.status, 404);
    assert_eq!(system.calls_of("GET /api/campaigns"), calls, "a wrong name spends no budget");
    system.made_in_mautic("campaigns", "Spring").await;
    clock.0.fetch_add(11, Ordering::Relaxed);
    assert_eq!(call(&system, add("campaignName", "Spring")).await.status, 200);
}

#[tokio::test]
async fn while_mautic_is_down_names_are_queued_whether_they_are_known_or_not() {
    let system = with(Options::default(), &["Welcome"], &["Gold"]).await;
    assert_eq!(call(&system, ask()).await.status, 200);
    system.mautic_answers(503);
    assert_eq!(call(&system, add("campaignName", "Welcome")).await.status, 202);
    assert_eq!(call(&system, add("segmentName", "Gold")).await.status, 202);
    system.mautic.clear_faults();
    system.finish().await;
    let member = system.contact("member@example.com");
    assert_eq!((member.campaigns.len(), member.segments.len()), (1, 1));
}

#[tokio::test]
async fn in_demo_mode_there_are_no_campaigns_and_every_name_is_taken() {
    let system = System::with(Options::default().demo()).await;
    let answer = call(&system, ask()).await;
    assert_eq!((answer.status, &answer.body["demo"], &answer.data()["campaigns"]), (200, &json!(true), &json!([])));
    assert_eq!(call(&system, add("campaignName", "Welcome")).await.status, 200);
    assert_eq!(call(&system, add("campaignName", " ")).await.status, 422);
}
