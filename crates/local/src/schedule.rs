//! The schedules of `tandem dev`: what EventBridge calls on Lambda is called by a timer here.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tandem_app::desks::Desks;
use tandem_app::system::SystemEntropy;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::Entropy;
use tandem_core::sync::services::Desk;
use tokio::time::{MissedTickBehavior, interval};

/// How often deliveries are looked for that a killed process left behind.
const ABANDONED: Duration = Duration::from_secs(60);
/// How often records are synced and the webhook is looked after, in looks for abandoned deliveries: every quarter of an hour.
const WATCHED: u64 = 15;

/// Looks after all integrations, those that are made meanwhile too, until `stopped` is ready; the first time at once.
pub async fn run(desks: Arc<dyn Desks>, stopped: impl Future<Output = ()>) {
    let mut stopped = pin!(stopped);
    let mut ticks = interval(ABANDONED);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count: u64 = 0;
    loop {
        tokio::select! {
            () = &mut stopped => return,
            _ = ticks.tick() => look_after_all(&*desks, count.is_multiple_of(WATCHED)).await,
        }
        count += 1;
    }
}

/// Side by side: one that hangs holds up no other.
async fn look_after_all(desks: &dyn Desks, watch: bool) {
    match desks.all().await {
        Ok(scopes) => {
            join_all(scopes.iter().map(|scope| look_after(desks, scope, watch))).await;
        }
        Err(failure) => tracing::warn!("the schedule will look again: {failure}"),
    }
}

async fn look_after(desks: &dyn Desks, scope: &Scope, watch: bool) {
    match desks.of(scope).await {
        Ok(Some(desk)) => look(&desk, watch).await,
        // It was taken away meanwhile.
        Ok(None) => {}
        Err(failure) => tracing::warn!("the schedule will look again: {failure}"),
    }
}

async fn look(desk: &Desk, watch: bool) {
    let correlation_id = SystemEntropy.id();
    // The watch comes last: on an old Mautic it may read its history for days, with all the calls that there are.
    let synced = if watch { desk.sync_on_schedule(None, &correlation_id).await.map(drop) } else { Ok(()) };
    let looked = if watch {
        desk.watch(desk.integration.hook.as_ref(), &correlation_id).await.map(drop)
    } else {
        desk.pick_up_abandoned(&correlation_id).await.map(drop)
    };
    for failure in [synced, looked].into_iter().filter_map(Result::err) {
        tracing::warn!(%correlation_id, "the schedule will look again: {failure}");
    }
}
