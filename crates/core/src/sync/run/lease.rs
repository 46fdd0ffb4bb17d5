//! The right to run: taken, prolonged by signs of life, and lost to whoever takes over.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{Either, select};

use crate::error::{Failure, FailureKind, Result};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::runs::{RunLease, SendState};
use crate::sync::services::Desk;

use super::taking::{self, Taking};

/// How often a run looks whether a quick send has come to its end.
const WHILE_SENDING: Duration = Duration::from_millis(200);

impl Desk {
    /// Takes the lease of the integration's runs. A quick send that has it just then is waited for: it does a part of what the
    /// run would, and not the run's work.
    pub(super) async fn begin_run(&self) -> Result<(RunLease, SendState)> {
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        let (owner, patience) = (self.services.entropy.id(), policy::after(self.now(), policy::LEASE_PATIENCE));
        loop {
            let now = self.now();
            let until = policy::after(now, policy::RUN_LEASE);
            if let Some(begun) = runs.begin(scope, &owner, until, now).await? {
                return Ok(begun);
            }
            if now > patience || runs.is_under_way(scope, now).await? {
                return Err(Failure::new(FailureKind::Conflict, "another sync run of this integration is under way"));
            }
            self.services.sleep.sleep(WHILE_SENDING).await;
        }
    }

    /// Works while the run's leases are its own.
    pub(super) async fn while_held<T>(
        &self,
        lease: &RunLease,
        taking: &Taking,
        stopping: (&str, &AtomicBool),
        work: impl Future<Output = T>,
    ) -> Result<T> {
        let work = Box::pin(work);
        let lost = pin!(self.keep_alive(lease, taking, stopping));
        match select(work, lost).await {
            Either::Left((worked, _)) => Ok(worked),
            Either::Right(((), _)) => Err(taking::took_over()),
        }
    }

    /// Prolongs a run's leases again and again, and looks whether it is to stop; returns when one of them is another run's.
    async fn keep_alive(&self, lease: &RunLease, taking: &Taking, (id, stop): (&str, &AtomicBool)) {
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        loop {
            self.services.sleep.sleep(policy::RUN_BEAT).await;
            let until = policy::after(self.now(), policy::RUN_LEASE);
            if let Some(take) = taking.lease() {
                match runs.prolong_take(&scope.tenant, &take, until).await {
                    Ok(Attempt::Contended) if taking.lease().as_ref() == Some(&take) => return,
                    Ok(_) => {}
                    Err(failure) => {
                        tracing::warn!(kind = ?failure.kind, "the take's lease could not be prolonged: {failure}")
                    }
                }
            }
            match runs.prolong(scope, lease, until).await {
                Ok(Attempt::Done) => {}
                Ok(Attempt::Contended) => return,
                // Until the lease ends by itself, the next beat may come through.
                Err(failure) => {
                    tracing::warn!(kind = ?failure.kind, "the run's lease could not be prolonged: {failure}")
                }
            }
            match runs.asked_to_stop(scope).await {
                Ok(asked) => stop.store(asked.as_deref() == Some(id), Ordering::Relaxed),
                Err(failure) => {
                    tracing::warn!(kind = ?failure.kind, "it was not seen whether the run is to stop: {failure}")
                }
            }
        }
    }
}
