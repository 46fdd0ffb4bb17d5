//! Lists of the admin API are read to their end, whatever was erased, decided or added meanwhile, and however much there is.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::automation::event::{EventUser, LifecycleEvent, Moment};
use tandem_core::automation::stored::{EventStatus, StoredEvent};
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::operation::{OperationKind, WriteCall, WrittenPart};
use tandem_core::error::FailureKind;
use tandem_core::jobs::message::ParkedJob;
use tandem_core::ports::operations::Pack;
use tandem_core::ports::place::TimePlace;
use tandem_core::ports::runs::{RowIssue, RunLease, RunLog};
use tandem_tests::system::System;

use crate::admin_api::{ask, get, pages, park, quiet, upsert};

async fn signed_up(system: &System, number: usize) {
    let event = json!({"id": format!("e{number}"), "name": "user_signup",
                       "user": {"id": format!("u{number}"), "email": format!("u{number}@example.com")}});
    let post = system.caller.keyed(Method::POST, "/events?wait=true").json(&event);
    assert!(system.caller.send(post).await.unwrap().is_taken());
}

async fn erase(system: &System, number: usize) {
    let erased = json!({"action": "delete_contact", "id": format!("u{number}")});
    assert_eq!(system.caller.call(&erased).await.unwrap().status, 200);
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["id"].as_str()).collect()
}

#[tokio::test]
async fn events_are_listed_to_the_end_though_some_are_erased_and_the_one_that_the_cursor_stands_on_too() {
    let system = quiet().await;
    for number in 0..8 {
        signed_up(&system, number).await;
    }
    erase(&system, 6).await;
    let today = system.now().strftime("%Y-%m-%d").to_string();
    let meanwhile = async |page: usize| {
        if page == 0 {
            erase(&system, 5).await;
            erase(&system, 4).await;
        }
    };
    let listed = pages(&system, &format!("/events?day={today}"), "events", 2, meanwhile).await;
    assert_eq!(ids(&listed), ["e7", "e5", "e3", "e2", "e1", "e0"]);
    assert_eq!(ids(&pages(&system, "/events", "events", 2, async |_| {}).await), ["e7", "e3", "e2", "e1", "e0"]);
    assert_eq!(ids(&pages(&system, "/events?status=completed", "events", 2, async |_| {}).await).len(), 5);
}

