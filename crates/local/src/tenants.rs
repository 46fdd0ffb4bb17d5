//! `tandem tenants`: who owns records, integrations and keys.

use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};
use tandem_app::admin::{Admin, TenantChange};
use tandem_app::config::Environment;
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::{Label, Tenant, TenantStatus};

use crate::failure::CommandError;
use crate::installation::{Installation, at_the_command};
use crate::keys::{label, tenant};
use crate::output::Output;

/// What to do with tenants.
#[derive(Subcommand)]
pub enum Tenants {
    /// List them.
    List,
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
pub async fn tenants(
    command: &Tenants,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let admin = Admin::new(&installation.foundation.table);
    let by = at_the_command(&TenantId::default());
    let suspended = |suspended| TenantChange { suspended: Some(suspended), ..TenantChange::default() };
    let tenant = match command {
        Tenants::List => {
            let listed = admin.list_tenants(None, usize::MAX).await?;
            let text = listed.iter().map(line).collect::<Vec<_>>().join("\n");
            output.result(&listed.iter().map(tenant_json).collect::<Vec<_>>(), text);
            return Ok(());
        }
        Tenants::Delete { id, name } => {
            admin.delete_tenant(id, name, &by, &|| true).await?;
            output.result(&json!({"deleted": id}), format!("deleted {id} and what it owned"));
            return Ok(());
        }
        Tenants::Create { id, name } => {
            let name = match name {
                Some(name) => name.clone(),
                None => Label::try_from(id.to_string()).map_err(|error| CommandError::Undone(error.to_string()))?,
            };
            admin.create_tenant(id.clone(), name, &by).await?
        }
        Tenants::Rename { id, name } => {
            let change = TenantChange { name: Some(name.clone()), ..TenantChange::default() };
            admin.change_tenant(id, change, None, &by).await?
        }
        Tenants::Suspend { id } => admin.change_tenant(id, suspended(true), None, &by).await?,
        Tenants::Resume { id } => admin.change_tenant(id, suspended(false), None, &by).await?,
    };
    output.result(&tenant_json(&tenant), line(&tenant));
    Ok(())
}

fn status(tenant: &Tenant) -> &'static str {
    match tenant.status {
        TenantStatus::Active => "active",
        TenantStatus::Suspended { .. } => "suspended",
        TenantStatus::Deleting { .. } => "deleting",
    }
}

fn tenant_json(tenant: &Tenant) -> Value {
    json!({"id": tenant.id, "name": tenant.name, "status": status(tenant), "createdAt": tenant.created_at})
}

fn line(tenant: &Tenant) -> String {
    format!("{:<20}  {:<9}  {}", tenant.id.to_string(), status(tenant), tenant.name)
}
