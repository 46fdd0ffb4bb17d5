//! `identify`: an anonymous visitor becomes known, a known person is never overwritten, and no login waits.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::client::Answer;
use tandem_tests::system::{Options, System};

async fn identify(system: &System, payload: Value) -> Answer {
    system.caller.call(&json!({"action": "identify", "payload": payload})).await.unwrap()
}

/// The case, and the number that the browser shall have.
fn told(answer: &Answer) -> (&str, String) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let data = answer.data();
    assert_eq!(data["setCookie"]["mtc_id"], data["contactId"]);
    (data["case"].as_str().unwrap(), data["contactId"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_new_person_gets_a_contact_with_what_is_known_at_login() {
    let system = System::start().await;
    let payload = json!({"email": "login@example.com", "first_name": "Ada", "locale": "en_AU", "timezone": "Australia/Sydney", "ip": "203.0.113.7"});
    let answer = identify(&system, payload).await;
    let contact = system.contact("login@example.com");
    assert_eq!(told(&answer), ("created", contact.id.to_string()));
    for (field, value) in [("firstname", "Ada"), ("preferred_locale", "en_AU"), ("timezone", "Australia/Sydney")] {
        assert_eq!(contact.fields[field], value);
    }
    assert_eq!(answer.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn an_anonymous_visitor_becomes_the_person_and_keeps_the_number() {
    let system = System::start().await;
    let visitor = system.visitor().await;
    let answer = identify(&system, json!({"email": "claim@example.com", "mtc_id": visitor, "first_name": "Ada"})).await;
    assert_eq!(told(&answer), ("claimed_anonymous", visitor.to_string()));
    let contact = system.contact("claim@example.com");
    assert_eq!((contact.id, &contact.fields["firstname"]), (visitor, &json!("Ada")));
    let again = identify(&system, json!({"email": "claim@example.com", "mtc_id": visitor, "first_name": "Ada"})).await;
    assert_eq!(told(&again), ("known_email", visitor.to_string()));
}

#[tokio::test]
async fn a_known_address_wins_over_the_number_in_the_browser() {
    let system = System::start().await;
    let known =
        system.caller.upsert(json!({"contact": {"email": "known@example.com", "first_name": "Ada"}})).await.unwrap();
    let only_there = json!({"email": "there@example.com"});
    let there =
        system.in_mautic(Method::POST, "/api/contacts/new", Some(only_there)).await["contact"]["id"].to_string();
    let visitor = system.visitor().await;
    for (email, id) in [("known@example.com", known.contact_id().unwrap()), ("there@example.com", &there)] {
        let answer = identify(&system, json!({"email": email, "mtc_id": visitor})).await;
        assert_eq!(told(&answer), ("known_email", id.to_owned()));
    }
    let answer = identify(&system, json!({"email": "known@example.com"})).await;
    assert_eq!(told(&answer).0, "known_email");
    assert_eq!(system.shown(&visitor.to_string()).await["fields"]["all"]["email"], Value::Null);
}

#[tokio::test]
async fn a_forged_number_of_a_known_person_overwrites_nobody() {
    let system = System::start().await;
    let victim =
        system.caller.upsert(json!({"contact": {"email": "victim@example.com", "first_name": "Vic"}})).await.unwrap();
    let victim = victim.contact_id().unwrap().to_owned();
    let only_there = json!({"email": "there@example.com", "firstname": "There"});
    let there =
        system.in_mautic(Method::POST, "/api/contacts/new", Some(only_there)).await["contact"]["id"].to_string();
    for (number, (id, signature)) in [
        (&victim, json!(null)),
        (&there, json!(null)),
        (&victim, json!("00")),
        (&victim, json!("f".repeat(64))),
        (&there, json!(5)),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("attacker{number}@example.com");
        let answer =
            identify(&system, json!({"email": email, "mtc_id": id, "mtc_signature": signature, "first_name": "Eve"}))
                .await;
        let (case, given) = told(&answer);
        assert_eq!(case, "other_person");
        assert_ne!(&given, id);
        assert_eq!(system.contact(&email).id.to_string(), given);
    }
    assert_eq!(system.contact("victim@example.com").fields["firstname"], "Vic");
    assert_eq!(system.contact("there@example.com").fields["firstname"], "There");
}

#[tokio::test]
async fn a_number_that_was_merged_away_leads_to_whoever_has_it_now() {
    let system = System::start().await;
    let old =
        system.caller.upsert(json!({"contact": {"email": "merged@example.com", "first_name": "Ada"}})).await.unwrap();
    let old = old.contact_id().unwrap().to_owned();
    let visitor = system.visitor().await;
    system.engage("submit", json!({"contact": visitor, "address": "merged@example.com"})).await;
    let same = identify(&system, json!({"email": "merged@example.com", "mtc_id": old, "last_name": "L"})).await;
    assert_eq!(told(&same), ("known_email", visitor.to_string()));
    let other = identify(&system, json!({"email": "other@example.com", "mtc_id": old})).await;
    assert_eq!(told(&other).0, "other_person");
    assert_eq!(system.contact("merged@example.com").fields["lastname"], "L");
}

#[tokio::test]
async fn a_number_that_the_application_signed_is_trusted() {
    let system = System::start().await;
    let first = identify(&system, json!({"email": "before@example.com", "first_name": "Ada"})).await;
    let (id, signature) = (told(&first).1, first.data()["mtcSignature"].as_str().unwrap().to_owned());
    let other = system.caller.upsert(json!({"contact": {"email": "victim@example.com"}})).await.unwrap();
    let swapped =
        identify(&system, json!({"email": "x@example.com", "mtc_id": other.contact_id(), "mtc_signature": signature}))
            .await;
    assert_eq!(told(&swapped).0, "other_person", "a signature is good for its own number only");
    let answer =
        identify(&system, json!({"email": "after@example.com", "mtc_id": id, "mtc_signature": signature})).await;
    assert_eq!(told(&answer), ("claimed_anonymous", id.clone()));
    assert_eq!(system.contact("after@example.com").id.to_string(), id);
}

#[tokio::test]
async fn a_broken_or_unknown_number_keeps_nobody_from_being_identified() {
    let system = System::start().await;
    for (number, (id, complaint)) in [
        (json!("abc"), "mtc_id:invalid"),
        (json!(-5), "mtc_id:wrong_type"),
        (json!(1.5), "mtc_id:wrong_type"),
        (json!({}), "mtc_id:wrong_type"),
        (json!(0), "mtc_id:invalid"),
        (json!("1/../2"), "mtc_id:invalid"),
        (json!(999_999), ""),
        (json!(u64::MAX), ""),
        (json!(""), ""),
        (json!(null), ""),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("cookie{number}@example.com");
        let answer = identify(&system, json!({"email": email, "mtc_id": id})).await;
        assert_eq!(told(&answer).0, "created", "{id}");
        let expected: Vec<&str> = Some(complaint).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(answer.complaints(), expected, "{id}");
        assert_eq!(system.contacts_with(&email).len(), 1, "{id}");
    }
}

#[tokio::test]
async fn without_an_address_nobody_can_be_identified() {
    let system = System::start().await;
    let visitor = system.visitor().await;
    for (payload, complaint) in [
        (json!({"mtc_id": visitor}), "email:missing"),
        (json!({"mtc_id": visitor, "email": "n/a"}), "email:invalid"),
        (json!({"id": "u1"}), "email:missing"),
        (json!({"id": "u1", "email": "n/a"}), "email:invalid"),
        (Value::Null, "payload:missing"),
    ] {
        let answer = identify(&system, payload.clone()).await;
        assert_eq!((answer.status, answer.complaints()), (422, vec![complaint.to_owned()]), "{payload}");
    }
}

#[tokio::test]
async fn parallel_logins_of_one_person_make_no_duplicate() {
    let mut system = System::with(Options::default().with("TANDEM_IDENTIFY_BUDGET_MS", "30000")).await;
    let callers = [system.caller.clone(), system.another_instance().await];
    let visitor = system.visitor().await;
    let body = json!({"action": "identify", "payload": {"email": "parallel@example.com", "mtc_id": visitor}});
    let answers = join_all(callers.iter().cycle().take(12).map(|caller| caller.call(&body))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().is_taken()));
    system.finish().await;
    assert_eq!(system.contact("parallel@example.com").id, visitor);
    assert_eq!(system.mautic.stats().contacts, 1);
}

#[tokio::test]
async fn two_people_with_the_number_of_one_browser_stay_two_people() {
    let system = System::start().await;
    let visitor = system.visitor().await;
    assert_eq!(
        told(&identify(&system, json!({"email": "first@example.com", "mtc_id": visitor})).await).0,
        "claimed_anonymous"
    );
    assert_eq!(
        told(&identify(&system, json!({"email": "second@example.com", "mtc_id": visitor})).await).0,
        "other_person"
    );
    assert_eq!(
        (system.contact("first@example.com").id, system.contacts_with("second@example.com").len()),
        (visitor, 1)
    );
}

fn slow(method: &str, path: &str) -> FaultRule {
    let mut rule = FaultRule::new(FaultKind::Delay).method(method).path(path).times(1);
    rule.delay_ms = Some(9_000);
    rule
}

#[tokio::test]
async fn past_its_time_a_login_is_accepted_and_a_job_finishes_it() {
    let options = Options::default().with("TANDEM_IDENTIFY_BUDGET_MS", "150").without_worker();
    let mut system = System::with(options).await;
    let visitor = system.visitor().await;
    let cases = [
        ("new@example.com", slow("PUT", "/api/contacts/batch/edit"), None),
        ("claim@example.com", slow("GET", "/api/contacts"), Some(visitor)),
    ];
    for (email, fault, visitor) in cases {
        system.mautic.inject_faults(vec![fault]);
        let login = identify(&system, json!({"email": email, "first_name": "Ada", "mtc_id": visitor}));
        let answer =
            tokio::time::timeout(Duration::from_secs(5), login).await.expect("the login does not wait for Mautic");
        assert_eq!(
            (answer.status, &answer.data()["queued"], &answer.data()["reason"]),
            (202, &json!(true), &json!("timeout"))
        );
        system.end_lease(email).await;
    }
    system.mautic.clear_faults();
    system.start_worker();
    system.finish().await;
    assert_eq!(system.contact("new@example.com").fields["firstname"], "Ada");
    assert_eq!(system.contact("claim@example.com").id, visitor, "the job claims the visitor");
    assert_eq!(system.mautic.stats().duplicates.len(), 0);
}

#[tokio::test]
async fn a_list_of_fields_that_is_slow_to_come_keeps_no_login_waiting() {
    let options = Options::default().with("TANDEM_IDENTIFY_BUDGET_MS", "150").without_fields().without_worker();
    let system = System::with(options).await;
    let fault = FaultRule { times: None, ..slow("GET", "/api/fields") };
    system.mautic.inject_faults(vec![fault]);
    let login = identify(&system, json!({"email": "fields@example.com"}));
    let answer = tokio::time::timeout(Duration::from_secs(5), login).await.expect("the login does not wait for Mautic");
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn a_login_while_mautic_is_down_is_accepted() {
    let system = System::start().await;
    let visitor = system.visitor().await;
    system.mautic_answers(429);
    let answer = identify(&system, json!({"email": "down@example.com", "mtc_id": visitor})).await;
    assert_eq!((answer.status, &answer.data()["queued"]), (202, &json!(true)), "{}", answer.body);
    system.mautic.clear_faults();
    system.finish().await;
    assert_eq!(system.contact("down@example.com").id, visitor, "the visitor is not forgotten on the way");
}
