//! Jobs that wait at the same time are done together: with few calls of Mautic, and each with an end of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::ports::Clock;
use tandem_simulators::MauticOptions;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_tests::hands::Hands;
use tandem_tests::lifecycle::{Names, Seen};
use tandem_tests::system::{Options, System};

const BATCH: &str = "PUT /api/contacts/batch/edit";
const JOIN: &str = "POST /api/segments/{id}/contacts/add";
const SEGMENT: &str = "POST /api/segments/{id}/contact/{contact}/{action}";
const CAMPAIGN: &str = "POST /api/campaigns/{id}/contact/{contact}/{action}";

/// A system with campaigns and segments as they are after the first user of all.
async fn warm(hands: &Hands, mautic: MauticOptions) -> System {
    let system = System::with(Options { mautic, ..Options::default().by_hand(hands) }).await;
    system.make_campaigns().await;
    let warm = json!([
        event("warm", "user_signup", 0, json!({})),
        event("warm", "plan_change", 1, json!({"new_tier": "pro"})),
        event("warm", "plan_change", 2, json!({"new_tier": "enterprise"})),
        event("warm", "subscription_cancelled", 3, json!({})),
    ]);
    post(&system, warm).await;
    system.settle(&system.desk(), hands).await.unwrap();
    system
}

fn event(user: &str, name: &str, minute: i64, properties: Value) -> Value {
    let at = SystemClock.now() - SignedDuration::from_mins(60 - minute);
    json!({
        "id": format!("{user} {name} {minute}"),
        "name": name,
        "user": {"id": user, "email": address(user)},
        "time": at.to_string(),
        "properties": properties,
    })
}

fn address(user: &str) -> String {
    format!("{user}@example.com")
}

fn users(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("u{number}")).collect()
}

async fn post(system: &System, events: Value) {
    let answer = system.send_events("", &events).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
}

async fn sign_up(system: &System, users: &[String]) {
    let events: Vec<Value> = users.iter().map(|user| event(user, "user_signup", 10, json!({}))).collect();
    post(system, json!(events)).await;
}

fn is_signed_up(seen: &Seen) -> bool {
    let in_segments = BTreeSet::from(["New Users".to_owned(), "Free Tier".to_owned()]).is_subset(&seen.segments);
    seen.contacts == 1 && in_segments && seen.entries.get("Welcome Campaign") == Some(&1)
}

async fn assert_signed_up(system: &System, users: &[String], names: &Names, why: &str) {
    for user in users {
        let seen = system.seen(&address(user), names).await;
        assert!(is_signed_up(&seen), "{why}, {user}: {seen:?}");
    }
}

#[tokio::test]
async fn signups_that_wait_together_take_one_batch_one_call_a_segment_and_one_a_campaign_each() {
    let hands = Hands::default();
    let system = warm(&hands, MauticOptions::default()).await;
    let users = users(30);
    let calls = [BATCH, JOIN, SEGMENT, CAMPAIGN].map(|route| system.calls_of(route));
    let before = system.calls();
    sign_up(&system, &users).await;
    system.work_together(&system.desk()).await.unwrap();
    let made = [BATCH, JOIN, SEGMENT, CAMPAIGN].map(|route| system.calls_of(route));
    let made: Vec<u64> = made.iter().zip(calls).map(|(after, before)| after - before).collect();
    assert_eq!(made, [1, 2, 0, 30]);
    assert!(system.calls() - before <= 37, "and the lists of each kind: {}", system.calls() - before);
    assert_eq!(system.queue.counts().await.unwrap().waiting, 0);
    assert_signed_up(&system, &users, &system.names().await, "at once").await;
}

#[tokio::test]
async fn a_plan_change_shares_all_calls_but_those_that_mautic_takes_for_one_contact_only() {
    let hands = Hands::default();
    let system = warm(&hands, MauticOptions::default()).await;
    let users = users(20);
    sign_up(&system, &users).await;
    system.settle_together(&system.desk(), &hands).await.unwrap();
    let (before, single) = (system.calls(), system.calls_of(SEGMENT) + system.calls_of(CAMPAIGN));
    let changes: Vec<Value> =
        users.iter().map(|user| event(user, "plan_change", 20, json!({"new_tier": "pro"}))).collect();
    post(&system, json!(changes)).await;
    system.settle_together(&system.desk(), &hands).await.unwrap();
    let single = system.calls_of(SEGMENT) + system.calls_of(CAMPAIGN) - single;
    assert_eq!(single, 40, "one out of a segment and one campaign each");
    let shared = system.calls() - before - single;
    // A batch, a segment, and the lists, which are read anew whenever five minutes of the test's clock are over.
    assert!((2..=8).contains(&shared), "{shared}");
    let names = system.names().await;
    for user in &users {
        let seen = system.seen(&address(user), &names).await;
        assert!(seen.segments.contains("Pro Tier") && !seen.segments.contains("Free Tier"), "{seen:?}");
        assert_eq!(seen.entries.get("Pro Onboarding"), Some(&1), "{seen:?}");
    }
}

