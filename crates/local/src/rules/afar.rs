//! Lifecycle rules of an installation that is called over HTTP.

use serde_json::{Value, json};
use tandem_app::api::versions::{RulesVersion, Versions};

use super::stored::{CONFIGURED, Rollback, Set, Show, Stored, list, unknown};
use crate::api::{Api, Ask};
use crate::failure::CommandError;
use crate::output::Output;

/// Runs a command; what it prints is what the local one prints.
pub(super) async fn stored(command: &Stored, api: &Api, output: &Output) -> Result<(), CommandError> {
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
