//! High-value enrolment: a high score, an eligible stage, an opt-in, switched on; and once.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::scope::Scope;
use tandem_core::jobs::message::{Job, Task};
use tandem_core::jobs::runner::Verdict;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::client::Answer;
use tandem_tests::system::{Options, System};

const ROUTE: &str = "POST /api/campaigns/{id}/contact/{contact}/{action}";

async fn system(options: Options) -> System {
    let options = options.with("MAUTIC_ENROLLMENT_ENABLED", "true").with("MAUTIC_CAMPAIGN_HIGH_VALUE", "1");
    let system = System::with(options).await;
    assert_eq!(system.made_in_mautic("campaigns", "High value").await, "1");
    system
}

fn person(email: &str, score: Value, status: &str, opt_in: Value) -> Value {
    json!({"contact": {"email": email}, "ml": {"score": score}, "crm_status": status, "consent": {"marketing_opt_in": opt_in}})
}

async fn upsert(system: &System, payload: Value) -> Answer {
    system.caller.upsert(payload).await.unwrap()
}

#[tokio::test]
async fn only_a_high_score_in_an_eligible_stage_with_an_opt_in_is_enrolled() {
    let system = system(Options::default()).await;
    let cases = [
        (json!(70), "qualified", json!(true), true),
        (json!("85.5"), " Converted ", json!(true), true),
        (json!(69.99), "qualified", json!(true), false),
        (json!(null), "qualified", json!(true), false),
        (json!("high"), "qualified", json!(true), false),
        (json!(100), "new", json!(true), false),
        (json!(100), "", json!(true), false),
        (json!(100), "qualified", json!(false), false),
        (json!(100), "qualified", json!(null), false),
    ];
    for (number, (score, status, opt_in, enrolled)) in cases.into_iter().enumerate() {
        let email = format!("e{number}@example.com");
        let answer = upsert(&system, person(&email, score.clone(), status, opt_in)).await;
        let expected = if enrolled { json!(["1"]) } else { json!([]) };
        assert_eq!(answer.data()["enrolledIn"], expected, "{score} {status}");
        assert_eq!(system.contact(&email).campaigns, if enrolled { vec![1] } else { vec![] }, "{score} {status}");
    }
}

#[tokio::test]
async fn a_contact_is_enrolled_once_however_often_it_is_written() {
    let system = system(Options::default()).await;
    let first = upsert(&system, person("once@example.com", json!(90), "qualified", json!(true))).await;
    assert_eq!(first.data()["enrolledIn"], json!(["1"]));
    let again = upsert(&system, person("once@example.com", json!(90), "qualified", json!(true))).await;
    assert_eq!((&again.data()["action"], &again.data()["enrolledIn"]), (&json!("unchanged"), &json!(["1"])));
    upsert(&system, person("once@example.com", json!(95), "converted", json!(true))).await;
    upsert(&system, person("once@example.com", json!(10), "lost", json!(true))).await;
    upsert(&system, person("once@example.com", json!(95), "converted", json!(true))).await;
    assert_eq!(system.calls_of(ROUTE), 1);
}

#[tokio::test]
async fn a_contact_that_becomes_eligible_later_is_enrolled_then() {
    let system = system(Options::default()).await;
    upsert(&system, person("later@example.com", json!(20), "qualified", json!(true))).await;
    let answer = upsert(&system, json!({"contact": {"email": "later@example.com"}, "ml": {"score": 80}})).await;
    assert_eq!(answer.data()["enrolledIn"], json!(["1"]));
}

#[tokio::test]
async fn threshold_and_stages_can_be_chosen() {
    let options =
        Options::default().with("MAUTIC_HIGH_VALUE_THRESHOLD", "10.5").with("MAUTIC_ELIGIBLE_STAGES", "Trial, demo");
    let system = system(options).await;
    for (email, score, status, enrolled) in [
        ("a@example.com", 10.5, "trial", 1),
        ("b@example.com", 10.4, "trial", 0),
        ("c@example.com", 90.0, "qualified", 0),
        ("d@example.com", 11.0, "DEMO", 1),
    ] {
        let answer = upsert(&system, person(email, json!(score), status, json!(true))).await;
        assert_eq!(answer.data()["enrolledIn"].as_array().map(Vec::len), Some(enrolled), "{email}");
    }
}

