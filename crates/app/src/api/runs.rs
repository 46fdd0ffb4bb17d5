//! Runs, as answers show them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_core::domain::issue::IssueCode;
use tandem_core::ports::runs::RunLog;

/// A page of runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runs {
    /// The runs, the newest first, without what is wrong with single rows.
    pub runs: Vec<RunLog>,
    /// The one that is under way, as far as it has said how far it came.
    pub under_way: Option<RunLog>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OneRun {
    /// Its log.
    pub run: RunLog,
    /// Whether it is under way.
    pub under_way: bool,
}

/// A row of a run with what is wrong with it, and what the source holds of it now.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// The application's id.
    pub id: String,
    /// The address.
    pub email: String,
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub code: IssueCode,
    /// Its value.
    pub value: String,
}

/// A page of rows.
#[derive(Clone, Serialize, Deserialize)]
pub struct RunRows {
    /// The rows, by field and id.
    pub rows: Vec<RunRow>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// A page of what a dry run would do.
#[derive(Clone, Serialize, Deserialize)]
pub struct PlanPage {
    /// The changes.
    pub changes: Vec<Value>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// A run that was ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderedRun {
    /// Its id: `GET /api/v1/runs/{run}` shows it once it has begun.
    pub run: String,
    /// Whether it changes nothing.
    pub dry_run: bool,
    /// Always: a job does it.
    pub queued: bool,
}

/// A run that was to be stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoppedRun {
    /// Its id.
    pub run: String,
    /// Whether it has stopped; else it does with its next save.
    pub stopped: bool,
}
