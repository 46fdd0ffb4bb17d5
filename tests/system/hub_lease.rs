//! Runs, takes and quick sends of the same tenant at the same time: who waits for whom.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tandem_core::error::FailureKind;
use tandem_core::ports::runs::{Leased, RunEnd, RunLease, SendState, TakeState};
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;

use super::hub::{Hub, address, addresses, people, run};

/// Two people whom both Mautics have.
async fn open() -> Hub {
    let hub = Hub::open().await;
    hub.rows(people(0..2)).await;
    hub.settle().await;
    hub
}

/// Another integration's run holds its own lease and that of the take, and stores the take so.
struct Taker {
    desk: Desk,
    running: (RunLease, SendState),
    taking: (RunLease, TakeState),
}

impl Taker {
    async fn begin(hub: &Hub, found: impl FnOnce(&mut TakeState)) -> Self {
        let (desk, now) = (hub.one.desk(), hub.one.now());
        let until = now.saturating_add(SignedDuration::from_mins(2)).unwrap();
        let (runs, scope) = (&desk.services.runs, &desk.integration.scope);
        let running = runs.begin(scope, "another", until, now).await.unwrap().unwrap();
        let mut taking = runs.begin_take(&scope.tenant, "another", until, now).await.unwrap().unwrap();
        found(&mut taking.1);
        let taker = Self { desk, running, taking };
        let (run, take) = taker.states();
        taker.desk.services.runs.save_with_take(&taker.desk.integration.scope, run, take).await.unwrap();
        taker
    }

    fn states(&self) -> (Leased<'_, SendState>, Leased<'_, TakeState>) {
        let ((running, sending), (lease, take)) = (&self.running, &self.taking);
        (Leased { lease: running, state: sending }, Leased { lease, state: take })
    }

    /// It gives both leases back.
    async fn end(&self) {
        let (runs, scope) = (&self.desk.services.runs, &self.desk.integration.scope);
        let (run, take) = self.states();
        runs.end_take(scope, run, take).await.unwrap();
        runs.end(scope, &self.running.0, &self.running.1).await.unwrap();
    }
}

/// The application tells of somebody whom the other Mautic is to have.
async fn tell(hub: &Hub) {
    let contact = json!({"email": address(7)});
    let answer = hub.one.caller.upsert(json!({"id": "u7", "contact": contact})).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn is_there(hub: &Hub) -> bool {
    addresses(&hub.other).contains(&address(7))
}

#[tokio::test]
async fn nothing_is_sent_quickly_while_a_take_has_not_decided_on_what_it_found_gone() {
    let hub = open().await;
    let taker = Taker::begin(&hub, |take| take.losses = 3).await;
    tell(&hub).await;
    hub.other.desk().send_outbox("test").await.unwrap();
    assert!(!is_there(&hub));
    let waiting = run(&hub.other.desk()).await;
    assert_eq!((waiting.end, is_there(&hub)), (RunEnd::Paused, false), "nor by a run that can't take itself");
    taker.end().await;
    hub.settle().await;
    assert!(is_there(&hub));
}

#[tokio::test]
async fn nothing_is_sent_by_the_side_of_a_take_that_is_halted() {
    let hub = open().await;
    let now = hub.one.now();
    let taker = Taker::begin(&hub, |take| take.halted_since = Some(now)).await;
    tell(&hub).await;
    hub.other.desk().send_outbox("test").await.unwrap();
    run(&hub.other.desk()).await;
    assert!(!is_there(&hub));
    taker.end().await;
}

#[tokio::test]
async fn a_quick_send_leaves_the_lease_to_a_run_that_paused() {
    let hub = open().await;
    let (desk, now) = (hub.other.desk(), hub.one.now());
    let (runs, scope) = (&desk.services.runs, &desk.integration.scope);
    let until = now.saturating_add(SignedDuration::from_secs(20)).unwrap();
    let (lease, state) = runs.begin(scope, "paused", until, now).await.unwrap().unwrap();
    let paused = SendState { resume_at: Some(now), ..state };
    runs.end(scope, &lease, &paused).await.unwrap();
    tell(&hub).await;
    desk.send_outbox("test").await.unwrap();
    assert_eq!((is_there(&hub), runs.state(scope).await.unwrap()), (false, paused));
    desk.continue_sync("test").await.unwrap();
    assert!(is_there(&hub));
}

#[tokio::test]
async fn a_run_waits_for_a_quick_send_and_is_made_up_for_where_that_takes_long() {
    let hub = open().await;
    let (desk, now) = (hub.one.desk(), hub.one.now());
    let (runs, scope) = (&desk.services.runs, &desk.integration.scope);
    let until = now.saturating_add(SignedDuration::from_secs(60)).unwrap();
    let owner = format!("{}1", RunLease::QUICK);
    let (lease, state) = runs.begin(scope, &owner, until, now).await.unwrap().unwrap();
    assert!(!runs.is_under_way(scope, hub.one.now()).await.unwrap(), "it is no run");
    let jobs = || async { hub.one.queue.counts().await.unwrap().waiting };
    assert_eq!(jobs().await, 0);
    assert_eq!(desk.sync_on_schedule(None, "test").await.unwrap(), None);
    assert_eq!(jobs().await, 1, "the run comes later");
    let giving_back = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        runs.end(scope, &lease, &state).await.unwrap();
    };
    let (ran, ()) = tokio::join!(desk.sync(SyncOptions::default()), giving_back);
    assert_eq!(ran.unwrap().log.end, RunEnd::Finished);
}

#[tokio::test]
async fn a_run_that_finds_another_run_is_not_made_up_for() {
    let hub = open().await;
    let taker = Taker::begin(&hub, |_| {}).await;
    assert_eq!(hub.one.desk().sync(SyncOptions::default()).await.unwrap_err().kind, FailureKind::Conflict);
    assert_eq!(hub.one.desk().sync_on_schedule(None, "test").await.unwrap(), None);
    assert_eq!(hub.one.queue.counts().await.unwrap().waiting, 0);
    taker.end().await;
}
