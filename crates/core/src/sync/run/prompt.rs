//! What another integration's platform or the application changed is sent at once, and not with the next run: by a job that
//! the change itself has queued ([`crate::ports::integrations::Doorbell`]).

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::domain::scope::Scope;
use crate::error::Result;
use crate::jobs::message::Task;
use crate::policy;
use crate::ports::Attempt;
use crate::ports::runs::{RunLease, SendState};
use crate::sync::services::Desk;

use super::taking::{Taking, took_over};
use super::{Run, Step, SyncOptions};

/// How many outbox entries such a job looks at: more are a run's work.
const MOST: usize = 2_000;
/// When a job comes back that found a run under way.
const WHILE_RUNNING: Duration = Duration::from_secs(10);
/// It does not come back later than this: until it has, nobody else wakes the integration.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long the rest is left to wait.
const REST: Duration = Duration::from_secs(1);

impl Desk {
    /// Sends what waits in the integration's outbox and is due, as a run would, but for the source and for what people changed on
    /// the platform. It does nothing while a run is paused, or everything is halted, and none of its failures is one: what was
    /// not sent is sent by a run.
    ///
    /// Without entries: eight table reads, three writes, no call of the platform.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn send_outbox(&self, correlation_id: &str) -> Result<()> {
        let (services, scope, now) = (&self.services, &self.integration.scope, self.now());
        services.doorbell.answer(scope).await?;
        let take = services.runs.take_state(&scope.tenant).await?;
        if take.halted_since.is_some() {
            return Ok(());
        }
        if take.is_undecided() {
            self.come_back(scope, LONGEST_WAIT).await;
            return Ok(());
        }
        let owner = format!("{}{}", RunLease::QUICK, services.entropy.id());
        let until = policy::after(now, policy::RUN_LEASE);
        let Some((lease, state)) = services.runs.begin(scope, &owner, until, now).await? else {
            self.come_back(scope, WHILE_RUNNING).await;
            return Ok(());
        };
        if !may_send(&state) {
            return services.runs.end(scope, &lease, &state).await.map(drop);
        }
        self.send_promptly(lease, state, correlation_id).await
    }

    async fn send_promptly(&self, lease: RunLease, state: SendState, correlation_id: &str) -> Result<()> {
        let (desk, taking, stop) = (self.in_background(), Taking::default(), AtomicBool::new(false));
        let options = SyncOptions { until: Some(policy::after(self.now(), policy::RUN_SLICE)), ..Default::default() };
        let fresh = SendState { run: None, ..state.clone() };
        let mut run = Run { is_prompt: true, ..Run::new(&desk, options, lease.clone(), fresh, (&taking, &stop)) };
        run.state = state;
        let id = run.log.id.clone();
        let sent = self.while_held(&lease, &taking, (&id, &stop), run.send_what_waits()).await?;
        run.end_promptly(sent, correlation_id).await
    }

    async fn come_back(&self, scope: &Scope, delay: Duration) {
        self.services.doorbell.ring(std::slice::from_ref(scope), delay).await;
    }
}

/// An integration that nobody ran for yet has everything before it, and a run that paused goes on by itself: it must find the lease
/// free at its moment.
fn may_send(state: &SendState) -> bool {
    state.enrolled && state.resume_at.is_none()
}

impl Run<'_> {
    /// Sends contacts, then their lists.
    async fn send_what_waits(&mut self) -> Step<(usize, bool)> {
        self.expect_lists().await?;
        let sent = self.send_some(MOST).await?;
        self.bring_lists().await?;
        Ok(sent)
    }

    /// Gives the lease back, and sees to it that what is left comes soon.
    async fn end_promptly(self, sent: Step<(usize, bool)>, correlation_id: &str) -> Result<()> {
        let Desk { services, integration } = self.desk;
        if services.runs.end(&integration.scope, &self.lease, &self.state).await? == Attempt::Contended {
            return Err(took_over());
        }
        let (created, updated, failed) = (self.log.created, self.log.updated, self.log.failed);
        tracing::info!(created, updated, failed, "the outbox was sent");
        match sent {
            Ok((due, true)) if due >= MOST / 2 => {
                self.desk.defer(Task::Sync, correlation_id, REST).await?;
            }
            Ok(_) => {}
            Err(stopped) => tracing::info!(?stopped, "the rest of the outbox is left to a run"),
        }
        if let Some(moment) = self.held_until {
            let delay = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
            self.desk.come_back(&integration.scope, delay.clamp(REST, LONGEST_WAIT)).await;
        }
        Ok(())
    }
}
