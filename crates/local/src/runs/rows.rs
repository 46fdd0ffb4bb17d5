//! Rows that something is wrong with, as people and spreadsheets read them.

use serde_json::Value;
use tandem_app::api::runs::RunRow;

use crate::failure::CommandError;

/// For spreadsheets.
pub fn csv(rows: &[RunRow]) -> Result<String, CommandError> {
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
pub fn table(rows: &[RunRow]) -> String {
    if rows.is_empty() {
        return "no row of this run has such an issue".to_owned();
    }
    let line = |row: &RunRow| {
        let code = serde_json::to_value(row.code).ok();
        let code = code.as_ref().and_then(Value::as_str).unwrap_or_default();
        format!("{}  {}  {}: {code}  {}", row.id, row.email, row.field, row.value)
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
