//! `tandem record`: a record of any kind, by the application's id.

use std::path::Path;

use clap::Subcommand;
use tandem_app::config::Environment;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::kind::Kind;

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// What to do with a record.
#[derive(Subcommand)]
pub enum RecordCommand {
    /// What Tandem knows of it, without asking the platform: fields, what it is there, whom it names and who names it.
    Show {
        /// person, organisation or deal.
        kind: Kind,
        /// The application's id.
        id: String,
    },
}

/// Runs the command.
pub async fn record(
    command: &RecordCommand,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let RecordCommand::Show { kind, id } = command;
    let external_id =
        ExternalId::try_from(id.clone()).map_err(|error| CommandError::Undone(format!("the id {error}")))?;
    let installation = Installation::open(data_dir, environment).await?;
    let desk = installation.foundation.table_desk()?;
    let Some(view) = desk.look_at(*kind, &external_id).await? else {
        return Err(CommandError::Undone(format!(
            "there is no {kind} with the id {id}; a run takes what was handed over"
        )));
    };
    let shown = serde_json::to_value(&view).map_err(|error| CommandError::Undone(error.to_string()))?;
    output.result(&shown, &shown);
    Ok(())
}
