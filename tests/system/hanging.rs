//! A Mautic that takes calls and does not answer them: nobody waits for it for long, and soon nobody waits at all.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::hands::Hands;
use tandem_tests::system::{Options, System};
use tokio::time::Instant;

/// How long callers wait in these tests, and what the answer may take besides.
const BUDGET: Duration = Duration::from_secs(2);
const BESIDE: Duration = Duration::from_millis(1_000);

async fn system(hands: &Hands) -> System {
    System::with(Options::default().with("TANDEM_CALL_BUDGET_MS", "2000").by_hand(hands)).await
}

fn hang(system: &System) {
    system.mautic.inject_faults(vec![FaultRule { delay_ms: Some(60_000), ..FaultRule::new(FaultKind::Delay) }]);
}

async fn upsert(caller: &Caller, user: &str) -> (Answer, Duration) {
    let payload = json!({"id": user, "contact": {"email": format!("{user}@example.com"), "first_name": "Ada"}});
    let begun = Instant::now();
    (caller.upsert(payload).await.unwrap(), begun.elapsed())
}

async fn health(caller: &Caller) -> (Value, Duration) {
    let begun = Instant::now();
    let answer = caller.send(caller.bare(Method::GET, "/health")).await.unwrap();
    assert_eq!(answer.status, 200);
    (answer.data().clone(), begun.elapsed())
}

#[tokio::test]
async fn a_hanging_mautic_holds_a_few_upserts_for_their_budget_and_the_next_ones_not_at_all() {
    let hands = Hands::default();
    let mut system = system(&hands).await;
    // There is a token: the first call that hangs is one of the API.
    upsert(&system.caller, "first").await;
    hang(&system);
    for user in ["u0", "u1", "u2"] {
        let (answer, took) = upsert(&system.caller, user).await;
        assert_eq!((answer.status, &answer.data()["queued"]), (202, &json!(true)), "{user}: {}", answer.body);
        assert!(took < BUDGET + BESIDE, "{user}: {took:?}");
    }
    let calls = system.calls();
    let (answer, took) = upsert(&system.caller, "u3").await;
    assert_eq!((answer.status, &answer.data()["reason"]), (202, &json!("unavailable")), "{}", answer.body);
    assert!(took < BESIDE, "{took:?}");
    // Another process knows it from the table.
    let other = system.another_instance().await;
    let (answer, took) = upsert(&other, "u4").await;
    assert!(answer.status == 202 && took < BESIDE, "{} {took:?}", answer.body);
    assert_eq!(system.calls(), calls, "nobody called");
    system.mautic.clear_faults();
    system.settle_together(&system.desk(), &hands).await.unwrap();
    for user in ["u0", "u1", "u2", "u3", "u4"] {
        assert_eq!(system.contact(&format!("{user}@example.com")).fields["firstname"], "Ada", "{user}");
    }
    assert_eq!(system.mautic.stats().contacts, 6);
}

#[tokio::test]
async fn calls_are_made_again_once_mautic_answers_the_one_that_is_made_to_see() {
    let hands = Hands::default();
    let system = system(&hands).await;
    upsert(&system.caller, "first").await;
    hang(&system);
    for user in ["u0", "u1", "u2", "u3"] {
        upsert(&system.caller, user).await;
    }
    system.mautic.clear_faults();
    let (answer, _) = upsert(&system.caller, "early").await;
    assert_eq!(answer.status, 202, "no call is made yet");
    hands.move_on(jiff::SignedDuration::from_secs(31));
    for user in ["late", "later"] {
        let (answer, _) = upsert(&system.caller, user).await;
        assert_eq!(answer.status, 200, "{user}: {}", answer.body);
    }
}

#[tokio::test]
async fn readers_are_told_in_time_that_mautic_does_not_answer() {
    let hands = Hands::default();
    let system = system(&hands).await;
    upsert(&system.caller, "first").await;
    hang(&system);
    let begun = Instant::now();
    let answer = system.caller.call(&json!({"action": "ping"})).await.unwrap();
    assert_eq!((answer.status, answer.error_code()), (504, "platform_timeout"), "{}", answer.body);
    assert!(begun.elapsed() < BUDGET + BESIDE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_health_check_takes_two_seconds_at_most_and_processes_share_what_mautic_answered() {
    let hands = Hands::default();
    let mut system = system(&hands).await;
    upsert(&system.caller, "first").await;
    hang(&system);
    let (data, took) = health(&system.caller).await;
    assert_eq!((&data["status"], &data["checks"]["mautic"]["error"]), (&json!("degraded"), &json!("timeout")));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let (calls, other) = (system.calls(), system.another_instance().await);
    let (data, took) = health(&other).await;
    assert_eq!(data["status"], "degraded");
    assert!(took < BESIDE, "{took:?}");
    assert_eq!(system.calls(), calls, "the table knew it");
    system.mautic.clear_faults();
    hands.move_on(jiff::SignedDuration::from_secs(31));
    assert_eq!(health(&other).await.0["status"], "ok");
    let calls = system.calls();
    assert_eq!(health(&system.caller).await.0["status"], "ok");
    assert_eq!(system.calls(), calls);
}
