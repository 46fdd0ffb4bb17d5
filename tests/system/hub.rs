//! Two Mautics of one tenant, kept in step: what one side says reaches every other side once, and nothing echoes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::desks::FixedDesks;
use tandem_app::queue::local_worker::LocalWorker;
use tandem_core::domain::scope::{IntegrationId, TenantId};
use tandem_core::error::Result;
use tandem_core::jobs::message::{Job, Task};
use tandem_core::ports::JobQueue;
use tandem_core::ports::integrations::Peers;
use tandem_core::ports::runs::{Leased, RunEnd, RunLog};
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;
use tandem_simulators::MauticVersion;
use tandem_tests::system::{KEY, Options, System};
use tokio::task::JoinHandle;

/// The tenant's integrations; another one may come and go.
#[derive(Default)]
pub(super) struct Integrations(Mutex<Vec<IntegrationId>>);

impl Integrations {
    pub(super) fn add(&self, name: &str) {
        self.0.lock().unwrap().push(name.to_owned().try_into().unwrap());
    }

    pub(super) fn remove(&self, name: &str) {
        self.0.lock().unwrap().retain(|one| one.to_string() != name);
    }
}

#[async_trait]
impl Peers for Integrations {
    async fn of(&self, _: &TenantId) -> Result<Arc<[IntegrationId]>> {
        Ok(self.0.lock().unwrap().clone().into())
    }
}

