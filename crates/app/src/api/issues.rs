//! What needs a person, as answers show it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::sync::issues::Issue;

use crate::store::{Decision, DecisionState};

/// An issue, and what was decided of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssueView {
    /// What is wrong.
    #[serde(flatten)]
    pub issue: Issue,
    /// What was decided, as it stands: what was resolved and is seen again is open.
    pub state: DecisionState,
    /// Who decided it.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// What they said about it.
    pub note: Option<String>,
    /// The revision of the decision; 0 when there is none.
    pub revision: u64,
}

/// An answer with one issue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OneIssue {
    /// The issue.
    pub issue: IssueView,
}

/// A page of issues.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Issues {
    /// The issues, the last seen first.
    pub issues: Vec<IssueView>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Jobs that were put on the queue again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replayed {
    /// Their ids.
    pub replayed: Vec<String>,
    /// Whether there are more of them: a call does a hundred.
    pub more: bool,
}

impl IssueView {
    /// An issue with what was decided of it.
    #[must_use]
    pub fn of(issue: Issue, decision: Option<&Decision>) -> Self {
        let state = match decision {
            None => DecisionState::Open,
            Some(Decision { state: DecisionState::Resolved, at, .. }) if issue.last_seen > *at => DecisionState::Open,
            Some(decision) => decision.state,
        };
        Self {
            issue,
            state,
            decided_by: decision.map(|decision| decision.by.clone()),
            decided_at: decision.map(|decision| decision.at),
            note: decision.and_then(|decision| decision.note.clone()),
            revision: decision.map_or(0, |decision| decision.revision),
        }
    }
}
