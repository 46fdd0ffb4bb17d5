//! `tandem changes`: what came from the platforms, for an application that reads it from Tandem.

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::place::TimePlace;

use crate::api::{Ask, Target};
use crate::failure::CommandError;
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
pub async fn changes(options: &Changes, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    let limit = options.limit.clamp(1, PAGE);
    let ask = Ask::get(&["changes"]).with("limit", Some(limit)).with("after", options.after.as_ref());
    let shown = api.ask(ask).await?;
    let changes = shown["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    output.result(&shown, table(changes, shown["next"].as_str()));
    Ok(())
}

/// The most changes of an answer.
const PAGE: usize = 500;

fn table(changes: &[Value], next: Option<&str>) -> String {
    let mut lines: Vec<String> = changes.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no change".to_owned());
    }
    lines.extend(next.map(|next| format!("what comes after: --after {next}")));
    lines.join("\n")
}

fn line(change: &Value) -> String {
    let text = |name: &str| change[name].as_str();
    let at = text("changedAt").and_then(|text| text.parse::<Timestamp>().ok());
    let at = at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default();
    let who = text("email").or_else(|| text("id")).unwrap_or("?");
    let fields = change["fields"].as_object().into_iter().flatten();
    let fields: Vec<String> = fields.map(|(name, value)| format!("{name}={value}")).collect();
    let (integration, by) = (text("integration").unwrap_or_default(), text("saidBy").unwrap_or_default());
    format!("{at}  {who}  {integration}  {by}  {}", fields.join(" "))
}
