//! What a platform, a proxy or a network can do to a call, and what the caller is told.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::mautic_with_basic;
use support::ports::{START, World};
use support::stub::{Reply, Stub};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::ContactWrite;
use tandem_core::error::{Effect, Failure, FailureKind};
use tandem_core::ports::MarketingPlatform;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The failures of a read and of a write against one kind of answer.
async fn both(url: &str) -> (Failure, Failure) {
    let world = World::default();
    let client = mautic_with_basic(url, &world.ports());
    let read = client.get(&RemoteId("7".to_owned())).await.unwrap_err();
    world.clock.advance(Duration::from_secs(86_400));
    let write = client.upsert(&ContactWrite::default()).await.unwrap_err();
    for text in [format!("{read:?}{read}"), format!("{write:?}{write}")] {
        assert!(!text.contains("127.0.0.1") && !text.contains("s3cret"), "{text}");
    }
    (read, write)
}

async fn both_with(reply: Reply) -> (Failure, Failure) {
    let stub = Stub::start(move |_| reply.clone()).await;
    both(&stub.url).await
}

/// A server that reads a request and sends these bytes before it closes.
async fn raw(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(bytes).await;
        }
    });
    url
}

fn expect(both: (Failure, Failure), kind: FailureKind, effect_of_write: Effect) {
    assert_eq!((both.0.kind, both.0.effect), (kind, Effect::None), "read: {}", both.0);
    assert_eq!((both.1.kind, both.1.effect), (kind, effect_of_write), "write: {}", both.1);
}

#[tokio::test]
async fn a_refused_connection_is_unavailable_and_nothing_was_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    expect(both(&url).await, FailureKind::Unavailable, Effect::None);
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_leaves_a_writes_effect_unknown() {
    expect(both(&raw(b"").await).await, FailureKind::Unavailable, Effect::Unknown);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_garbled() {
    let url = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"contact\":").await;
    expect(both(&url).await, FailureKind::Garbled, Effect::Unknown);
}

