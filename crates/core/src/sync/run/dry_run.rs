//! What a run would do, field by field. Nothing is written, and the platform is not changed.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use crate::domain::issue::{FieldIssue, IssueCode};
use crate::error::Result;
use crate::ports::bulk::MarkCursor;
use crate::ports::source::{SourceCursor, SourceOrder, SourceRow};
use crate::sync::plan::Draft;
use crate::sync::services::Desk;

use super::PAGE;
use super::planned::{self, Planned, Round};
use super::row;
use super::take;

/// What would be done about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAction {
    /// A contact would be made, or the one with the address changed.
    Create,
    /// A known contact would be changed.
    Update,
    /// Nothing.
    Unchanged,
    /// The row joins the contact of another row.
    Join,
    /// The row is no contact.
    Reject,
    /// The row is gone: the rule for vanished records would be applied.
    Gone,
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

impl Desk {
    /// Plans a run: what changed since the last one, or with `full` all rows. Gives the number of contacts that wait from
    /// runs before. The platform's list of fields may be asked for, if it is not known; nothing else.
    ///
    /// # Errors
    /// As table and source fail.
    pub async fn dry_run(&self, full: bool, sink: &mut Sink<'_>) -> Result<u64> {
        let (runs, scope) = (&self.services.runs, &self.integration.scope);
        let state = runs.state(scope).await?;
        let is_new = self.new_field(&state).await?.is_some();
        let all = full || is_new || state.pass.is_some() || !self.services.source.tells_changes(scope).await?;
        let (order, mut after) = if all {
            (SourceOrder::Id, SourceCursor::default())
        } else {
            (SourceOrder::Changed, take::changes_begin_at(&state, self.services.source.overlap()))
        };
        let mut planner = Planner { desk: self, joined: HashSet::new(), seen: HashSet::new() };
        loop {
            let page = self.services.source.page(scope, order, &after, PAGE).await?;
            planner.plan(page.rows, sink).await?;
            if !page.more {
                break;
            }
            after = page.next;
        }
        if all {
            planner.plan_vanished(state.generation, sink).await?;
        }
        self.count_waiting().await
    }

    async fn count_waiting(&self) -> Result<u64> {
        let (mut cursor, mut count) = (MarkCursor::default(), 0);
        loop {
            let (marks, next) = self.services.bulk.marks(&self.integration.scope, &cursor, PAGE).await?;
            count += marks.len() as u64;
            match next {
                Some(next) => cursor = next,
                None => return Ok(count),
            }
        }
    }
}

struct Planner<'a> {
    desk: &'a Desk,
    /// Identities of contacts that the plan would make.
    joined: HashSet<String>,
    seen: HashSet<[u8; 16]>,
}

impl Planner<'_> {
    async fn plan(&mut self, rows: Vec<SourceRow>, sink: &mut Sink<'_>) -> Result<()> {
        let mut incoming = Vec::new();
        for row in rows {
            if row.deleted {
                sink(bare(&row.id, PlannedAction::Gone, Vec::new()));
                continue;
            }
            self.seen.insert(row::digest(&row.id));
            match row::read(&row, &self.desk.integration.rules, self.desk.now()) {
                Ok(row) => incoming.push(row),
                Err(issue) => sink(bare(&row.id, PlannedAction::Reject, vec![issue])),
            }
        }
        let Round { planned, unfit, waiting } = self.desk.plan_rows(incoming).await?;
        for (row, failure) in unfit {
            sink(bare(&row.row, PlannedAction::Reject, vec![planned::first_issue(&row, &failure)]));
        }
        for row in waiting {
            sink(bare(&row.row, PlannedAction::Join, row.change.issues));
        }
        for planned in planned {
            sink(self.shown(planned));
        }
        Ok(())
    }

    fn shown(&mut self, planned: Planned) -> PlannedChange {
        let Planned { row, draft, .. } = planned;
        let (join, leave) = draft.segment_changes();
        let action = self.action_of(&draft);
        let fields = if action == PlannedAction::Unchanged { Vec::new() } else { fields_of(&draft) };
        PlannedChange { id: row.row, action, fields, join, leave, issues: draft.issues }
    }

    fn action_of(&mut self, draft: &Draft) -> PlannedAction {
        if draft.remote_id().is_some() {
            let same = !planned::changes_something(draft) && !planned::is_to_be_sent(draft);
            return if same { PlannedAction::Unchanged } else { PlannedAction::Update };
        }
        let is_new =
            draft.record.email.as_ref().is_none_or(|email| self.joined.insert(email.identity().digest().to_owned()));
        let shared = draft.issues.iter().any(|issue| issue.code == IssueCode::SharedIdentity);
        if is_new && !shared { PlannedAction::Create } else { PlannedAction::Join }
    }

    async fn plan_vanished(&self, generation: u64, sink: &mut Sink<'_>) -> Result<()> {
        let roster = self.desk.services.runs.roster(&self.desk.integration.scope, generation).await?;
        let gone: HashSet<[u8; 16]> =
            roster.iter().map(|entry| entry.id).filter(|id| !self.seen.contains(id)).collect();
        let gone: Vec<[u8; 16]> = gone.into_iter().collect();
        for (_, record) in self.desk.records_of(&gone).await? {
            let id = record.external_id.as_ref().map_or("", |id| id.as_str());
            sink(bare(id, PlannedAction::Gone, Vec::new()));
        }
        Ok(())
    }
}

fn bare(id: &str, action: PlannedAction, issues: Vec<FieldIssue>) -> PlannedChange {
    PlannedChange { id: id.to_owned(), action, fields: Vec::new(), join: Vec::new(), leave: Vec::new(), issues }
}

fn fields_of(draft: &Draft) -> Vec<FieldPlan> {
    let before = |name: &String| draft.link.snapshot.get(name).cloned().unwrap_or_default();
    let set = draft.set.iter().map(|(name, value)| (name, value.clone()));
    let cleared = draft.clear.iter().map(|name| (name, Value::Null));
    let plan = |(name, after): (&String, Value)| FieldPlan { field: name.clone(), before: before(name), after };
    set.chain(cleared).map(plan).collect()
}
