//! The rows behind a run's issues: whose value was left out, and which one. The log keeps ids and fields; address and value
//! are what the source has now.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tandem_core::domain::issue::IssueCode;
use tandem_core::error::Result;
use tandem_core::mapping::RuleSet;
use tandem_core::ports::runs::RowIssue;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::services::Desk;

use crate::api::runs::RunRow;

/// Where a row stands among those of a run: by field, then by id. Of long ones a digest tells what the first characters don't, so
/// that a cursor of any place is short enough to be sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(String, String, String);

impl Place {
    fn of(field: &str, id: &str, code: IssueCode) -> Self {
        let first = |text: &str| text.chars().take(MOST_TOLD).collect();
        let whole = Sha256::digest(format!("{field}\0{id}\0{}", word(code)));
        Self(first(field), first(id), hex::encode(&whole[..16]))
    }

    fn of_issue(issue: &RowIssue) -> Self {
        Self::of(&issue.field, &issue.id, issue.code)
    }
}

/// So many characters of a field and of an id stand in a place.
const MOST_TOLD: usize = 60;

impl RunRow {
    /// Where it stands among the rows of its run.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::of(&self.field, &self.id, self.code)
    }
}

/// The rows of a run that have an issue with `field` (`mobile`, `contact.mobile`, `contact.mobile: invalid`), or any: those
/// behind `after`, at most `limit`. Rows of a run under way may still come.
///
/// # Errors
/// As table and source fail.
pub async fn rows(
    desk: &Desk,
    run: &str,
    field: Option<&str>,
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<RunRow>> {
    let (scope, rules) = (&desk.integration.scope, &desk.integration.rules);
    let mut issues = desk.services.runs.issues(scope, run).await?;
    issues.retain(|issue| field.is_none_or(|field| is_about(issue, field, rules)));
    issues.sort_by_cached_key(Place::of_issue);
    issues.dedup();
    issues.retain(|issue| after.is_none_or(|after| Place::of_issue(issue) > *after));
    issues.truncate(limit);
    let ids: Vec<String> = issues.iter().map(|issue| issue.id.clone()).collect();
    let found = desk.services.source.rows(scope, &ids).await?;
    let found: HashMap<String, SourceRow> = found.into_iter().map(|row| (row.id.clone(), row)).collect();
    let shown = |issue: RowIssue| {
        let row = found.get(&issue.id);
        let of = |name: &str| row.map(|row| value_of(row, name, rules)).unwrap_or_default();
        RunRow {
            email: of("email"),
            value: of(name_of(&issue.field)),
            id: issue.id,
            field: issue.field,
            code: issue.code,
        }
    };
    Ok(issues.into_iter().map(shown).collect())
}

/// Fields are named as a run's counts name them (`contact.mobile: invalid`), or shorter (`mobile`), or by an alias.
fn is_about(issue: &RowIssue, wanted: &str, rules: &RuleSet) -> bool {
    let (field, code) = match wanted.split_once(':') {
        Some((field, code)) => (field.trim(), Some(code.trim())),
        None => (wanted.trim(), None),
    };
    let local = |name: &str| rules.rule_of(name_of(name)).map(|rule| rule.local.clone());
    let of_field = issue.field == field
        || name_of(&issue.field) == field
        || (local(field).is_some() && local(field) == local(&issue.field));
    of_field && code.is_none_or(|code| code.is_empty() || word(issue.code) == code)
}

fn name_of(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}

/// The word that answers have for it.
fn word(code: IssueCode) -> String {
    match serde_json::to_value(code) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn value_of(row: &SourceRow, name: &str, rules: &RuleSet) -> String {
    let own = row.fields.get(name).filter(|value| !value.is_null());
    let by_rule =
        || rules.rule_of(name)?.names().find_map(|name| row.fields.get(name).filter(|value| !value.is_null()));
    match own.or_else(by_rule) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
