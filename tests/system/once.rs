//! Exactly once: parallel requests, lost replies, crashes, repeats.

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::system::System;

fn person(email: &str, name: &str) -> Value {
    json!({"contact": {"email": email, "first_name": name}})
}

fn ids(answers: &[Answer]) -> BTreeSet<&str> {
    answers.iter().filter_map(Answer::contact_id).collect()
}

#[tokio::test]
async fn thirty_parallel_requests_over_three_instances_make_one_contact() {
    let mut system = System::start().await;
    let callers = [system.caller.clone(), system.another_instance().await, system.another_instance().await];
    let calls = callers.iter().cycle().take(30).enumerate();
    let answers =
        join_all(calls.map(|(number, caller)| caller.upsert(person("race@example.com", &format!("R{number}"))))).await;
    let answers: Vec<Answer> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(Answer::is_taken));
    assert_eq!(ids(&answers).len(), 1);
    system.finish().await;
    assert_eq!(system.contacts_with("race@example.com").len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.data()["action"] == "created").count(), 1);
}

#[tokio::test]
async fn parallel_requests_with_different_spellings_and_ids_make_one_contact() {
    let mut system = System::start().await;
    let other = system.another_instance().await;
    let payloads = [
        json!({"id": "u1", "contact": {"email": "same@example.com"}}),
        json!({"contact": {"email": "SAME@example.com"}}),
        json!({"id": "u1", "contact": {"email": " Same@Example.com "}}),
        json!({"id": "u2", "contact": {"email": "same@EXAMPLE.com"}}),
    ];
    let calls =
        payloads.iter().flat_map(|payload| [system.caller.upsert(payload.clone()), other.upsert(payload.clone())]);
    let answers: Vec<Answer> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(Answer::is_taken), "{answers:?}");
    system.finish().await;
    assert_eq!((system.mautic.stats().contacts, ids(&answers).len()), (1, 1));
}

#[tokio::test]
async fn parallel_updates_of_different_fields_all_arrive() {
    let system = System::start().await;
    system.caller.upsert(person("fields@example.com", "Ada")).await.unwrap();
    let fields = [
        ("last_name", "lastname"),
        ("city", "city"),
        ("company", "company"),
        ("position", "position"),
        ("address_line1", "address1"),
        ("postcode", "zipcode"),
    ];
    let answers = join_all(fields.map(|(local, _)| {
        let mut contact = json!({"email": "fields@example.com"});
        contact[local] = json!("here");
        system.caller.upsert(json!({"contact": contact}))
    }))
    .await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_taken()));
    system.finish().await;
    let held = system.contact("fields@example.com").fields;
    assert!(fields.iter().all(|(_, remote)| held[*remote] == "here"), "{held:?}");
}

#[tokio::test]
async fn a_create_whose_reply_is_lost_makes_one_contact_with_the_right_data() {
    let system = System::start().await;
    let faults = [
        FaultRule::new(FaultKind::LostReply).how(LostReply::Close),
        FaultRule::new(FaultKind::LostReply).how(LostReply::Status),
        FaultRule::new(FaultKind::LostReply).how(LostReply::Status).status(504),
        FaultRule::new(FaultKind::Truncate),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        for (kind, orders) in [("plain", 3), ("zero", 0)] {
            let email = format!("lost{number}-{kind}@example.com");
            system.mautic.inject_faults(vec![fault.clone().method("PUT").path("/api/contacts/batch/edit").times(1)]);
            let payload = json!({"contact": {"email": email, "first_name": "Ada", "tags": ["a"]}, "fields": {"total_orders": orders}});
            let answer = system.caller.upsert(payload).await.unwrap();
            assert_eq!(
                (answer.status, &answer.data()["action"]),
                (200, &json!("created")),
                "{number} {kind}: {}",
                answer.body
            );
            let contact = system.contact(&email);
            assert_eq!(
                (&contact.fields["firstname"], contact.fields["total_orders"].as_f64()),
                (&json!("Ada"), Some(f64::from(orders)))
            );
            assert_eq!(contact.tags, ["a"]);
        }
    }
    assert_eq!(system.mautic.stats().duplicates.len(), 0);
}

#[tokio::test]
async fn a_lost_reply_followed_by_an_outage_is_settled_by_a_job_without_a_second_contact() {
    let system = System::start().await;
    let lost = FaultRule::new(FaultKind::LostReply).method("PUT").path("/api/contacts/batch/edit").times(1);
    let down = FaultRule::new(FaultKind::Status).status(503).method("GET").path("/api/contacts").times(1);
    system.mautic.inject_faults(vec![lost, down]);
    let answer = system.caller.upsert(person("doubt@example.com", "Ada")).await.unwrap();
    assert_eq!((answer.status, &answer.data()["queued"]), (202, &json!(true)), "{}", answer.body);
    assert_eq!(system.contacts_with("doubt@example.com").len(), 1);
    // While nobody knows whether the contact was made, a second request must not make it again.
    let second = system.caller.upsert(person("doubt@example.com", "Eve")).await.unwrap();
    assert_eq!(second.status, 202, "{}", second.body);
    assert_eq!(system.calls_of("PUT /api/contacts/batch/edit"), 1);
    system.end_lease("doubt@example.com").await;
    let third = system.caller.upsert(json!({"contact": {"email": "doubt@example.com"}})).await.unwrap();
    assert_eq!(third.status, 200, "{}", third.body);
    assert_eq!(system.contact("doubt@example.com").fields["firstname"], "Eve");
}

