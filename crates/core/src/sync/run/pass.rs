//! A pass over all rows: finds those that are gone, and serves sources that do not tell when a row was changed.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::error::Result;
use crate::policy;
use crate::ports::runs::{Pass, RosterEntry, SendState, TakeState};
use crate::ports::source::{SourceCursor, SourceOrder, SourcePage, SourceRow};
use crate::sync::services::Desk;

use super::row;
use super::{PAGE, Run, Step, Stopped};

/// Digests of rows' contents by the digests of their ids.
pub(super) type Roster = HashMap<[u8; 16], u64>;

impl Desk {
    /// Whether a run reads all rows: a pass is under way, was asked for, is due, or the source can't tell what changed.
    pub(super) async fn pass_is_wanted(&self, state: &TakeState, full: bool) -> Result<bool> {
        if state.pass.is_some() || full {
            return Ok(true);
        }
        let due = state.reconciled_at.map(|at| policy::after(at, policy::RECONCILED_EVERY));
        if due.is_some_and(|due| due <= self.now()) {
            return Ok(true);
        }
        Ok(!self.services.source.tells_changes(&self.integration.scope).await?)
    }

    /// The rows that a generation of the roster names, with the newest content that it knows of each.
    pub(super) async fn roster(&self, generation: u64) -> Result<Roster> {
        let entries = self.services.runs.roster(&self.integration.scope.tenant, generation).await?;
        let mut roster = Roster::with_capacity(entries.len());
        for RosterEntry { id, content } in entries {
            let held = roster.entry(id).or_default();
            *held = (*held).max(content);
        }
        Ok(roster)
    }
}

