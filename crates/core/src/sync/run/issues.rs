//! What is wrong with the rows of a run: counted by field, the first ones in words, all of them by row.

use crate::domain::issue::FieldIssue;
use crate::error::Result;
use crate::ports::runs::{MOST_PROBLEMS, RowIssue, RowProblem};

use super::Run;

/// So many issues of rows are kept in one item.
const PART: usize = 1_000;
/// How many bytes a log's problems may take: it is stored in one item, and in the state's.
const MOST_TEXT: usize = 150_000;
/// As much is told of an id, in characters: no longer one is taken.
const LONGEST_ID: usize = 191;

impl Run<'_> {
    /// Counts what is wrong with a value of a row, and notes whose it is.
    pub(super) fn note_issue(&mut self, row: &str, issue: &FieldIssue) {
        *self.log.issues.entry(issue_name(issue)).or_default() += 1;
        self.note_row(row, issue);
    }

    /// Tells of a row that was rejected or failed.
    pub(super) fn problem(&mut self, row: &str, issue: FieldIssue) {
        let told: usize = self.log.problems.iter().map(|problem| problem.id.len() + problem.issue.message.len()).sum();
        if self.log.problems.len() < MOST_PROBLEMS && told < MOST_TEXT {
            self.log.problems.push(RowProblem { id: short(row), issue });
        }
    }

    /// A value of a row that is not on the platform, though the rest is.
    pub(super) fn note_left_out(&mut self, row: &str, issue: &FieldIssue) {
        self.note_issue(row, issue);
        if !row.is_empty() {
            self.problem(row, issue.clone());
        }
    }

    pub(super) fn note_row(&mut self, row: &str, issue: &FieldIssue) {
        // A record that the application never named has no row.
        if row.is_empty() {
            return;
        }
        self.row_issues.push(RowIssue { id: short(row), field: issue.field.clone(), code: issue.code });
    }

    /// Keeps what was noted. A run that crashes before has noted it in vain: the rows are read again, and told of again.
    pub(super) async fn keep_issues(&mut self) -> Result<()> {
        if self.is_prompt {
            // No log names them.
            self.row_issues.clear();
        }
        for part in self.row_issues.chunks(PART) {
            let (services, scope) = (&self.desk.services, &self.desk.integration.scope);
            services.runs.keep_issues(scope, &self.log, &services.entropy.id(), part).await?;
        }
        self.row_issues.clear();
        Ok(())
    }
}

fn short(row: &str) -> String {
    row.chars().take(LONGEST_ID).collect()
}

fn issue_name(issue: &FieldIssue) -> String {
    let code = serde_json::to_value(issue.code).ok();
    format!("{}: {}", issue.field, code.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default())
}
