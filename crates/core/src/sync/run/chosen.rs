//! Chosen rows, synced because a caller asks for them: few at once, many by the next run.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::identity::RecordKey;
use crate::domain::issue::FieldIssue;
use crate::domain::link::RemoteId;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::mapping::Response;
use crate::ports::Attempt;
use crate::ports::source::SourceRow;
use crate::sync::change::{ContactChange, Outcome, PushAction};
use crate::sync::push::For;
use crate::sync::services::Desk;

use super::planned::{self, Planned, Round};
use super::row::{self, Incoming};

/// As many rows are written while the caller waits: one call of the platform each.
pub const AT_ONCE: usize = 25;
/// The most rows that a caller may choose.
pub const AT_MOST: usize = 1_000;
/// How many ids the source is asked for in a call.
const ASKED: usize = 200;
/// How often rows that share a record are planned one after the other.
const ROUNDS: usize = 12;

/// What became of a chosen row.
#[derive(Clone, Debug, PartialEq)]
pub enum ChosenOutcome {
    /// Its contact was written, or had everything already.
    Done {
        /// What was done.
        action: PushAction,
        /// The contact; `None` only where the record is left out.
        contact: Option<RemoteId>,
    },
    /// It is stored, and brought to the platform by the next run or a job.
    Queued,
    /// The source has no such row.
    Missing,
    /// It is no contact, or the platform refused it.
    Rejected(Failure),
}

/// A chosen row.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The application's id.
    pub id: String,
    /// What became of it.
    pub outcome: ChosenOutcome,
    /// In which situation its record is, as far as that was found out.
    pub situation: Option<Situation>,
    /// What could not be taken.
    pub issues: Vec<FieldIssue>,
}

impl Desk {
    /// Syncs the rows with these ids; answers in their order. Few are written at once, more are stored, and a run that is
    /// queued sends them in batches.
    ///
    /// # Errors
    /// As table, queue and source fail.
    pub async fn sync_chosen(&self, ids: &[String], correlation_id: &str) -> Result<Vec<Chosen>> {
        let mut rows: HashMap<String, SourceRow> = HashMap::new();
        for ids in ids.chunks(ASKED) {
            let found = self.services.source.rows(&self.integration.scope, ids).await?;
            rows.extend(found.into_iter().map(|row| (row.id.clone(), row)));
        }
        let mut chosen: HashMap<String, Chosen> = HashMap::new();
        let mut incoming = Vec::new();
        for id in ids {
            match rows.remove(id).filter(|row| !row.deleted).map(|row| self.read_row(&row)) {
                Some(Ok(row)) => incoming.push(row),
                Some(Err(rejected)) => drop(chosen.insert(id.clone(), *rejected)),
                None => {
                    let missing = || Chosen {
                        id: id.clone(),
                        outcome: ChosenOutcome::Missing,
                        situation: None,
                        issues: Vec::new(),
                    };
                    // An id that is given twice was read by its first mention.
                    if !incoming.iter().any(|row: &Incoming| row.row == *id) {
                        chosen.entry(id.clone()).or_insert_with(missing);
                    }
                }
            }
        }
        let synced = self.store_rows(incoming, correlation_id).await?;
        chosen.extend(synced.into_iter().map(|one| (one.id.clone(), one)));
        Ok(ids.iter().filter_map(|id| chosen.get(id).cloned()).collect())
    }

    fn read_row(&self, row: &SourceRow) -> Result<Incoming, Box<Chosen>> {
        row::read(row, &self.integration.rules, self.now()).map_err(|issue| {
            let failure = Failure::new(FailureKind::Invalid, issue.message.clone());
            Box::new(rejected(&row.id, failure.with_fields(vec![issue.clone()]), vec![issue]))
        })
    }

    /// Stores rows as a run does; few are then written at once.
    async fn store_rows(&self, mut rows: Vec<Incoming>, correlation_id: &str) -> Result<Vec<Chosen>> {
        let (mut chosen, mut stored) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            if rows.is_empty() {
                break;
            }
            rows = self.store_round(rows, &mut chosen, &mut stored).await?;
        }
        let left = rows.into_iter().map(|row| queued(row.row, None, Vec::new()));
        chosen.extend(left);
        if stored.is_empty() {
            return Ok(chosen);
        }
        if stored.len() > AT_ONCE {
            self.defer(Task::Sync, correlation_id, Duration::ZERO).await?;
            chosen.extend(stored.into_iter().map(|(_, one)| one));
            return Ok(chosen);
        }
        for (key, one) in stored {
            chosen.push(self.push_stored(key, one, correlation_id).await);
        }
        Ok(chosen)
    }

    async fn push_stored(&self, key: RecordKey, one: Chosen, correlation_id: &str) -> Chosen {
        match self.push(&ContactChange::refresh(key), correlation_id, For::Caller).await {
            Ok(Outcome::Done(pushed)) => {
                let outcome = ChosenOutcome::Done { action: pushed.action, contact: pushed.contact };
                Chosen { outcome, situation: Some(pushed.situation), ..one }
            }
            Ok(Outcome::Queued(_)) => one,
            Err(failure) => {
                let issues = failure.fields.clone();
                Chosen {
                    issues: one.issues.into_iter().chain(issues).collect(),
                    ..rejected(&one.id, failure, Vec::new())
                }
            }
        }
    }

    async fn store_round(
        &self,
        rows: Vec<Incoming>,
        chosen: &mut Vec<Chosen>,
        stored: &mut Vec<(RecordKey, Chosen)>,
    ) -> Result<Vec<Incoming>> {
        let Round { planned, unfit, mut waiting } = self.plan_rows(rows).await?;
        chosen.extend(unfit.into_iter().map(|(row, failure)| {
            let issue = planned::first_issue(&row, &failure);
            rejected(&row.row, failure, vec![issue])
        }));
        let mut changed = Vec::new();
        for one in planned {
            if planned::changes_something(&one.draft) || planned::is_to_be_sent(&one.draft) {
                changed.push(one);
            } else {
                chosen.push(unchanged(one));
            }
        }
        let saves: Vec<_> = changed.iter().map(|one| (planned::save_of(&one.draft), true)).collect();
        self.note_relationships(changed.iter().map(|one| &one.draft)).await?;
        let attempts = self.services.bulk.save_many(&self.integration.scope, &saves, self.now()).await?;
        for (one, attempt) in changed.into_iter().zip(attempts) {
            match attempt {
                Attempt::Done => {
                    let situation = Some(one.draft.situation);
                    stored.push((one.draft.key.clone(), queued(one.row.row, situation, one.draft.issues)));
                }
                Attempt::Contended => waiting.push(one.row),
            }
        }
        Ok(waiting)
    }
}

/// A row that says nothing new, of a record that has all of it there or is left out.
fn unchanged(one: Planned) -> Chosen {
    let Planned { row, draft, .. } = one;
    let is_left_out = draft.follows == Response::Ignore;
    let action = if is_left_out { PushAction::NotSent } else { PushAction::Unchanged };
    let outcome = ChosenOutcome::Done { action, contact: draft.link.remote_id };
    Chosen { id: row.row, outcome, situation: Some(draft.situation), issues: draft.issues }
}

fn queued(id: String, situation: Option<Situation>, issues: Vec<FieldIssue>) -> Chosen {
    Chosen { id, outcome: ChosenOutcome::Queued, situation, issues }
}

fn rejected(id: &str, failure: Failure, issues: Vec<FieldIssue>) -> Chosen {
    let situation = failure.situation;
    Chosen { id: id.to_owned(), outcome: ChosenOutcome::Rejected(failure), situation, issues }
}
