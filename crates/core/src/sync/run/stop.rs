//! Stopping a run before its end.

use crate::error::{Failure, FailureKind, Result};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::runs::{RunEnd, RunLog};
use crate::sync::services::Desk;

use super::ordered::NOTED;

/// What became of a wish to stop a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// It stops before its next step: its sign of life sees the wish within eight seconds, and the call of the platform that is
    /// under way is waited for, a minute at most.
    Asked,
    /// It had paused, and is over now.
    Stopped,
}

/// A run that can be stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum Stoppable {
    /// It is the one that the integration's state names: under way, or paused.
    Current,
    /// Its job has not begun it.
    Queued(Box<RunLog>),
    /// It paused, and another run took its place; its job goes on with it all the same.
    Replaced(Box<RunLog>),
}

impl Desk {
    /// Stops a run, also one that is queued and was not begun. What it did stays done; what is left waits for the next run, which
    /// is one of its own. Two reads and a write call; three more for a run that paused or is queued.
    ///
    /// # Errors
    /// `NotFound` for a run that is not there, `Invalid` for one that is over, `Conflict` for one that is just beginning or
    /// ending; `Storage`.
    pub async fn stop_run(&self, id: &str) -> Result<Stopping> {
        let (runs, scope, now) = (&self.services.runs, &self.integration.scope, self.now());
        match self.stoppable_run(id).await? {
            Stoppable::Current if runs.is_under_way(scope, now).await? => {
                runs.ask_to_stop(scope, id, now).await?;
                Ok(Stopping::Asked)
            }
            Stoppable::Current => self.end_paused(id, None).await.map(|()| Stopping::Stopped),
            Stoppable::Replaced(log) => self.end_paused(id, Some(*log)).await.map(|()| Stopping::Stopped),
            Stoppable::Queued(log) => self.stop_queued(*log).await,
        }
    }

    /// How a run stands that can be stopped.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` as [`Desk::stop_run`]; `Storage`.
    pub async fn stoppable_run(&self, id: &str) -> Result<Stoppable> {
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        if runs.state(scope).await?.run.is_some_and(|run| run.id == id) {
            return Ok(Stoppable::Current);
        }
        let unknown = || Failure::new(FailureKind::NotFound, "there is no such run");
        let log = Box::new(runs.run(scope, id).await?.ok_or_else(unknown)?);
        match log.end {
            RunEnd::Queued => Ok(Stoppable::Queued(log)),
            RunEnd::Paused => Ok(Stoppable::Replaced(log)),
            _ => Err(Failure::new(FailureKind::Invalid, "the run is over")),
        }
    }

    /// The job of a run that is over does nothing. Should it have begun just now, with nothing saved yet, it sees the wish.
    async fn stop_queued(&self, queued: RunLog) -> Result<Stopping> {
        let (runs, scope, now) = (&self.services.runs, &self.integration.scope, self.now());
        runs.ask_to_stop(scope, &queued.id, now).await?;
        let stopped = RunLog { end: RunEnd::Stopped, finished_at: Some(now), ..queued };
        done(self.log_without_lease(&stopped, NOTED).await?)?;
        Ok(if runs.is_under_way(scope, now).await? { Stopping::Asked } else { Stopping::Stopped })
    }

    /// Ends a run that paused: the one that the state names, or one of which only the log is left.
    async fn end_paused(&self, id: &str, logged: Option<RunLog>) -> Result<()> {
        let (runs, scope, now) = (&self.services.runs, &self.integration.scope, self.now());
        let (owner, until) = (self.services.entropy.id(), policy::after(now, policy::RUN_LEASE));
        let Some((lease, mut state)) = runs.begin(scope, &owner, until, now).await? else { return Err(busy()) };
        let current = state.run.take_if(|run| run.id == id);
        if current.is_some() {
            state.resume_at = None;
        }
        let paused = current.or(logged);
        if let Some(paused) = &paused {
            let stopped = RunLog { end: RunEnd::Stopped, finished_at: Some(now), error: None, ..paused.clone() };
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
