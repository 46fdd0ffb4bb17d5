//! `tandem operations`: what was written to the platform, thing by thing.

use std::path::Path;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value;
use tandem_app::config::Environment;
use tandem_core::domain::operation::Operation;
use tandem_core::sync::operations::listing::OperationQuery;
use tandem_core::sync::services::Desk;

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// What to do with the operation log.
#[derive(Subcommand)]
pub enum Operations {
    /// List operations, the newest first.
    List(List),
}

/// Options of `tandem operations list`.
#[derive(Args)]
pub struct List {
    /// Only those that began after this moment, such as 2026-11-28T10:00:00Z.
    #[arg(long, value_name = "MOMENT")]
    after: Option<Timestamp>,
    /// Only those that began before this moment.
    #[arg(long, value_name = "MOMENT")]
    before: Option<Timestamp>,
    /// Only those of this record, by the application's id or the record's key.
    #[arg(long, value_name = "ID")]
    record: Option<String>,
    /// Only those of this run.
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Runs the command.
pub async fn operations(
    command: &Operations,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let Operations::List(options) = command;
    let installation = Installation::open(data_dir, environment).await?;
    let desk = installation.foundation.table_desk()?;
    let record = match &options.record {
        None => None,
        Some(name) => {
            let known = desk.record_named(name).await?;
            Some(known.ok_or_else(|| CommandError::Undone("no record has this id".to_owned()))?)
        }
    };
    let query = OperationQuery { record, run: options.run.clone(), after: options.after, before: options.before };
    show(&desk, &query, options.limit, output).await
}

/// Prints operations, the newest first.
pub async fn show(desk: &Desk, query: &OperationQuery, limit: usize, output: &Output) -> Result<(), CommandError> {
    let (mut found, mut next) = (Vec::new(), None);
    while found.len() < limit {
        let page = desk.operations(query, next.as_ref(), limit - found.len()).await?;
        found.extend(page.operations);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    output.result(&found, table(&found));
    Ok(())
}

fn table(operations: &[Operation]) -> String {
    if operations.is_empty() {
        return "nothing was written".to_owned();
    }
    operations.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(operation: &Operation) -> String {
    let at = operation.at.strftime("%Y-%m-%d %H:%M:%S%.3f");
    let (kind, status) = (word(&operation.operation), word(&operation.status));
    let id = operation.remote_id.as_ref().map_or("?", |id| id.0.as_str());
    let list = operation.list.as_ref().map(|list| format!("  {list}")).unwrap_or_default();
    let error = operation.error.map(|error| format!(" ({})", word(&error))).unwrap_or_default();
    let fields = operation.fields.join(" ");
    let object = &operation.object;
    format!("{at}  {kind:<16}  {status}{error}  {object} {id}{list}  {} ms  {fields}", operation.duration_ms)
}

/// The word that the JSON output has for it.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