#[tokio::test]
async fn nobody_is_enrolled_while_it_is_switched_off() {
    let system = System::with(Options::default().with("MAUTIC_CAMPAIGN_HIGH_VALUE", "1")).await;
    system.made_in_mautic("campaigns", "High value").await;
    let answer = upsert(&system, person("off@example.com", json!(99), "qualified", json!(true))).await;
    assert_eq!(answer.data()["enrolledIn"], json!([]));
}

#[tokio::test]
async fn a_campaign_that_is_not_there_is_reported_and_the_contact_is_written() {
    let options = Options::default().with("MAUTIC_ENROLLMENT_ENABLED", "true").with("MAUTIC_CAMPAIGN_HIGH_VALUE", "77");
    let system = System::with(options).await;
    let answer = upsert(&system, person("none@example.com", json!(99), "qualified", json!(true))).await;
    assert_eq!((answer.status, answer.complaints()), (200, vec!["enrolledIn:refused_by_platform".to_owned()]));
    assert_eq!((&answer.data()["enrolledIn"], system.contacts_with("none@example.com").len()), (&json!([]), 1));
}

#[tokio::test]
async fn an_enrolment_that_fails_for_now_is_reported_and_done_later() {
    let system = system(Options::default()).await;
    system.mautic.inject_faults(vec![FaultRule::new(FaultKind::Status).path("/api/campaigns").times(2)]);
    let answer = upsert(&system, person("later@example.com", json!(99), "qualified", json!(true))).await;
    assert_eq!((answer.status, answer.complaints()), (200, vec!["enrolledIn:deferred".to_owned()]));
    assert_eq!(system.contact("later@example.com").campaigns, Vec::<u64>::new());
    system.finish().await;
    assert_eq!(system.contact("later@example.com").campaigns, [1]);
}

#[tokio::test]
async fn a_job_that_can_not_enrol_comes_back_by_the_policy_and_leaves_no_other_job() {
    let system = system(Options::default().without_worker()).await;
    system.mautic.inject_faults(vec![FaultRule::new(FaultKind::Status).path("/api/campaigns")]);
    upsert(&system, person("loop@example.com", json!(99), "qualified", json!(true))).await;
    let desk = system.foundation.desk().unwrap().unwrap();
    let email: tandem_core::domain::identity::Email = "loop@example.com".parse().unwrap();
    let record = tandem_core::domain::identity::RecordKey::first_known_by(&email.identity());
    let job = Job {
        id: "j".to_owned(),
        scope: Scope::default_mautic(),
        correlation_id: "c".to_owned(),
        queued_at: system.now(),
        task: Task::PushContact { record },
    };
    let before = system.queue.counts().await.unwrap();
    assert!(matches!(desk.run(&job, 1).await, Verdict::RetryIn(_)));
    assert_eq!(system.queue.counts().await.unwrap(), before);
}

#[tokio::test]
async fn a_contact_that_was_deleted_in_mautic_is_enrolled_again_when_it_is_made_again() {
    let system = system(Options::default()).await;
    let id = upsert(&system, person("anew@example.com", json!(90), "qualified", json!(true)))
        .await
        .contact_id()
        .unwrap()
        .to_owned();
    system.in_mautic(Method::DELETE, &format!("/api/contacts/{id}/delete"), None).await;
    let answer = upsert(&system, json!({"contact": {"email": "anew@example.com", "first_name": "Ada"}})).await;
    assert_eq!(answer.data()["enrolledIn"], json!(["1"]));
    assert_eq!(system.contact("anew@example.com").campaigns, [1]);
}
