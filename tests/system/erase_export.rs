//! Deleting a contact everywhere, and handing out all that is held about a person.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::client::Answer;
use tandem_tests::system::System;

async fn call(system: &System, body: Value) -> Answer {
    system.caller.call(&body).await.unwrap()
}

async fn created(system: &System, email: &str) -> String {
    let contact = json!({"email": email, "first_name": "Ada", "city": "London"});
    let payload = json!({"id": format!("id-{email}"), "contact": contact, "consent": {"marketing_opt_in": true}});
    system.caller.upsert(payload).await.unwrap().contact_id().unwrap().to_owned()
}

#[tokio::test]
async fn a_contact_is_deleted_by_every_name_that_it_has() {
    let system = System::start().await;
    let only_there = json!({"email": "there@example.com"});
    let there =
        system.in_mautic(Method::POST, "/api/contacts/new", Some(only_there)).await["contact"]["id"].to_string();
    for whom in [
        json!({"mauticContactId": 0}),
        json!({"id": "id-a@example.com"}),
        json!({"email": "a@example.com"}),
        json!({"payload": {"email": "a@example.com"}}),
    ] {
        let id = created(&system, "a@example.com").await;
        let mut body = whom.clone();
        body["action"] = json!("delete_contact");
        if body.get("mauticContactId").is_some() {
            body["mauticContactId"] = json!(id);
        }
        let answer = call(&system, body.clone()).await;
        assert_eq!(
            (answer.status, answer.contact_id(), &answer.data()["action"]),
            (200, Some(id.as_str()), &json!("deleted")),
            "{whom}"
        );
        assert_eq!(system.contacts_with("a@example.com").len(), 0, "{whom}");
        let again = call(&system, body).await;
        assert!(again.status == 404 || again.data()["action"] == "absent", "{whom}: {}", again.body);
    }
    assert_eq!(
        call(&system, json!({"action": "delete_contact", "email": "there@example.com"})).await.contact_id(),
        Some(there.as_str())
    );
    assert_eq!(system.mautic.stats().contacts, 0);
}

#[tokio::test]
async fn what_was_deleted_can_be_made_again_from_nothing() {
    let system = System::start().await;
    let old = created(&system, "a@example.com").await;
    call(&system, json!({"action": "delete_contact", "email": "a@example.com"})).await;
    let answer = system.caller.upsert(json!({"contact": {"email": "a@example.com", "last_name": "L"}})).await.unwrap();
    assert_eq!(answer.data()["action"], "created");
    assert_ne!(answer.contact_id(), Some(old.as_str()));
    let fields = system.contact("a@example.com").fields;
    assert_eq!((fields.get("firstname"), fields.get("supabase_id")), (None, None), "nothing of before is left");
}

#[tokio::test]
async fn a_contact_that_is_gone_from_mautic_already_is_deleted_here() {
    let system = System::start().await;
    let id = created(&system, "a@example.com").await;
    system.in_mautic(Method::DELETE, &format!("/api/contacts/{id}/delete"), None).await;
    assert_eq!(call(&system, json!({"action": "delete_contact", "email": "a@example.com"})).await.status, 200);
    assert_eq!(call(&system, json!({"action": "export_contact", "email": "a@example.com"})).await.status, 404);
}

#[tokio::test]
async fn a_merged_contact_is_deleted_with_all_its_numbers() {
    let system = System::start().await;
    created(&system, "a@example.com").await;
    let visitor = system.visitor().await;
    system.engage("submit", json!({"contact": visitor, "address": "a@example.com"})).await;
    system.caller.upsert(json!({"contact": {"email": "a@example.com", "last_name": "L"}})).await.unwrap();
    assert_eq!(call(&system, json!({"action": "delete_contact", "email": "a@example.com"})).await.status, 200);
    assert_eq!(system.mautic.stats().contacts, 0);
}

#[tokio::test]
async fn a_contact_that_is_being_written_is_not_deleted_under_the_writers_hands() {
    let system = System::start().await;
    system.crashed_writer("busy@example.com", SignedDuration::from_secs(30)).await;
    let answer = call(&system, json!({"action": "delete_contact", "email": "busy@example.com"})).await;
    assert_eq!((answer.status, answer.error_code()), (409, "conflict"));
    assert!(answer.retry_after.is_some());
}

