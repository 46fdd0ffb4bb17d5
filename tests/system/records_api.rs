//! `POST /records`: what callers are told of each record, and what is stored of them.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::RecordSource;
use tandem_core::ports::source::{SourceCursor, SourceOrder, SourceRow};
use tandem_core::sync::run::SyncOptions;
use tandem_tests::client::Answer;
use tandem_tests::system::{KEY, Options, System};

async fn system() -> System {
    System::with(Options::default().without_fields().without_worker()).await
}

fn request(system: &System) -> RequestBuilder {
    system.caller.bare(Method::POST, "/records").bearer_auth(KEY)
}

async fn hand_over(system: &System, body: &Value) -> Answer {
    system.caller.send(request(system).json(body)).await.unwrap()
}

async fn raw(system: &System, body: Vec<u8>) -> Answer {
    system.caller.send(request(system).header("Content-Type", "application/json").body(body)).await.unwrap()
}

/// All rows that are stored.
async fn stored(system: &System) -> Vec<SourceRow> {
    let records = system.foundation.records().expect("rows in Tandem's own table");
    let page = records.page(&Scope::default_mautic(), SourceOrder::Id, &SourceCursor::default(), 1_000).await;
    page.unwrap().rows
}

fn statuses(answer: &Answer) -> Vec<&str> {
    answer.data()["results"].as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap()).collect()
}

/// The fields that the results complain about, with the codes.
fn complaints(answer: &Answer) -> Vec<String> {
    let results = answer.data()["results"].as_array().unwrap().iter();
    let issues = results.flat_map(|result| result["issues"].as_array().unwrap());
    issues.map(|issue| format!("{}:{}", issue["field"].as_str().unwrap(), issue["code"].as_str().unwrap())).collect()
}

fn person(id: usize) -> Value {
    json!({"id": format!("p{id}"), "updated_at": "2026-11-13T14:29:53Z", "email": format!("p{id}@example.com"), "spent": 0.1})
}

#[tokio::test]
async fn each_record_has_a_result_of_its_own_and_a_bad_one_keeps_no_other_out() {
    let system = system().await;
    let records = json!([
        person(0), "text", {"email": "nobody@example.com"}, {"id": "x".repeat(192)}, {"id": "a\u{1}"}, null,
        {"id": "p6", "updated_at": "soon"}, {"id": "p7", "name": {"first": "A"}}, {"id": "p8", "note": "x".repeat(9_000)},
        [], {"id": 10, "tags": ["a", "b"], "nothing": null},
    ]);
    let answer = hand_over(&system, &json!({"records": records})).await;
    assert_eq!(answer.status, 200);
    let expected: Vec<&str> = (0..11).map(|n| if n == 0 || n == 10 { "stored" } else { "rejected" }).collect();
    assert_eq!(statuses(&answer), expected);
    assert_eq!(
        complaints(&answer),
        [
            "records[1]:wrong_type",
            "records[2].id:missing",
            "records[3].id:invalid",
            "records[4].id:invalid",
            "records[5]:wrong_type",
            "records[6].updated_at:invalid",
            "records[7].name:wrong_type",
            "records[8].note:too_long",
            "records[9]:wrong_type",
        ]
    );
    let data = answer.data();
    assert_eq!((&data["stored"], &data["rejected"], &data["results"][10]["id"]), (&json!(2), &json!(9), &json!("10")));
    let rows = stored(&system).await;
    let tagged = rows.iter().find(|row| row.id == "10").unwrap();
    assert_eq!((rows.len(), &tagged.fields["tags"], &tagged.fields["nothing"]), (2, &json!(["a", "b"]), &json!(null)));
    assert_eq!(system.calls(), 0, "Mautic is not asked");
}

#[tokio::test]
async fn a_repeat_is_unchanged_an_older_state_stale_and_a_bare_list_is_taken() {
    let system = system().await;
    let one = |at: &str, name: &str| json!([{"id": "1", "updated_at": at, "name": name}]);
    for (body, status) in [
        (one("2026-11-13T14:29:53Z", "A"), "stored"),
        (one("2026-11-13T14:29:53Z", "A"), "unchanged"),
        (one("2026-11-13T14:29:52Z", "B"), "stale"),
        (one("2026-11-13T15:29:54+01:00", "C"), "stored"),
        (json!([{"id": "1", "name": "D"}]), "stored"),
        (json!([{"id": "1", "name": "D"}]), "unchanged"),
        (json!([{"id": 1, "deleted": true}]), "stored"),
        (json!([{"id": "1", "deleted": true, "name": "E"}]), "unchanged"),
    ] {
        let answer = hand_over(&system, &body).await;
        assert_eq!(
            (answer.status, statuses(&answer), &answer.data()[status]),
            (200, vec![status], &json!(1)),
            "{body}"
        );
    }
    let rows = stored(&system).await;
    assert!(rows.len() == 1 && rows[0].deleted && rows[0].fields.is_empty());
}

