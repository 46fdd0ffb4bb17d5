//! `tandem keys`: who may call, as whom, and what for.

use std::path::Path;

use clap::{Args, Subcommand};
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::{Value, json};
use tandem_app::admin::Admin;
use tandem_app::config::Environment;
use tandem_app::store::{ApiKey, NewKey};
use tandem_app::system::{SystemClock, new_key};
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::Label;
use tandem_core::ports::Clock;

use crate::failure::CommandError;
use crate::installation::{Installation, at_the_command};
use crate::output::Output;

/// What to do with keys.
#[derive(Subcommand)]
pub enum Keys {
    /// Make a key. It is shown once and kept as a digest only.
    Create(Create),
    /// List the keys.
    List(Whose),
    /// Take a key's right away; running functions notice within half a minute.
    Revoke {
        /// The first characters of the key's digest, as `list` shows it; or its name.
        key: String,
        #[command(flatten)]
        whose: Whose,
    },
}

/// Options of `tandem keys create`.
#[derive(Args)]
pub struct Create {
    /// What the key is for; no two valid keys of a tenant have one name.
    #[arg(value_parser = label)]
    name: Label,
    /// What may be done with it: `ingest` (records, events, visitors), `operator` (all of the tenant), `admin` (tenants).
    #[arg(long, default_value = "operator", value_parser = role)]
    role: Role,
    /// For how long it is valid: `90d`, `12h`, `1y`. For good when left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<Span>,
    #[command(flatten)]
    whose: Whose,
}

/// Which tenant.
#[derive(Args)]
pub struct Whose {
    /// The tenant's id.
    #[arg(long, default_value_t, value_parser = tenant)]
    pub tenant: TenantId,
}

/// A tenant's id from the command line.
pub fn tenant(text: &str) -> Result<TenantId, String> {
    TenantId::try_from(text.to_owned()).map_err(|error| error.to_string())
}

/// A name from the command line.
pub fn label(text: &str) -> Result<Label, String> {
    Label::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn role(text: &str) -> Result<Role, &'static str> {
    text.parse()
}

fn time(text: &str) -> Result<Span, String> {
    text.parse().map_err(|_| "give a time such as 90d or 12h".to_owned())
}

/// Runs the command.
pub async fn keys(
    command: &Keys,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let admin = Admin::new(&installation.foundation.table);
    match command {
        Keys::Create(options) => create(&admin, options, output).await,
        Keys::List(whose) => {
            let listed = all(&admin, &whose.tenant).await?;
            output.result(&listed.iter().map(key_json).collect::<Vec<_>>(), table(&listed));
            Ok(())
        }
        Keys::Revoke { key, whose } => revoke(&admin, &whose.tenant, key, output).await,
    }
}

async fn create(admin: &Admin, options: &Create, output: &Output) -> Result<(), CommandError> {
    let tenant = &options.whose.tenant;
    let (name, role) = (options.name.clone(), options.role);
    let expires_at = options.expires.map(ends).transpose()?;
    let (secret, new) = (new_key(), NewKey { tenant: tenant.clone(), name, role, expires_at });
    let made = admin.create_key(new, &secret, &at_the_command(tenant)).await?;
    let mut told = key_json(&made);
    told["key"] = json!(secret.reveal());
    output.result(&told, format!("{}\nKeep it: it is not shown again.", secret.reveal()));
    Ok(())
}

/// The moment that lies so far ahead.
fn ends(span: Span) -> Result<Timestamp, CommandError> {
    let unusable = || CommandError::Undone("--expires: give a time that ends, such as 90d".to_owned());
    let now = SystemClock.now();
    let days = SpanRelativeTo::days_are_24_hours();
    let years = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 30;
    let rest = span.years(0).months(0).to_duration(days).map_err(|_| unusable())?;
    let all = rest.checked_add(jiff::SignedDuration::from_hours(years * 24)).ok_or_else(unusable)?;
    now.checked_add(all).map_err(|_| unusable())
}

async fn revoke(admin: &Admin, tenant: &TenantId, wanted: &str, output: &Output) -> Result<(), CommandError> {
    let listed = all(admin, tenant).await?;
    let named = listed.iter().find(|key| key.revoked_at.is_none() && key.name.as_str() == wanted);
    let mut matching = listed.iter().filter(|key| key.hash.starts_with(wanted));
    let key = match (named, matching.next(), matching.next()) {
        (Some(key), _, _) | (None, Some(key), None) => key,
        (None, None, _) => {
            let message = "no key has this name, or a digest that begins so: see `tandem keys list`";
            return Err(CommandError::Undone(message.to_owned()));
        }
        (None, Some(_), Some(_)) => {
            let message = "several keys have a digest that begins so: give more of it";
            return Err(CommandError::Undone(message.to_owned()));
        }
    };
    admin.revoke_key(tenant, &key.hash, &at_the_command(tenant)).await?;
    output.result(&json!({"revoked": key.name}), format!("revoked {}", key.name));
    Ok(())
}

/// All keys of a tenant, by and by.
async fn all(admin: &Admin, tenant: &TenantId) -> Result<Vec<ApiKey>, CommandError> {
    admin.tenant(tenant).await?;
    Ok(admin.keys.list(tenant, None, usize::MAX).await?)
}

fn key_json(key: &ApiKey) -> Value {
    json!({
        "digest": key.hash, "name": key.name, "role": key.role, "createdAt": key.created_at, "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at, "lastUsedAt": key.used_at,
    })
}

fn table(keys: &[ApiKey]) -> String {
    let now = SystemClock.now();
    let line = |key: &ApiKey| {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("revoked {at:.0}"),
            (None, Some(end)) if end <= now => format!("expired {end:.0}"),
            (None, Some(end)) => format!("active until {end:.0}"),
            (None, None) => "active".to_owned(),
        };
        let used = key.used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {at:.0}"));
        let digest = key.hash.get(..12).unwrap_or(&key.hash);
        format!("{digest}  {:<8}  made {:.0}  {state}  {used}  {}", key.role.as_str(), key.created_at, key.name)
    };
    if keys.is_empty() {
        "no keys: `tandem keys create NAME` makes one".to_owned()
    } else {
        keys.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
