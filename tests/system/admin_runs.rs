//! Runs that are ordered over the admin API: in slices, stopped before they begin, and planned.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::jobs::message::{Job, RunOrder, Task};
use tandem_core::ports::Clock;
use tandem_core::ports::runs::{RunEnd, RunLog};
use tandem_core::sync::services::Desk;
use tandem_tests::system::{Options, System};

use crate::admin_api::{ask, get, quiet};

async fn hand_over(system: &System, rows: u64) {
    let rows: Vec<Value> =
        (0..rows).map(|id| json!({"id": format!("r{id}"), "email": format!("r{id}@example.com")})).collect();
    let post = system.caller.keyed(Method::POST, "/records").json(&json!(rows));
    assert!(system.caller.send(post).await.unwrap().is_taken());
}

fn job(desk: &Desk, order: &RunOrder) -> Job {
    Job {
        id: "j".to_owned(),
        scope: desk.integration.scope.clone(),
        correlation_id: "c".to_owned(),
        queued_at: desk.services.clock.now(),
        task: Task::StartRun(order.clone()),
    }
}

async fn logged(desk: &Desk, id: &str) -> RunLog {
    desk.services.runs.run(&desk.integration.scope, id).await.unwrap().unwrap()
}

/// How often all rows were read.
async fn passes(desk: &Desk) -> u64 {
    desk.services.runs.take_state(&desk.integration.scope.tenant).await.unwrap().generation
}

