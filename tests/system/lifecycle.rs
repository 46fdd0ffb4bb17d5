//! `POST /events` and `GET /events`: what callers are told of lifecycle events, and what becomes of them.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::store::ParkedTable;
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::ParkedJobs;
use tandem_tests::client::Answer;
use tandem_tests::hands::Hands;
use tandem_tests::lifecycle::as_in_mautic;
use tandem_tests::system::{KEY, Options, System};

const EMAIL: &str = "ada@example.com";

async fn post(system: &System, body: Value) -> Answer {
    system.send_events("", &body).await.unwrap()
}

async fn raw(system: &System, body: &str) -> Answer {
    let request = system.caller.bare(Method::POST, "/events").bearer_auth(KEY);
    system.caller.send(request.header("Content-Type", "application/json").body(body.to_owned())).await.unwrap()
}

fn signup(id: &str) -> Value {
    json!({"id": id, "name": "user_signup", "user": {"id": "u1", "email": EMAIL, "first_name": "Ada"}})
}

fn event(name: &str, properties: Value) -> Value {
    json!({"id": name, "name": name, "user": {"id": "u1", "email": EMAIL}, "properties": properties})
}

async fn shown(system: &System, id: &str) -> Value {
    system.get_events(&format!("/{id}")).await.data()["event"].clone()
}

fn steps(event: &Value) -> Vec<String> {
    let text = |step: &Value, name: &str| step[name].as_str().unwrap_or("-").to_owned();
    let told = |step: &Value| format!("{} {} {}", text(step, "action"), text(step, "target"), text(step, "status"));
    event["steps"].as_array().unwrap().iter().map(told).collect()
}

