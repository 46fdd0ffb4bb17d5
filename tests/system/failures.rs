//! When Mautic is down, slow, refusing or talking nonsense: no write is lost or doubled, and readers are told when to come back.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::MauticOptions;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_tests::client::Answer;
use tandem_tests::system::{Options, System};

async fn upsert(system: &System, email: &str, name: &str) -> Answer {
    system.caller.upsert(json!({"contact": {"email": email, "first_name": name}})).await.unwrap()
}

async fn call(system: &System, body: Value) -> Answer {
    system.caller.call(&body).await.unwrap()
}

/// The ways in which Mautic fails, and what a reader is told then.
fn failures() -> Vec<(&'static str, FaultRule, u16, &'static str)> {
    let status = |status| FaultRule::new(FaultKind::Status).status(status);
    let mut limited = status(429);
    limited.retry_after = Some(1);
    vec![
        ("hangs up", FaultRule::new(FaultKind::Close), 503, "platform_unavailable"),
        ("401", status(401), 502, "platform_credentials"),
        ("403", status(403), 502, "platform_credentials"),
        ("500", status(500), 503, "platform_unavailable"),
        ("502 in HTML", FaultRule::new(FaultKind::Html), 503, "platform_unavailable"),
        ("503", status(503), 503, "platform_unavailable"),
        ("504", status(504), 504, "platform_timeout"),
        ("HTML with 200", FaultRule::new(FaultKind::Html).status(200), 502, "platform_garbled"),
        ("HTML with 404", FaultRule::new(FaultKind::Html).status(404), 502, "platform_garbled"),
        ("a redirect", status(302), 502, "platform_garbled"),
        ("no JSON", FaultRule::new(FaultKind::Garbage), 502, "platform_garbled"),
        ("cut-off JSON", FaultRule::new(FaultKind::Truncate), 502, "platform_garbled"),
        ("429", limited, 429, "platform_rate_limited"),
    ]
}

#[tokio::test]
async fn a_write_is_queued_whatever_is_wrong_with_mautic_and_arrives_once_it_is_back() {
    join_all(failures().into_iter().map(|(name, fault, ..)| write_through(name, fault))).await;
}

async fn write_through(name: &str, fault: FaultRule) {
    let system = System::start().await;
    upsert(&system, "old@example.com", "Ada").await;
    system.mautic.inject_faults(vec![fault.path("/api")]);
    for email in ["new@example.com", "old@example.com"] {
        let answer = upsert(&system, email, "Eve").await;
        assert_eq!((answer.status, &answer.data()["queued"]), (202, &json!(true)), "{name} {email}: {}", answer.body);
        assert!(answer.data()["jobId"].is_string() && answer.data()["reason"].is_string(), "{name}");
    }
    system.mautic.clear_faults();
    // A create that may have been done keeps its lease, which time would end.
    system.end_lease("new@example.com").await;
    system.finish().await;
    assert!(system.parked().await.is_empty(), "{name}");
    for email in ["new@example.com", "old@example.com"] {
        assert_eq!(system.contact(email).fields["firstname"], "Eve", "{name} {email}");
    }
    assert_eq!(system.mautic.stats().contacts, 2, "{name}");
}

#[tokio::test]
async fn queued_writes_arrive_by_themselves_when_mautic_is_back() {
    let system = System::start().await;
    upsert(&system, "known@example.com", "Ada").await;
    system.mautic_answers(429);
    let (known, new) =
        (upsert(&system, "known@example.com", "Eve").await, upsert(&system, "fresh@example.com", "New").await);
    assert_eq!((known.status, new.status), (202, 202));
    system.mautic.clear_faults();
    system.finish().await;
    assert_eq!(system.contact("known@example.com").fields["firstname"], "Eve");
    assert_eq!(system.contact("fresh@example.com").fields["firstname"], "New");
}

#[tokio::test]
async fn readers_are_told_what_is_wrong_and_when_to_come_back() {
    for (name, fault, status, code) in failures() {
        let system = System::with(Options::default().without_worker()).await;
        let id = upsert(&system, "reader@example.com", "Ada").await.contact_id().unwrap().to_owned();
        system.mautic.inject_faults(vec![fault.path("/api")]);
        for body in [json!({"action": "ping"}), json!({"action": "export_contact", "mauticContactId": id})] {
            let answer = call(&system, body.clone()).await;
            assert_eq!((answer.status, answer.error_code()), (status, code), "{name}: {body} {}", answer.body);
            assert!(answer.retry_after.is_some_and(|seconds| seconds > 0), "{name}: {body}");
        }
    }
}

