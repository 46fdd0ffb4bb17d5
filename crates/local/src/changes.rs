//! `tandem changes`: what came from the platforms, for an application that reads it from Tandem.

use std::path::Path;

use clap::Args;
use serde_json::json;
use tandem_app::config::Environment;
use tandem_core::ports::place::TimePlace;
use tandem_core::sync::changes::{SeenChange, SeenChanges};

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// Options of `tandem changes`.
#[derive(Args)]
pub struct Changes {
    /// Only those behind this one, as a list before named it.
    #[arg(long, value_name = "CURSOR")]
    after: Option<TimePlace>,
    /// How many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Runs the command.
pub async fn changes(
    options: &Changes,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let desk = installation.foundation.table_desk()?;
    let found = desk.changes(options.after.as_ref(), options.limit).await?;
    let SeenChanges { changes, next, more } = found.ok_or_else(|| {
        CommandError::Undone("the application's records live in its own database: changes are written there".to_owned())
    })?;
    let next = next.map(|next| next.to_string());
    let shown = json!({"changes": changes, "next": next, "more": more});
    output.result(&shown, table(&changes, next.as_deref()));
    Ok(())
}

fn table(changes: &[SeenChange], next: Option<&str>) -> String {
    let mut lines: Vec<String> = changes.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no change".to_owned());
    }
    lines.extend(next.map(|next| format!("what comes after: --after {next}")));
    lines.join("\n")
}

fn line(change: &SeenChange) -> String {
    let at = change.changed_at.strftime("%Y-%m-%d %H:%M:%S");
    let email = change.email.as_ref().map(|email| email.as_str());
    let who = email.or_else(|| change.id.as_ref().map(|id| id.as_str())).unwrap_or("?");
    let fields: Vec<String> = change.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{at}  {who}  {}  {}  {}", change.integration, change.said_by, fields.join(" "))
}
