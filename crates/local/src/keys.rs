//! `tandem keys`: who may call.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::store::{ApiKey, ApiKeys};
use tandem_app::system::SystemClock;
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::Clock;

use crate::failure::CommandError;
use crate::installation::{Installation, new_key};
use crate::output::Output;

/// What to do with keys.
#[derive(Subcommand)]
pub enum Keys {
    /// Make a key. It is shown once and kept as a digest only.
    Create {
        /// What the key is for.
        name: String,
    },
    /// List the keys.
    List,
    /// Take a key's right away; running functions notice within a minute.
    Revoke {
        /// The first characters of the key's digest, as `list` shows it.
        digest: String,
    },
}

/// Runs the command.
pub async fn keys(
    command: &Keys,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let keys = ApiKeys::new(installation.foundation.table.clone());
    let tenant = TenantId::default();
    match command {
        Keys::Create { name } => {
            let secret = new_key();
            keys.create(&tenant, name, &secret, SystemClock.now()).await?;
            let key = secret.reveal();
            output.result(&json!({"name": name, "key": key}), format!("{key}\nKeep it: it is not shown again."));
            Ok(())
        }
        Keys::List => {
            let listed = keys.list(&tenant).await?;
            output.result(&listed.iter().map(key_json).collect::<Vec<_>>(), table(&listed));
            Ok(())
        }
        Keys::Revoke { digest } => revoke(&keys, &tenant, digest, output).await,
    }
}

async fn revoke(keys: &ApiKeys, tenant: &TenantId, digest: &str, output: &Output) -> Result<(), CommandError> {
    let listed = keys.list(tenant).await?;
    let mut matching = listed.iter().filter(|key| key.hash.starts_with(digest));
    match (matching.next(), matching.next()) {
        (Some(key), None) => {
            keys.revoke(tenant, &key.hash, SystemClock.now()).await?;
            output.result(&json!({"revoked": key.name}), format!("revoked {}", key.name));
            Ok(())
        }
        (None, _) => Err(CommandError::Undone("no key has a digest that begins so: see `tandem keys list`".to_owned())),
        (Some(_), Some(_)) => {
            Err(CommandError::Undone("several keys have a digest that begins so: give more of it".to_owned()))
        }
    }
}

fn key_json(key: &ApiKey) -> serde_json::Value {
    json!({"digest": key.hash, "name": key.name, "createdAt": key.created_at, "revokedAt": key.revoked_at})
}

fn table(keys: &[ApiKey]) -> String {
    let line = |key: &ApiKey| {
        let state = key.revoked_at.map_or_else(|| "active".to_owned(), |at| format!("revoked {at}"));
        format!("{}  {}  {state}  {}", key.hash.get(..12).unwrap_or(&key.hash), key.created_at, key.name)
    };
    if keys.is_empty() {
        "no keys: `tandem keys create NAME` makes one".to_owned()
    } else {
        keys.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