/// The fields that rejected events are complained about, with the codes.
fn complaints(answer: &Answer) -> Vec<String> {
    let events = answer.data()["events"].as_array().unwrap().iter();
    let issues = events.flat_map(|event| event["issues"].as_array().unwrap());
    issues.map(|issue| format!("{}:{}", issue["field"].as_str().unwrap(), issue["code"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn an_event_is_answered_at_once_and_has_its_effects_soon_after() {
    let system = System::start().await;
    system.make_campaigns().await;
    let answer = post(&system, signup("e1")).await;
    assert_eq!((answer.status, &answer.data()["accepted"]), (202, &json!(1)), "{}", answer.body);
    assert_eq!(
        answer.data()["events"],
        json!([{"index": 0, "id": "e1", "name": "user_signup", "status": "pending", "duplicate": false, "issues": []}])
    );
    system.finish().await;
    let event = shown(&system, "e1").await;
    assert_eq!((&event["status"], &event["note"]), (&json!("completed"), &Value::Null));
    let steps = steps(&event);
    for step in
        ["upsert - done", "add segment.new_users done", "add segment.free_tier done", "add campaign.welcome done"]
    {
        assert!(steps.contains(&step.to_owned()), "{steps:?}");
    }
    assert_eq!(event["contactId"], json!(system.contact(EMAIL).id.to_string()));
}

#[tokio::test]
async fn one_event_a_list_and_an_object_with_a_list_are_taken_and_known_ones_are_told() {
    let system = System::with(Options::default().without_worker()).await;
    assert_eq!(post(&system, signup("e1")).await.data()["accepted"], 1);
    let several = json!([signup("e1"), signup("e2"), signup("e2")]);
    let answer = post(&system, several.clone()).await;
    assert_eq!((&answer.data()["accepted"], &answer.data()["duplicates"]), (&json!(1), &json!(2)), "{}", answer.body);
    let answer = post(&system, json!({"events": several})).await;
    assert_eq!((answer.status, &answer.data()["duplicates"]), (202, &json!(3)));
    assert_eq!(system.get_events("").await.data()["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_event_without_an_id_is_known_by_what_it_says() {
    let system = System::with(Options::default().without_worker()).await;
    let event = json!({"event": "user_login", "timestamp": "2026-01-01T10:00:00Z", "user": {"email": EMAIL}});
    let first = post(&system, event.clone()).await;
    let again = post(&system, event).await;
    let id = |answer: &Answer| answer.data()["events"][0]["id"].clone();
    assert_eq!((id(&first), &again.data()["duplicates"]), (id(&again), &json!(1)));
}

#[tokio::test]
async fn a_bad_event_is_named_by_its_place_and_keeps_no_other_out() {
    let system = System::with(Options::default().without_worker()).await;
    let answer = post(&system, json!([
        signup("good"), 7, {"name": "user_login"}, {"name": "No", "user": {"id": 1}}, event("plan_change", json!({})),
        event("plan_change", json!({"new_tier": "gold"})), event("payment_succeeded", json!({"amount": "much"})),
        {"name": "x", "user": {"id": 1}, "time": "soon"}, {"name": "x", "user": {"id": 1}, "properties": {"a": "x".repeat(20_000)}},
    ]))
    .await;
    assert_eq!((answer.status, &answer.data()["rejected"]), (202, &json!(8)), "{}", answer.body);
    assert_eq!(
        complaints(&answer),
        [
            "events[1]:wrong_type",
            "events[2].user:missing",
            "events[3].name:invalid",
            "events[4].properties.new_tier:not_in_list",
            "events[5].properties.new_tier:not_in_list",
            "events[6].properties.amount:invalid",
            "events[7].time:invalid",
            "events[8].properties:too_long",
        ]
    );
    let none = post(&system, json!([{"name": "x"}, 7])).await;
    assert_eq!(
        (none.status, none.complaints()),
        (422, vec!["events[0].user:missing".to_owned(), "events[1]:wrong_type".to_owned()])
    );
}

#[tokio::test]
async fn a_call_that_holds_no_events_is_refused() {
    let system = System::with(Options::default().without_worker()).await;
    for (body, status) in [
        ("[]", 422),
        ("{\"events\":[]}", 422),
        ("{\"events\":7}", 422),
        ("7", 400),
        ("\"a\"", 400),
        ("{", 400),
        ("", 400),
    ] {
        assert_eq!(raw(&system, body).await.status, status, "{body}");
    }
    let many: Vec<Value> = (0..101).map(|number| signup(&number.to_string())).collect();
    assert_eq!(post(&system, json!(many)).await.status, 422);
    assert_eq!(post(&system, json!(many[..100])).await.data()["accepted"], 100);
}

#[tokio::test]
async fn a_caller_that_waits_is_told_the_outcome() {
    let system = System::start().await;
    system.make_campaigns().await;
    let visitor = system.visitor().await;
    let mut body = signup("e1");
    body["user"]["mtc_id"] = json!(visitor);
    let answer = system.send_events("?wait=true", &body).await.unwrap();
    let event = &answer.data()["events"][0];
    assert_eq!((answer.status, &event["status"]), (200, &json!("completed")), "{}", answer.body);
    assert_eq!(
        (&event["contactId"], &event["setCookie"]),
        (&json!(visitor.to_string()), &json!({"mtc_id": visitor.to_string()}))
    );
    assert!(event["mtcSignature"].is_string());
    let again = system.send_events("?wait=true", &signup("e1")).await.unwrap();
    assert_eq!((again.status, &again.data()["events"][0]["duplicate"]), (200, &json!(true)));
    assert_eq!(system.send_events("?wait=perhaps", &signup("e2")).await.unwrap().status, 422);
}

#[tokio::test]
async fn a_failing_mautic_fails_no_signup() {
    let hands = Hands::default();
    let system = System::with(Options::default().by_hand(&hands)).await;
    system.mautic_answers(503);
    assert_eq!(post(&system, signup("e1")).await.status, 202);
    let waited = system.send_events("?wait=true", &signup("e2")).await.unwrap();
    assert_eq!(waited.status, 202, "{}", waited.body);
    assert_ne!(shown(&system, "e1").await["status"], "completed");
    system.mautic.clear_faults();
    system.settle(&system.desk(), &hands).await.unwrap();
    assert_eq!(shown(&system, "e1").await["status"], "completed");
    assert_eq!(system.contact(EMAIL).fields["subscription_tier"], "free");
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_again() {
    let system = System::with(Options::default().without_worker()).await;
    let call = || {
        system.caller.bare(Method::POST, "/events").bearer_auth(KEY).header("Idempotency-Key", "k").json(&signup("e1"))
    };
    let first = system.caller.send(call()).await.unwrap();
    let again = system.caller.send(call()).await.unwrap();
    assert_eq!((first.status, first.data()), (again.status, again.data()));
    assert_eq!(again.data()["accepted"], 1);
}

#[tokio::test]
async fn events_are_listed_newest_first_and_by_user_and_status() {
    let system = System::start().await;
    post(&system, signup("e1")).await;
    system.finish().await;
    post(&system, json!({"id": "e2", "name": "user_login", "user": {"id": "u2", "email": "eve@example.com"}})).await;
    system.finish().await;
    let ids = |answer: Answer| -> Vec<String> {
        let events = answer.data()["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(system.get_events("").await), ["e2", "e1"]);
    assert_eq!(ids(system.get_events("?limit=1").await), ["e2"]);
    assert_eq!(ids(system.get_events("?userId=u1").await), ["e1"]);
    assert_eq!(ids(system.get_events("?userId=nobody").await), Vec::<String>::new());
    assert_eq!(ids(system.get_events("?status=completed").await), ["e2", "e1"]);
    assert_eq!(ids(system.get_events("?status=parked").await), Vec::<String>::new());
    for query in ["?limit=0", "?limit=201", "?limit=x", "?status=lost"] {
        assert_eq!(system.get_events(query).await.status, 422, "{query}");
    }
    let unknown = system.get_events("/none").await;
    assert_eq!((unknown.status, unknown.error_code()), (404, "not_found"));
}

#[tokio::test]
async fn a_list_that_is_not_there_parks_the_event_and_a_replay_goes_on_with_what_failed() {
    let system = System::with(Options::default().with("MAUTIC_NEW_USERS_SEGMENT_ID", "7")).await;
    system.make_campaigns().await;
    post(&system, signup("e1")).await;
    system.finish().await;
    let parked = shown(&system, "e1").await;
    assert_eq!(parked["status"], "parked", "{parked}");
    assert!(parked["note"].as_str().unwrap().contains("create it or correct its id"), "{parked}");
    let told = steps(&parked);
    assert!(told.contains(&"add segment.new_users failed".to_owned()), "{told:?}");
    assert!(told.contains(&"add segment.free_tier done".to_owned()), "{told:?}");
    assert!(told.contains(&"add campaign.welcome done".to_owned()), "one failure holds nothing else back: {told:?}");
    // A person makes the segment; the numbers before it may be taken.
    while system.made_in_mautic("segments", "New Users").await != "7" {}
    let entries = system.mautic.stats().campaign_entries;
    let jobs = system.parked().await;
    assert_eq!(jobs.len(), 1);
    system.foundation.queue.send(&jobs[0].job, std::time::Duration::ZERO).await.unwrap();
    ParkedTable::new(system.table.table().clone()).remove(&TenantId::default(), &jobs[0].job.id).await.unwrap();
    system.finish().await;
    assert_eq!(shown(&system, "e1").await["status"], "completed");
    assert!(system.contact(EMAIL).segments.contains(&7));
    assert_eq!(system.mautic.stats().campaign_entries, entries, "no campaign was entered again");
}

#[tokio::test]
async fn a_campaign_that_nobody_made_is_skipped_with_a_note() {
    let system = System::start().await;
    post(&system, signup("e1")).await;
    system.finish().await;
    let event = shown(&system, "e1").await;
    assert_eq!(event["status"], "completed");
    let skipped = event["steps"].as_array().unwrap().iter().find(|step| step["target"] == "campaign.welcome").unwrap();
    assert_eq!(skipped["status"], "skipped");
    assert!(skipped["note"].as_str().unwrap().contains("make it"), "{skipped}");
}

#[tokio::test]
async fn events_of_a_user_whom_nobody_knows_wait_for_the_signup() {
    let hands = Hands::default();
    let system = System::with(Options::default().by_hand(&hands)).await;
    system.make_campaigns().await;
    let early = json!({"id": "early", "name": "plan_change", "user": {"id": "u1"}, "properties": {"new_tier": "pro"}, "time": "2026-01-02T10:00:00Z"});
    post(&system, early).await;
    assert!(system.desk().apply_event("early").await.is_err(), "it waits");
    assert_eq!(system.mautic.stats().contacts, 0);
    let mut late = signup("late");
    late["time"] = json!("2026-01-01T10:00:00Z");
    post(&system, late).await;
    system.settle(&system.desk(), &hands).await.unwrap();
    assert_eq!(shown(&system, "early").await["status"], "completed", "{}", shown(&system, "early").await);
    let fields = system.contact(EMAIL).fields;
    assert_eq!(fields["subscription_tier"], "pro");
    assert_eq!(fields["signup_date"], as_in_mautic("2026-01-01T10:00:00Z".parse().unwrap()));
}

#[tokio::test]
async fn nothing_of_the_person_is_left_in_a_completed_event() {
    let system = System::start().await;
    let mut secret = signup("e1");
    secret["properties"] = json!({"note": "very-secret"});
    post(&system, secret).await;
    system.finish().await;
    let desk = system.desk();
    let stored = desk.stored_event("e1").await.unwrap().unwrap();
    assert!(stored.payload.is_none());
    let text = serde_json::to_string(&stored).unwrap() + &shown(&system, "e1").await.to_string();
    assert!(!text.contains("very-secret") && !text.contains("ada@") && !text.contains("Ada"), "{text}");
}

#[tokio::test]
async fn events_older_than_all_that_is_remembered_change_nothing_and_end() {
    let system = System::start().await;
    // More than the fifty that are remembered one by one, the newest first.
    let change = |number: usize| {
        let tier = ["pro", "enterprise"][number % 2];
        let time = format!("2026-01-01T{:02}:{:02}:00Z", number / 60, number % 60);
        json!({"id": format!("p{number}"), "name": "plan_change", "time": time, "user": {"id": "u1", "email": EMAIL}, "properties": {"new_tier": tier}})
    };
    let newest: Vec<Value> = (10..63).map(change).collect();
    post(&system, json!(newest)).await;
    system.finish().await;
    post(&system, json!([change(1), change(2)])).await;
    system.finish().await;
    for id in ["p1", "p2"] {
        let event = shown(&system, id).await;
        assert_eq!(event["status"], "completed", "{event}");
        assert!(event["note"].as_str().unwrap().contains("older"), "{event}");
    }
    assert_eq!(system.contact(EMAIL).fields["subscription_tier"], "pro");
}

#[tokio::test]
async fn only_a_good_key_of_the_tenant_reaches_its_events() {
    let system = System::with(Options::default().without_worker()).await;
    post(&system, signup("e1")).await;
    let tenant = system.tenant("another").await;
    let (_, secret) = system.make_key(&tenant, "theirs", Role::Operator, None).await;
    for (method, path) in [(Method::POST, "/events"), (Method::GET, "/events"), (Method::GET, "/events/e1")] {
        for (key, status) in [("wrong", 401), (secret.reveal(), 403)] {
            let request = system.caller.bare(method.clone(), path).bearer_auth(key).json(&signup("e2"));
            let answer = system.caller.send(request).await.unwrap();
            assert_eq!(answer.status, status, "{method} {path}");
            assert!(!answer.body.to_string().contains("user_signup"));
        }
        let without = system.caller.bare(method, path).json(&signup("e2"));
        assert_eq!(system.caller.send(without).await.unwrap().status, 401);
    }
}
