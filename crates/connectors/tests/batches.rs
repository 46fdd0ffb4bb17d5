//! Many contacts in a call, and whole contacts in a PUT.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::mautic_with_basic;
use support::ports::World;
use support::stub::{Reply, Seen, Stub};
use tandem_connectors::mautic::{BATCH_AT_MOST, Mautic};
use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::ContactWrite;
use tandem_core::error::{Effect, FailureKind};
use tandem_core::ports::MarketingPlatform;

async fn against(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Stub, std::sync::Arc<Mautic>) {
    let stub = Stub::start(answer).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    (stub, client)
}

fn write(fields: &[(&str, Value)]) -> ContactWrite {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    ContactWrite { fields, ..ContactWrite::default() }
}

fn id(number: &str) -> RemoteId {
    RemoteId(number.to_owned())
}

/// A contact as large as a real one: about 7 KB, nearly all of it about its fields.
fn large_contact(id: usize) -> Value {
    let group: BTreeMap<String, Value> = (0..30)
        .map(|number| {
            let alias = format!("field_{number}");
            let field = json!({"id": number, "group": "core", "label": format!("Field number {number}"), "alias": alias,
                "type": "text", "properties": {"list": []}, "value": null, "normalizedValue": "", "object": "lead"});
            (alias, field)
        })
        .collect();
    let all: BTreeMap<String, Value> = group.keys().map(|alias| (alias.clone(), Value::Null)).collect();
    let mut fields = json!({"core": group, "social": [], "all": all});
    fields["all"]["email"] = format!("c{id}@example.com").into();
    json!({"id": id, "points": 0, "fields": fields, "tags": [], "doNotContact": [], "owner": null, "stage": null})
}

#[tokio::test]
async fn a_batch_answer_of_more_than_a_megabyte_is_read_into_its_values_alone() {
    let contacts: Vec<Value> = (1..=200).map(large_contact).collect();
    let body = json!({"contacts": contacts, "statusCodes": vec![201; 200]}).to_string();
    let size = body.len();
    let (_stub, client) = against(move |_| Reply::text(201, "application/json", body.clone())).await;
    let outcomes = client.batch_upsert(&vec![ContactWrite::default(); 200]).await.unwrap();
    println!("batch of 200 contacts: {size} bytes");
    assert!(size > 1_000_000, "{size} bytes");
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let contact = outcome.unwrap().contact;
        assert_eq!(contact.id, id(&(index + 1).to_string()));
        assert!(contact.email.is_some());
        assert!(contact.fields.is_empty(), "nothing was sent that it could show");
    }
}

#[tokio::test]
async fn a_batch_of_201_is_refused_before_a_call() {
    let (stub, client) = against(|_| Reply::json(200, &json!({}))).await;
    let failure = client.batch_upsert(&vec![ContactWrite::default(); BATCH_AT_MOST + 1]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(stub.calls().is_empty());
}

#[tokio::test]
async fn an_entry_that_can_not_be_written_keeps_its_place_and_holds_back_no_other() {
    let answer = json!({"contacts": [{"id": 2}, {"id": 3}], "statusCodes": [200, 200]});
    let (stub, client) = against(move |_| Reply::json(200, &answer)).await;
    let entries = ["2", "not-a-number", "3"].map(|one| (id(one), ContactWrite::default()));
    let outcomes = client.batch_update(&entries).await.unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap().contact.id, id("2"));
    assert_eq!(outcomes[1].as_ref().unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(outcomes[2].as_ref().unwrap().contact.id, id("3"));
    assert_eq!(stub.calls()[0].body, json!([{"id": 2}, {"id": 3}]));
}

#[tokio::test]
async fn an_entry_that_the_answer_does_not_mention_may_have_been_done() {
    let answer = json!({"contacts": {"0": {"id": 2}}, "statusCodes": [201]});
    let (_stub, client) = against(move |_| Reply::json(201, &answer)).await;
    let outcomes = client.batch_upsert(&vec![ContactWrite::default(); 2]).await.unwrap();
    let lost = outcomes[1].as_ref().unwrap_err();
    assert_eq!((lost.kind, lost.effect), (FailureKind::Garbled, Effect::Unknown));
}

#[tokio::test]
async fn a_rewrite_carries_the_whole_contact_to_the_survivor_of_a_merge() {
    let known = json!({"contact": {"id": 361, "points": 12, "owner": {"id": 4}, "stage": {"id": 2, "name": "Won"},
        "tags": [{"tag": "vip"}],
        "fields": {"all": {"id": "361", "email": "a@example.com", "city": "Rome", "phone": "1", "orders": 5, "fax": null}}}});
    let (stub, client) = against(move |_| Reply::json(200, &known)).await;
    let change = write(&[("orders", json!(0)), ("city", json!("Paris"))]);
    let contact = client.rewrite(&id("360"), &change, &["phone".to_owned()]).await.unwrap();
    assert_eq!(contact.id, id("361"));
    let calls = stub.calls();
    assert_eq!((calls[1].method.as_str(), calls[1].path()), ("PUT", "/api/contacts/361/edit"));
    let expected = json!({"email": "a@example.com", "city": "Paris", "phone": null, "orders": 0, "points": 12, "owner": 4,
        "stage": 2});
    assert_eq!(calls[1].body, expected);
}

#[tokio::test]
async fn a_look_up_encodes_the_address_and_drops_what_does_not_have_it() {
    let found = json!({"total": "2", "contacts": {
        "5": {"id": 5, "fields": {"all": {"email": "A+B@Example.com"}}},
        "6": {"id": 6, "fields": {"all": {"email": "ab@example.com"}}}}});
    let (stub, client) = against(move |_| Reply::json(200, &found)).await;
    let email: Email = "a+b@example.com".parse().unwrap();
    let contacts = client.find_by_email(&email).await.unwrap();
    assert_eq!(contacts.iter().map(|one| one.id.clone()).collect::<Vec<_>>(), [id("5")]);
    assert!(stub.calls()[0].target.contains("a%2Bb%40example.com"), "{}", stub.calls()[0].target);
}

#[tokio::test]
async fn an_id_that_is_no_number_is_not_found_without_a_call() {
    let (stub, client) = against(|_| Reply::json(200, &json!({"contact": {"id": 2}}))).await;
    for wrong in ["1/../2", "abc", "", "-1"] {
        assert_eq!(client.get(&id(wrong)).await.unwrap_err().kind, FailureKind::NotFound, "{wrong}");
        assert!(!client.delete(&id(wrong)).await.unwrap());
    }
    assert!(stub.calls().is_empty());
}

#[tokio::test]
async fn a_segment_takes_many_contacts_in_a_call_and_says_which_it_could_not_take() {
    let answer = json!({"success": 1, "details": {"7": {"success": true}, "9": {"success": false}}});
    let (stub, client) = against(move |_| Reply::json(200, &answer)).await;
    let added = client.add_to_segment("3", &[id("7"), id("8"), id("9")]).await.unwrap();
    assert_eq!(added, [true, false, false]);
    assert_eq!(stub.calls()[0].body, json!({"ids": [7, 8, 9]}));
}

#[tokio::test]
async fn a_table_that_mautic_does_not_have_is_not_found() {
    let tables = json!({"availableTables": ["audit_log"], "tableColumns": {"audit_log": ["id"]}});
    let (stub, client) = against(move |_| Reply::json(200, &tables)).await;
    assert_eq!(client.stats("nonsense", 0, 10).await.unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(client.stats("../users", 0, 10).await.unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(stub.calls().len(), 1);
}
