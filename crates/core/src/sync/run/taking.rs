//! The right to take from the tenant's source: one run at a time has it, whichever integration it is of.

use std::sync::{Mutex, PoisonError};

use crate::error::{Failure, FailureKind, Result};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::runs::{Leased, RunLease, TakeState};
use crate::ports::source::{SourceOrder, SourcePage};

use super::take::changes_begin_at;
use super::{PAGE, Run, Step, Stopped};

/// The lease of the take while the run has it: the sign of life prolongs it, too.
#[derive(Default)]
pub(super) struct Taking(Mutex<Option<RunLease>>);

impl Taking {
    pub(super) fn lease(&self) -> Option<RunLease> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, lease: Option<RunLease>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }
}

/// What a take has to read.
enum Ahead {
    /// All rows.
    Pass,
    /// Those that changed since the last take, with the first page of them if it was read already.
    Changes(Option<SourcePage>),
}

impl Ahead {
    /// Whether nothing changed.
    fn is_nothing(&self) -> bool {
        matches!(self, Self::Changes(Some(page)) if page.rows.is_empty() && !page.more)
    }
}

impl Run<'_> {
    /// Takes what changed at the source, unless another run is just taking: that one does it for all. Where nothing changed, two
    /// reads and no write.
    pub(super) async fn take_from_source(&mut self) -> Step<()> {
        let (runs, tenant) = (&self.desk.services.runs, &self.desk.integration.scope.tenant);
        self.take = runs.take_state(tenant).await?;
        let ahead = self.look_ahead().await?;
        if ahead.is_nothing() {
            return Ok(());
        }
        let (owner, now) = (self.desk.services.entropy.id(), self.now());
        let begun = runs.begin_take(tenant, &owner, policy::after(now, policy::RUN_LEASE), now).await?;
        let Some((lease, state)) = begun else {
            if self.take.is_undecided() {
                // What is marked may be too much to lose: whether it is sent is for the other one to say.
                return Err(Stopped::Paused(now));
            }
            tracing::info!(run = %self.log.id, "another run takes from the source just now: this one sends");
            return Ok(());
        };
        // What a process stored that crashed before it noted it is met as unchanged.
        self.tells_anew = lease.inherited;
        self.taking.set(Some(lease));
        let taken = self.take_all(ahead, state).await;
        self.end_take(&taken).await?;
        taken
    }

    /// Takes what lies ahead. Another run may have taken since that was looked at: then it is looked at anew.
    async fn take_all(&mut self, mut ahead: Ahead, state: TakeState) -> Step<()> {
        if state != self.take {
            self.take = state;
            ahead = self.look_ahead().await?;
        }
        self.rejected_before = std::mem::take(&mut self.take.rejected);
        match ahead {
            Ahead::Pass => self.pass().await,
            Ahead::Changes(first) => self.take_changes(first).await,
        }
    }

    async fn look_ahead(&mut self) -> Step<Ahead> {
        if self.wants_pass().await? {
            return Ok(Ahead::Pass);
        }
        let is_settled = self.take.met == 0 && !self.take.is_undecided();
        if self.take.is_first() || !is_settled {
            return Ok(Ahead::Changes(None));
        }
        let (source, scope) = (&self.desk.services.source, &self.desk.integration.scope);
        let after = changes_begin_at(&self.take, source.overlap());
        Ok(Ahead::Changes(Some(source.page(scope, SourceOrder::Changed, &after, PAGE).await?)))
    }

    /// Stores how far the take came, and gives the right back.
    async fn end_take(&mut self, taken: &Step<()>) -> Result<()> {
        match taken {
            Ok(()) => {
                (self.take.losses, self.take.met) = (0, 0);
                (self.take.halted_since, self.take.halted_for) = (None, None);
            }
            Err(Stopped::Halted(reason)) => {
                self.take.halted_since = self.take.halted_since.or(Some(self.now()));
                self.take.halted_for = Some(reason.clone());
            }
            // A take that failed for another reason has not come to the losses.
            Err(Stopped::Failed(_) | Stopped::Asked) => {}
            Err(Stopped::Paused(_)) => (self.take.halted_since, self.take.halted_for) = (None, None),
        }
        if taken.is_err() {
            self.keep_rejected_before();
        }
        let Some(lease) = self.taking.lease() else { return Ok(()) };
        self.taking.set(None);
        self.note_progress().await?;
        let (run, take) = (self.leased(), Leased { lease: &lease, state: &self.take });
        match self.desk.services.runs.end_take(&self.desk.integration.scope, run, take).await? {
            Attempt::Done => Ok(()),
            Attempt::Contended => Err(took_over()),
        }
    }
}

pub(super) fn took_over() -> Failure {
    Failure::new(FailureKind::Conflict, "another run took over")
}