#[tokio::test]
async fn of_two_states_of_one_record_in_a_call_the_newer_wins_and_the_caller_is_told() {
    let system = system().await;
    let state = |second: u32| json!({"id": "1", "updated_at": format!("2026-11-13T14:29:{second}Z"), "second": second});
    let answer = hand_over(&system, &json!([state(20), state(30), state(25)])).await;
    assert_eq!(statuses(&answer), ["stale", "stored", "stale"]);
    assert_eq!(complaints(&answer), ["records[0]:stale", "records[2]:stale"]);
    assert_eq!(stored(&system).await[0].fields["second"], 30);
}

#[tokio::test]
async fn five_hundred_records_are_taken_and_five_hundred_and_one_are_not() {
    let system = system().await;
    let answer = hand_over(&system, &json!({"records": (0..501).map(person).collect::<Vec<_>>()})).await;
    assert_eq!(
        (answer.status, answer.error_code(), answer.complaints()),
        (422, "invalid_request", vec!["records:too_long".to_owned()])
    );
    assert!(stored(&system).await.is_empty());
    let answer = hand_over(&system, &json!({"records": (0..500).map(person).collect::<Vec<_>>()})).await;
    assert_eq!((answer.status, &answer.data()["stored"]), (200, &json!(500)));
    let ids: Vec<u64> =
        answer.data()["results"].as_array().unwrap().iter().map(|result| result["index"].as_u64().unwrap()).collect();
    assert!(ids.into_iter().eq(0..500));
    assert_eq!(stored(&system).await.len(), 500);
    assert_eq!(hand_over(&system, &json!([])).await.data()["results"], json!([]));
}

#[tokio::test]
async fn a_body_may_have_five_megabytes_and_its_records_sixty_four_kilobytes() {
    let system = system().await;
    let wide = |id: usize, fields: usize| {
        let mut row = json!({"id": id});
        (0..fields).for_each(|n| row[format!("f{n}")] = json!("x".repeat(8_000)));
        row
    };
    let answer = hand_over(&system, &json!((0..70).map(|id| wide(id, 8)).collect::<Vec<_>>())).await;
    assert_eq!((answer.status, &answer.data()["stored"]), (200, &json!(70)));
    let answer =
        hand_over(&system, &json!([wide(100, 9), {"id": 101, "f": "\u{1}".repeat(8_000)}, wide(102, 1)])).await;
    assert_eq!(statuses(&answer), ["rejected", "stored", "stored"]);
    let answer = hand_over(&system, &json!((0..90).map(|id| wide(id, 8)).collect::<Vec<_>>())).await;
    assert_eq!((answer.status, answer.error_code()), (413, "body_too_large"));
}

#[tokio::test]
async fn who_has_no_key_or_the_key_of_another_tenant_stores_nothing() {
    let system = system().await;
    let tenant = system.tenant("another").await;
    let (_, secret) = system.make_key(&tenant, "theirs", Role::Operator, None).await;
    let bare = || system.caller.bare(Method::POST, "/records").json(&json!([person(1)]));
    for (request, status, code) in [
        (bare(), 401, "unauthenticated"),
        (bare().bearer_auth("wrong-key"), 401, "unauthenticated"),
        (bare().bearer_auth(secret.reveal()), 403, "no_integration"),
        (system.caller.bare(Method::GET, "/records").bearer_auth(KEY), 405, "method_not_allowed"),
        (request(&system).body("[]"), 415, "unsupported_media_type"),
    ] {
        let answer = system.caller.send(request).await.unwrap();
        assert_eq!((answer.status, answer.error_code()), (status, code));
    }
    assert!(stored(&system).await.is_empty());
}

#[tokio::test]
async fn a_call_with_an_idempotency_key_is_done_once_and_its_repeat_gets_the_first_answer() {
    let system = system().await;
    let call = |body: Value| system.caller.send(request(&system).header("Idempotency-Key", "night-1").json(&body));
    let first = call(json!([person(1), {"id": ""}])).await.unwrap();
    let repeat = call(json!([person(1), {"id": ""}])).await.unwrap();
    assert_eq!((first.status, statuses(&first)), (200, vec!["stored", "rejected"]));
    assert_eq!((repeat.status, repeat.data()), (200, first.data()));
    let other = call(json!([person(2)])).await.unwrap();
    assert_eq!((other.status, other.error_code()), (422, "idempotency_key_reused"));
}