#[tokio::test]
async fn one_job_that_mautic_refuses_spoils_no_other_of_its_group() {
    let hands = Hands::default();
    let system = warm(&hands, MauticOptions::default()).await;
    let mut names = users(10);
    let refused = json!({"id": "bad", "name": "user_signup", "user": {"id": "bad", "email": "a%b@example.com"}});
    let mut events: Vec<Value> = names.iter().map(|user| event(user, "user_signup", 10, json!({}))).collect();
    events.insert(4, refused);
    post(&system, json!(events)).await;
    system.settle_together(&system.desk(), &hands).await.unwrap();
    let lists = system.names().await;
    names.push("warm".to_owned());
    assert_signed_up(&system, &names[..10], &lists, "beside a refused one").await;
    assert_eq!(system.parked().await.len(), 1, "the refused one waits for a person");
    assert!(system.contacts_with("a%b@example.com").is_empty());
}

#[tokio::test]
async fn contacts_whose_batch_was_answered_with_silence_are_found_and_go_on() {
    let hands = Hands::default();
    let system = warm(&hands, MauticOptions::default()).await;
    let users = users(12);
    let lost = FaultRule { how: LostReply::Close, ..FaultRule::new(FaultKind::LostReply) };
    system.mautic.inject_faults(vec![lost.method("PUT").path("/api/contacts/batch").times(1)]);
    sign_up(&system, &users).await;
    system.settle_together(&system.desk(), &hands).await.unwrap();
    assert_signed_up(&system, &users, &system.names().await, "after a lost reply").await;
    assert_eq!(system.mautic.stats().contacts, 13);
    assert!(system.parked().await.is_empty());
}

#[tokio::test]
async fn a_bulk_call_that_fails_is_made_again_and_each_contact_enters_its_campaign_once() {
    for (method, path, kind) in [
        ("PUT", "/api/contacts/batch", FaultKind::Status),
        ("POST", "/api/segments", FaultKind::Status),
        ("POST", "/api/segments", FaultKind::LostReply),
        ("POST", "/api/campaigns", FaultKind::LostReply),
        ("POST", "/api/campaigns", FaultKind::Status),
    ] {
        let hands = Hands::default();
        let system = warm(&hands, MauticOptions::default()).await;
        let users = users(8);
        system.mautic.inject_faults(vec![FaultRule::new(kind).path(path).method(method).times(3)]);
        sign_up(&system, &users).await;
        system.settle_together(&system.desk(), &hands).await.unwrap();
        assert_signed_up(&system, &users, &system.names().await, &format!("{kind:?} of {path}")).await;
        assert!(system.parked().await.is_empty(), "{kind:?} of {path}");
    }
}

#[tokio::test]
async fn a_group_whose_worker_dies_anywhere_is_done_by_the_next_one_exactly_once() {
    for after in [2, 10, 25, 40, 60, 80, 110, 150] {
        let hands = Hands::default();
        let system = warm(&hands, MauticOptions::default().latency(Duration::from_millis(20))).await;
        let users = users(6);
        sign_up(&system, &users).await;
        let desk = system.desk();
        let died = tokio::time::timeout(Duration::from_millis(after), system.work_together(&desk)).await;
        // Its messages are hidden for a while, as they are when a worker dies.
        hands.move_on(SignedDuration::from_mins(10));
        system.settle_together(&system.desk(), &hands).await.unwrap();
        let why = format!("after {after} ms ({})", if died.is_ok() { "done" } else { "died" });
        assert_signed_up(&system, &users, &system.names().await, &why).await;
        assert_eq!(system.mautic.stats().contacts, 7, "{why}");
        assert!(system.parked().await.is_empty(), "{why}");
    }
}

