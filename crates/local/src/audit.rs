//! `tandem audit`: who changed tenants, keys and settings, and when.

use clap::Args;
use tandem_app::store::AuditEntry;

use crate::api::{Ask, Target};
use crate::failure::CommandError;
use crate::keys::Whose;
use crate::output::Output;

/// Options of `tandem audit`.
#[derive(Args)]
pub struct Audit {
    /// How many entries, the newest first.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    whose: Whose,
}

/// Runs the command.
pub async fn audit(options: &Audit, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&options.whose.tenant).await?;
    let entries: Vec<AuditEntry> = api.all_as("entries", options.limit, || Ask::get(&["audit"])).await?;
    output.result(&entries, table(&entries));
    Ok(())
}

fn table(entries: &[AuditEntry]) -> String {
    let line = |entry: &AuditEntry| {
        let fields = if entry.fields.is_empty() { String::new() } else { format!("  ({})", entry.fields.join(", ")) };
        let target = entry.target.get(..12).unwrap_or(&entry.target);
        format!("{:.0}  {:<16}  {target:<12}  by {}{fields}", entry.at, entry.action, entry.by)
    };
    if entries.is_empty() {
        "nothing was changed in the last 400 days".to_owned()
    } else {
        entries.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
