//! `tandem tenants`: who owns records, integrations and keys.

use clap::Subcommand;
use serde_json::{Value, json};
use tandem_app::api::status::TenantSummary;
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::Label;

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
use crate::keys::{label, tenant};
use crate::output::Output;

/// What to do with tenants.
#[derive(Subcommand)]
pub enum Tenants {
    /// List them.
    List,
    /// How all of them stand, in numbers.
    Status,
    /// Make one.
    Create {
        /// By what it is named in calls and commands, for good: letters, digits, `-` and `_`.
        #[arg(value_parser = tenant)]
        id: TenantId,
        /// What people call it; the id when left out.
        #[arg(long, value_parser = label)]
        name: Option<Label>,
    },
    /// Call one by another name.
    Rename {
        /// The tenant's id.
        #[arg(value_parser = tenant)]
        id: TenantId,
        /// Its new name.
        #[arg(value_parser = label)]
        name: Label,
    },
    /// Refuse its calls and let its jobs wait.
    Suspend {
        /// The tenant's id.
        #[arg(value_parser = tenant)]
        id: TenantId,
    },
    /// Serve it again.
    Resume {
        /// The tenant's id.
        #[arg(value_parser = tenant)]
        id: TenantId,
    },
    /// Delete one with everything it owns. There is no way back.
    Delete {
        /// The tenant's id.
        #[arg(value_parser = tenant)]
        id: TenantId,
        /// Its name, to say that it is the one that is meant.
        #[arg(long)]
        name: String,
    },
}

/// Runs the command.
pub async fn tenants(command: &Tenants, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    let changed = async |id: &TenantId, change: Value| {
        let id = id.to_string();
        api.ask(Ask::patch(&["tenants", &id], change)).await
    };
    let told = match command {
        Tenants::List => {
            let listed = api.all("tenants", usize::MAX, || Ask::get(&["tenants"])).await?;
            output.result(&listed, listed.iter().map(line).collect::<Vec<_>>().join("\n"));
            return Ok(());
        }
        Tenants::Status => {
            let found = api.all_as("tenants", usize::MAX, || Ask::get(&["status", "tenants"])).await?;
            output.result(&found, found.iter().map(summary).collect::<Vec<_>>().join("\n"));
            return Ok(());
        }
        Tenants::Delete { id, name } => return delete(&api, id, name, output).await,
        Tenants::Create { id, name } => {
            let name = name.as_ref().map_or_else(|| id.to_string(), ToString::to_string);
            api.ask(Ask::post(&["tenants"], json!({"id": id, "name": name}))).await?
        }
        Tenants::Rename { id, name } => changed(id, json!({"name": name})).await?,
        Tenants::Suspend { id } => changed(id, json!({"status": "suspended"})).await?,
        Tenants::Resume { id } => changed(id, json!({"status": "active"})).await?,
    };
    output.result(&told["tenant"], line(&told["tenant"]));
    Ok(())
}

/// As many calls as it takes: each goes on for some seconds.
async fn delete(api: &Api, id: &TenantId, name: &str, output: &Output) -> Result<(), CommandError> {
    let tenant = id.to_string();
    loop {
        let told = api.ask(Ask::delete(&["tenants", &tenant]).with("name", Some(name))).await?;
        if told["deleted"] == json!(true) {
            output.result(&json!({"deleted": id}), format!("deleted {id} and what it owned"));
            return Ok(());
        }
    }
}

fn line(tenant: &Value) -> String {
    let text = |name: &str| tenant[name].as_str().unwrap_or_default();
    format!("{:<20}  {:<9}  {}", text("id"), text("status"), text("name"))
}

fn summary(tenant: &TenantSummary) -> String {
    let TenantSummary { integrations, failing, parked, waiting, .. } = tenant;
    let success = tenant.last_success.map_or_else(|| "no run yet".to_owned(), |at| format!("last success {at:.0}"));
    let halted = tenant.halted_since.map(|at| format!("  HALTED since {at:.0}")).unwrap_or_default();
    format!(
        "{:<20}  {:<9}  {integrations} integrations, {failing} failing  {parked} parked  {waiting} waiting  {success}{halted}",
        tenant.tenant.to_string(),
        tenant.status
    )
}
