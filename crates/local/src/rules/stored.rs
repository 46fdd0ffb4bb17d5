//! Lifecycle rules in the table, by version.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::api::versions::{RulesVersion, Versions};
use tandem_app::config::Environment;
use tandem_app::lifecycle_rules::StoredRules;
use tandem_app::mappings::{Setting, Taken};
use tandem_core::domain::scope::TenantId;

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::mappings::act;
use crate::output::Output;

/// What to do with rules in the table.
#[derive(Subcommand)]
pub enum Stored {
    /// The versions that were stored, the newest first.
    List,
    /// Print the rules that count, or a stored version.
    Show(Show),
    /// Store rules: they count instead of those of the configuration.
    Set(Set),
    /// Make an older version the one that counts again; 0 are the rules of the configuration.
    Rollback(Rollback),
}

/// Options of `tandem rules show`.
#[derive(Args)]
pub struct Show {
    /// The stored version.
    #[arg(long)]
    pub(super) version: Option<u64>,
}

/// Options of `tandem rules set`.
#[derive(Args)]
pub struct Set {
    /// The rules, in TOML.
    pub(super) file: PathBuf,
    /// What this version is for, for those who read the list.
    #[arg(long)]
    pub(super) note: Option<String>,
    /// Only if this version counts still.
    #[arg(long)]
    pub(super) if_version: Option<u64>,
}

/// Options of `tandem rules rollback`.
#[derive(Args)]
pub struct Rollback {
    /// The version to go back to.
    pub(super) version: u64,
}

/// Runs the command.
pub async fn stored(
    command: &Stored,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let (rules, tenant) = (installation.foundation.lifecycle_rules(), TenantId::default());
    let fields = &installation.foundation.rules;
    match command {
        Stored::List => {
            let versions = Versions::of_rules(&rules.list(&tenant).await?);
            output.result(&versions, list(&versions.versions));
            Ok(())
        }
        Stored::Show(Show { version: None }) => {
            let active = rules.active(&tenant).await?;
            let shown = json!({"version": active.version, "stored": active.are_stored(), "rules": active.text()});
            output.result(&shown, active.text().trim_end());
            Ok(())
        }
        Stored::Show(Show { version: Some(number) }) => {
            let version = rules.version(&tenant, *number).await?.ok_or_else(unknown)?;
            let text = version.content.text.as_deref().unwrap_or(CONFIGURED);
            output.result(&json!({"version": number, "rules": version.content.text}), text.trim_end());
            Ok(())
        }
        Stored::Set(options) => {
            let text = std::fs::read_to_string(&options.file).map_err(CommandError::file(&options.file))?;
            let setting = Setting { act: act(environment), note: options.note.clone(), seen: options.if_version };
            told(rules.set(&tenant, Some(&text), fields, setting).await?, output)
        }
        Stored::Rollback(options) => {
            let setting = Setting { act: act(environment), note: None, seen: None };
            told(rules.roll_back(&tenant, options.version, fields, setting).await?, output)
        }
    }
}

/// The versions for people.
pub(super) fn list(versions: &[RulesVersion]) -> String {
    if versions.is_empty() {
        return "no rules are stored: those of the configuration count".to_owned();
    }
    let line = |version: &RulesVersion| {
        let at = version.set_at.strftime("%Y-%m-%d %H:%M UTC");
        let note = version.note.as_deref().map(|note| format!("  {note}")).unwrap_or_default();
        let what = if version.stored { "" } else { "  (those of the configuration)" };
        format!("{:>4}  {at}  {}{note}{what}", version.version, version.set_by)
    };
    versions.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What stands in the place of rules where a version has none.
pub(super) const CONFIGURED: &str = "# The rules of the configuration count.";

pub(super) fn unknown() -> CommandError {
    CommandError::Undone("there is no such version: `tandem rules list` shows those that are kept".to_owned())
}

fn told(taken: Taken<StoredRules>, output: &Output) -> Result<(), CommandError> {
    match taken {
        Taken::Set { version, .. } => {
            output.result(
                &json!({"version": version.version}),
                format!("version {} counts from now on", version.version),
            );
            Ok(())
        }
        Taken::Same(number) => {
            output.result(&json!({"version": number}), format!("version {number} says the same already"));
            Ok(())
        }
        Taken::Refused(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            output.result(&json!({"problems": lines}), lines.join("\n"));
            Err(CommandError::Undone(format!("the rules can't be used (problems: {})", problems.len())))
        }
        Taken::Changed(number) => {
            Err(CommandError::Undone(format!("version {number} was set meanwhile: look at it, and set yours again")))
        }
        Taken::Unknown => Err(unknown()),
    }
}
