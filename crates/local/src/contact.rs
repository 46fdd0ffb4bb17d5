//! `tandem contact`: one person's data.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;
use tandem_app::config::Environment;
use tandem_core::domain::identity::Email;
use tandem_core::domain::whom::Whom;
use tandem_core::ports::Entropy;
use tandem_core::sync::change::Outcome;
use tandem_core::sync::services::Desk;

use crate::connect::not_configured;
use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// What to do with a contact.
#[derive(Subcommand)]
pub enum Contact {
    /// What Tandem knows of the person, without asking the platform.
    Show {
        /// The person's address.
        email: String,
    },
    /// All that Tandem and the platform hold, for the person to read.
    Export {
        /// The person's address.
        email: String,
    },
    /// Delete the person everywhere.
    Delete {
        /// The person's address.
        email: String,
    },
}

/// Runs the command.
pub async fn contact(
    command: &Contact,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    match command {
        Contact::Show { email } => {
            let desk = installation.foundation.table_desk()?;
            let known = desk.remember(&whom(email)?).await?;
            let (key, stored) =
                known.record.ok_or_else(|| CommandError::Undone("nobody has this address".to_owned()))?;
            let feedback = desk.services.feedback.feedback(&desk.integration.scope, &key).await?;
            let shown = json!({
                "contacts": known.contacts, "record": stored.record, "link": stored.link, "feedback": feedback,
            });
            output.result(&shown, &shown);
        }
        Contact::Export { email } => {
            let export = desk(&installation)?.export(&whom(email)?).await?;
            output.result(&export, &export);
        }
        Contact::Delete { email } => delete(&desk(&installation)?, &whom(email)?, output).await?,
    }
    Ok(())
}

async fn delete(desk: &Desk, whom: &Whom, output: &Output) -> Result<(), CommandError> {
    let correlation_id = tandem_app::system::SystemEntropy.id();
    match desk.erase(whom, &correlation_id).await? {
        Outcome::Done(erased) => output.result(&json!({"deleted": erased.contacts}), "deleted everywhere"),
        Outcome::Queued(queued) => output.result(
            &json!({"queued": queued.job_id}),
            format!("deleted here; the platform can't be reached just now, job {} goes on with it", queued.job_id),
        ),
    }
    Ok(())
}

/// The desk of the default integration, for what needs Mautic.
pub fn desk(installation: &Installation) -> Result<Desk, CommandError> {
    installation.foundation.desk()?.ok_or_else(not_configured)
}

/// The person who has an address.
pub fn whom(email: &str) -> Result<Whom, CommandError> {
    let parsed = email.parse::<Email>();
    let email = parsed.map_err(|error| CommandError::Undone(format!("the text given {error}")))?;
    Ok(Whom { email: Some(email), ..Whom::default() })
}
