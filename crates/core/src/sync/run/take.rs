//! From the source into Tandem's table: rows that change a record are stored with it, and the record is marked.

use jiff::SignedDuration;

use crate::domain::identity::ExternalId;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::kind::Kind;
use crate::error::{Failure, Result};
use crate::mapping::Response;
use crate::policy;
use crate::ports::bulk::Mark;
use crate::ports::runs::{RosterEntry, TakeState};
use crate::ports::source::{RowStatus, SourceCursor, SourceOrder, SourcePage, SourceRow};
use crate::ports::{Attempt, Save};

use super::losses::Losses;
use super::pass::Roster;
use super::planned::{
    Planned, Round, blanks_something, changes_something, first_issue, is_known, is_to_be_sent, save_of,
};
use super::row::{self, Incoming};
use super::{PAGE, Run, Step, Stopped, deleted_apart};

/// How many rows are planned at a time. A plan with all that is read and written for it takes some 100 KB.
const AT_A_TIME: usize = 100;

/// How often a row is planned anew because its record, or one that it shares an identity with, was changed meanwhile.
const ROUNDS: usize = 12;

/// As many rows that are read once more are compared with their records, however few there are in all.
const FEW: usize = 25;
/// Items of the table that a row is compared with by its record.
const ITEMS_OF_A_ROW: usize = 5;
/// How many rows of the roster a read unit covers: 4 KB.
const ROWS_OF_A_UNIT: usize = 170;

/// Whether the whole roster costs fewer reads than the records of so many rows: what a run costs must grow with what changed, not
/// with what there is.
fn roster_is_cheaper(rows: usize, known: u64) -> bool {
    rows > FEW && (rows * ITEMS_OF_A_ROW * ROWS_OF_A_UNIT) as u64 > known
}

/// Whether a row's rejection was reported before.
pub(super) type OldNews<'a> = dyn Fn(&RosterEntry) -> bool + Send + Sync + 'a;

/// How many rejected rows are remembered from one run to the next: those that are read once more.
const MOST_REJECTED: usize = 1_000;

/// A row that can't be taken.
struct Rejected {
    kind: Kind,
    /// The application's id, as the source wrote it.
    row: String,
    entry: RosterEntry,
    issue: FieldIssue,
}

impl Rejected {
    fn unfit((row, failure): (Incoming, Failure)) -> Self {
        let issue = first_issue(&row, &failure);
        Self { kind: row.kind, row: row.row, entry: row.entry, issue }
    }

    fn status(&self) -> RowStatus {
        let error = Some(format!("{}: {}", self.issue.field, self.issue.message));
        RowStatus { id: self.row.clone(), contact: None, hash: None, synced_at: None, error }
    }
}