#[tokio::test]
async fn a_contact_whose_making_was_never_confirmed_is_deleted_in_mautic_too() {
    let system = System::start().await;
    let lost = FaultRule::new(FaultKind::LostReply).method("PUT").path("/api/contacts/batch/edit").times(1);
    let down = FaultRule::new(FaultKind::Status).status(503).method("GET").path("/api/contacts").times(1);
    system.mautic.inject_faults(vec![lost, down]);
    let answer = system.caller.upsert(json!({"id": "u7", "contact": {"email": "doubt@example.com"}})).await.unwrap();
    assert_eq!((answer.status, system.contacts_with("doubt@example.com").len()), (202, 1));
    system.end_lease("doubt@example.com").await;
    assert_eq!(call(&system, json!({"action": "delete_contact", "id": "u7"})).await.status, 200);
    system.finish().await;
    assert_eq!(system.mautic.stats().contacts, 0);
}

#[tokio::test]
async fn an_export_holds_all_that_is_known() {
    let system = System::start().await;
    let id = created(&system, "export@example.com").await;
    let segment = system.made_in_mautic("segments", "Readers").await;
    call(&system, json!({"action": "add_to_segment", "mauticContactId": id, "segmentId": segment})).await;
    for whom in
        [json!({"mauticContactId": id}), json!({"id": "id-export@example.com"}), json!({"email": "export@example.com"})]
    {
        let mut body = whom.clone();
        body["action"] = json!("export_contact");
        let answer = call(&system, body).await;
        assert_eq!((answer.status, answer.contact_id()), (200, Some(id.as_str())), "{whom}");
        let data = answer.data();
        assert_eq!(data["record"]["fields"]["first_name"], "Ada", "{whom}");
        assert_eq!(data["consent"]["entries"][0]["status"], "opted_in", "{whom}");
        assert_eq!(data["platform"][0]["contact"]["fields"]["city"], "London", "{whom}");
        assert!(data["platform"][0]["segments"].to_string().contains("Readers"), "{whom}");
    }
    assert_eq!(call(&system, json!({"action": "export_contact", "email": "nobody@example.com"})).await.status, 404);
    assert_eq!(call(&system, json!({"action": "export_contact", "mauticContactId": 99_999})).await.status, 404);
}

#[tokio::test]
async fn an_export_of_a_merged_contact_shows_it_once() {
    let system = System::start().await;
    created(&system, "export@example.com").await;
    let visitor = system.visitor().await;
    system.engage("submit", json!({"contact": visitor, "address": "export@example.com"})).await;
    system.caller.upsert(json!({"contact": {"email": "export@example.com", "last_name": "L"}})).await.unwrap();
    let answer = call(&system, json!({"action": "export_contact", "email": "export@example.com"})).await;
    assert_eq!((answer.status, answer.data()["platform"].as_array().map(Vec::len)), (200, Some(1)));
}

#[tokio::test]
async fn an_export_of_a_contact_that_mautic_no_longer_has_shows_what_tandem_holds() {
    let system = System::start().await;
    let id = created(&system, "export@example.com").await;
    system.in_mautic(Method::DELETE, &format!("/api/contacts/{id}/delete"), None).await;
    let answer = call(&system, json!({"action": "export_contact", "email": "export@example.com"})).await;
    assert_eq!((answer.status, &answer.data()["platform"]), (200, &json!([])), "{}", answer.body);
    assert_eq!(answer.data()["record"]["fields"]["first_name"], "Ada");
}

#[tokio::test]
async fn a_deletion_is_queued_while_mautic_can_not_say_which_contact_is_meant() {
    let system = System::start().await;
    let only_there = json!({"email": "there@example.com"});
    system.in_mautic(Method::POST, "/api/contacts/new", Some(only_there)).await;
    system.mautic.inject_faults(vec![FaultRule::new(FaultKind::Status).status(503).times(1)]);
    let answer = call(&system, json!({"action": "delete_contact", "email": "there@example.com"})).await;
    assert_eq!((answer.status, &answer.data()["queued"]), (202, &json!(true)), "{}", answer.body);
    system.finish().await;
    assert!(system.contacts_with("there@example.com").is_empty());
}
