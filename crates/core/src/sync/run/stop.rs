//! Stopping a run before its end.

use crate::error::{Failure, FailureKind, Result};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::runs::{RunEnd, RunLog};
use crate::sync::services::Desk;

/// What became of a wish to stop a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// It stops before its next step: its sign of life sees the wish within eight seconds, and the call of the platform that is
    /// under way is waited for, a minute at most.
    Asked,
    /// It had paused, and is over now.
    Stopped,
}

impl Desk {
    /// Stops a run. What it did stays done; what is left waits for the next run, which is one of its own. Two reads and a write
    /// call; three more for a run that paused.
    ///
    /// # Errors
    /// `NotFound` for a run that is not there, `Invalid` for one that is over, `Conflict` for one that is just beginning or
    /// ending; `Storage`.
    pub async fn stop_run(&self, id: &str) -> Result<Stopping> {
        let (runs, scope, now) = (&self.services.runs, &self.integration.scope, self.now());
        if runs.state(scope).await?.run.is_none_or(|run| run.id != id) {
            return Err(match runs.run(scope, id).await? {
                Some(_) => Failure::new(FailureKind::Invalid, "the run is over"),
                None => Failure::new(FailureKind::NotFound, "there is no such run"),
            });
        }
        if runs.is_under_way(scope, now).await? {
            runs.ask_to_stop(scope, id, now).await?;
            return Ok(Stopping::Asked);
        }
        self.end_paused(id).await.map(|()| Stopping::Stopped)
    }

    async fn end_paused(&self, id: &str) -> Result<()> {
        let (runs, scope, now) = (&self.services.runs, &self.integration.scope, self.now());
        let (owner, until) = (self.services.entropy.id(), policy::after(now, policy::RUN_LEASE));
        let Some((lease, mut state)) = runs.begin(scope, &owner, until, now).await? else { return Err(busy()) };
        let paused = state.run.take_if(|run| run.id == id);
        if let Some(paused) = &paused {
            let stopped = RunLog { end: RunEnd::Stopped, finished_at: Some(now), error: None, ..paused.clone() };
            state.resume_at = None;
            // The log first: who dies between the two finds the run paused, and stops it once more.
            done(runs.log(scope, &lease, &stopped).await?)?;
        }
        done(runs.end(scope, &lease, &state).await?)?;
        paused.map(drop).ok_or_else(busy)
    }
}

fn done(attempt: Attempt) -> Result<()> {
    match attempt {
        Attempt::Done => Ok(()),
        Attempt::Contended => Err(busy()),
    }
}

fn busy() -> Failure {
    Failure::new(FailureKind::Conflict, "the run is just beginning or ending: look at it, and try again")
}