#[tokio::test]
async fn the_list_of_callers_goes_on_behind_an_event_that_was_erased_and_still_takes_an_id() {
    let system = quiet().await;
    for number in 0..5 {
        signed_up(&system, number).await;
    }
    let list = async |query: &str| {
        let answer = system.caller.send(system.caller.keyed(Method::GET, &format!("/events?{query}"))).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.data().clone()
    };
    let first = list("limit=2").await;
    erase(&system, 3).await;
    let second = list(&format!("limit=2&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(ids(second["events"].as_array().unwrap()), ["e2", "e1"]);
    assert_eq!(ids(list("after=e1").await["events"].as_array().unwrap()), ["e0"]);
    let unknown = system.caller.keyed(Method::GET, "/events?after=nothing");
    assert_eq!(system.caller.send(unknown).await.unwrap().complaints(), ["after:invalid"]);
}

fn event(number: usize, at: Timestamp, status: EventStatus) -> StoredEvent {
    let by = Moment { at, rank: 0, id: format!("e{number}") };
    let user = EventUser { external_id: Some(format!("u{number}").try_into().unwrap()), ..EventUser::default() };
    let event =
        LifecycleEvent { by, name: "user_signup".to_owned().try_into().unwrap(), user, properties: Default::default() };
    StoredEvent { status, ..StoredEvent::received(event, at, "c") }
}

#[tokio::test]
async fn a_parked_event_is_found_behind_thousands_that_came_after_it() {
    let system = quiet().await;
    let (desk, now) = (system.desk(), system.now());
    let at = |number: usize| now - SignedDuration::from_millis(i64::try_from(number).unwrap());
    let status = |number| if number == 2_300 { EventStatus::Parked } else { EventStatus::Completed };
    let events: Vec<StoredEvent> = (0..=2_310).map(|number| event(number, at(number), status(number))).collect();
    for some in events.chunks(330) {
        desk.services.lifecycle.accept(&desk.integration.scope, some).await.unwrap();
    }
    let parked = pages(&system, "/events?status=parked", "events", 50, async |_| {}).await;
    assert_eq!(ids(&parked), ["e2300"]);
    let status = get(&system, "/status?most=2000").await;
    assert_eq!(status["events"], 2_000, "counted up to the bound");
}

#[tokio::test]
async fn a_timeline_comes_to_its_end_past_thousands_of_packs_that_were_kept_within_minutes() {
    let system = quiet().await;
    upsert(&system, "1").await;
    let (desk, now) = (system.desk(), system.now());
    let (operations, scope) = (&desk.services.operations, &desk.integration.scope);
    let found = ask(&system, Method::POST, "/records/find", json!({"externalId": "1"})).await;
    let key = found.data()["record"]["key"].as_str().unwrap().to_owned();
    let at = |number: i64| now - SignedDuration::from_millis(100 * (number + 1));
    for number in 0..4_500 {
        let own = number % 900 == 450;
        let record = if own { RecordKey::parse(&key) } else { None };
        let part = WrittenPart { record, fields: vec![format!("field_{number}")], ..WrittenPart::default() };
        let call = WriteCall {
            kind: OperationKind::Update,
            object: "contact".to_owned(),
            list: None,
            at: at(number),
            duration_ms: 1,
            correlation_id: None,
            run: None,
            parts: vec![part],
        };
        let place = TimePlace { at: at(number), name: format!("p{number}") };
        operations.keep(scope, &Pack { place, calls: vec![call] }).await.unwrap();
    }
    let told = pages(&system, &format!("/records/{key}/timeline"), "entries", 2, async |_| {}).await;
    let told: Vec<&Value> =
        told.iter().map(|entry| &entry["what"]["fields"][0]).filter(|field| *field != "email").collect();
    let wanted = ["field_450", "field_1350", "field_2250", "field_3150", "field_4050"];
    let told: Vec<&str> =
        told.into_iter().filter_map(Value::as_str).filter(|name| name.starts_with("field_")).collect();
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn cursors_of_long_names_are_taken_back() {
    let system = quiet().await;
    upsert(&system, "1").await;
    let (desk, now) = (system.desk(), system.now());
    let (services, scope) = (&desk.services, &desk.integration.scope);
    let log = RunLog { id: "run".to_owned(), started_at: now, ..RunLog::default() };
    let lease = RunLease { owner: "o".to_owned(), fence: 1, until: now, inherited: false };
    services.runs.log(scope, &lease, &log).await.unwrap();
    let of = |end: &str| RowIssue {
        id: format!("{}{end}", "\u{1}\u{1f600}".repeat(95)),
        field: "contact.a_field_of_the_shop".repeat(7),
        code: IssueCode::Invalid,
    };
    let issues: Vec<RowIssue> = ["a", "b", "c"].map(of).into();
    services.runs.keep_issues(scope, &log, "part", &issues).await.unwrap();
    let rows = pages(&system, "/runs/run/rows", "rows", 1, async |_| {}).await;
    let told: BTreeSet<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!((rows.len(), told.len()), (3, 3));
    let found = ask(&system, Method::POST, "/records/find", json!({"externalId": "1"})).await;
    let key = found.data()["record"]["key"].as_str().unwrap().to_owned();
    let fields: Vec<String> = (0..200).map(|number| format!("a_field_of_the_shop_{number}")).collect();
    for number in 0..3 {
        let part = WrittenPart { record: RecordKey::parse(&key), fields: fields.clone(), ..WrittenPart::default() };
        let at = now - SignedDuration::from_secs(number);
        let (kind, object) = (OperationKind::Update, "contact".to_owned());
        let (list, correlation_id, run, parts) = (None, None, None, vec![part]);
        let call = WriteCall { kind, object, list, at, duration_ms: 1, correlation_id, run, parts };
        let place = TimePlace { at, name: format!("p{number}") };
        services.operations.keep(scope, &Pack { place, calls: vec![call] }).await.unwrap();
    }
    let told = pages(&system, &format!("/records/{key}/timeline"), "entries", 1, async |_| {}).await;
    assert!(told.len() >= 4, "{}", told.len());
}

#[tokio::test]
async fn a_page_of_issues_goes_on_though_the_one_before_it_is_seen_to() {
    let system = quiet().await;
    for (id, kind) in [
        ("1", FailureKind::NotFound),
        ("2", FailureKind::Refused),
        ("3", FailureKind::Invalid),
        ("4", FailureKind::Taken),
    ] {
        park(&system, id, kind).await;
    }
    let whole = pages(&system, "/issues", "issues", 50, async |_| {}).await;
    assert_eq!(whole.len(), 4);
    let first = whole[1]["id"].as_str().unwrap().to_owned();
    let see_to = async |page: usize| {
        if page == 0 {
            let done = ask(&system, Method::POST, &format!("/issues/{first}/replay"), Value::Null).await;
            assert_eq!(done.status, 200, "{}", done.body);
        }
    };
    let listed = pages(&system, "/issues", "issues", 2, see_to).await;
    assert_eq!(listed, whole, "what came behind it comes all the same");
}

#[tokio::test]
async fn jobs_that_are_parked_again_while_an_issue_is_replayed_keep_no_others_from_their_turn() {
    let system = quiet().await;
    for number in 0..250 {
        park(&system, &format!("job-{number:03}"), FailureKind::NotFound).await;
    }
    let issue = get(&system, "/issues").await["issues"][0]["id"].as_str().unwrap().to_owned();
    let mut seen = BTreeSet::new();
    for call in 0..3 {
        let before: Vec<ParkedJob> = all_parked(&system).await;
        let answer = ask(&system, Method::POST, &format!("/issues/{issue}/replay"), Value::Null).await;
        for id in answer.data()["replayed"].as_array().unwrap() {
            seen.insert(id.as_str().unwrap().to_owned());
            let job = before.iter().find(|job| job.job.id == id.as_str().unwrap()).unwrap();
            let again = ParkedJob { parked_at: system.now(), ..job.clone() };
            system.desk().services.parked.park(&again).await.unwrap();
        }
        assert_eq!(answer.data()["more"], json!(true), "call {call}");
    }
    assert_eq!(seen.len(), 250, "each had its turn");
}

async fn all_parked(system: &System) -> Vec<ParkedJob> {
    system.desk().services.parked.list(&system.foundation.scope.tenant, 1_000).await.unwrap()
}