impl Run<'_> {
    /// Whether all rows are read: as [`Desk::pass_is_wanted`] says, or because the platform has fields that the rows were not
    /// compared with.
    pub(super) async fn wants_pass(&mut self) -> Result<bool> {
        self.new_field = self.desk.new_field(&self.state).await?;
        self.state.fields_seen.get_or_insert_with(Timestamp::default);
        if self.take.is_first() {
            self.state.fields_seen = self.new_field.take().or(self.state.fields_seen);
            self.state.rules_seen = self.desk.rules_in_use_everywhere(self.now());
        }
        let is_concerned = self.new_field.is_some() || self.desk.has_new_rules(&self.take, &self.state);
        Ok(is_concerned || self.desk.pass_is_wanted(&self.take, self.options.full).await?)
    }

    /// Reads all rows, or goes on with it.
    pub(super) async fn pass(&mut self) -> Step<()> {
        let pass = self.begun_pass();
        let known: Roster = self.roster(self.take.generation).await?;
        let mut after = pass.cursor;
        loop {
            self.in_time()?;
            let (source, scope) = (&self.desk.services.source, &self.desk.integration.scope);
            let SourcePage { rows, next, more } = source.page(scope, SourceOrder::Id, &after, PAGE).await?;
            self.take_of_pass(rows, &known, pass.generation, pass.thorough).await?;
            after = next;
            if let Some(pass) = &mut self.take.pass {
                pass.cursor = after.clone();
            }
            if !more {
                return self.end_pass(known).await;
            }
            self.save().await?;
            self.tells_anew = false;
        }
    }

    fn begun_pass(&mut self) -> Pass {
        let (now, generation) = (self.now(), self.take.generation + 1);
        let is_concerned = self.new_field.is_some() || self.desk.has_new_rules(&self.take, &self.state);
        let thorough = self.options.full || is_concerned;
        let (fields_seen, rules_seen) = (self.new_field, self.desk.rules_in_use_everywhere(now));
        if self.take.pass.is_none() {
            // An earlier pass came to its end by another integration's run, in the middle of this one's comparison.
            self.state.comparing = None;
        }
        let own = &self.desk.integration.scope.integration;
        let pass = self.take.pass.get_or_insert_with(|| Pass {
            cursor: SourceCursor::default(),
            generation,
            seen: 0,
            thorough,
            compares: Some(own.clone()),
            started_at: now,
            fields_seen,
            rules_seen,
        });
        if pass.compares.as_ref() != Some(own) {
            // Begun by another integration's run, whose links are not at hand here: that one compares by a pass of its own.
            (pass.thorough, pass.compares) = (false, None);
            (pass.fields_seen, pass.rules_seen) = (None, Timestamp::default());
        }
        self.log.full |= self.options.full && pass.thorough;
        pass.clone()
    }

    async fn take_of_pass(
        &mut self,
        rows: Vec<SourceRow>,
        known: &Roster,
        generation: u64,
        thorough: bool,
    ) -> Step<()> {
        let there: Vec<RosterEntry> = rows.iter().filter(|row| !row.deleted).map(row::entry).collect();
        self.desk.services.runs.enrol(&self.desk.integration.scope.tenant, generation, &there).await?;
        let is_same = |entry: &RosterEntry| known.get(&entry.id) == Some(&entry.content);
        let (same, changed): (Vec<SourceRow>, Vec<SourceRow>) =
            rows.into_iter().partition(|row| !thorough && is_same(&row::entry(row)));
        self.log.rows += same.len() as u64;
        self.log.unchanged += same.len() as u64;
        if let Some(pass) = &mut self.take.pass {
            pass.seen += there.len() as u64;
        }
        self.take(changed, &is_same).await
    }

    /// All rows were seen: those that were known and not seen are gone.
    async fn end_pass(&mut self, known: Roster) -> Step<()> {
        let Some(pass) = self.take.pass.clone() else { return Ok(()) };
        let (runs, tenant) = (&self.desk.services.runs, &self.desk.integration.scope.tenant);
        let seen: HashSet<[u8; 16]> =
            runs.roster(tenant, pass.generation).await?.iter().map(|entry| entry.id).collect();
        let gone: Vec<[u8; 16]> = known.into_keys().filter(|id| !seen.contains(id)).collect();
        let taken = self.take_gone(&gone).await;
        if let Err(Stopped::Halted(_)) = &taken {
            self.begin_anew(&pass).await?;
        }
        taken?;
        if pass.compares_what_is_new(&self.state) {
            self.mark_concerned().await?;
        }
        let old = std::mem::replace(&mut self.take.generation, pass.generation);
        self.take.known = seen.len() as u64;
        self.take.pass = None;
        self.take.reconciled_at = Some(self.now());
        self.state.fields_seen = pass.fields_seen.or(self.state.fields_seen);
        self.state.rules_seen = pass.rules_seen.max(self.state.rules_seen);
        self.changes_are_read_until(&pass);
        self.save().await?;
        self.desk.services.runs.forget_roster(&self.desk.integration.scope.tenant, old).await?;
        Ok(())
    }

    /// A person has to decide, and may mend the source: the next run reads all rows again and is not held to what this one saw.
    async fn begin_anew(&mut self, pass: &Pass) -> Step<()> {
        let (cursor, generation, started_at) = (SourceCursor::default(), pass.generation + 1, self.now());
        self.take.pass = Some(Pass { cursor, generation, seen: 0, started_at, ..pass.clone() });
        self.save().await?;
        self.desk.services.runs.forget_roster(&self.desk.integration.scope.tenant, pass.generation).await?;
        Ok(())
    }

    /// Whatever changed before the pass began was read by it.
    fn changes_are_read_until(&mut self, pass: &Pass) {
        let began = policy::after(pass.started_at, -self.desk.services.source.overlap());
        if self.take.cursor.updated_at.is_none_or(|reached| reached < began) {
            self.take.cursor = SourceCursor { updated_at: Some(began), id: None };
            self.take.read_at = Some(pass.started_at);
        }
    }

    pub(super) async fn roster(&self, generation: u64) -> Result<Roster> {
        self.desk.roster(generation).await
    }
}

impl Desk {
    /// Whether the rows have to be compared with a mapping set that is new: exactly the records that it concerns differ then.
    pub(super) fn has_new_rules(&self, take: &TakeState, state: &SendState) -> bool {
        !take.is_first() && self.integration.rules.dates().changed_at > state.rules_seen
    }

    /// When the youngest set came into use that every function works by: for a minute after a change, a warm function may
    /// write a record by the set before, behind a pass that has seen it.
    pub(super) fn rules_in_use_everywhere(&self, now: Timestamp) -> Timestamp {
        self.integration.rules.dates().changed_at.min(policy::after(now, -policy::RULES_SETTLED))
    }

    /// The youngest field of the platform, when the rows were not compared with it yet: it was made since, or made anew. One
    /// read call.
    pub(super) async fn new_field(&self, state: &SendState) -> Result<Option<Timestamp>> {
        let listed = self.services.catalogs.read(&self.integration.scope).await?;
        let newest = listed.map(|catalog| catalog.newest_field());
        Ok(newest.filter(|newest| *newest > state.fields_seen.unwrap_or_default()))
    }

    /// Whether the rows have to be compared with a field that is new: those that no run has read are compared anyway.
    pub(super) async fn has_new_field(&self, take: &TakeState, state: &SendState) -> Result<bool> {
        Ok(!take.is_first() && self.new_field(state).await?.is_some())
    }
}
