//! Lifecycle rules of an installation that is called over HTTP.

use std::path::Path;

use serde_json::{Value, json};
use tandem_app::api::versions::{RulesVersion, Versions};
use tandem_app::rules_explained::{Checked, ExplainedEvents};

use super::explain::{self, Explain, document};
use super::stored::{CONFIGURED, Rollback, Set, Show, Stored, list, unknown};
use super::{Check, Rules, told as told_of_check};
use crate::api::{Api, Ask};
use crate::failure::CommandError;
use crate::output::Output;

/// Runs a command; what it prints is what the local one prints.
pub(super) async fn rules(command: &Rules, api: &Api, output: &Output) -> Result<(), CommandError> {
    match command {
        Rules::Check(options) => check(options, api, output).await,
        Rules::Explain(options) => explain(options, api, output).await,
        Rules::Stored(command) => stored(command, api, output).await,
    }
}

async fn check(options: &Check, api: &Api, output: &Output) -> Result<(), CommandError> {
    let (mut body, from) = given(options.file.as_deref())?;
    body["live"] = json!(options.live);
    let checked: Checked = api.ask_as(Ask::post(&["rules", "check"], body)).await?;
    told_of_check(&from, &checked, output)
}

async fn explain(options: &Explain, api: &Api, output: &Output) -> Result<(), CommandError> {
    let (mut body, _) = given(options.file.as_deref())?;
    let listed = |document: Value| if document.is_array() { document } else { json!([document]) };
    body["events"] = listed(document(&options.event)?);
    if let Some(path) = &options.history {
        body["history"] = listed(document(path)?);
    }
    let explained: ExplainedEvents = api.ask_as(Ask::post(&["rules", "explain"], body)).await?;
    explain::told(&explained, output);
    Ok(())
}

/// The body that names rules, and what they are called.
fn given(file: Option<&Path>) -> Result<(Value, String), CommandError> {
    let Some(path) = file else { return Ok((json!({}), "the rules that count".to_owned())) };
    let text = std::fs::read_to_string(path).map_err(CommandError::file(path))?;
    Ok((json!({"rules": text}), path.display().to_string()))
}

async fn stored(command: &Stored, api: &Api, output: &Output) -> Result<(), CommandError> {
    match command {
        Stored::List => {
            let versions: Versions<RulesVersion> = api.ask_as(Ask::get(&["rules", "versions"])).await?;
            output.result(&versions, list(&versions.versions));
        }
        Stored::Show(Show { version }) => {
            let found = api.find(Ask::get(&["rules"]).with("version", *version)).await?.ok_or_else(unknown)?;
            let text = found["rules"].as_str().unwrap_or(CONFIGURED).trim_end();
            let shown = match version {
                None => json!({"version": found["version"], "stored": found["stored"], "rules": found["rules"]}),
                Some(number) => json!({"version": number, "rules": found["rules"]}),
            };
            output.result(&shown, text);
        }
        Stored::Set(Set { file, note, if_version }) => {
            let text = std::fs::read_to_string(file).map_err(CommandError::file(file))?;
            let ask = Ask::put(&["rules"], json!({"rules": text, "note": note})).only_at(*if_version);
            told(&api.ask(ask).await?, output);
        }
        Stored::Rollback(Rollback { version }) => {
            let ask = Ask::post(&["rules", "rollback"], json!({"version": version}));
            told(&api.find(ask).await?.ok_or_else(unknown)?, output);
        }
    }
    Ok(())
}

fn told(counting: &Value, output: &Output) {
    let version = &counting["version"];
    output.result(&json!({"version": version}), format!("version {version} counts"));
}
