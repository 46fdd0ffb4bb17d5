//! What a run would do, field by field. Nothing is written, and the platform is not changed.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use crate::domain::identity::RecordKey;
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::record::Record;
use crate::domain::situation::Situation;
use crate::error::Result;
use crate::mapping::Response;
use crate::ports::bulk::{BATCH, Mark, MarkCursor};
use crate::ports::runs::{RosterEntry, TakeState};
use crate::ports::source::{SourceCursor, SourceOrder, SourceRow};
use crate::sync::plan::Draft;
use crate::sync::services::Desk;

use super::losses::Losses;
use super::pass::Roster;
use super::planned::{self, Planned, Round};
use super::row;
use super::take;
use super::{PAGE, deleted_apart};

/// What would be done about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAction {
    /// A contact would be made, or the one with the address changed.
    Create,
    /// A known contact would be changed.
    Update,
    /// The row's news would be stored; the platform has all that goes there already.
    Store,
    /// Nothing.
    Unchanged,
    /// The row joins the contact of another row.
    Join,
    /// The row is no contact.
    Reject,
    /// The row is gone: the rule for vanished records would be applied.
    Gone,
    /// Nothing: the record is left out.
    LeaveOut,
    /// The contact would stay, and be the record's no more.
    Unlink,
}

/// One field of a plan, by the platform's name.
#[derive(Clone, PartialEq, Serialize)]
pub struct FieldPlan {
    /// The field; names that begin with `@` are tags, the stage, and whether mail is forbidden.
    pub field: String,
    /// What was last sent; `null` when nothing was.
    pub before: Value,
    /// What would be sent; `null` takes the value away.
    pub after: Value,
}

/// What would be done about a row, in detail. It holds personal data.
#[derive(Clone, PartialEq, Serialize)]
pub struct PlannedChange {
    /// The application's id of the row.
    pub id: String,
    /// What would be done.
    pub action: PlannedAction,
    /// In which situation the record is, as far as that is known before the platform is asked; `None` when it was not looked at.
    pub situation: Option<Situation>,
    /// What follows from the situation.
    pub follows: Option<Response>,
    /// Fields that would change.
    pub fields: Vec<FieldPlan>,
    /// Segments that the contact would be put into.
    pub join: Vec<String>,
    /// Segments that it would be taken out of.
    pub leave: Vec<String>,
    /// What could not be taken.
    pub issues: Vec<FieldIssue>,
}

/// Takes planned changes, one by one.
pub type Sink<'a> = dyn FnMut(PlannedChange) + Send + 'a;

/// What a dry run says besides the changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// Why the run would halt before it sends anything.
    pub would_halt: Option<String>,
    /// Contacts that wait from runs before and are due: they are among the changes.
    pub due: u64,
    /// Contacts that wait from runs before and are not due yet: the run would leave them.
    pub waiting: u64,
    /// How many of the changes are in which situation.
    pub situations: BTreeMap<Situation, u64>,
}

impl Desk {
    /// Plans a run: what changed since the last one, or all rows where a run would read them all; then the contacts that are
    /// due from runs before. The platform's list of fields may be asked for, if it is not known; nothing else.
    ///
    /// # Errors
    /// As table and source fail.
    pub async fn dry_run(&self, full: bool, sink: &mut Sink<'_>) -> Result<DryRun> {
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        let (take, state) = (runs.take_state(&scope.tenant).await?, runs.state(scope).await?);
        let full = full || self.has_new_rules(&take, &state);
        let all = self.has_new_field(&take, &state).await? || self.pass_is_wanted(&take, full).await?;
        let (order, mut after) = match &take.pass {
            Some(pass) => (SourceOrder::Id, pass.cursor.clone()),
            None if all => (SourceOrder::Id, SourceCursor::default()),
            None => (SourceOrder::Changed, take::changes_begin_at(&take, self.services.source.overlap())),
        };
        let mut planner = Planner::new(self, &take, all, full).await?;
        let mut situations = BTreeMap::new();
        let mut counted = |change: PlannedChange| {
            if let Some(situation) = change.situation {
                *situations.entry(situation).or_insert(0) += 1;
            }
            sink(change);
        };
        let sink: &mut Sink<'_> = &mut counted;
        loop {
            let page = self.services.source.page(scope, order, &after, PAGE).await?;
            planner.plan(page.rows, sink).await?;
            if !page.more {
                break;
            }
            after = page.next;
        }
        if all {
            planner.plan_vanished(sink).await?;
        }
        planner.plan_marked(sink).await?;
        Ok(DryRun { situations, ..planner.concluded() })
    }
}