#[tokio::test]
async fn cut_off_json_is_garbled() {
    let both = both_with(Reply::text(200, "application/json", r#"{"contact": {"id": 7, "fields": {"#)).await;
    expect(both, FailureKind::Garbled, Effect::Unknown);
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_garbled() {
    expect(both_with(Reply::text(200, "text/html", "<html>Maintenance")).await, FailureKind::Garbled, Effect::Unknown);
}

#[tokio::test]
async fn a_page_that_says_404_does_not_look_like_a_missing_contact() {
    let stub = Stub::start(|_| Reply::text(404, "text/html", "<html>Not Found")).await;
    expect(both(&stub.url).await, FailureKind::Garbled, Effect::Unknown);
    let world = World::default();
    let client = mautic_with_basic(&stub.url, &world.ports());
    assert_eq!(client.delete(&RemoteId("7".to_owned())).await.unwrap_err().kind, FailureKind::Garbled);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let stub = Stub::start(|seen| match seen.path() {
        "/elsewhere" => Reply::json(200, &json!({"contact": {"id": 7}})),
        _ => Reply::text(301, "text/html", "").with("location", "/elsewhere"),
    });
    let stub = stub.await;
    expect(both(&stub.url).await, FailureKind::Garbled, Effect::Unknown);
    assert!(stub.calls().iter().all(|seen| seen.path() != "/elsewhere"));
}

#[tokio::test]
async fn a_200_that_hides_an_error_is_that_error() {
    let missing = json!({"errors": [{"code": 404, "message": "Item was not found.", "details": []}]});
    expect(both_with(Reply::json(200, &missing)).await, FailureKind::NotFound, Effect::None);
    let broken = json!({"errors": [{"message": "x"}]});
    expect(both_with(Reply::json(200, &broken)).await, FailureKind::Unavailable, Effect::Unknown);
}

#[tokio::test]
async fn server_errors_leave_a_writes_effect_unknown() {
    let html = |status| Reply::text(status, "text/html", "<html>");
    expect(both_with(html(500)).await, FailureKind::Unavailable, Effect::Unknown);
    expect(both_with(html(502)).await, FailureKind::Unavailable, Effect::Unknown);
    expect(both_with(html(504)).await, FailureKind::Timeout, Effect::Unknown);
    let waiting = both_with(html(503).with("retry-after", "120")).await;
    assert_eq!(waiting.0.retry_at.map(|moment| moment.as_second()), Some(START + 120));
    expect(waiting, FailureKind::Unavailable, Effect::Unknown);
}

#[tokio::test]
async fn a_forbidden_call_asks_a_person_to_switch_the_api_on() {
    let body = json!({"errors": [{"message": "API disabled.", "code": 403, "type": "api_disabled"}]});
    let both = both_with(Reply::json(403, &body)).await;
    assert!(both.0.message.contains("switched off"), "{}", both.0);
    expect(both, FailureKind::Credentials, Effect::None);
}

#[tokio::test]
async fn a_refused_value_is_named_by_its_field_and_not_repeated() {
    let body = json!({"errors": [{"code": 400, "message": "email: not-an-email is invalid.",
        "details": {"email": ["not-an-email is invalid."]}}]});
    let (read, write) = both_with(Reply::json(400, &body)).await;
    assert_eq!(write.fields[0].field, "email");
    assert!(!format!("{write:?}").contains("not-an-email"));
    expect((read, write), FailureKind::Refused, Effect::None);
}

#[tokio::test]
async fn a_429_with_a_reset_stops_all_further_calls_until_then() {
    let reset = START + 1800;
    let error = json!({"errors": [{"code": 429, "message": "You exceeded the rate limit.", "details": []}]});
    let reply =
        Reply::json(429, &error).with("x-ratelimit-remaining", "0").with("x-ratelimit-reset", &reset.to_string());
    let (stub, world) = (Stub::start(move |_| reply.clone()).await, World::default());
    let client = mautic_with_basic(&stub.url, &world.ports());
    for _ in 0..3 {
        let failure = client.upsert(&ContactWrite::default()).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::RateLimited, Effect::None));
        assert_eq!(failure.retry_at.unwrap().as_second(), reset);
    }
    assert_eq!(stub.calls().len(), 1, "the second and third fail without a call");
    assert_eq!(world.budgets.0.lock().unwrap().unwrap().as_second(), reset);

    let other = mautic_with_basic(&stub.url, &world.ports());
    assert_eq!(other.ping().await.unwrap_err().kind, FailureKind::RateLimited);
    assert_eq!(stub.calls().len(), 1, "a cold process asks the store first");

    world.clock.advance(Duration::from_secs(1801));
    let _ = client.ping().await;
    assert_eq!(stub.calls().len(), 2, "calls go out again after the reset");
}

#[tokio::test]
async fn a_429_without_a_reset_waits_as_long_as_retry_after_says_or_ten_seconds() {
    for (header, seconds) in [(Some("30"), 30), (None, 10)] {
        let reply = Reply::text(429, "text/html", "slow down");
        let reply = match header {
            Some(value) => reply.with("retry-after", value),
            None => reply,
        };
        let (stub, world) = (Stub::start(move |_| reply.clone()).await, World::default());
        let failure = mautic_with_basic(&stub.url, &world.ports()).ping().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::RateLimited);
        assert_eq!(failure.retry_at.unwrap().as_second(), START + seconds);
    }
}

#[tokio::test]
async fn the_answer_that_uses_up_the_budget_is_still_good() {
    let reset = (START + 60).to_string();
    let reply = Reply::json(200, &json!({"username": "hub"})).with("x-ratelimit-limit", "100");
    let reply = reply.with("x-ratelimit-remaining", "0").with("x-ratelimit-reset", &reset);
    let (stub, world) = (Stub::start(move |_| reply.clone()).await, World::default());
    let client = mautic_with_basic(&stub.url, &world.ports());
    let info = client.ping().await.unwrap();
    assert_eq!((info.rate_limit, info.rate_remaining), (Some(100), Some(0)));
    assert_eq!(client.ping().await.unwrap_err().kind, FailureKind::RateLimited);
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn a_slow_answer_times_out_after_ten_seconds() {
    let slow = Reply::json(200, &json!({})).after(Duration::from_secs(60));
    let stub = Stub::start(move |_| slow.clone()).await;
    let world = World::default();
    let client = mautic_with_basic(&stub.url, &world.ports());
    let id = RemoteId("7".to_owned());
    let write = ContactWrite::default();
    let (read, written) = tokio::join!(client.get(&id), client.upsert(&write));
    expect((read.unwrap_err(), written.unwrap_err()), FailureKind::Timeout, Effect::Unknown);
}

#[tokio::test]
async fn an_answer_beyond_16_mib_is_not_read_to_its_end() {
    let reply = Reply::text(200, "application/json", " ".repeat(17 * 1024 * 1024));
    expect(both_with(reply).await, FailureKind::Garbled, Effect::Unknown);
}