#[tokio::test]
async fn a_full_run_of_several_slices_reads_all_rows_once_and_comes_to_its_end() {
    let mut system = quiet().await;
    hand_over(&system, 30).await;
    let desk = system.desk();
    let order = RunOrder { full: true, ..RunOrder::default() };
    let id = desk.order_run(order.clone(), "c").await.unwrap();
    let order = RunOrder { run: id.clone(), ..order };
    // The budget ends every slice when its first call is made.
    system.mautic_answers(429);
    for slice in 1..=3 {
        desk.run(&job(&desk, &order), slice).await;
        let log = logged(&desk, &id).await;
        assert_eq!((log.end, log.continuations + 1), (RunEnd::Paused, slice));
        assert_eq!(passes(&desk).await, 1, "in slice {slice}");
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    system.mautic.clear_faults();
    system.start_worker();
    system.finish().await;
    let log = logged(&desk, &id).await;
    assert_eq!((log.end, log.created, log.full, passes(&desk).await), (RunEnd::Finished, 30, true, 1));
}

#[tokio::test]
async fn a_full_run_is_full_though_one_that_paused_before_it_had_read_rows() {
    let system = quiet().await;
    hand_over(&system, 5).await;
    let desk = system.desk();
    system.mautic_answers(429);
    let paused = desk.sync(Default::default()).await.unwrap();
    assert_eq!((paused.log.end, paused.log.full), (RunEnd::Paused, false));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    system.mautic.clear_faults();
    let full = tandem_core::sync::run::SyncOptions { full: true, ..Default::default() };
    let ran = desk.sync(full).await.unwrap();
    assert_eq!(
        (ran.log.id == paused.log.id, ran.log.full, ran.log.rows),
        (true, true, 10),
        "it goes on, and reads anew"
    );
}

#[tokio::test]
async fn a_run_that_is_queued_is_shown_and_stopped_and_its_job_does_nothing() {
    let mut system = quiet().await;
    hand_over(&system, 3).await;
    let ordered = ask(&system, Method::POST, "/runs", json!({"full": true})).await;
    let id = ordered.data()["run"].as_str().unwrap().to_owned();
    let shown = get(&system, &format!("/runs/{id}")).await;
    assert_eq!((&shown["run"]["end"], &shown["underWay"]), (&json!("queued"), &json!(false)));
    let stopped = ask(&system, Method::POST, &format!("/runs/{id}/stop"), Value::Null).await;
    assert_eq!((stopped.status, &stopped.data()["stopped"]), (200, &json!(true)), "{}", stopped.body);
    system.start_worker();
    system.finish().await;
    let listed = get(&system, "/runs").await;
    let ends: Vec<&Value> = listed["runs"].as_array().unwrap().iter().map(|run| &run["end"]).collect();
    assert_eq!((ends, system.mautic.contacts().len()), (vec![&json!("stopped")], 0));
    let over = ask(&system, Method::POST, &format!("/runs/{id}/stop"), Value::Null).await;
    assert_eq!((over.status, over.error_code()), (409, "run_is_over"));
    let unknown = ask(&system, Method::POST, "/runs/none/stop", Value::Null).await;
    assert_eq!(unknown.status, 404);
    let deeds = get(&system, "/audit").await;
    let deeds: Vec<&Value> = deeds["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(deeds, ["run.stop", "run.start"], "what was refused was not done");
}

#[tokio::test]
async fn a_run_that_has_begun_and_saved_nothing_yet_is_asked_to_stop() {
    let system = quiet().await;
    let ordered = ask(&system, Method::POST, "/runs", json!({})).await;
    let id = ordered.data()["run"].as_str().unwrap().to_owned();
    let desk = system.desk();
    let (runs, scope) = (&desk.services.runs, &desk.integration.scope);
    let until = system.now() + SignedDuration::from_secs(20);
    let (lease, state) = runs.begin(scope, "its process", until, system.now()).await.unwrap().unwrap();
    let asked = ask(&system, Method::POST, &format!("/runs/{id}/stop"), Value::Null).await;
    assert_eq!((asked.status, &asked.data()["stopped"]), (202, &json!(false)), "{}", asked.body);
    assert_eq!(runs.asked_to_stop(scope).await.unwrap(), Some(id.clone()), "its sign of life sees it");
    // It came to its end before: what it says stands.
    let log = RunLog { id: id.clone(), started_at: system.now(), end: RunEnd::Finished, ..RunLog::default() };
    runs.log(scope, &lease, &log).await.unwrap();
    runs.end(scope, &lease, &state).await.unwrap();
    assert_eq!(get(&system, &format!("/runs/{id}")).await["run"]["end"], "finished");
}

#[tokio::test]
async fn a_run_that_paused_and_whose_place_another_took_is_stopped() {
    let system = quiet().await;
    hand_over(&system, 3).await;
    let desk = system.desk();
    let order = |id: &str| RunOrder { run: id.to_owned(), ..RunOrder::default() };
    system.mautic_answers(429);
    for id in ["first", "second"] {
        desk.run(&job(&desk, &order(id)), 1).await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    system.mautic.clear_faults();
    let stopped = ask(&system, Method::POST, "/runs/first/stop", Value::Null).await;
    assert_eq!((stopped.status, &stopped.data()["stopped"]), (200, &json!(true)), "{}", stopped.body);
    desk.run(&job(&desk, &order("first")), 2).await;
    assert_eq!((logged(&desk, "first").await.end, system.mautic.contacts().len()), (RunEnd::Stopped, 0));
    desk.run(&job(&desk, &order("second")), 2).await;
    assert_eq!((logged(&desk, "second").await.end, system.mautic.contacts().len()), (RunEnd::Finished, 3));
}

#[derive(Default)]
struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_plan_that_is_not_kept_any_more_is_told_of_as_gone_and_not_as_empty() {
    let clock = Arc::new(MovedClock::default());
    let system = System::with(Options { clock: clock.clone(), ..Options::default().without_worker() }).await;
    hand_over(&system, 3).await;
    let desk = system.desk();
    desk.run(&job(&desk, &RunOrder { run: "plan".to_owned(), dry_run: true, ..RunOrder::default() }), 1).await;
    assert_eq!(get(&system, "/runs/plan/plan").await["changes"].as_array().map(Vec::len), Some(3));
    desk.run(&job(&desk, &RunOrder { run: "real".to_owned(), ..RunOrder::default() }), 1).await;
    desk.run(&job(&desk, &RunOrder { run: "nothing".to_owned(), dry_run: true, ..RunOrder::default() }), 1).await;
    clock.0.store(25 * 3_600, Ordering::Relaxed);
    let gone = ask(&system, Method::GET, "/runs/plan/plan", Value::Null).await;
    assert_eq!((gone.status, gone.error_code()), (410, "plan_is_gone"), "{}", gone.body);
    assert_eq!(get(&system, "/runs/nothing/plan").await["changes"], json!([]), "of no change none is kept");
    assert_eq!(ask(&system, Method::GET, "/runs/real/plan", Value::Null).await.status, 404);
}
