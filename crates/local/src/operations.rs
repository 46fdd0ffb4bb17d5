//! `tandem operations`: what was written to the platform, thing by thing.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_core::domain::operation::Operation;
use tandem_core::domain::scope::TenantId;

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
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

/// Which operations are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of this record.
    pub record: Option<String>,
    /// Those of this run.
    pub run: Option<String>,
    /// Those that began after this moment.
    pub after: Option<Timestamp>,
    /// Those that began before this moment.
    pub before: Option<Timestamp>,
}

/// Runs the command.
pub async fn operations(command: &Operations, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let Operations::List(options) = command;
    let api = target.api(&TenantId::default()).await?;
    if let Some(record) = &options.record {
        let found = api.find(Ask::post(&["records", "find"], json!({"name": record}))).await?;
        found.ok_or_else(|| CommandError::Undone("no record has this id".to_owned()))?;
    }
    let List { record, run, after, before, .. } = options;
    let wanted = Wanted { record: record.clone(), run: run.clone(), after: *after, before: *before };
    show(&api, &wanted, options.limit, output).await
}

/// Prints operations, the newest first.
pub async fn show(api: &Api, wanted: &Wanted, limit: usize, output: &Output) -> Result<(), CommandError> {
    let (mut found, mut cursor) = (Vec::<Operation>::new(), None::<String>);
    while found.len() < limit {
        let ask = Ask::get(&["operations"])
            .with("record", wanted.record.as_ref())
            .with("run", wanted.run.as_ref())
            .with("after", wanted.after)
            .with("before", wanted.before)
            .with("limit", Some((limit - found.len()).min(PAGE)))
            .with("cursor", cursor.take());
        let mut page = api.ask(ask).await?;
        found.extend(api.read::<Vec<Operation>>(page["operations"].take())?);
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    output.result(&found, table(&found));
    Ok(())
}

/// The most operations of a page.
const PAGE: usize = 500;

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
