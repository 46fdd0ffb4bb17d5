//! The calls of Segment's and RudderStack's libraries, in the form in which the libraries send them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tandem_tests::client::Answer;
use tandem_tests::system::{KEY, Options, System};

fn post(system: &System, path: &str) -> RequestBuilder {
    system.caller.bare(Method::POST, path)
}

async fn sent(system: &System, request: RequestBuilder) -> Answer {
    system.caller.send(request).await.unwrap()
}

fn identify() -> Value {
    json!({"type": "identify", "userId": "42", "messageId": "m-1",
           "traits": {"email": "jane@example.com", "firstName": "Jane", "address": {"city": "Perth"}}})
}

#[tokio::test]
async fn a_batch_brings_people_and_events_with_the_key_as_user_name() {
    let system = System::start().await;
    let batch = json!({"batch": [
        identify(),
        {"type": "track", "event": "User Signup", "userId": "42", "messageId": "m-2", "properties": {"planTier": "pro"}},
        {"type": "page", "userId": "42", "name": "Home"},
        {"type": "track", "event": "Order Completed", "anonymousId": "a", "messageId": "m-3"},
    ], "sentAt": "2026-11-28T10:00:00Z"});
    let answer = sent(&system, post(&system, "/v1/batch").basic_auth(KEY, Some("")).json(&batch)).await;
    let data = answer.data();
    assert_eq!(
        (answer.status, &data["accepted"], &data["rejected"], &data["passedOver"]),
        (200, &json!(2), &json!(1), &json!(1))
    );
    system.finish().await;
    let contact = system.contact("jane@example.com");
    assert_eq!((&contact.fields["firstname"], &contact.fields["city"]), (&json!("Jane"), &json!("Perth")));
    let stored = system.desk().stored_event("m-2").await.unwrap().unwrap();
    assert_eq!(stored.name.as_str(), "user_signup");
    let again = sent(&system, post(&system, "/v1/batch").basic_auth(KEY, Some("")).json(&batch)).await;
    assert_eq!((again.status, &again.data()["duplicates"]), (200, &json!(2)), "a repeat does nothing");
}

#[tokio::test]
async fn a_batch_may_be_packed_and_carry_its_key() {
    let system = System::with(Options::default().without_worker()).await;
    let batch = json!({"writeKey": KEY, "batch": [identify()]});
    let plain = sent(&system, post(&system, "/v1/batch").json(&batch)).await;
    assert_eq!((plain.status, &plain.data()["accepted"]), (200, &json!(1)), "{:?}", plain.body);
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(batch.to_string().as_bytes()).unwrap();
    let packed =
        post(&system, "/v1/batch").header("content-encoding", "gzip").header("content-type", "application/json");
    let packed = sent(&system, packed.basic_auth(KEY, Some("")).body(packer.finish().unwrap())).await;
    assert_eq!((packed.status, &packed.data()["duplicates"]), (200, &json!(1)), "{:?}", packed.body);
    let damaged =
        post(&system, "/v1/batch").header("content-encoding", "gzip").basic_auth(KEY, Some("")).body("no gzip");
    assert_eq!(sent(&system, damaged).await.status, 400);
}

#[tokio::test]
async fn a_call_without_a_good_key_is_refused() {
    let system = System::with(Options::default().without_worker()).await;
    let batch = json!({"batch": [identify()]});
    let with_key = |key: &str| json!({"writeKey": key, "batch": [identify()]});
    for request in [
        post(&system, "/v1/batch").json(&batch),
        post(&system, "/v1/batch").basic_auth("tdm_wrong", Some("")).json(&batch),
        post(&system, "/v1/batch").basic_auth("tdm_wrong", Some("")).json(&with_key(KEY)),
        post(&system, "/v1/batch").json(&with_key("tdm_wrong")),
    ] {
        assert_eq!(sent(&system, request).await.status, 401);
    }
}

#[tokio::test]
async fn each_kind_of_call_has_a_path_and_the_bodies_are_events_too() {
    let system = System::with(Options::default().without_worker()).await;
    for (path, body, name) in [
        ("/v1/identify", json!({"userId": "1", "messageId": "a"}), "identify"),
        ("/v1/track", json!({"userId": "1", "messageId": "b", "event": "Signed Up"}), "signed_up"),
        ("/v1/group", json!({"userId": "1", "messageId": "c", "groupId": "g", "traits": {"name": "Acme"}}), "group"),
        ("/v1/alias", json!({"userId": "1", "messageId": "d", "previousId": "0"}), "alias"),
    ] {
        let answer = sent(&system, post(&system, path).basic_auth(KEY, Some("")).json(&body)).await;
        assert_eq!(
            (answer.status, &answer.data()["events"][0]["name"]),
            (200, &json!(name)),
            "{path} {:?}",
            answer.body
        );
    }
    let page = sent(&system, post(&system, "/v1/page").basic_auth(KEY, Some("")).json(&json!({"userId": "1"}))).await;
    assert_eq!((page.status, &page.data()["passedOver"]), (200, &json!(1)));
    let unknown = sent(&system, post(&system, "/v1/t").basic_auth(KEY, Some("")).json(&json!({}))).await;
    assert_eq!(unknown.status, 404);
    let as_event = sent(&system, post(&system, "/events").bearer_auth(KEY).json(&identify())).await;
    assert_eq!((as_event.status, &as_event.data()["events"][0]["name"]), (202, &json!("identify")));
}