struct Planner<'a> {
    desk: &'a Desk,
    /// The rows of the pass before; those that this one does not see are gone. Empty when there is none.
    known: Roster,
    /// Whether rows are planned though they are as they were.
    thorough: bool,
    /// Rows that were rejected of late, with their contents: that was told.
    rejected: BTreeMap<String, u64>,
    /// Identities of contacts that the plan would make.
    joined: HashSet<String>,
    seen: HashSet<[u8; 16]>,
    /// Records that were planned.
    planned: HashSet<RecordKey>,
    losses: Losses,
    told: DryRun,
}

impl<'a> Planner<'a> {
    async fn new(desk: &'a Desk, state: &TakeState, all: bool, full: bool) -> Result<Self> {
        let known = if all { desk.roster(state.generation).await? } else { Roster::new() };
        let seen = match &state.pass {
            Some(pass) => desk.roster(pass.generation).await?.into_keys().collect(),
            None => HashSet::new(),
        };
        Ok(Self {
            desk,
            known,
            thorough: state.pass.as_ref().map_or(full, |pass| pass.thorough),
            rejected: state.rejected.clone(),
            joined: HashSet::new(),
            seen,
            planned: HashSet::new(),
            losses: Losses { lost: state.losses, told_before: state.known, met: state.met },
            told: DryRun::default(),
        })
    }

    async fn plan(&mut self, rows: Vec<SourceRow>, sink: &mut Sink<'_>) -> Result<()> {
        let (deleted, rows) = deleted_apart(rows);
        let mut incoming = Vec::new();
        for row in rows {
            let entry = row::entry(&row);
            self.seen.insert(entry.id);
            if !self.thorough && self.is_as_before(&entry) {
                sink(bare(&row.kind.named(&row.id), PlannedAction::Unchanged, Vec::new()));
                continue;
            }
            match row::read(&row, &self.desk.integration.rules, self.desk.now()) {
                Ok(row) => incoming.push(row),
                Err(issue) => sink(self.unfit(&row.kind.named(&row.id), &entry, issue)),
            }
        }
        let Round { planned, unfit, waiting } = self.desk.plan_rows(incoming).await?;
        for (row, failure) in unfit {
            sink(self.unfit(&row.row, &row.entry, planned::first_issue(&row, &failure)));
        }
        for row in waiting {
            sink(bare(&row.row, PlannedAction::Join, row.change.issues));
        }
        for planned in planned {
            sink(self.shown(planned));
        }
        self.plan_gone(&deleted.iter().map(|row| row::digest(row.kind, &row.id)).collect::<Vec<_>>(), sink).await
    }

    fn is_as_before(&self, entry: &RosterEntry) -> bool {
        self.known.get(&entry.id) == Some(&entry.content)
    }

    /// A row whose rejection was told, and that is as it was, is nothing new.
    fn unfit(&self, id: &str, entry: &RosterEntry, issue: FieldIssue) -> PlannedChange {
        let is_told = self.rejected.get(&hex::encode(entry.id)) == Some(&entry.content);
        if is_told || self.is_as_before(entry) {
            bare(id, PlannedAction::Unchanged, Vec::new())
        } else {
            let situation = (issue.code == IssueCode::Erased).then_some(Situation::Erased);
            let follows = situation.map(|_| Response::Ignore);
            PlannedChange { situation, follows, ..bare(id, PlannedAction::Reject, vec![issue]) }
        }
    }

    fn shown(&mut self, planned: Planned) -> PlannedChange {
        let action = self.action_of(&planned.draft);
        self.losses.met += u64::from(planned::is_known(&planned));
        let changed = planned::changes_something(&planned.draft);
        self.losses.lost += u64::from(changed && planned::blanks_something(&planned));
        let Planned { row, draft, .. } = planned;
        self.planned.insert(draft.key.clone());
        change_of(row.row, action, draft)
    }

    fn action_of(&mut self, draft: &Draft) -> PlannedAction {
        if let Some(action) = action_by_situation(draft) {
            return action;
        }
        if draft.remote_id().is_some() {
            return match (planned::is_to_be_sent(draft), planned::changes_something(draft)) {
                (true, _) => PlannedAction::Update,
                (false, true) => PlannedAction::Store,
                (false, false) => PlannedAction::Unchanged,
            };
        }
        let is_new =
            draft.record.email.as_ref().is_none_or(|email| self.joined.insert(email.identity().digest().to_owned()));
        let shared = draft.issues.iter().any(|issue| issue.code == IssueCode::SharedIdentity);
        if is_new && !shared { PlannedAction::Create } else { PlannedAction::Join }
    }

