//! What the Supabase source sends, and what becomes of answers that no real PostgREST gives on demand. How a real one takes
//! it is tested with the whole system.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::ports::World;
use support::stub::{Reply, Seen, Stub};
use tandem_connectors::http::Http;
use tandem_connectors::sources::supabase::{Settings, Supabase, VIEW};
use tandem_core::domain::engagement::{EmailStatus, Standing};
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Effect, Failure, FailureKind};
use tandem_core::ports::source::{Person, RowStatus, SourceCursor, SourceOrder};
use tandem_core::ports::{Feedback, RecordSource};

const KEY: &str = "sb_secret_s3cret";

fn source(url: &str) -> Supabase {
    let settings = Settings::new(url, KEY, VIEW).unwrap();
    Supabase::new(settings, Http::default(), World::default().ports().clock).unwrap()
}

fn scope() -> Scope {
    Scope::default_mautic()
}

fn status(number: u32) -> RowStatus {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    RowStatus { id, contact: None, hash: None, synced_at: None, error: Some("jane@example.com".to_owned()) }
}

/// The failures of a read and of a write.
async fn both(url: &str) -> (Failure, Failure) {
    let source = source(url);
    let read = source.page(&scope(), SourceOrder::Id, &SourceCursor::default(), 10).await.unwrap_err();
    let write = source.report(&scope(), &[status(1)]).await.unwrap_err();
    for text in [format!("{read:?}{read}"), format!("{write:?}{write}")] {
        assert!(!text.contains("127.0.0.1") && !text.contains("s3cret") && !text.contains("jane"), "{text}");
    }
    (read, write)
}

async fn both_with(reply: Reply) -> (Failure, Failure) {
    let stub = Stub::start(move |_| reply.clone()).await;
    both(&stub.url).await
}

#[tokio::test]
async fn a_project_is_called_below_rest_v1_with_the_key_in_both_headers() {
    let stub = Stub::start(|_| Reply::json(200, &json!([]))).await;
    let cursor =
        SourceCursor { updated_at: Some("2026-01-02T03:04:05.123456Z".parse().unwrap()), id: Some("a,\"b".into()) };
    source(&stub.url).page(&scope(), SourceOrder::Changed, &cursor, 500).await.unwrap();
    let [call]: [Seen; 1] = stub.calls().try_into().unwrap();
    assert_eq!((call.path(), &*call.api_key), ("/rest/v1/customers_crm_v", KEY));
    assert_eq!(call.authorization, format!("Bearer {KEY}"));
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(call.target.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let moment = "\"2026-01-02T03:04:05.123456Z\"";
    let wanted = format!("(updated_at.gt.{moment},and(updated_at.eq.{moment},id.gt.\"a,\\\"b\"))");
    let pairs = [("select", "*"), ("or", &*wanted), ("order", "updated_at.asc,id.asc"), ("limit", "500")];
    assert_eq!(query, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn two_hundred_ids_go_into_one_request_that_gateways_take() {
    let stub = Stub::start(|_| Reply::json(200, &json!([]))).await;
    let ids: Vec<String> = (0..200).map(|number| status(number).id).collect();
    source(&stub.url).rows(&scope(), &ids).await.unwrap();
    let [call]: [Seen; 1] = stub.calls().try_into().unwrap();
    assert!(call.target.len() < 8000, "{}", call.target.len());
}

#[tokio::test]
async fn five_hundred_statuses_of_a_kind_are_one_call() {
    let stub = Stub::start(|_| Reply::text(201, "text/plain", "")).await;
    let statuses: Vec<RowStatus> = (0..500).map(status).collect();
    source(&stub.url).report(&scope(), &statuses).await.unwrap();
    let [call]: [Seen; 1] = stub.calls().try_into().unwrap();
    assert_eq!(call.prefer, "resolution=merge-duplicates,return=minimal");
    assert_eq!(call.target, "/rest/v1/mautic_sync_status?on_conflict=customer_id");
    assert_eq!(call.body.as_array().unwrap().len(), 500);
}

#[tokio::test]
async fn an_address_where_nothing_is_postgrest_is_misconfigured_and_stays_to_be_found() {
    let stub = Stub::start(|seen| match seen.path() {
        "/customers_crm_v" => Reply::json(200, &json!([])),
        _ => Reply::json(404, &json!({"message": "no Route matched with those values"})),
    })
    .await;
    let source = source(&stub.url);
    assert_eq!(source.report(&scope(), &[status(1)]).await.unwrap_err().kind, FailureKind::Misconfigured);
    for _ in 0..2 {
        source.page(&scope(), SourceOrder::Id, &SourceCursor::default(), 10).await.unwrap();
    }
    let last: Vec<String> = stub.calls().iter().rev().take(3).map(|seen| seen.path().to_owned()).collect();
    assert_eq!(last, ["/customers_crm_v", "/customers_crm_v", "/rest/v1/customers_crm_v"]);
}

#[tokio::test]
async fn a_sleeping_project_is_unavailable_and_a_write_to_it_may_have_been_done() {
    let (read, write) = both_with(Reply::text(540, "text/html", "<h1>paused</h1>")).await;
    assert_eq!((read.kind, read.effect), (FailureKind::Unavailable, Effect::None));
    assert_eq!((write.kind, write.effect), (FailureKind::Unavailable, Effect::Unknown));
}

#[tokio::test]
async fn what_can_not_be_read_is_garbled() {
    let stub = Stub::start(|_| Reply::text(200, "text/html", "<html>jane@example.com</html>")).await;
    let read = source(&stub.url).page(&scope(), SourceOrder::Id, &SourceCursor::default(), 10).await.unwrap_err();
    assert_eq!(read.kind, FailureKind::Garbled);
    let (read, write) =
        both_with(Reply::text(302, "text/html", "").with("location", "https://elsewhere.example")).await;
    assert_eq!((read.kind, write.kind), (FailureKind::Garbled, FailureKind::Garbled));
}

#[tokio::test]
async fn too_many_calls_are_told_with_the_moment_to_go_on() {
    let (read, _) = both_with(Reply::text(429, "text/plain", "").with("retry-after", "7")).await;
    assert_eq!(read.kind, FailureKind::RateLimited);
    assert!(read.retry_at.is_some());
}

#[tokio::test]
async fn an_answer_that_does_not_come_within_ten_seconds_is_a_time_out() {
    let stub = Stub::start(|_| Reply::json(200, &json!([])).after(Duration::from_secs(60))).await;
    let source = source(&stub.url);
    let person = Person { id: None, email: Some("jane@example.com".parse().unwrap()) };
    let feedback = Feedback {
        marketing_opt_in: None,
        consent: None,
        email_status: EmailStatus::Active,
        standing: Standing::default(),
    };
    let scope = scope();
    let (read, write) = tokio::join!(source.tells_changes(&scope), source.tell(&scope, &person, &feedback, &[]));
    let (read, write) = (read.unwrap_err(), write.unwrap_err());
    assert_eq!((read.kind, read.effect), (FailureKind::Timeout, Effect::None));
    assert_eq!((write.kind, write.effect), (FailureKind::Timeout, Effect::Unknown));
    assert!(!format!("{write:?}").contains("jane"), "{write:?}");
}

#[tokio::test]
async fn nobody_listening_had_no_effect() {
    let (read, write) = both("http://127.0.0.1:9").await;
    assert_eq!((read.kind, write.kind), (FailureKind::Unavailable, FailureKind::Unavailable));
    assert_eq!(write.effect, Effect::None);
}
