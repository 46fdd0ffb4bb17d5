//! What operators do over the admin API: at the integration that it is for, also while that is paused, noted before it is done, and
//! not over somebody else's change.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::local_table::LocalTable;
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{Failure, FailureKind};
use tandem_core::jobs::message::{Job, ParkedJob, Task};
use tandem_simulators::{MauticOptions, MauticSimulator, RunningMautic};
use tandem_tests::client::{Answer, Caller};
use tandem_tests::faulty_table::FaultyTable;
use tandem_tests::system::{KEY, Options, System};

use crate::admin_api::{ask, get, quiet};

async fn waiting_event(system: &System, id: &str) {
    let event = json!({"id": id, "name": "user_signup", "user": {"id": "1", "email": "p1@example.com"}});
    let post = system.caller.keyed(Method::POST, "/events").json(&event);
    assert!(system.caller.send(post).await.unwrap().is_taken());
}

#[tokio::test]
async fn an_event_is_done_again_at_the_integration_at_which_it_was_parked() {
    let system = quiet().await;
    waiting_event(&system, "e1").await;
    let queue = &system.queue;
    for message in queue.receive(10, Duration::from_secs(60)).await.unwrap() {
        queue.delete(&message).await.unwrap();
    }
    let desk = system.desk();
    let scope = Scope { integration: "another".to_owned().try_into().unwrap(), ..desk.integration.scope.clone() };
    let reason = Failure::new(FailureKind::NotFound, "it is not there");
    for number in 0..1_100 {
        let task = Task::Sync;
        let (id, scope) = (format!("job-{number:04}"), desk.integration.scope.clone());
        let job = Job { id, scope, correlation_id: "c".to_owned(), queued_at: system.now(), task };
        let (reason, advice, attempts) = (reason.clone(), "Mend it.".to_owned(), 1);
        let parked = ParkedJob { job, reason, advice, attempts, parked_at: system.now() };
        desk.services.parked.park(&parked).await.unwrap();
    }
    let task = Task::ApplyEvent { event: "e1".to_owned() };
    let (correlation_id, queued_at) = ("c".to_owned(), system.now());
    let job = Job { id: "job-9999".to_owned(), scope: scope.clone(), correlation_id, queued_at, task };
    let (advice, attempts) = ("Mend it.".to_owned(), 1);
    let parked = ParkedJob { job: job.clone(), reason, advice, attempts, parked_at: system.now() };
    desk.services.parked.park(&parked).await.unwrap();
    let replayed = ask(&system, Method::POST, "/events/e1/replay", Value::Null).await;
    assert_eq!(replayed.status, 200, "{}", replayed.body);
    let queued = queue.receive(10, Duration::from_secs(60)).await.unwrap();
    assert_eq!(queued.len(), 1);
    assert!(queued[0].body.contains("another"), "{}", queued[0].body);
    assert_eq!(desk.services.parked.get(&scope.tenant, "job-9999").await.unwrap(), None);
}

/// A tenant with a Mautic of its own, whose integration is its only one.
struct Acme {
    system: System,
    mautic: RunningMautic,
    operator: Caller,
    id: String,
}

