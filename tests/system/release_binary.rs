//! The programs that are deployed, in a release build, called by a stand-in of Lambda's Runtime API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]

use std::path::PathBuf;

use serde_json::{Value, json};
use tandem_app::local_table::LocalAccess;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::billing::LEMON_SECRET;
use tandem_tests::function::{DEAD_LETTERS, FunctionProcess, JOBS, aws_environment, environment, run_to_end};
use tandem_tests::paths;
use tandem_tests::sqs_stub::SqsStub;
use tandem_tests::system::System;

use crate::events::{EXAMPLE_KEY, document};

#[tokio::test]
async fn mautic_sync_answers_api_gateway_and_makes_one_contact() {
    let Some(program) = release("mautic-sync") else { return };
    let stage = Stage::new().await;
    let function = FunctionProcess::start(&program, &stage.environment()).await;

    let health = call(&function, document("mautic-sync", "health.json")).await;
    assert_eq!((health.status, &health.body["data"]["status"]), (200, &json!("ok")), "{}", health.body);
    let ping = call(&function, document("mautic-sync", "ping.json")).await;
    assert_eq!((ping.status, &ping.body["ok"]), (200, &json!(true)), "{}", ping.body);

    let upsert = document("mautic-sync", "upsert_contact.json");
    let first = call(&function, upsert.clone()).await;
    assert_eq!((first.status, &first.body["data"]["action"]), (200, &json!("created")), "{}", first.body);
    assert_eq!(first.headers["x-correlation-id"], upsert["headers"]["x-correlation-id"]);
    let repeat = call(&function, upsert).await;
    assert_eq!((repeat.status, &repeat.body["data"]["action"]), (200, &json!("unchanged")), "{}", repeat.body);
    assert_eq!(first.body["data"]["contactId"], repeat.body["data"]["contactId"]);
    assert_eq!(stage.system.mautic.stats().contacts, 1);

    let malformed = call(&function, document("mautic-sync", "malformed-json.json")).await;
    assert_eq!((malformed.status, &malformed.body["ok"]), (400, &json!(false)), "{}", malformed.body);
    let wrong_method = call(&function, document("mautic-sync", "wrong-method.json")).await;
    assert_eq!(wrong_method.status, 405, "{}", wrong_method.body);
}

#[tokio::test]
async fn mautic_sync_reads_a_body_that_api_gateway_encoded() {
    let Some(program) = release("mautic-sync") else { return };
    let stage = Stage::new().await;
    let function = FunctionProcess::start(&program, &stage.environment()).await;
    let answer = call(&function, document("mautic-sync", "base64-body.json")).await;
    assert_eq!((answer.status, &answer.body["data"]["action"]), (200, &json!("created")), "{}", answer.body);
    let contacts = stage.system.mautic.contacts();
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].fields["firstname"], "Zoë");
}

#[tokio::test]
async fn queue_worker_finishes_what_a_caller_was_promised_while_mautics_api_was_off() {
    let (Some(sync), Some(worker)) = (release("mautic-sync"), release("queue-worker")) else { return };
    let stage = Stage::new().await;
    let sync = FunctionProcess::start(&sync, &stage.environment()).await;
    let worker = FunctionProcess::start(&worker, &stage.environment()).await;

    stage.system.mautic.set_enabled(false, false);
    let promised = call(&sync, document("mautic-sync", "upsert_contact.json")).await;
    assert_eq!((promised.status, &promised.body["data"]["queued"]), (202, &json!(true)), "{}", promised.body);

    // The document in `events/` is the message that was sent, but for its id and moment.
    let event = document("queue-worker", "push_contact.json");
    let sent: Value = serde_json::from_str(&stage.sqs.messages(JOBS)[0]).unwrap();
    let documented: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    for part in ["scope", "correlation_id", "task"] {
        assert_eq!(sent[part], documented[part], "{part}");
    }

    assert_eq!(unfinished(&worker, &event).await, [id_of(&event["Records"][0])], "the API is still off");
    let put_off = stage.sqs.calls("ChangeMessageVisibility");
    assert_eq!(put_off.len(), 1);
    assert_eq!(put_off[0]["ReceiptHandle"], event["Records"][0]["receiptHandle"]);

    stage.system.mautic.set_enabled(true, true);
    for delivery in ["the first", "a repeat"] {
        assert!(unfinished(&worker, &event).await.is_empty(), "{delivery}");
        assert_eq!(stage.system.mautic.stats().contacts, 1, "{delivery}");
    }
}

#[tokio::test]
async fn billing_webhook_stores_what_is_proved_for_the_queue_worker_to_apply() {
    let (Some(billing), Some(worker)) = (release("billing-webhook"), release("queue-worker")) else { return };
    let stage = Stage::new().await;
    let mut environment = stage.environment();
    environment.push(("LEMONSQUEEZY_WEBHOOK_SECRET".to_owned(), LEMON_SECRET.to_owned()));
    environment.push(("TANDEM_LEMONSQUEEZY_VARIANTS".to_owned(), "510001=pro".to_owned()));
    // The sample document is one of the provider's test mode.
    environment.push(("TANDEM_BILLING_TEST_MODE".to_owned(), "true".to_owned()));
    let billing = FunctionProcess::start(&billing, &environment).await;
    let worker = FunctionProcess::start(&worker, &environment).await;

    let forged = call(&billing, document("billing-webhook", "lemonsqueezy-forged.json")).await;
    assert_eq!((forged.status, stage.sqs.messages(JOBS).len()), (401, 0), "{}", forged.body);
    let created = call(&billing, document("billing-webhook", "lemonsqueezy-subscription-created.json")).await;
    assert_eq!((created.status, &created.body["data"]["received"]), (200, &json!(true)), "{}", created.body);

    let mut event = document("queue-worker", "push_contact.json");
    event["Records"][0]["body"] = json!(stage.sqs.messages(JOBS)[0]);
    for delivery in ["the first", "a repeat"] {
        assert!(unfinished(&worker, &event).await.is_empty(), "{delivery}");
        let contacts = stage.system.mautic.contacts();
        assert_eq!((contacts.len(), &contacts[0].fields["subscription_tier"]), (1, &json!("pro")), "{delivery}");
    }
}