    async fn plan_vanished(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        let gone: Vec<[u8; 16]> = self.known.keys().filter(|id| !self.seen.contains(*id)).copied().collect();
        self.plan_gone(&gone, sink).await
    }

    /// Contacts whose rows are gone; of rows that nobody knew there is nothing to say.
    async fn plan_gone(&mut self, ids: &[[u8; 16]], sink: &mut Sink<'_>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let is_loss = self.desk.acts_on_gone_rows().await?;
        for (key, record) in self.desk.records_of(ids).await? {
            self.losses.met += 1;
            self.losses.lost += u64::from(is_loss);
            let id = named(&key, &record);
            self.planned.insert(key);
            let follows = Some(self.desk.integration.situations().response(Situation::Gone, true));
            let gone = bare(&id, PlannedAction::Gone, Vec::new());
            sink(PlannedChange { situation: Some(Situation::Gone), follows, ..gone });
        }
        Ok(())
    }

    /// What was stored before and is still to be sent.
    async fn plan_marked(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        let mut cursor = MarkCursor::default();
        loop {
            let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
            let (marks, next) = bulk.marks(scope, &cursor, BATCH).await?;
            let now = self.desk.now();
            let (due, early): (Vec<Mark>, Vec<Mark>) = marks.into_iter().partition(|mark| mark.due_at <= now);
            self.told.waiting += early.len() as u64;
            self.told.due += due.len() as u64;
            let due = due.into_iter().filter(|mark| self.planned.insert(mark.record.clone())).collect();
            for (_, draft) in self.desk.plan_marked(due).await? {
                let Some(draft) = draft else { continue };
                let id = named(&draft.key, &draft.record);
                sink(change_of(id, action_of_known(&draft), draft));
            }
            match next {
                Some(next) => cursor = next,
                None => return Ok(()),
            }
        }
    }

    fn concluded(self) -> DryRun {
        DryRun { would_halt: self.losses.are_too_many().then(|| self.losses.told()), ..self.told }
    }
}

/// What follows where that does not depend on what the record says.
fn action_by_situation(draft: &Draft) -> Option<PlannedAction> {
    match draft.follows {
        _ if draft.record.gone_since.is_some() => Some(PlannedAction::Gone),
        Response::Unlink => Some(PlannedAction::Unlink),
        Response::Ignore if draft.platform_is_settled() => Some(PlannedAction::LeaveOut),
        Response::Create
        | Response::Link
        | Response::Update
        | Response::Delete
        | Response::Tag
        | Response::Ignore
        | Response::Issue => None,
    }
}

/// What would be done about a record without news.
pub(super) fn action_of_known(draft: &Draft) -> PlannedAction {
    action_by_situation(draft).unwrap_or(match draft.remote_id() {
        Some(_) if planned::is_to_be_sent(draft) => PlannedAction::Update,
        Some(_) => PlannedAction::Unchanged,
        None => PlannedAction::Create,
    })
}

pub(super) fn change_of(id: String, action: PlannedAction, draft: Draft) -> PlannedChange {
    let (join, leave) = draft.segment_changes();
    let is_written = !matches!(action, PlannedAction::Unchanged | PlannedAction::LeaveOut | PlannedAction::Unlink);
    let fields = if is_written { fields_of(&draft) } else { Vec::new() };
    let (situation, follows) = (Some(draft.situation), Some(draft.follows));
    PlannedChange { id, action, situation, follows, fields, join, leave, issues: draft.issues }
}

/// A record's id, as people are told it.
fn named(key: &RecordKey, record: &Record) -> String {
    record.external_id.as_ref().map_or_else(String::new, |id| key.kind().named(id.as_str()).into_owned())
}

fn bare(id: &str, action: PlannedAction, issues: Vec<FieldIssue>) -> PlannedChange {
    let id = id.to_owned();
    let (situation, follows) = (None, None);
    PlannedChange { id, action, situation, follows, fields: Vec::new(), join: Vec::new(), leave: Vec::new(), issues }
}

fn fields_of(draft: &Draft) -> Vec<FieldPlan> {
    let before = |name: &String| draft.link.snapshot.get(name).cloned().unwrap_or_default();
    let set = draft.set.iter().map(|(name, value)| (name, value.clone()));
    let cleared = draft.clear.iter().map(|name| (name, Value::Null));
    let plan = |(name, after): (&String, Value)| FieldPlan { field: name.clone(), before: before(name), after };
    set.chain(cleared).map(plan).collect()
}
