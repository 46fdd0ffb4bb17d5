//! Chosen rows, synced because a caller asks for them: few at once, many by the next run.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::issue::FieldIssue;
use crate::domain::link::RemoteId;
use crate::error::{Failure, Result};
use crate::jobs::message::Task;
use crate::ports::source::SourceRow;
use crate::sync::change::{Outcome, PushAction};
use crate::sync::push::For;
use crate::sync::services::Desk;

use super::row::{self, Incoming};
use super::take::{self, Round};

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
        /// The contact.
        contact: RemoteId,
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
                    let missing = || Chosen { id: id.clone(), outcome: ChosenOutcome::Missing, issues: Vec::new() };
                    // An id that is given twice was read by its first mention.
                    if !incoming.iter().any(|row: &Incoming| row.row == *id) {
                        chosen.entry(id.clone()).or_insert_with(missing);
                    }
                }
            }
        }
        let synced = if incoming.len() <= AT_ONCE {
            self.push_rows(incoming, correlation_id).await?
        } else {
            self.store_rows(incoming, correlation_id).await?
        };
        chosen.extend(synced.into_iter().map(|one| (one.id.clone(), one)));
        Ok(ids.iter().filter_map(|id| chosen.get(id).cloned()).collect())
    }

    fn read_row(&self, row: &SourceRow) -> Result<Incoming, Box<Chosen>> {
        row::read(row, &self.integration.rules, self.now()).map_err(|issue| {
            let failure = Failure::new(crate::error::FailureKind::Invalid, issue.message.clone());
            Box::new(rejected(&row.id, failure.with_fields(vec![issue.clone()]), vec![issue]))
        })
    }

    async fn push_rows(&self, rows: Vec<Incoming>, correlation_id: &str) -> Result<Vec<Chosen>> {
        let mut chosen = Vec::new();
        for row in rows {
            let outcome = match self.push(&row.change, correlation_id, For::Caller).await {
                Ok(Outcome::Done(pushed)) => Chosen {
                    id: row.row,
                    outcome: ChosenOutcome::Done { action: pushed.action, contact: pushed.contact },
                    issues: pushed.issues,
                },
                Ok(Outcome::Queued(queued)) => {
                    Chosen { id: row.row, outcome: ChosenOutcome::Queued, issues: queued.issues }
                }
                Err(failure) => {
                    let issue = take::first_issue(&row, &failure);
                    rejected(&row.row, failure, vec![issue])
                }
            };
            chosen.push(outcome);
        }
        Ok(chosen)
    }

    async fn store_rows(&self, mut rows: Vec<Incoming>, correlation_id: &str) -> Result<Vec<Chosen>> {
        let mut chosen = Vec::new();
        for _ in 0..ROUNDS {
            if rows.is_empty() {
                break;
            }
            rows = self.store_round(rows, &mut chosen).await?;
        }
        let left =
            rows.into_iter().map(|row| Chosen { id: row.row, outcome: ChosenOutcome::Queued, issues: Vec::new() });
        chosen.extend(left);
        self.defer(Task::Sync, correlation_id, Duration::ZERO).await?;
        Ok(chosen)
    }

    async fn store_round(&self, rows: Vec<Incoming>, chosen: &mut Vec<Chosen>) -> Result<Vec<Incoming>> {
        let Round { planned, unfit, mut waiting } = self.plan_rows(rows).await?;
        chosen.extend(unfit.into_iter().map(|(row, failure)| {
            let issue = take::first_issue(&row, &failure);
            rejected(&row.row, failure, vec![issue])
        }));
        let mut changed = Vec::new();
        for one in planned {
            match one.draft.remote_id().cloned() {
                Some(contact) if !take::changes_something(&one.draft) && !take::is_to_be_sent(&one.draft) => {
                    let outcome = ChosenOutcome::Done { action: PushAction::Unchanged, contact };
                    chosen.push(Chosen { id: one.row.row, outcome, issues: one.draft.issues });
                }
                _ => changed.push(one),
            }
        }
        let saves: Vec<_> = changed.iter().map(|one| (take::save_of(&one.draft), true)).collect();
        let attempts = self.services.bulk.save_many(&self.integration.scope, &saves, self.now()).await?;
        for (one, attempt) in changed.into_iter().zip(attempts) {
            match attempt {
                crate::ports::Attempt::Done => {
                    chosen.push(Chosen { id: one.row.row, outcome: ChosenOutcome::Queued, issues: one.draft.issues });
                }
                crate::ports::Attempt::Contended => waiting.push(one.row),
            }
        }
        Ok(waiting)
    }
}

fn rejected(id: &str, failure: Failure, issues: Vec<FieldIssue>) -> Chosen {
    Chosen { id: id.to_owned(), outcome: ChosenOutcome::Rejected(failure), issues }
}
