//! Who was deleted stays deleted, whatever is still sent of the person; and begins anew by a sign-up, an upsert, or a record made
//! since then.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_connectors::billing::Provider;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::runs::RunLog;
use tandem_core::ports::source::{SourceCursor, SourceOrder};
use tandem_core::ports::{Clock, RecordSource};
use tandem_core::sync::run::SyncOptions;
use tandem_core::webhook::entry::Observed;
use tandem_tests::billing::{self, Bill};
use tandem_tests::client::Answer;
use tandem_tests::command::tandem;
use tandem_tests::function::environment;
use tandem_tests::sqs_stub::SqsStub;
use tandem_tests::system::{KEY, System};

const EMAIL: &str = "mira.oduya@example.com";
const ID: &str = "7f9c24e8";

fn after(minutes: i64) -> String {
    (SystemClock.now() + SignedDuration::from_mins(minutes)).to_string()
}

async fn hand_over(system: &System, record: Value) -> Answer {
    let request = system.caller.bare(Method::POST, "/records").bearer_auth(KEY);
    system.caller.send(request.json(&json!({"records": [record]}))).await.unwrap()
}

async fn sync(system: &System) -> RunLog {
    let ran = system.desk().sync(SyncOptions::default()).await.unwrap();
    assert_eq!(ran.stopped, None);
    ran.log
}

async fn rows(system: &System) -> usize {
    let records = system.foundation.records().unwrap();
    let page = records.page(&Scope::default_mautic(), SourceOrder::Id, &SourceCursor::default(), 10).await;
    page.unwrap().rows.len()
}

