//! `tandem budget`: until when the platform is said to take no calls, and what to do when that is not so.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::store::BudgetTable;
use tandem_app::system::SystemClock;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::{BudgetStore, Clock};

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// Subcommands of `tandem budget`.
#[derive(Subcommand)]
pub enum Budget {
    /// Until when no call is made, if the budget is used up.
    Show,
    /// Let calls through again, whatever Mautic said. Running functions notice within half a minute.
    Clear,
}

/// Runs the command.
pub async fn budget(
    command: &Budget,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let (store, scope) = (BudgetTable::new(installation.foundation.table.clone()), Scope::default_mautic());
    let now = SystemClock.now();
    let until = store.exhausted_until(&scope).await?.filter(|until| *until > now);
    match command {
        Budget::Show => {
            let text = until.map_or_else(
                || "calls are welcome".to_owned(),
                |until| {
                    format!(
                        "used up until {until}; a call in ten minutes finds out, `tandem budget clear` lets all through"
                    )
                },
            );
            output.result(&json!({"exhaustedUntil": until}), text);
        }
        Budget::Clear => {
            store.clear(&scope).await?;
            let text = if until.is_some() { "calls are let through again" } else { "calls were welcome already" };
            output.result(&json!({"cleared": until.is_some()}), text);
        }
    }
    Ok(())
}
