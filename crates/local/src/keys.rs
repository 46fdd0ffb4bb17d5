//! `tandem keys`: who may call, as whom, and what for.

use clap::{Args, Subcommand};
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::{Value, json};
use tandem_app::system::SystemClock;
use tandem_core::domain::role::Role;
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::Label;
use tandem_core::ports::Clock;

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
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
pub async fn keys(command: &Keys, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    match command {
        Keys::Create(options) => create(target, options, output).await,
        Keys::List(whose) => {
            let listed = all(&target.api(&whose.tenant).await?).await?;
            output.result(&listed, table(&listed));
            Ok(())
        }
        Keys::Revoke { key, whose } => revoke(&target.api(&whose.tenant).await?, key, output).await,
    }
}

async fn create(target: &Target<'_>, options: &Create, output: &Output) -> Result<(), CommandError> {
    let tenant = &options.whose.tenant;
    let mut wish = json!({"name": options.name, "role": options.role});
    if let Some(span) = options.expires {
        wish["expiresAt"] = json!(ends(span)?);
    }
    // Over HTTP, a key of another tenant is what an administrator makes.
    let id = tenant.to_string();
    let is_afar = target.url.is_some() && !tenant.is_default();
    let made = if is_afar {
        target.api(&TenantId::default()).await?.ask(Ask::post(&["tenants", &id, "keys"], wish)).await?
    } else {
        target.api(tenant).await?.ask(Ask::post(&["keys"], wish)).await?
    };
    let secret = made["secret"].as_str().unwrap_or_default();
    let mut told = made["key"].clone();
    told["key"] = json!(secret);
    output.result(&told, format!("{secret}\nKeep it: it is not shown again."));
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

async fn revoke(api: &Api, wanted: &str, output: &Output) -> Result<(), CommandError> {
    let listed = all(api).await?;
    let text = |key: &Value, name: &str| key[name].as_str().unwrap_or_default().to_owned();
    let named = listed.iter().find(|key| key["revokedAt"].is_null() && text(key, "name") == wanted);
    let mut matching = listed.iter().filter(|key| text(key, "digest").starts_with(wanted));
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
    let (digest, name) = (text(key, "digest"), text(key, "name"));
    api.ask(Ask::delete(&["keys", &digest])).await?;
    output.result(&json!({"revoked": name}), format!("revoked {name}"));
    Ok(())
}

/// All keys of a tenant, by and by.
async fn all(api: &Api) -> Result<Vec<Value>, CommandError> {
    api.all("keys", usize::MAX, || Ask::get(&["keys"])).await
}

fn table(keys: &[Value]) -> String {
    if keys.is_empty() {
        return "no keys: `tandem keys create NAME` makes one".to_owned();
    }
    keys.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(key: &Value) -> String {
    let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
    let moment = |name: &str| {
        let at = key[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        at.map(|at| format!("{at:.0}"))
    };
    let state = match (text("status").as_str(), moment("revokedAt"), moment("expiresAt")) {
        (_, Some(at), _) => format!("revoked {at}"),
        ("expired", None, Some(end)) => format!("expired {end}"),
        (_, None, Some(end)) => format!("active until {end}"),
        (_, None, None) => "active".to_owned(),
    };
    let used = moment("lastUsedAt").map_or_else(|| "never used".to_owned(), |at| format!("used {at}"));
    let digest = text("digest");
    let digest = digest.get(..12).unwrap_or(&digest);
    let made = moment("createdAt").unwrap_or_default();
    format!("{digest}  {:<8}  made {made}  {state}  {used}  {}", text("role"), text("name"))
}
