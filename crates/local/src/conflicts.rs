//! `tandem conflicts`: fields that the application and people in Mautic both changed, and that a person has to decide.

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tandem_app::api::records::OneRecord;
use tandem_core::domain::scope::TenantId;
use tandem_core::sync::contested::Contested;

use crate::api::{Ask, Target};
use crate::contact::found;
use crate::failure::CommandError;
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
pub async fn conflicts(command: &Conflicts, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    match command {
        Conflicts::List => {
            let listed: Vec<Contested> = api.all_as("conflicts", MOST, || Ask::get(&["conflicts"])).await?;
            output.result(&listed, table(&listed));
        }
        Conflicts::Resolve { email, field, side } => {
            let (side, told) = match side {
                Chosen::Application => ("application", "the application's value stands, and a job takes it to Mautic"),
                Chosen::Platform => ("platform", "Mautic's value stands, and the application has it"),
            };
            let undisputed = || CommandError::Undone("nobody has to decide such a field of this person".to_owned());
            let OneRecord { record } = found(&api, email).await?.ok_or_else(undisputed)?;
            let choice = json!({"record": record.key, "field": field, "side": side});
            api.ask(Ask::post(&["conflicts", "resolve"], choice)).await?;
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