fn row(id: &str, more: Value) -> Value {
    let mut row = json!({"id": id, "email": EMAIL, "updated_at": after(0)});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

async fn event(system: &System, id: &str, name: &str, time: &str) -> Value {
    let event = json!({"id": id, "name": name, "time": time, "user": {"id": ID, "email": EMAIL}});
    system.send_events("?wait=true", &event).await.unwrap();
    system.get_events(&format!("/{id}")).await.data()["event"].clone()
}

/// A system that knew the person, and was told by the application that the person was deleted. Gives the contact's number.
async fn deleted() -> (System, String) {
    let system = System::with(billing::options()).await;
    hand_over(&system, row(ID, json!({"first_name": "Mira"}))).await;
    sync(&system).await;
    let contact = system.contact(EMAIL).id.to_string();
    let told = event(&system, "gone", "user_deleted", &after(0)).await;
    assert_eq!((&told["status"], system.contacts_with(EMAIL).len(), rows(&system).await), (&json!("completed"), 0, 0));
    (system, contact)
}

fn was_skipped(event: &Value) -> bool {
    let note = event["note"].as_str().unwrap_or_default();
    event["status"] == "completed" && note.contains("the person was deleted: only a sign-up event, an upsert")
}

#[tokio::test]
async fn nothing_that_is_still_sent_of_a_deleted_person_makes_a_contact() {
    let (system, contact) = deleted().await;
    assert!(was_skipped(&event(&system, "login", "user_login", &after(1)).await));
    let only_id = json!({"id": "login2", "name": "user_login", "user": {"id": ID}});
    system.send_events("?wait=true", &only_id).await.unwrap();
    assert!(was_skipped(&system.get_events("/login2").await.data()["event"]));
    for (file, name) in [
        ("stripe-checkout-completed.json", "stripe:evt_example1"),
        ("stripe-subscription-created.json", "stripe:evt_example2"),
    ] {
        let mut document = billing::document(file);
        document["id"] = json!(name.trim_start_matches("stripe:"));
        document["created"] = json!(SystemClock.now().as_second() + 1);
        let bill = Bill::new(Provider::Stripe, document.to_string().into_bytes(), SystemClock.now());
        assert_eq!(system.bill(&bill).await.unwrap().status, 200);
        system.finish().await;
        let told = system.get_events(&format!("/{name}")).await.data()["event"].clone();
        assert!(was_skipped(&told), "{told}");
    }
    hand_over(&system, row(ID, json!({"first_name": "Changed"}))).await;
    let log = sync(&system).await;
    assert_eq!((log.skipped, log.rejected, log.created), (1, 0, 0), "{log:?}");
    assert_eq!(log.issues.get("id: erased"), Some(&1));
    assert_eq!(rows(&system).await, 0, "the row does not stay in Tandem's own table either");
    let identify = json!({"action": "identify", "payload": {"email": EMAIL}});
    assert_eq!(system.caller.call(&identify).await.unwrap().status, 404);
    let told = json!({"id": contact, "fields": {"core": {"email": {"value": EMAIL}}}});
    system
        .tell(json!({"mautic.lead_post_save_update": [{"contact": told, "timestamp": "2026-11-28T10:00:00+00:00"}]}))
        .await;
    assert_eq!(system.observed(&contact).await, Observed::default());
    assert!(system.contacts_with(EMAIL).is_empty());
    assert!(system.parked().await.is_empty());
}

#[tokio::test]
async fn a_sign_up_of_the_application_begins_anew_and_what_follows_is_taken() {
    let (system, _) = deleted().await;
    let before = event(&system, "before", "user_signup", &after(-60)).await;
    assert!(before["note"].as_str().unwrap().contains("older than the user's deletion"), "{before}");
    let anew = event(&system, "anew", "user_signup", &after(1)).await;
    assert_eq!((&anew["status"], &anew["note"]), (&json!("completed"), &Value::Null));
    assert_eq!(event(&system, "login", "user_login", &after(2)).await["note"], Value::Null);
    assert_eq!(system.contacts_with(EMAIL).len(), 1);
    hand_over(&system, row(ID, json!({"first_name": "Anew"}))).await;
    assert_eq!(sync(&system).await.updated, 1);
}

#[tokio::test]
async fn an_upsert_begins_anew() {
    let (system, _) = deleted().await;
    let answer = system.caller.upsert(json!({"id": ID, "contact": {"email": EMAIL}})).await.unwrap();
    assert_eq!((answer.status, &answer.data()["action"]), (200, &json!("created")), "{}", answer.body);
}

#[tokio::test]
async fn a_record_that_was_made_after_the_deletion_begins_anew() {
    for record in [
        row("another-id", json!({})),
        row("another-id", json!({"created_at": after(1)})),
        row(ID, json!({"created_at": after(1)})),
    ] {
        let (system, _) = deleted().await;
        hand_over(&system, record.clone()).await;
        assert_eq!(sync(&system).await.created, 1, "{record}");
    }
    for record in
        [row("another-id", json!({"customer_since": "2026-01-01"})), row(ID, json!({"created_at": after(-60)}))]
    {
        let (system, _) = deleted().await;
        hand_over(&system, record.clone()).await;
        assert_eq!(sync(&system).await.skipped, 1, "{record}");
    }
}

#[tokio::test]
async fn another_row_that_shared_the_deleted_persons_address_brings_nobody_back() {
    let system = System::start().await;
    hand_over(&system, row("other-row", json!({}))).await;
    sync(&system).await;
    hand_over(&system, row(ID, json!({}))).await;
    sync(&system).await;
    let delete = json!({"action": "delete_contact", "email": EMAIL});
    assert_eq!(system.caller.call(&delete).await.unwrap().status, 200);
    hand_over(&system, row("other-row", json!({"first_name": "Changed"}))).await;
    assert_eq!(sync(&system).await.skipped, 1);
    assert!(system.contacts_with(EMAIL).is_empty());
}

#[tokio::test]
async fn who_is_deleted_by_the_number_in_mautic_alone_is_not_brought_back_by_a_file() {
    let system = System::start().await;
    let made = system.in_mautic(Method::POST, "/api/contacts/new", Some(json!({"email": EMAIL}))).await;
    let delete = json!({"action": "delete_contact", "mauticContactId": made["contact"]["id"]});
    assert_eq!(system.caller.call(&delete).await.unwrap().status, 200);
    hand_over(&system, row(ID, json!({"customer_since": "2026-01-01"}))).await;
    assert_eq!(sync(&system).await.skipped, 1);
}

#[tokio::test]
async fn the_command_says_what_stays_asks_before_and_forgets_the_row_unless_it_is_kept() {
    for (further, left) in [(&[][..], 0), (&["--keep-row"][..], 1)] {
        let system = System::start().await;
        hand_over(&system, row(ID, json!({}))).await;
        sync(&system).await;
        let sqs = SqsStub::start().await;
        let (folder, environment) = (tempfile::tempdir().unwrap(), environment(&system, &sqs));
        let delete = ["contact", "delete", EMAIL];
        let asked = tandem(folder.path(), &environment, &delete).await;
        assert!(!asked.success && asked.err.contains("--yes"), "{asked:?}");
        for part in ["goes: contact", "stays: digests of the address and ids", "35 days"] {
            assert!(asked.out.contains(part), "{part} in {asked:?}");
        }
        assert_eq!(system.contacts_with(EMAIL).len(), 1);
        let deleted = tandem(folder.path(), &environment, &[&delete[..], &["--yes"], further].concat()).await;
        assert!(deleted.success, "{deleted:?}");
        assert_eq!((system.contacts_with(EMAIL).len(), rows(&system).await), (0, left));
    }
}
