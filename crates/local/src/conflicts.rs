//! `tandem conflicts`: fields that the application and people in Mautic both changed, and that a person has to decide.

use std::path::Path;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::system::SystemEntropy;
use tandem_core::ports::Entropy;
use tandem_core::sync::conflict::Side;
use tandem_core::sync::contested::Contested;

use crate::contact::whom;
use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// The most people that a list shows.
const MOST: usize = 1_000;

/// What to do with fields that both sides changed.
#[derive(Subcommand)]
pub enum Conflicts {
    /// List them with both values.
    List,
    /// Decide one: the chosen side's value goes to the other.
    Resolve {
        /// The person's address.
        email: String,
        /// The application's name of the field.
        field: String,
        /// Whose value stands.
        side: Chosen,
    },
}

/// Whose value stands.
#[derive(Clone, Copy, ValueEnum)]
pub enum Chosen {
    /// The application's: it goes to Mautic.
    Application,
    /// Mautic's: it goes to the application.
    Platform,
}

/// Runs the command.
pub async fn conflicts(
    command: &Conflicts,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    // Whatever is decided, a job takes it to Mautic.
    let desk = installation.foundation.table_desk()?;
    match command {
        Conflicts::List => {
            let listed = desk.contested(MOST).await?;
            output.result(&listed, table(&listed));
        }
        Conflicts::Resolve { email, field, side } => {
            let (side, told) = match side {
                Chosen::Application => {
                    (Side::Application, "the application's value stands, and a job takes it to Mautic")
                }
                Chosen::Platform => (Side::Platform, "Mautic's value stands, and the application has it"),
            };
            desk.decide(&whom(email)?, field, side, &SystemEntropy.id()).await?;
            output.result(&json!({"resolved": field}), told);
        }
    }
    Ok(())
}

fn table(people: &[Contested]) -> String {
    if people.is_empty() {
        return "no field waits for a person".to_owned();
    }
    let lines = people.iter().flat_map(|person| {
        let email = person.email.as_ref().map_or("?", |email| email.as_str());
        person.fields.iter().map(move |(field, both)| {
            format!(
                "{email}  {field}  application: {}  platform: {}  since {}",
                both.application, both.platform, both.since
            )
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}