#[tokio::test]
async fn in_demo_mode_records_are_checked_and_none_is_stored() {
    let system = System::with(Options::default().demo()).await;
    let answer = hand_over(&system, &json!([person(1), {"id": ""}])).await;
    assert_eq!(
        (answer.status, &answer.body["demo"], statuses(&answer)),
        (200, &json!(true), vec!["stored", "rejected"])
    );
    assert_eq!(hand_over(&system, &json!({})).await.status, 422);
    assert!(stored(&system).await.is_empty());
}

#[tokio::test]
async fn records_are_refused_when_they_live_elsewhere() {
    let options = Options::default().without_fields().without_worker();
    let options =
        options.with("SUPABASE_URL", "https://x.supabase.co").with("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_1");
    let answer = hand_over(&System::with(options).await, &json!([person(1)])).await;
    assert_eq!((answer.status, answer.error_code()), (422, "other_source"));
}

#[tokio::test]
async fn a_body_that_is_something_else_is_refused_and_says_why() {
    let system = system().await;
    for (body, status, code) in [
        ("", 400, "malformed_json"),
        ("null", 400, "malformed_json"),
        ("\"records\"", 400, "malformed_json"),
        ("[{\"id\":1}", 400, "malformed_json"),
        ("{}", 422, "invalid_request"),
        ("{\"records\":null}", 422, "invalid_request"),
        ("{\"records\":{\"id\":1}}", 422, "invalid_request"),
        ("{\"records\":\"1\"}", 422, "invalid_request"),
    ] {
        let answer = raw(&system, body.as_bytes().to_vec()).await;
        assert_eq!((answer.status, answer.error_code()), (status, code), "{body}");
    }
    assert_eq!(raw(&system, "[".repeat(100_000).into_bytes()).await.status, 400);
}

#[tokio::test]
async fn hostile_records_never_make_the_server_fail() {
    let system = system().await;
    let mut dice = StdRng::seed_from_u64(3);
    let values = [
        json!(null),
        json!(""),
        json!("#"),
        json!("a#b"),
        json!(1e308),
        json!(-1),
        json!(u64::MAX),
        json!(true),
        json!([]),
        json!([[]]),
        json!({}),
        json!("\u{0}"),
        json!("\u{202e}"),
        json!("0000-00-00"),
        json!("9999-12-31T23:59:59Z"),
        json!("-009999-01-01T00:00:00Z"),
        json!("x".repeat(300)),
        json!("I#default#mautic#rows#0"),
    ];
    let names = ["id", "updated_at", "deleted", "email", "", "pk", "document", "__proto__", "a\u{0}b"];
    for _ in 0..60 {
        let items: Vec<Value> = (0..dice.random_range(0..20))
            .map(|_| {
                let pick = |dice: &mut StdRng| values[dice.random_range(0..values.len())].clone();
                let mut object = json!({"id": pick(&mut dice)});
                (0..dice.random_range(0..4))
                    .for_each(|_| object[names[dice.random_range(0..names.len())]] = pick(&mut dice));
                object
            })
            .collect();
        let answer = hand_over(&system, &json!(items)).await;
        assert_eq!((answer.status, statuses(&answer).len()), (200, items.len()), "{items:?}");
    }
    let mut rows = stored(&system).await;
    let count = rows.len();
    rows.dedup_by(|one, other| one.id == other.id);
    assert_eq!(rows.len(), count);
}

#[tokio::test]
async fn a_person_who_is_deleted_is_not_brought_back_by_the_row_that_was_handed_over() {
    let system = System::start().await;
    let row = json!({"records": [{"id": "r1", "email": "gone@example.com", "first_name": "Gone"}]});
    system.caller.send(request(&system).json(&row)).await.unwrap();
    let desk = system.desk();
    desk.sync(SyncOptions::default()).await.unwrap();
    assert_eq!(system.contacts_with("gone@example.com").len(), 1);
    let deleted = system.caller.call(&json!({"action": "delete_contact", "id": "r1"})).await.unwrap();
    assert_eq!(deleted.status, 200);
    let full = desk.sync(SyncOptions { full: true, ..SyncOptions::default() }).await.unwrap();
    assert_eq!((full.stopped, full.log.rows), (None, 0));
    assert!(system.contacts_with("gone@example.com").is_empty());
}