impl Acme {
    async fn start() -> Self {
        let system = System::with(Options::default().without_worker()).await;
        let mautic = MauticSimulator::start(MauticOptions::default(), (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let operator = system.caller_of(&system.tenant("acme").await, Role::Operator).await;
        let mut acme = Self { system, mautic, operator, id: String::new() };
        let body = json!({
            "platform": "mautic", "name": "Acme \u{e4}nd sons", "baseUrl": acme.mautic.base_url(),
            "credentials": {"clientId": "1_demo", "clientSecret": "demo-secret"},
        });
        let made = acme.call(&acme.operator, Method::POST, "/integrations", body).await;
        acme.id = made.data()["integration"]["id"].as_str().unwrap().to_owned();
        acme
    }

    async fn call(&self, caller: &Caller, method: Method, path: &str, body: Value) -> Answer {
        let request = caller.keyed(method, &format!("/api/v1{path}"));
        let request = if body.is_null() { request } else { request.json(&body) };
        caller.send(request).await.unwrap()
    }

    /// The operator at an instance that has read nothing yet: others may remember what they read for half a minute.
    async fn fresh(&self) -> Caller {
        self.operator.at(self.system.passing_instance().await.url())
    }

    async fn patch(&self, body: Value) -> Answer {
        self.call(&self.operator, Method::PATCH, &format!("/integrations/{}", self.id), body).await
    }
}

#[tokio::test]
async fn a_tenant_whose_only_integration_is_paused_is_looked_after_like_any_other() {
    let acme = Acme::start().await;
    assert_eq!(acme.patch(json!({"status": "paused"})).await.data()["integration"]["status"], "paused");
    let fresh = acme.fresh().await;
    for path in [
        "/status",
        "/runs",
        "/records",
        "/records?state=pending",
        "/conflicts",
        "/issues",
        "/jobs",
        "/events",
        "/deliveries",
        "/operations",
        "/changes",
    ] {
        let answer = acme.call(&fresh, Method::GET, path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let ordered = acme.call(&fresh, Method::POST, "/runs", json!({})).await;
    assert_eq!(ordered.status, 202, "it waits until the integration is resumed: {}", ordered.body);
    let events = fresh.send(fresh.keyed(Method::GET, "/events")).await.unwrap();
    assert_eq!(events.status, 200, "{}", events.body);
    let by_name =
        fresh.keyed(Method::GET, "/api/v1/runs").header("Tandem-Integration", "Acme \u{e4}nd sons".as_bytes());
    assert_eq!(fresh.send(by_name).await.unwrap().status, 200, "a name may have blanks and letters of any kind");
    let none = fresh.keyed(Method::GET, "/api/v1/runs").header("Tandem-Integration", "another");
    assert_eq!(fresh.send(none).await.unwrap().error_code(), "unknown_integration");
}

#[tokio::test]
async fn those_who_change_an_integration_at_once_lose_nothing_of_each_other() {
    let acme = Acme::start().await;
    let names = ["pullIntervalMinutes", "interactiveReserve"];
    for round in 0..6_u64 {
        let change = async |number: u64| {
            tokio::time::sleep(Duration::from_millis(number)).await;
            let (name, value) = (names[usize::try_from(number % 2).unwrap()], 1 + 12 * round + number);
            let answer = acme.patch(json!({"settings": {name: value}})).await;
            assert!(matches!(answer.status, 200 | 412), "{}", answer.body);
            (answer.status == 200).then(|| (answer.data()["integration"]["revision"].as_u64().unwrap(), name, value))
        };
        let mut accepted: Vec<(u64, &str, u64)> = join_all((0..12).map(change)).await.into_iter().flatten().collect();
        accepted.sort_unstable();
        let path = format!("/integrations/{}", acme.id);
        let shown = acme.call(&acme.operator, Method::GET, &path, Value::Null).await;
        for name in names {
            let Some((_, _, last)) = accepted.iter().rev().find(|(_, of, _)| *of == name) else { continue };
            let settings = &shown.data()["integration"]["settings"];
            assert_eq!(settings[name], json!(last), "{name} in round {round}: {accepted:?}");
        }
    }
}

#[tokio::test]
async fn whoever_dies_in_the_middle_of_a_deed_has_noted_it() {
    let system = quiet().await;
    waiting_event(&system, "e1").await;
    let proxy = FaultyTable::start(system.table.access(), 0.0).await.unwrap();
    let mut foundation = system.foundation.clone();
    foundation.table = LocalTable::attach(proxy.access());
    let router = tandem_app::http::mautic_sync(foundation.app_state(false).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let dying = Caller::new(&url, KEY);
    let stop = async |path: &str, writes: u64| {
        proxy.crash_after(writes);
        let answer = dying.send(dying.keyed(Method::POST, &format!("/api/v1{path}"))).await.unwrap();
        proxy.crash_after(u64::MAX);
        answer.status
    };
    let run = ask(&system, Method::POST, "/runs", json!({})).await.data()["run"].as_str().unwrap().to_owned();
    assert_eq!(stop(&format!("/runs/{run}/stop"), 0).await, 503, "it could not be noted");
    assert_eq!(get(&system, &format!("/runs/{run}")).await["run"]["end"], "queued", "and was not done");
    assert_eq!(stop(&format!("/runs/{run}/stop"), 1).await, 503);
    let deeds = get(&system, "/audit").await;
    let deeds: Vec<&Value> = deeds["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(deeds, ["run.stop", "run.start"]);
    server.abort();
}