/// A tenant with Tandem's own source and two Mautics: `one` of 5.1, `other` of 7.0.
pub(super) struct Hub {
    pub(super) one: System,
    pub(super) other: System,
    pub(super) integrations: Arc<Integrations>,
    worker: JoinHandle<()>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Hub {
    pub(super) async fn open() -> Self {
        let hub = Self::with_one().await;
        hub.integrations.add("second");
        hub
    }

    /// Both take in who appears there, by this rule, and call Tandem.
    pub(super) async fn taking_in(rule: &str) -> Self {
        let hub = Self::over(&[("TANDEM_NEWCOMERS", rule)]).await;
        hub.integrations.add("second");
        hub.settle().await;
        hub.one.guard().await;
        hub.other.guard().await;
        hub
    }

    /// The tenant has these lifecycle rules.
    pub(super) async fn obeying(rules: &str) -> Self {
        let hub = Self::over(&[("TANDEM_RULES", rules)]).await;
        hub.integrations.add("second");
        hub
    }

    /// The second Mautic is there, and no integration yet.
    pub(super) async fn with_one() -> Self {
        Self::over(&[]).await
    }

    async fn over(environment: &[(&str, &str)]) -> Self {
        let integrations = Arc::new(Integrations::default());
        integrations.add("mautic");
        let options = |version| {
            let usual = Options::default().with("TANDEM_NEWCOMERS", "none");
            let options = environment.iter().fold(usual, |options, (name, value)| options.with(name, value));
            Options { peers: Some(integrations.clone()), ..options.mautic_version(version).without_worker() }
        };
        let one = System::with(options(MauticVersion::V5_1)).await;
        let other = one.beside("second", options(MauticVersion::V7_0)).await;
        let desks = Arc::new(FixedDesks::new([one.desk(), other.desk()]));
        let worker = LocalWorker::new(one.queue.clone(), Arc::new(one.foundation.job_runner(desks)), 4);
        let worker = tokio::spawn(async move { worker.run(std::future::pending()).await.expect("a queue") });
        Self { one, other, integrations, worker }
    }

    /// The application hands rows over.
    pub(super) async fn rows(&self, rows: Value) {
        let request = self.one.caller.bare(Method::POST, "/records").bearer_auth(KEY);
        let answer = self.one.caller.send(request.json(&json!({"records": rows}))).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// A round of the schedule: a run of each integration, and all that follows.
    pub(super) async fn round(&self) -> [RunLog; 2] {
        let logs = [run(&self.one.desk()).await, run(&self.other.desk()).await];
        self.one.finish().await;
        logs
    }

    /// Rounds until what each Mautic knows was carried to the other one.
    pub(super) async fn settle(&self) {
        for _ in 0..3 {
            self.round().await;
        }
    }

    /// Calls that change something, of both Mautics.
    pub(super) fn writes(&self) -> u64 {
        [&self.one, &self.other].into_iter().map(writes).sum()
    }

    /// Nothing is left to be said: three rounds change nothing anywhere.
    pub(super) async fn is_quiet(&self) {
        let before = self.writes();
        for _ in 0..3 {
            self.round().await;
        }
        assert_eq!(self.writes() - before, 0, "calls that change something, in three rounds");
    }

    /// The value of a field in both.
    pub(super) fn both(&self, email: &str, field: &str) -> [Value; 2] {
        [&self.one, &self.other].map(|system| system.contact(email).fields.get(field).cloned().unwrap_or_default())
    }
}

pub(super) fn writes(system: &System) -> u64 {
    let calls = system.mautic.stats().calls;
    let changing = calls.iter().filter(|(route, _)| !route.starts_with("GET ") && !route.contains("/oauth/"));
    changing.map(|(_, count)| *count).sum()
}

/// A run that also looks for what marketing changed.
pub(super) async fn run(desk: &Desk) -> RunLog {
    desk.sync(SyncOptions { pull: true, ..SyncOptions::default() }).await.expect("a run").log
}

pub(super) fn person(number: usize) -> Value {
    json!({"id": format!("u{number}"), "email": address(number), "first_name": format!("Name{number}"), "city": "Perth"})
}

pub(super) fn address(number: usize) -> String {
    format!("p{number}@example.com")
}

pub(super) fn people(numbers: std::ops::Range<usize>) -> Value {
    numbers.map(person).collect()
}

pub(super) fn addresses(system: &System) -> Vec<String> {
    let mut all: Vec<String> = system.mautic.contacts().into_iter().filter_map(|contact| contact.email).collect();
    all.sort();
    all
}

pub(super) async fn edit(system: &System, email: &str, fields: Value) {
    let contact = system.contact(email).id;
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{contact}/edit"), Some(fields)).await;
}

#[tokio::test]
async fn rows_upserts_and_events_reach_both_and_one_take_serves_all() {
    let hub = Hub::open().await;
    hub.rows(people(0..30)).await;
    let [first, second] = hub.round().await;
    assert_eq!((first.taken, first.created, second.taken, second.created), (30, 30, 0, 30));
    let answer =
        hub.one.caller.upsert(json!({"id": "u40", "contact": {"email": address(40), "first_name": "Up"}})).await;
    assert_eq!(answer.unwrap().status, 200);
    let event = json!({"id": "e1", "name": "user_signed_up", "user": {"id": "u41", "email": address(41)}});
    hub.one.send_events("", &event).await.unwrap();
    hub.one.finish().await;
    hub.settle().await;
    assert_eq!(addresses(&hub.one).len(), 32);
    assert_eq!(addresses(&hub.one), addresses(&hub.other));
    assert_eq!(hub.both(&address(40), "firstname"), [json!("Up"), json!("Up")]);
    hub.is_quiet().await;
}

#[tokio::test]
async fn an_edit_in_one_reaches_the_other_and_nothing_echoes() {
    let hub = Hub::open().await;
    hub.rows(people(0..3)).await;
    hub.settle().await;
    edit(&hub.one, &address(1), json!({"city": "Sydney"})).await;
    edit(&hub.other, &address(2), json!({"firstname": "Grace"})).await;
    let before = hub.writes();
    hub.settle().await;
    assert_eq!(hub.both(&address(1), "city"), [json!("Sydney"), json!("Sydney")]);
    assert_eq!(hub.both(&address(2), "firstname"), [json!("Grace"), json!("Grace")]);
    assert_eq!(hub.writes() - before, 2, "each edit is one write on the other side");
    hub.is_quiet().await;
}

#[tokio::test]
async fn one_that_is_away_for_five_rounds_holds_up_nothing_and_catches_up() {
    let hub = Hub::open().await;
    hub.rows(people(0..5)).await;
    hub.settle().await;
    hub.other.mautic_answers(503);
    for number in 5..10 {
        hub.rows(json!([person(number)])).await;
        edit(&hub.one, &address(number - 5), json!({"city": format!("Town{number}")})).await;
        let [log, _] = hub.round().await;
        assert_eq!((log.end, log.created), (RunEnd::Finished, 1), "{number}");
    }
    assert_eq!((addresses(&hub.one).len(), addresses(&hub.other).len()), (10, 5));
    hub.other.mautic.clear_faults();
    for _ in 0..4 {
        hub.one.skip_a_minute();
        hub.settle().await;
    }
    assert_eq!(addresses(&hub.one), addresses(&hub.other));
    for number in 5..10 {
        let town = json!(format!("Town{number}"));
        assert_eq!(hub.both(&address(number - 5), "city"), [town.clone(), town]);
    }
    hub.is_quiet().await;
}

#[tokio::test]
async fn a_budget_that_is_used_up_holds_up_no_other() {
    let hub = Hub::open().await;
    hub.rows(people(0..4)).await;
    hub.settle().await;
    let (budgets, now) = (hub.one.foundation.budgets(), hub.one.now());
    let later = now.saturating_add(jiff::SignedDuration::from_hours(1)).unwrap();
    budgets.exhaust(&hub.one.foundation.scope, later, now).await.unwrap();
    hub.rows(people(4..6)).await;
    let [first, second] = hub.round().await;
    assert_eq!(first.end, RunEnd::Paused);
    assert_eq!((second.end, second.created), (RunEnd::Finished, 2));
    budgets.clear(&hub.one.foundation.scope).await.unwrap();
    hub.settle().await;
    assert_eq!(addresses(&hub.one), addresses(&hub.other));
}

#[tokio::test]
async fn a_run_that_finds_another_one_taking_sends_what_waits() {
    let hub = Hub::open().await;
    hub.rows(people(0..4)).await;
    run(&hub.one.desk()).await;
    hub.rows(people(4..5)).await;
    let (desk, now) = (hub.one.desk(), hub.one.now());
    let until = now.saturating_add(jiff::SignedDuration::from_mins(2)).unwrap();
    let (runs, scope) = (&desk.services.runs, &desk.integration.scope);
    let (running, sending) = runs.begin(scope, "another", until, now).await.unwrap().unwrap();
    let (lease, state) = runs.begin_take(&scope.tenant, "another", until, now).await.unwrap().unwrap();
    let log = run(&hub.other.desk()).await;
    assert_eq!((log.end, log.rows, log.created), (RunEnd::Finished, 0, 4));
    let taken = Leased { lease: &lease, state: &state };
    runs.end_take(scope, Leased { lease: &running, state: &sending }, taken).await.unwrap();
    runs.end(scope, &running, &sending).await.unwrap();
    hub.settle().await;
    assert_eq!(addresses(&hub.other).len(), 5);
}

/// The record is stored, and its writer dies before anything else is done.
#[tokio::test]
async fn what_was_stored_before_a_crash_is_in_the_outbox_of_the_other() {
    let hub = Hub::open().await;
    let lease = jiff::SignedDuration::from_mins(-1);
    hub.one.crashed_writer("dead@example.com", lease).await;
    let log = run(&hub.other.desk()).await;
    assert_eq!(log.created, 1);
    assert_eq!(addresses(&hub.other), ["dead@example.com"]);
}

#[tokio::test]
async fn a_job_of_one_integration_is_done_in_its_mautic_and_in_no_other() {
    let hub = Hub::open().await;
    hub.rows(people(0..1)).await;
    hub.settle().await;
    let key = hub.one.record_of(&address(0)).await;
    let job = |scope, id: &str| Job {
        id: id.to_owned(),
        scope,
        correlation_id: "test".to_owned(),
        queued_at: hub.one.now(),
        task: Task::PushContact { record: key.clone() },
    };
    let mut nowhere = hub.one.foundation.scope.clone();
    nowhere.integration = "third".to_owned().try_into().unwrap();
    let before = hub.one.calls();
    hub.one.queue.send(&job(nowhere, "j1"), Duration::ZERO).await.unwrap();
    hub.one.queue.send(&job(hub.other.foundation.scope.clone(), "j2"), Duration::ZERO).await.unwrap();
    hub.one.finish().await;
    let parked = hub.one.parked().await;
    assert_eq!(parked.iter().map(|parked| parked.job.id.as_str()).collect::<Vec<_>>(), ["j1"]);
    assert_eq!(hub.one.calls() - before, 0);
    // A desk that is given another's job by mistake does nothing with it.
    hub.one.desk().run(&job(hub.other.foundation.scope.clone(), "j3"), 1).await;
    assert_eq!(hub.one.parked().await.len(), 2);
}
