//! `GET /health`: open to everybody, says what works, spends nothing and gives no secret away.

use futures::future::join_all;
use reqwest::Method;
use tandem_tests::client::Answer;
use tandem_tests::system::{KEY, Options, System};

async fn health(system: &System) -> Answer {
    system.caller.send(system.caller.bare(Method::GET, "/health")).await.unwrap()
}

async fn system() -> System {
    System::with(Options::default().without_worker()).await
}

#[tokio::test]
async fn a_healthy_system_says_so_with_timings_and_without_a_key() {
    let system = system().await;
    let answer = health(&system).await;
    assert_eq!((answer.status, &answer.data()["status"], &answer.data()["mode"]), (200, &"ok".into(), &"live".into()));
    for check in ["configuration", "table", "queue", "mautic"] {
        assert_eq!(answer.data()["checks"][check]["ok"], true, "{check}");
    }
    for check in ["table", "queue", "mautic"] {
        assert!(answer.data()["checks"][check]["ms"].is_u64(), "{check}");
    }
    assert_eq!(answer.data()["checks"]["mautic"]["mautic"]["version"], "5.1.0");
    assert!(answer.correlation_id.is_some());
}

#[tokio::test]
async fn with_mautic_away_it_is_degraded_and_still_200() {
    for status in [401, 403, 429, 500, 503] {
        let system = system().await;
        system.mautic_answers(status);
        let answer = health(&system).await;
        assert_eq!((answer.status, &answer.data()["status"]), (200, &"degraded".into()), "{status}");
        assert_eq!(answer.data()["checks"]["mautic"]["ok"], false, "{status}");
        assert_eq!(answer.data()["checks"]["table"]["ok"], true, "{status}");
    }
}

#[tokio::test]
async fn it_holds_no_secret_and_no_address() {
    let system = system().await;
    system.mautic_answers(401);
    let text = health(&system).await.body.to_string();
    for secret in ["demo-secret", "1_demo", KEY, "127.0.0.1", "Bearer", "password"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn mautic_is_asked_once_however_often_and_by_how_many_it_is_called() {
    let system = system().await;
    let calls = system.calls();
    let answers = join_all((0..12).map(|_| health(&system))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.data()["status"] == "ok"));
    health(&system).await;
    assert_eq!(system.calls() - calls, 1);
}
