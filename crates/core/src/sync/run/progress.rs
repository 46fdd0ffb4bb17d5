//! How far a run came: stored on the way, and told at its end.

use std::time::Duration;

use crate::error::Result;
use crate::policy;
use crate::ports::Attempt;
use crate::ports::runs::{Leased, RunEnd, RunLease, RunLog, SendState};
use crate::sync::operations;
use crate::sync::services::Desk;

use super::{Ran, Run, Step, Stopped, taking};

/// How long a source that can't be told of a run has to come back, before each further try.
const TOLD_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

impl Run<'_> {
    /// Writes the log and gives the lease back.
    pub(super) async fn conclude(mut self, worked: Step<()>) -> Result<Ran> {
        let stopped = worked.err();
        let now = self.now();
        // A run that only takes leaves the sending, and with it the end, to the run that paused.
        let is_done = stopped.is_none() && !self.options.take_only;
        // What was stopped is left as it is: the next run goes on with what waits, as a run of its own.
        let is_over = is_done || stopped == Some(Stopped::Asked);
        self.log.finished_at = Some(now);
        self.log.end = match &stopped {
            None if is_done && self.log.failed > 0 => RunEnd::Incomplete,
            None if is_done => RunEnd::Finished,
            Some(Stopped::Asked) => RunEnd::Stopped,
            None | Some(Stopped::Paused(_)) => RunEnd::Paused,
            Some(Stopped::Halted(_)) => RunEnd::Halted,
            Some(Stopped::Failed(_)) => RunEnd::Failed,
        };
        self.log.error = match &stopped {
            None | Some(Stopped::Paused(_) | Stopped::Asked) => None,
            Some(Stopped::Halted(reason)) => Some(reason.clone()),
            Some(Stopped::Failed(failure)) => Some(failure.message.clone()),
        };
        self.keep_issues().await?;
        self.count_use();
        self.state.run = (!is_over).then(|| self.log.clone());
        self.state.resume_at = match (&stopped, self.options.take_only) {
            (Some(Stopped::Paused(moment)), _) => Some(*moment),
            (_, true) => self.state.resume_at,
            (_, false) => None,
        };
        if is_done {
            self.state.succeeded_at = Some(now);
        }
        let (runs, scope) = (&self.desk.services.runs, &self.desk.integration.scope);
        // The log first: a run that crashes between the two goes on, and writes its log once more.
        let logged = runs.log(scope, &self.lease, &self.log).await?;
        if logged == Attempt::Contended || runs.end(scope, &self.lease, &self.state).await? == Attempt::Contended {
            return Err(taking::took_over());
        }
        self.tell_of_run().await;
        self.trace();
        (self.options.observer)(&self.log);
        Ok(Ran { log: self.log, stopped })
    }

    fn trace(&self) {
        let RunLog { id, end, rows, unchanged, created, updated, failed, rejected, gone, .. } = &self.log;
        let RunLog { memberships, pulled, conflicts, calls, bytes, busy_ms, waiting, .. } = &self.log;
        tracing::info!(
            run = %id, ?end, rows, unchanged, created, updated, failed, rejected, gone, memberships, pulled, conflicts,
            calls, bytes, busy_ms, waiting, "a sync run ended"
        );
    }

    /// Tells the source; a run that found nothing to do is not worth a line there.
    async fn tell_of_run(&self) {
        let Desk { services, integration } = self.desk;
        let is_over = matches!(self.log.end, RunEnd::Finished | RunEnd::Incomplete);
        let did_nothing = is_over && self.log.rows == self.log.unchanged && self.log.calls == 0;
        if did_nothing {
            return;
        }
        // What a run that is over did is told by nobody else.
        let mut pauses = TOLD_AGAIN_AFTER.iter().filter(|_| is_over);
        while let Err(failure) = services.source.report_run(&integration.scope, &self.log).await {
            match pauses.next().filter(|_| policy::may_pass_soon(failure.kind)) {
                Some(pause) => services.sleep.sleep(*pause).await,
                None => return tracing::warn!(kind = ?failure.kind, "the source was not told of the run: {failure}"),
            }
        }
    }

    /// Stores how far the run came, and the take while it does one. The leases are prolonged with it.
    pub(super) async fn save(&mut self) -> Step<()> {
        operations::flush().await;
        self.note_progress().await?;
        let (runs, scope) = (&self.desk.services.runs, &self.desk.integration.scope);
        let saved = match self.taking.lease() {
            Some(lease) => {
                let lease = RunLease { until: self.lease.until, ..lease };
                let take = Leased { lease: &lease, state: &self.take };
                runs.save_with_take(scope, self.leased(), take).await?
            }
            None => runs.save(scope, &self.lease, &self.state).await?,
        };
        if saved == Attempt::Contended {
            return Err(Stopped::Failed(taking::took_over()));
        }
        (self.options.observer)(&self.log);
        Ok(())
    }

    /// Makes the state say how far the run came. The issues of rows are kept before: no cursor leads past them.
    pub(super) async fn note_progress(&mut self) -> Result<()> {
        self.keep_issues().await?;
        self.count_use();
        if !self.is_prompt {
            self.state.run = Some(self.log.clone());
        }
        self.lease.until = policy::after(self.now(), policy::RUN_LEASE);
        Ok(())
    }

    pub(super) fn leased(&self) -> Leased<'_, SendState> {
        Leased { lease: &self.lease, state: &self.state }
    }

    fn count_use(&mut self) {
        let used = self.desk.integration.bulk.usage();
        let (calls, bytes, busy_ms) = self.logged_before;
        self.log.calls = calls + used.calls.saturating_sub(self.used_before.calls);
        self.log.bytes = bytes + used.bytes.saturating_sub(self.used_before.bytes);
        let busy = self.now().duration_since(self.began_at).as_millis();
        self.log.busy_ms = busy_ms + u64::try_from(busy).unwrap_or_default();
    }
}