#[tokio::test]
async fn an_update_whose_reply_is_lost_is_written_again() {
    let system = System::start().await;
    system.caller.upsert(person("update@example.com", "Ada")).await.unwrap();
    system.mautic.inject_faults(vec![FaultRule::new(FaultKind::LostReply).method("PATCH").times(1)]);
    let answer = system
        .caller
        .upsert(json!({"contact": {"email": "update@example.com", "last_name": "L", "tags": ["a"]}}))
        .await
        .unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    system.finish().await;
    let contact = system.contact("update@example.com");
    assert_eq!((&contact.fields["lastname"], contact.tags), (&json!("L"), vec!["a".to_owned()]));
}

#[tokio::test]
async fn a_zero_whose_reply_is_lost_arrives_and_takes_nothing_along() {
    let system = System::start().await;
    system
        .caller
        .upsert(
            json!({"contact": {"email": "lostzero@example.com", "first_name": "Ada"}, "fields": {"total_orders": 5}}),
        )
        .await
        .unwrap();
    for kind in [FaultKind::LostReply, FaultKind::Truncate, FaultKind::Close] {
        system.mautic.inject_faults(vec![FaultRule::new(kind).method("PUT").times(1)]);
        let payload =
            |orders: u32| json!({"contact": {"email": "lostzero@example.com"}, "fields": {"total_orders": orders}});
        assert!(system.caller.upsert(payload(0)).await.unwrap().is_taken());
        system.finish().await;
        let fields = system.contact("lostzero@example.com").fields;
        assert_eq!((fields["total_orders"].as_f64(), &fields["firstname"]), (Some(0.0), &json!("Ada")), "{kind:?}");
        system.caller.upsert(payload(5)).await.unwrap();
    }
}

#[tokio::test]
async fn a_writer_that_died_blocks_its_contact_no_longer_than_its_lease() {
    let system = System::start().await;
    system.crashed_writer("crash@example.com", SignedDuration::from_millis(1_500)).await;
    let answer = system.caller.upsert(person("crash@example.com", "Ada")).await.unwrap();
    assert_eq!(answer.status, 200, "it waits for the lease's end: {}", answer.body);
    assert_eq!(system.contact("crash@example.com").fields["firstname"], "Ada");
}

#[tokio::test]
async fn behind_a_writer_that_died_a_write_is_queued_and_a_job_finishes_it() {
    let system = System::start().await;
    system.crashed_writer("queue@example.com", SignedDuration::from_secs(60)).await;
    let answer = system.caller.upsert(person("queue@example.com", "Ada")).await.unwrap();
    assert_eq!(
        (answer.status, &answer.data()["queued"], &answer.data()["reason"]),
        (202, &json!(true), &json!("conflict"))
    );
    assert!(answer.data()["jobId"].is_string());
    system.end_lease("queue@example.com").await;
    system.finish().await;
    assert_eq!(system.contact("queue@example.com").fields["firstname"], "Ada");
    assert_eq!(system.contacts_with("queue@example.com").len(), 1);
}

#[tokio::test]
async fn a_contact_that_a_dead_writer_had_made_is_found_and_not_made_again() {
    let system = System::start().await;
    system.crashed_writer("found@example.com", SignedDuration::from_millis(300)).await;
    let made = json!({"email": "found@example.com", "firstname": "Crashed"});
    let made =
        system.in_mautic(reqwest::Method::POST, "/api/contacts/new", Some(made)).await["contact"]["id"].to_string();
    let answer = system.caller.upsert(person("found@example.com", "Ada")).await.unwrap();
    assert_eq!(answer.contact_id(), Some(made.as_str()));
    assert_eq!(system.contact("found@example.com").fields["firstname"], "Ada");
}

#[tokio::test]
async fn a_dead_writer_of_an_opted_out_person_does_not_lose_the_opt_out() {
    let system = System::start().await;
    system.crashed_writer("optout@example.com", SignedDuration::from_secs(60)).await;
    let payload = json!({"contact": {"email": "optout@example.com"}, "consent": {"marketing_opt_in": false}});
    assert_eq!(system.caller.upsert(payload).await.unwrap().status, 202);
    system.end_lease("optout@example.com").await;
    system.finish().await;
    let contact = system.contact("optout@example.com");
    assert_eq!((contact.dnc.len(), &contact.fields["marketing_opt_in"]), (1, &json!(0)));
}

