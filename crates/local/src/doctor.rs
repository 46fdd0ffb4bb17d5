//! `tandem doctor`: what is wrong in Mautic that only a person can put right.

use std::path::Path;

use clap::Subcommand;
use tandem_app::config::Environment;
use tandem_core::sync::doctor::SharedAddress;

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// What to look for.
#[derive(Subcommand)]
pub enum Doctor {
    /// Addresses that several contacts have: Mautic takes no change of any of them until they are merged there. Reads all
    /// contacts, 500 a call.
    Duplicates,
}

/// Runs the command.
pub async fn doctor(
    command: &Doctor,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    match command {
        Doctor::Duplicates => {
            let shared = installation.desk()?.shared_addresses().await?;
            output.result(&shared, table(&shared));
        }
    }
    Ok(())
}

fn table(shared: &[SharedAddress]) -> String {
    if shared.is_empty() {
        return "no address has more than one contact".to_owned();
    }
    let lines = shared.iter().map(|one| {
        let ids: Vec<&str> = one.contacts.iter().map(|id| id.0.as_str()).collect();
        format!("{}  contacts {}", one.email, ids.join(", "))
    });
    lines.chain([ADVICE.to_owned()]).collect::<Vec<_>>().join("\n")
}

const ADVICE: &str = "Merge each set in Mautic: open a contact, then Merge. Tandem tries again by itself within a day; \
                      `tandem jobs replay ID` does it at once.";