#[tokio::test]
async fn events_of_one_user_in_one_group_end_in_the_order_in_which_they_happened() {
    let hands = Hands::default();
    let system = warm(&hands, MauticOptions::default()).await;
    let mut events = vec![
        event("u0", "user_signup", 10, json!({})),
        event("u0", "plan_change", 11, json!({"new_tier": "pro"})),
        event("u0", "plan_change", 12, json!({"new_tier": "enterprise"})),
        event("u0", "plan_change", 13, json!({"new_tier": "pro"})),
        event("u1", "user_signup", 10, json!({})),
    ];
    events.reverse();
    post(&system, json!(events)).await;
    let first = system.work_together(&system.desk()).await.unwrap();
    assert_eq!((first, system.queue.counts().await.unwrap().waiting), (5, 0), "nothing had to come back");
    let names = system.names().await;
    let seen = system.seen(&address("u0"), &names).await;
    let tiers: Vec<&str> =
        seen.segments.iter().map(String::as_str).filter(|segment| segment.ends_with("Tier")).collect();
    assert_eq!(tiers, ["Pro Tier"], "{seen:?}");
    assert_eq!(seen.fields["subscription_tier"], "pro");
    assert_eq!(seen.entries.get("Enterprise Onboarding"), Some(&1));
    assert_signed_up(&system, &["u1".to_owned()], &names, "beside them").await;
}

#[tokio::test]
async fn an_event_about_an_id_waits_for_the_one_of_its_group_that_makes_the_user_known() {
    let hands = Hands::default();
    let system = warm(&hands, MauticOptions::default()).await;
    let early = json!({"id": "early", "name": "plan_change", "user": {"id": "u0"}, "properties": {"new_tier": "pro"},
        "time": (SystemClock.now() - SignedDuration::from_mins(55)).to_string()});
    post(&system, json!([early, event("u0", "user_signup", 10, json!({})), event("u1", "user_signup", 10, json!({}))]))
        .await;
    system.settle_together(&system.desk(), &hands).await.unwrap();
    let names = system.names().await;
    assert_eq!(system.seen(&address("u0"), &names).await.contacts, 1);
    assert!(system.parked().await.is_empty());
}

#[tokio::test]
async fn writes_that_waited_for_mautic_arrive_in_one_batch() {
    let hands = Hands::default();
    let system = warm(&hands, MauticOptions::default()).await;
    system.mautic_answers(503);
    for user in users(15) {
        let payload = json!({"id": user, "contact": {"email": address(&user), "first_name": "Ada"}});
        assert_eq!(system.caller.upsert(payload).await.unwrap().status, 202);
    }
    system.mautic.clear_faults();
    hands.move_on(SignedDuration::from_mins(3));
    let before = system.calls();
    system.settle_together(&system.desk(), &hands).await.unwrap();
    assert!(system.calls() - before <= 4, "{} calls", system.calls() - before);
    for user in users(15) {
        assert_eq!(system.contact(&address(&user)).fields["firstname"], "Ada");
    }
    assert_eq!(system.mautic.stats().contacts, 16);
}

#[tokio::test]
async fn wishes_to_come_into_one_segment_take_one_call_and_newer_ones_stand() {
    let hands = Hands::default();
    let system = warm(&hands, MauticOptions::default()).await;
    let (segment, users) = (system.made_in_mautic("segments", "VIP").await, users(6));
    sign_up(&system, &users).await;
    system.settle_together(&system.desk(), &hands).await.unwrap();
    system.mautic_answers(503);
    let wish = async |user: &String, action: &str| {
        let body = json!({"action": action, "id": user, "segmentId": segment});
        assert_eq!(system.caller.call(&body).await.unwrap().status, 202);
    };
    for user in &users {
        wish(user, "add_to_segment").await;
    }
    wish(&users[0], "remove_from_segment").await;
    system.mautic.clear_faults();
    hands.move_on(SignedDuration::from_mins(3));
    let (join, single) = (system.calls_of(JOIN), system.calls_of(SEGMENT));
    system.settle_together(&system.desk(), &hands).await.unwrap();
    assert_eq!((system.calls_of(JOIN) - join, system.calls_of(SEGMENT) - single), (1, 1));
    let names = system.names().await;
    for (number, user) in users.iter().enumerate() {
        let seen = system.seen(&address(user), &names).await;
        assert_eq!(seen.segments.contains("VIP"), number != 0, "{user}");
    }
}