#[tokio::test]
async fn queue_worker_moves_poison_at_once_and_fails_only_what_shall_come_back() {
    let (Some(sync), Some(worker)) = (release("mautic-sync"), release("queue-worker")) else { return };
    let stage = Stage::new().await;
    let poison = document("queue-worker", "poison.json");
    let poisonous: Vec<&str> =
        poison["Records"].as_array().unwrap().iter().map(|record| record["body"].as_str().unwrap()).collect();

    let without =
        stage.environment().into_iter().filter(|(name, _)| name != "TANDEM_DEAD_LETTER_QUEUE_URL").collect::<Vec<_>>();
    let lonely = FunctionProcess::start(&worker, &without).await;
    assert_eq!(unfinished(&lonely, &poison).await.len(), 2, "SQS itself moves them after their last receive");

    let worker = FunctionProcess::start(&worker, &stage.environment()).await;
    assert!(unfinished(&worker, &poison).await.is_empty());
    // The messages of a batch are handled at the same time.
    let mut moved = stage.sqs.messages(DEAD_LETTERS);
    moved.sort();
    let mut expected = poisonous.clone();
    expected.sort_unstable();
    assert_eq!(moved, expected);

    stage.system.mautic.inject_faults(vec![FaultRule::new(FaultKind::Status).status(503)]);
    let sync = FunctionProcess::start(&sync, &stage.environment()).await;
    assert_eq!(call(&sync, document("mautic-sync", "upsert_contact.json")).await.status, 202);
    let mut mixed = poison.clone();
    let job = document("queue-worker", "push_contact.json")["Records"][0].clone();
    mixed["Records"].as_array_mut().unwrap().insert(1, job.clone());
    assert_eq!(unfinished(&worker, &mixed).await, [id_of(&job)]);
}

#[tokio::test]
async fn half_a_configuration_stops_the_start_and_names_all_that_is_missing() {
    let nowhere = LocalAccess { endpoint: "http://127.0.0.1:9".to_owned(), access_key_id: "none".to_owned() };
    let mut environment = aws_environment(&nowhere, &nowhere.endpoint);
    let given = [("MAUTIC_CLIENT_ID", "1_demo"), ("MAUTIC_ENROLLMENT_ENABLED", "true")];
    environment.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for name in ["mautic-sync", "queue-worker"] {
        let Some(program) = release(name) else { return };
        let ended = run_to_end(&program, &environment).await.unwrap();
        assert!(!ended.status.success(), "{name}");
        let said = String::from_utf8_lossy(&ended.stderr);
        for missing in ["MAUTIC_BASE_URL", "MAUTIC_CLIENT_SECRET", "MAUTIC_CAMPAIGN_HIGH_VALUE", "TANDEM_QUEUE_URL"] {
            assert!(said.contains(missing), "{name} does not name {missing}: {said}");
        }
    }
}

/// A Mautic, a table and a queue, for functions in processes of their own.
struct Stage {
    system: System,
    sqs: SqsStub,
}

impl Stage {
    async fn new() -> Self {
        Self { system: System::start().await, sqs: SqsStub::start().await }
    }

    /// With the key that the documents carry.
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = environment(&self.system, &self.sqs);
        environment.push(("TANDEM_API_KEY".to_owned(), EXAMPLE_KEY.to_owned()));
        environment
    }
}

/// What API Gateway makes of an answer.
struct Gateway {
    status: u64,
    headers: Value,
    body: Value,
}

async fn call(function: &FunctionProcess, document: Value) -> Gateway {
    let answer = function.invoke(&document).await.expect("an answer for API Gateway");
    assert_eq!(answer["isBase64Encoded"], false, "{answer}");
    assert_eq!(answer["headers"]["content-type"], "application/json", "{answer}");
    let body = serde_json::from_str(answer["body"].as_str().expect("a text")).expect("a JSON body");
    Gateway { status: answer["statusCode"].as_u64().expect("a status"), headers: answer["headers"].clone(), body }
}

/// The ids of the messages that Lambda shall leave on the queue.
async fn unfinished(worker: &FunctionProcess, event: &Value) -> Vec<String> {
    let answer = worker.invoke(event).await.expect("an answer for SQS");
    let failures = answer["batchItemFailures"].as_array().expect("a list, also when it is empty");
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().expect("an id").to_owned()).collect()
}

fn id_of(record: &Value) -> String {
    record["messageId"].as_str().unwrap().to_owned()
}

/// The release build of a function. Without one the test is skipped, unless somebody promised that it is there.
#[expect(clippy::disallowed_methods, reason = "whether a build was promised is no configuration of Tandem")]
fn release(name: &str) -> Option<PathBuf> {
    let found = paths::release(name);
    if found.is_none() {
        let promised = ["CI", "TANDEM_RELEASE_DIR"].into_iter().find(|name| std::env::var_os(name).is_some());
        assert!(promised.is_none(), "{name} has no release build, though {promised:?} is set");
        eprintln!("SKIPPED: {name} has no release build; `make test` makes it");
    }
    found
}
