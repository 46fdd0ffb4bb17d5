//! The rows behind a run's issues: whose value was left out, and which one. The log keeps ids and fields; address and value
//! are what the source has now.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use tandem_app::store::RunTable;
use tandem_app::wiring::Foundation;
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::scope::Scope;
use tandem_core::mapping::RuleSet;
use tandem_core::ports::runs::{RowIssue, RunStore};
use tandem_core::ports::source::SourceRow;

use crate::failure::CommandError;

/// So many rows the source gives at once.
const AT_ONCE: usize = 200;

/// A row with what is wrong with it.
#[derive(Serialize)]
pub struct IssueRow {
    id: String,
    email: String,
    field: String,
    code: IssueCode,
    value: String,
}

/// The rows of a run that have an issue with `field`, or any.
pub async fn rows(
    foundation: &Foundation,
    store: &RunTable,
    run: &str,
    field: Option<&str>,
) -> Result<Vec<IssueRow>, CommandError> {
    let scope = Scope::default_mautic();
    let mut issues = store.issues(&scope, run).await?;
    issues.retain(|issue| field.is_none_or(|field| is_about(issue, field, &foundation.rules)));
    issues.sort_by(|one, other| (&one.field, &one.id).cmp(&(&other.field, &other.id)));
    issues.dedup();
    let ids: Vec<String> = issues.iter().map(|issue| issue.id.clone()).collect();
    let mut rows = HashMap::new();
    for ids in ids.chunks(AT_ONCE) {
        let found = foundation.source.rows(&scope, ids).await?;
        rows.extend(found.into_iter().map(|row| (row.id.clone(), row)));
    }
    let shown = |issue: RowIssue| {
        let row = rows.get(&issue.id);
        let of = |name: &str| row.map(|row| value_of(row, name, &foundation.rules)).unwrap_or_default();
        IssueRow {
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
fn is_about(issue: &RowIssue, field: &str, rules: &RuleSet) -> bool {
    let field = field.split(':').next().unwrap_or_default().trim();
    let local = |name: &str| rules.rule_of(name_of(name)).map(|rule| rule.local.clone());
    issue.field == field
        || name_of(&issue.field) == field
        || (local(field).is_some() && local(field) == local(&issue.field))
}

fn name_of(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
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

/// For spreadsheets.
pub fn csv(rows: &[IssueRow]) -> Result<String, CommandError> {
    let mut writer = csv::WriterBuilder::new().has_headers(true).from_writer(Vec::new());
    if rows.is_empty() {
        writer.write_record(["id", "email", "field", "code", "value"])?;
    }
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().map_err(|error| CommandError::Undone(format!("no CSV: {}", error.error())))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// For people.
pub fn table(rows: &[IssueRow]) -> String {
    if rows.is_empty() {
        return "no row of this run has such an issue".to_owned();
    }
    let line = |row: &IssueRow| {
        let code = serde_json::to_value(row.code).ok();
        let code = code.as_ref().and_then(Value::as_str).unwrap_or_default();
        format!("{}  {}  {}: {code}  {}", row.id, row.email, row.field, row.value)
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