#[tokio::test]
async fn a_mautic_that_is_not_there_at_all_is_no_different() {
    let mut system = System::with(Options::default().without_worker()).await;
    upsert(&system, "gone@example.com", "Ada").await;
    let stopped = std::mem::replace(&mut system.mautic, another_mautic().await);
    stopped.shutdown().await;
    assert_eq!(upsert(&system, "gone@example.com", "Eve").await.status, 202);
    assert_eq!(upsert(&system, "unknown@example.com", "Eve").await.status, 202);
    let ping = call(&system, json!({"action": "ping"})).await;
    assert_eq!((ping.status, ping.error_code()), (503, "platform_unavailable"));
    assert!(ping.retry_after.is_some());
}

async fn another_mautic() -> tandem_simulators::RunningMautic {
    let address = "127.0.0.1:0".parse().unwrap();
    tandem_simulators::MauticSimulator::start(MauticOptions::default(), address).await.unwrap()
}

#[tokio::test]
async fn a_mautic_that_is_too_slow_is_a_timeout_and_the_write_is_not_doubled() {
    let system = System::with(Options::default().without_worker()).await;
    let mut slow =
        FaultRule::new(FaultKind::LostReply).how(LostReply::Stall).method("PUT").path("/api/contacts/batch").times(1);
    slow.delay_ms = Some(11_000);
    system.mautic.inject_faults(vec![slow]);
    let answer = upsert(&system, "slow@example.com", "Ada").await;
    assert_eq!(
        (answer.status, &answer.data()["action"]),
        (200, &json!("created")),
        "the look-up finds it: {}",
        answer.body
    );
    assert_eq!(system.contacts_with("slow@example.com").len(), 1);
}

#[tokio::test]
async fn revoked_tokens_are_replaced_without_anybody_noticing() {
    let system = System::start().await;
    upsert(&system, "token@example.com", "Ada").await;
    let before = system.mautic.stats().token_requests;
    system.mautic.revoke_tokens();
    let calls = (0..8).map(|number| upsert(&system, "token@example.com", if number % 2 == 0 { "A" } else { "B" }));
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(system.mautic.stats().token_requests - before, 1);
}

#[tokio::test]
async fn wrong_credentials_queue_writes_and_tell_readers() {
    let options = Options { mautic: MauticOptions::default().client("1_demo", "another-secret"), ..Options::default() };
    let system = System::with(options.without_fields().without_worker()).await;
    let answer = upsert(&system, "wrong@example.com", "Ada").await;
    assert_eq!((answer.status, &answer.data()["reason"]), (202, &json!("credentials")), "{}", answer.body);
    let ping = call(&system, json!({"action": "ping"})).await;
    assert_eq!((ping.status, ping.error_code()), (502, "platform_credentials"));
    assert!(ping.retry_after.is_some());
    assert!(!ping.body.to_string().contains("demo-secret"));
}

#[tokio::test]
async fn an_api_that_is_switched_off_is_named() {
    let system = System::with(Options::default().without_worker()).await;
    system.mautic.set_enabled(false, false);
    let ping = call(&system, json!({"action": "ping"})).await;
    assert_eq!((ping.status, ping.error_code()), (502, "platform_credentials"));
    assert!(ping.body["error"]["message"].as_str().unwrap().contains("API"), "{}", ping.body);
    assert_eq!(upsert(&system, "off@example.com", "Ada").await.status, 202);
}

#[tokio::test]
async fn a_used_up_budget_is_waited_for_until_mautic_gives_the_next_one() {
    let system = System::with(Options::default().without_worker()).await;
    upsert(&system, "budget@example.com", "Ada").await;
    system.mautic.set_rate_limit(Some(1));
    call(&system, json!({"action": "ping"})).await;
    let ping = call(&system, json!({"action": "ping"})).await;
    assert_eq!((ping.status, ping.error_code()), (429, "platform_rate_limited"));
    assert!(
        ping.retry_after.is_some_and(|seconds| seconds > 60),
        "the reset is within the hour: {:?}",
        ping.retry_after
    );
    let calls = system.calls();
    let answer = upsert(&system, "budget@example.com", "Eve").await;
    assert_eq!((answer.status, &answer.data()["reason"]), (202, &json!("rate_limited")));
    assert_eq!(system.calls(), calls, "a budget that is known to be used up is not tried");
}

#[tokio::test]
async fn deferred_updates_of_one_contact_end_in_the_newest_state() {
    let system = System::start().await;
    upsert(&system, "order@example.com", "Zero").await;
    system.mautic_answers(503);
    for name in ["One", "Two", "Three"] {
        assert_eq!(upsert(&system, "order@example.com", name).await.status, 202);
    }
    system.mautic.clear_faults();
    system.finish().await;
    assert_eq!(system.contact("order@example.com").fields["firstname"], "Three");
    assert_eq!(upsert(&system, "order@example.com", "Three").await.data()["action"], "unchanged");
}

#[tokio::test]
async fn a_deferred_write_does_not_undo_a_newer_one_that_went_through() {
    let system = System::with(Options::default().without_worker()).await;
    upsert(&system, "newer@example.com", "Zero").await;
    system.mautic_answers(503);
    assert_eq!(upsert(&system, "newer@example.com", "Deferred").await.status, 202);
    system.mautic.clear_faults();
    assert_eq!(upsert(&system, "newer@example.com", "Newest").await.status, 200);
    let mut system = system;
    system.start_worker();
    system.finish().await;
    assert_eq!(system.contact("newer@example.com").fields["firstname"], "Newest");
}