impl Run<'_> {
    /// Takes what changed since the last take; `first` is the first page of it, if that was read already.
    pub(super) async fn take_changes(&mut self, mut first: Option<SourcePage>) -> Step<()> {
        let overlap = self.desk.services.source.overlap();
        let mut after = changes_begin_at(&self.take, overlap);
        let mut known: Option<Roster> = None;
        loop {
            self.in_time()?;
            let read_at = self.now();
            let (source, scope) = (&self.desk.services.source, &self.desk.integration.scope);
            let page = match first.take() {
                Some(page) => page,
                None => source.page(scope, SourceOrder::Changed, &after, PAGE).await?,
            };
            let read = page.rows.len();
            // What a run stored that crashed passes for known, and nothing of it was told.
            let was_told = !later(&page.next, &self.take.cursor) && !self.tells_anew;
            let rows = if was_told && roster_is_cheaper(read, self.take.known) {
                let known = match &known {
                    Some(known) => known,
                    None => known.insert(self.roster(self.take.generation).await?),
                };
                self.without_known(page.rows, known)
            } else {
                page.rows
            };
            self.take(rows, &|_| false).await?;
            self.take.read_at = Some(read_at);
            let is_ahead = later(&page.next, &self.take.cursor);
            if is_ahead {
                self.take.cursor = page.next.clone();
            }
            if read > 0 {
                self.save().await?;
            }
            // A run that crashed came no further than through the page that its cursor did not lead past yet.
            self.tells_anew &= !is_ahead;
            if !page.more {
                self.take.reconciled_at.get_or_insert(read_at);
                return Ok(());
            }
            after = page.next;
        }
    }

    /// Of rows that were taken before and are read once more, those that are as they were when they came.
    fn without_known(&mut self, rows: Vec<SourceRow>, known: &Roster) -> Vec<SourceRow> {
        let (same, others): (Vec<SourceRow>, Vec<SourceRow>) = rows.into_iter().partition(|row| {
            let entry = row::entry(row);
            known.get(&entry.id) == Some(&entry.content)
        });
        self.log.rows += same.len() as u64;
        self.log.unchanged += same.len() as u64;
        others
    }

    /// Takes rows. `is_old_news` tells of a row whether its rejection was reported before.
    pub(super) async fn take(&mut self, rows: Vec<SourceRow>, is_old_news: &OldNews<'_>) -> Step<()> {
        self.log.rows += rows.len() as u64;
        let (gone, rows) = deleted_apart(rows);
        self.log.deleted += gone.len() as u64;
        let (mut waiting, mut unreadable) = (Vec::new(), Vec::new());
        for row in rows {
            match row::read(&row, &self.desk.integration.rules, self.now()) {
                Ok(incoming) => waiting.push(incoming),
                Err(issue) => {
                    let named = row.kind.named(&row.id).into_owned();
                    unreadable.push(Rejected { kind: row.kind, entry: row::entry(&row), row: named, issue });
                }
            }
        }
        self.reject(unreadable, is_old_news).await?;
        let mut waiting = waiting.into_iter();
        loop {
            let some: Vec<Incoming> = waiting.by_ref().take(AT_A_TIME).collect();
            if some.is_empty() {
                break;
            }
            self.take_some(some, is_old_news).await?;
        }
        let gone: Vec<[u8; 16]> = gone.iter().map(|row| row::digest(row.kind, &row.id)).collect();
        self.take_gone(&gone).await
    }

    /// Takes a part of a page.
    async fn take_some(&mut self, mut waiting: Vec<Incoming>, is_old_news: &OldNews<'_>) -> Step<()> {
        for _ in 0..ROUNDS {
            if waiting.is_empty() {
                return Ok(());
            }
            waiting = self.take_round(waiting, is_old_news).await?;
        }
        self.log.put_off += waiting.len() as u64;
        for row in waiting {
            let message = "The record is being changed by others all the time: the next run takes the row.";
            let issue = FieldIssue::new("id", IssueCode::Deferred, message);
            self.note_row(&row.row, &issue);
            self.problem(&row.row, issue);
        }
        Ok(())
    }

    /// Takes rows of different records; gives those back that have to wait for the others.
    async fn take_round(&mut self, rows: Vec<Incoming>, is_old_news: &OldNews<'_>) -> Step<Vec<Incoming>> {
        let Round { planned, unfit, mut waiting } = self.desk.plan_rows(rows).await?;
        let unfit: Vec<Rejected> = unfit.into_iter().map(Rejected::unfit).collect();
        self.forget_deleted(&unfit).await?;
        self.reject(unfit, is_old_news).await?;
        let met = planned.iter().filter(|planned| is_known(planned)).count();
        let (changed, same): (Vec<Planned>, Vec<Planned>) =
            planned.into_iter().partition(|planned| changes_something(&planned.draft));
        self.count_same(&same);
        self.mark_unsettled(&same).await?;
        self.tell_refused(&same);
        self.guard_losses(changed.iter().filter(|planned| blanks_something(planned)).count(), met)?;
        let new: Vec<RosterEntry> = changed.iter().filter(|one| !one.known).map(|one| one.row.entry).collect();
        self.enrol(&new).await?;
        let stored = self.store(changed).await?;
        self.note_contents(&new).await?;
        for (planned, attempt) in stored {
            match attempt {
                Attempt::Done => self.count(&planned),
                Attempt::Contended => waiting.push(planned.row),
            }
        }
        Ok(waiting)
    }

    /// A pass over all rows sees to it that nothing is left behind that a mark was lost of.
    async fn mark_unsettled(&self, same: &[Planned]) -> Result<()> {
        if self.take.pass.as_ref().is_none_or(|pass| !pass.thorough) {
            return Ok(());
        }
        let now = self.now();
        let unsettled = same.iter().filter(|planned| is_to_be_sent(&planned.draft));
        let mark = |planned: &Planned| Mark::new(planned.draft.key.clone(), planned.draft.record.version - 1, now);
        let marks: Vec<Mark> = unsettled.map(mark).collect();
        self.desk.services.bulk.mark_many(&self.desk.integration.scope, &marks).await
    }

    /// A pass that compares every row tells of the values that the platform refused before, and that are not sent again.
    fn tell_refused(&mut self, same: &[Planned]) {
        if self.take.pass.as_ref().is_none_or(|pass| !pass.thorough) {
            return;
        }
        for planned in same {
            for issue in planned.draft.issues.iter().filter(|issue| issue.code == IssueCode::RefusedByPlatform) {
                self.note_left_out(&planned.row.row, issue);
            }
        }
    }

    /// Stops before more is lost than a person would expect, of so many contacts more that were met. What stops the run is
    /// not counted: the next one meets it again, unless the source was mended.
    fn guard_losses(&mut self, more: usize, met: usize) -> Step<()> {
        let (lost, met) = (self.take.losses + more as u64, self.take.met + met as u64);
        let losses = Losses { lost, told_before: self.take.known, met };
        if !self.options.accept_losses && losses.are_too_many() {
            return Err(Stopped::Halted(losses.told()));
        }
        (self.take.losses, self.take.met) = (lost, met);
        Ok(())
    }

    /// Notes new rows before their records are made, so that a row that vanishes is missed whenever this process dies.
    async fn enrol(&mut self, new: &[RosterEntry]) -> Result<()> {
        if self.take.pass.is_some() {
            return Ok(());
        }
        self.take.known += new.len() as u64;
        let bare: Vec<RosterEntry> = new.iter().map(|entry| RosterEntry { content: 0, ..*entry }).collect();
        self.desk.services.runs.enrol(&self.desk.integration.scope.tenant, self.take.generation, &bare).await
    }

    /// Notes what new rows said, now that their records are stored: until then, they must not pass for known.
    async fn note_contents(&self, new: &[RosterEntry]) -> Result<()> {
        if self.take.pass.is_some() {
            return Ok(());
        }
        self.desk.services.runs.enrol(&self.desk.integration.scope.tenant, self.take.generation, new).await
    }

    async fn store(&self, changed: Vec<Planned>) -> Result<Vec<(Planned, Attempt)>> {
        let saves: Vec<(Save, bool)> =
            changed.iter().map(|planned| (save_of(&planned.draft), is_to_be_sent(&planned.draft))).collect();
        self.desk.note_relationships(changed.iter().map(|planned| &planned.draft)).await?;
        let attempts = self.desk.services.bulk.save_many(&self.desk.integration.scope, &saves, self.now()).await?;
        Ok(changed.into_iter().zip(attempts).collect())
    }

    fn count(&mut self, planned: &Planned) {
        let has = |code| planned.draft.issues.iter().any(|issue| issue.code == code);
        // Of an older state nothing may be taken but the row's id.
        match has(IssueCode::Stale) && !planned.draft.record_changed {
            true => self.log.stale += 1,
            false => self.log.taken += 1,
        }
        self.log.shared += u64::from(has(IssueCode::SharedIdentity));
        self.log.left_out += u64::from(planned.draft.follows == Response::Ignore);
        self.tell_issues(planned);
    }

    /// Rows that change nothing. One that was not taken, because a newer state is known, is not called unchanged.
    fn count_same(&mut self, same: &[Planned]) {
        for planned in same {
            match planned.draft.issues.iter().find(|issue| issue.code == IssueCode::Stale) {
                Some(stale) => {
                    self.log.stale += 1;
                    self.note_issue(&planned.row.row, stale);
                }
                None => {
                    self.log.unchanged += 1;
                    if self.tells_anew {
                        self.tell_issues(planned);
                    }
                }
            }
        }
    }

    fn tell_issues(&mut self, planned: &Planned) {
        for issue in &planned.draft.issues {
            self.note_issue(&planned.row.row, issue);
            if issue.code == IssueCode::RefusedByPlatform {
                self.problem(&planned.row.row, issue.clone());
            }
        }
    }

    /// Rows that are no contacts are reported once: in the log and at the source. One call of the source for all of them.
    async fn reject(&mut self, rejected: Vec<Rejected>, is_old_news: &OldNews<'_>) -> Result<()> {
        let is_old = |one: &Rejected| {
            self.rejected_before.get(&hex::encode(one.entry.id)) == Some(&one.entry.content) || is_old_news(&one.entry)
        };
        let (old, new): (Vec<Rejected>, Vec<Rejected>) = rejected.into_iter().partition(is_old);
        self.log.unchanged += old.len() as u64;
        // What became of a row the source shows of people.
        let people = new.iter().filter(|one| one.kind.is_person());
        let statuses: Vec<RowStatus> = people.map(Rejected::status).collect();
        if !statuses.is_empty() {
            self.desk.services.source.report(&self.desk.integration.scope, &statuses).await?;
        }
        // Not before the source knows: or a row that is read once more would pass for one that was reported.
        for one in old.iter().chain(&new) {
            self.remember_rejected(&one.entry);
        }
        for one in new {
            match one.issue.code {
                IssueCode::Erased => self.log.skipped += 1,
                _ => self.log.rejected += 1,
            }
            self.note_issue(&one.row, &one.issue);
            self.problem(&one.row, one.issue);
        }
        Ok(())
    }

    /// Rows of people who were deleted do not stay where Tandem itself keeps them.
    async fn forget_deleted(&self, rejected: &[Rejected]) -> Result<()> {
        for one in rejected.iter().filter(|one| one.issue.code == IssueCode::Erased) {
            if let Ok(id) = ExternalId::try_from(one.row.clone()) {
                self.desk.services.source.forget(&self.desk.integration.scope, &id).await?;
            }
        }
        Ok(())
    }

    fn remember_rejected(&mut self, entry: &RosterEntry) {
        if self.take.rejected.len() >= MOST_REJECTED {
            self.take.rejected.clear();
        }
        self.take.rejected.insert(hex::encode(entry.id), entry.content);
    }

    /// A run that stopped may not have come to the rows again that the one before reported: the next one does.
    pub(super) fn keep_rejected_before(&mut self) {
        let room = MOST_REJECTED.saturating_sub(self.take.rejected.len());
        for (row, content) in std::mem::take(&mut self.rejected_before).into_iter().take(room) {
            self.take.rejected.entry(row).or_insert(content);
        }
    }

    /// Records whose rows are gone are marked as gone, and what follows is done when they are sent.
    pub(super) async fn take_gone(&mut self, ids: &[[u8; 16]]) -> Step<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let gone = self.desk.records_of(ids).await?;
        self.log.gone += gone.len() as u64;
        if !self.desk.acts_on_gone_rows().await? {
            return Ok(());
        }
        self.guard_losses(gone.len(), gone.len())?;
        let now = self.now();
        let mut saves = Vec::new();
        for (key, record) in gone {
            saves.push((self.desk.gone_save(key, record, now).await?, true));
        }
        // Whoever changed one of the records meanwhile knows it as there: the next pass finds it gone again.
        self.desk.services.bulk.save_many(&self.desk.integration.scope, &saves, now).await?;
        Ok(())
    }
}

/// Where the rows begin that a run has to read. Rows may have been committed behind the cursor, shortly before it was
/// reached.
pub(super) fn changes_begin_at(state: &TakeState, overlap: SignedDuration) -> SourceCursor {
    let cursor = &state.cursor;
    let Some((reached, read_at)) = cursor.updated_at.zip(state.read_at) else { return cursor.clone() };
    let settled = policy::after(read_at, -overlap);
    if reached <= settled { cursor.clone() } else { SourceCursor { updated_at: Some(settled), id: None } }
}

fn later(next: &SourceCursor, than: &SourceCursor) -> bool {
    (next.updated_at, &next.id) > (than.updated_at, &than.id)
}
