//! Without a Mautic: requests are checked, and answered as if they were done; nothing is sent.

use reqwest::Method;
use serde_json::json;
use tandem_tests::system::{Options, System};

#[tokio::test]
async fn every_action_is_answered_with_demo_and_nothing_is_called() {
    let system = System::with(Options::default().demo()).await;
    for body in [
        json!({"action": "ping"}),
        json!({"action": "upsert_contact", "payload": {"contact": {"email": "a@example.com"}}}),
        json!({"action": "identify", "payload": {"email": "a@example.com", "mtc_id": 5}}),
        json!({"action": "add_to_campaign", "mauticContactId": 1, "campaignId": 2}),
        json!({"action": "remove_from_campaign", "mauticContactId": 1, "campaignId": 2}),
        json!({"action": "add_to_segment", "mauticContactId": 1, "segmentId": 2}),
        json!({"action": "remove_from_segment", "email": "a@example.com", "segmentId": 2}),
        json!({"action": "delete_contact", "email": "a@example.com"}),
        json!({"action": "export_contact", "email": "a@example.com"}),
    ] {
        let answer = system.caller.call(&body).await.unwrap();
        assert_eq!(
            (answer.status, &answer.body["ok"], &answer.body["demo"]),
            (200, &json!(true), &json!(true)),
            "{body}"
        );
        assert_eq!(answer.data()["success"], true, "{body}");
    }
    assert_eq!((system.calls(), system.mautic.stats().token_requests), (0, 0));
    assert_eq!(system.queue.counts().await.unwrap().waiting, 0);
}

#[tokio::test]
async fn bad_input_is_refused_as_ever() {
    let system = System::with(Options::default().demo()).await;
    for (body, status) in [
        (json!({"action": "fly"}), 422),
        (json!({"action": "upsert_contact", "payload": {"contact": {"email": "n/a"}}}), 422),
        (json!({"action": "identify", "payload": {}}), 422),
        (json!({"action": "add_to_campaign", "mauticContactId": -1, "campaignId": "x"}), 422),
    ] {
        assert_eq!(system.caller.call(&body).await.unwrap().status, status, "{body}");
    }
    assert_eq!(system.caller.with_key("wrong-key").call(&json!({"action": "ping"})).await.unwrap().status, 401);
    let answer = system.caller.upsert(json!({"contact": {"email": "a@example.com", "nothing": 1}})).await.unwrap();
    assert_eq!(answer.complaints(), ["contact.nothing:unknown_field"]);
}

#[tokio::test]
async fn its_health_says_that_it_is_a_demo() {
    let system = System::with(Options::default().demo()).await;
    let answer = system.caller.send(system.caller.bare(Method::GET, "/health")).await.unwrap();
    assert_eq!((answer.status, &answer.data()["mode"]), (200, &json!("demo")));
}