#[tokio::test]
async fn a_deferred_write_of_a_deleted_contact_does_not_bring_it_back() {
    let mut system = System::with(Options::default().without_worker()).await;
    upsert(&system, "deleted@example.com", "Ada").await;
    system.mautic_answers(503);
    assert_eq!(upsert(&system, "deleted@example.com", "Eve").await.status, 202);
    assert_eq!(upsert(&system, "never@example.com", "Eve").await.status, 202);
    system.mautic.clear_faults();
    system.end_lease("never@example.com").await;
    for email in ["deleted@example.com", "never@example.com"] {
        assert_eq!(call(&system, json!({"action": "delete_contact", "email": email})).await.status, 200, "{email}");
    }
    system.start_worker();
    system.finish().await;
    assert_eq!(system.mautic.stats().contacts, 0);
    assert!(system.parked().await.is_empty());
}

#[tokio::test]
async fn a_deletion_is_queued_while_mautic_is_down_and_done_when_it_is_back() {
    let system = System::start().await;
    upsert(&system, "leave@example.com", "Ada").await;
    system.mautic_answers(503);
    let answer = call(&system, json!({"action": "delete_contact", "email": "leave@example.com"})).await;
    assert_eq!((answer.status, &answer.data()["queued"]), (202, &json!(true)), "{}", answer.body);
    system.mautic.clear_faults();
    system.finish().await;
    assert_eq!(system.mautic.stats().contacts, 0);
}

#[tokio::test]
async fn a_queued_deletion_does_not_take_away_a_contact_that_was_brought_back_meanwhile() {
    let mut system = System::with(Options::default().without_worker()).await;
    upsert(&system, "back@example.com", "Ada").await;
    system.mautic_answers(503);
    assert_eq!(call(&system, json!({"action": "delete_contact", "email": "back@example.com"})).await.status, 202);
    system.mautic.clear_faults();
    assert_eq!(upsert(&system, "back@example.com", "Back").await.status, 200);
    system.start_worker();
    system.finish().await;
    assert_eq!(system.contact("back@example.com").fields["firstname"], "Back");
}

#[tokio::test]
async fn a_write_that_can_never_succeed_is_parked_with_its_reason_and_advice() {
    let mut system = System::with(Options::default().without_worker()).await;
    system.mautic_answers(503);
    assert_eq!(upsert(&system, "refuse@example.com", "Ada").await.status, 202);
    system.mautic.clear_faults();
    system.end_lease("refuse@example.com").await;
    let mut refusal =
        FaultRule::new(FaultKind::Status).status(400).method(Method::PUT.as_str()).path("/api/contacts/batch/edit");
    refusal.body = Some(
        json!({"errors": [{"code": 400, "message": "email: x", "details": {"email": ["is invalid."]}}]}).to_string(),
    );
    system.mautic.inject_faults(vec![refusal]);
    system.start_worker();
    system.finish().await;
    let parked = system.parked().await;
    assert_eq!(parked.len(), 1);
    assert!(!parked[0].advice.is_empty() && !parked[0].reason.message.contains("refuse@"));
}

#[tokio::test]
async fn no_more_calls_a_minute_are_made_than_the_operator_allows_and_the_rest_is_queued() {
    // One of them asks Mautic for its fields.
    for (allowed, made, left) in [("3", 3, 3), ("off", 6, 0)] {
        let options = Options::default().without_worker().with("MAUTIC_CALLS_PER_MINUTE", allowed);
        let system = System::with(options.without_fields()).await;
        let mut queued = 0;
        for number in 0..5 {
            let payload = json!({"contact": {"email": format!("p{number}@example.com")}});
            let answer = system.caller.upsert(payload).await.unwrap();
            assert!(answer.is_taken(), "{allowed}: {}", answer.body);
            queued += u64::from(answer.status == 202);
        }
        assert_eq!((system.calls(), queued), (made, left), "{allowed}");
    }
}

#[tokio::test]
async fn work_in_the_background_leaves_the_share_of_calls_that_the_operator_keeps_for_callers() {
    for (reserve, left) in [("0", 0), ("25", 5)] {
        let options = Options::default().without_worker().with("MAUTIC_INTERACTIVE_RESERVE", reserve);
        let system = System::with(options).await;
        system.mautic.set_rate_limit(Some(20));
        for _ in 0..10 {
            system.in_mautic(Method::GET, "/api/contacts?limit=1", None).await;
        }
        let (mautic, before) = (system.foundation.mautic().unwrap().unwrap().in_background(), system.calls());
        while mautic.segments().await.is_ok() {}
        assert_eq!(system.calls() - before, 10 - left, "{reserve}");
    }
}