async fn with_key(caller: &Caller, key: &str, body: &Value) -> Answer {
    caller.send(caller.request().header("idempotency-key", key).json(body)).await.unwrap()
}

#[tokio::test]
async fn a_repeat_with_the_same_idempotency_key_gets_the_first_answer() {
    let mut system = System::start().await;
    let body = json!({"action": "upsert_contact", "payload": person("key@example.com", "Ada")});
    let first = with_key(&system.caller, "order-1", &body).await;
    assert_eq!(first.data()["action"], "created");
    let other = system.another_instance().await;
    let calls = system.calls();
    for caller in [&system.caller, &other] {
        let again = with_key(caller, "order-1", &body).await;
        assert_eq!((again.status, again.data()), (200, first.data()));
    }
    assert_eq!(system.calls(), calls);
    assert_eq!(with_key(&other, "order-2", &body).await.data()["action"], "unchanged", "another key is another call");
}

#[tokio::test]
async fn an_idempotency_key_that_was_used_with_another_body_is_refused() {
    let system = System::start().await;
    let body = |name: &str| json!({"action": "upsert_contact", "payload": person("mismatch@example.com", name)});
    with_key(&system.caller, "order-1", &body("Ada")).await;
    let answer = with_key(&system.caller, "order-1", &body("Eve")).await;
    assert_eq!((answer.status, answer.error_code()), (422, "idempotency_key_reused"));
    assert_eq!(system.contact("mismatch@example.com").fields["firstname"], "Ada");
}

#[tokio::test]
async fn an_idempotency_key_that_was_used_with_another_operation_is_refused() {
    let system = System::start().await;
    let body = json!([{"id": "u1", "name": "user_login", "user": {"id": "u1", "email": "paths@example.com"}}]);
    let to = |path: &str| {
        let request = system.caller.bare(reqwest::Method::POST, path).bearer_auth(tandem_tests::system::KEY);
        system.caller.send(request.header("idempotency-key", "one").json(&body))
    };
    assert_eq!(to("/records").await.unwrap().status, 200);
    let answer = to("/events").await.unwrap();
    assert_eq!((answer.status, answer.error_code()), (422, "idempotency_key_reused"));
}

#[tokio::test]
async fn parallel_repeats_with_one_idempotency_key_do_the_work_once() {
    let mut system = System::start().await;
    let callers = [system.caller.clone(), system.another_instance().await];
    let campaign = system.made_in_mautic("campaigns", "C").await;
    let id =
        system.caller.upsert(person("parallel@example.com", "Ada")).await.unwrap().contact_id().unwrap().to_owned();
    let body = json!({"action": "add_to_campaign", "mauticContactId": id, "campaignId": campaign});
    let answers = join_all(callers.iter().cycle().take(10).map(|caller| with_key(caller, "k", &body))).await;
    for answer in &answers {
        let in_progress = answer.status == 409 && answer.error_code() == "in_progress" && answer.retry_after.is_some();
        assert!(answer.status == 200 || in_progress, "{} {}", answer.status, answer.body);
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert_eq!(system.calls_of("POST /api/campaigns/{id}/contact/{contact}/{action}"), 1);
}

#[tokio::test]
async fn a_refusal_and_a_queued_answer_are_repeated_and_a_passing_failure_is_tried_again() {
    let system = System::start().await;
    let bad = json!({"action": "upsert_contact", "payload": {"contact": {"email": "n/a"}}});
    let (first, again) = (with_key(&system.caller, "bad", &bad).await, with_key(&system.caller, "bad", &bad).await);
    assert_eq!((first.status, &first.body["error"]), (422, &again.body["error"]));
    let absent = json!({"action": "export_contact", "email": "nobody@example.com"});
    let (first, again) =
        (with_key(&system.caller, "absent", &absent).await, with_key(&system.caller, "absent", &absent).await);
    assert_eq!((first.status, first.error_code(), &first.body["error"]), (404, "not_found", &again.body["error"]));
    system.mautic_answers(503);
    let write = json!({"action": "upsert_contact", "payload": person("keyed@example.com", "Ada")});
    let (first, again) = (with_key(&system.caller, "w", &write).await, with_key(&system.caller, "w", &write).await);
    assert_eq!((first.status, first.data()), (202, again.data()));
    let ping = json!({"action": "ping"});
    assert_eq!(with_key(&system.caller, "p", &ping).await.status, 503);
    system.mautic.clear_faults();
    assert_eq!(with_key(&system.caller, "p", &ping).await.status, 200);
    system.end_lease("keyed@example.com").await;
    system.finish().await;
    assert_eq!(system.contacts_with("keyed@example.com").len(), 1);
}
