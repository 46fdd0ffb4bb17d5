//! `tandem integrations`: the platforms that a tenant's records are kept in step with.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tandem_app::admin::Refused;
use tandem_app::admin::integrations::{IntegrationChange, Integrations, Known, NewIntegration, Tried};
use tandem_app::config::Environment;
use tandem_app::http::{connection_view, integration_view, read_credentials, read_options};
use tandem_app::store::{IntegrationStatus, StoredIntegration};
use tandem_connectors::registry::{Credentials, IntegrationSettings, Options, Platform};
use tandem_core::domain::scope::TenantId;
use tandem_core::domain::tenant::Label;

use crate::failure::CommandError;
use crate::installation::{Installation, at_the_command};
use crate::keys::{Whose, label};
use crate::output::Output;

/// What to do with integrations.
#[derive(Subcommand)]
pub enum IntegrationsCommand {
    /// List them.
    List(Whose),
    /// Show one.
    Show(Named),
    /// Store one, when the platform takes its credentials.
    Add(Add),
    /// Change one; new credentials are tried first.
    Set(Set),
    /// Send and read nothing until it is resumed.
    Pause(Named),
    /// Go on with one that was paused.
    Resume(Named),
    /// Remove one with all that belongs to it. Contacts on the platform stay.
    Remove(Remove),
}

/// One integration.
#[derive(Args)]
pub struct Named {
    /// Its id, or its name.
    integration: String,
    #[command(flatten)]
    whose: Whose,
}

/// Options of `tandem integrations add`.
#[derive(Args)]
pub struct Add {
    /// What people call it; no two of a tenant have one name.
    #[arg(value_parser = label)]
    name: Label,
    /// Which platform.
    #[arg(long, default_value = "mautic", value_parser = platform)]
    platform: Platform,
    /// Where it is.
    #[arg(long)]
    url: String,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    whose: Whose,
}

/// Options of `tandem integrations set`.
#[derive(Args)]
pub struct Set {
    /// Its id, or its name.
    integration: String,
    /// Its new name.
    #[arg(long, value_parser = label)]
    name: Option<Label>,
    /// Its new address; credentials must be given with it.
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    whose: Whose,
}

/// What both take.
#[derive(Args)]
struct Given {
    /// A file with `{"clientId":…,"clientSecret":…}` or `{"username":…,"password":…}`; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// A setting, as JSON or text: `conflictStrategy=manual`, `pullIntervalMinutes=30`; without a value it is as usual again.
    #[arg(long = "setting", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Store it whatever the platform says.
    #[arg(long)]
    force: bool,
}

/// Options of `tandem integrations remove`.
#[derive(Args)]
pub struct Remove {
    /// Its id, or its name.
    integration: String,
    /// Its name, to say that it is the one that is meant.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    whose: Whose,
}

fn platform(text: &str) -> Result<Platform, &'static str> {
    text.parse()
}

/// Runs the command.
pub async fn integrations(
    command: &IntegrationsCommand,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let all = Integrations::new(&installation.foundation);
    let paused = |paused| IntegrationChange { paused: Some(paused), ..IntegrationChange::default() };
    match command {
        IntegrationsCommand::List(whose) => {
            let listed = all.list(&whose.tenant).await?;
            let text = listed.iter().map(line).collect::<Vec<_>>().join("\n");
            let text = if listed.is_empty() {
                "no integrations: `tandem integrations add` makes one".to_owned()
            } else {
                text
            };
            output.result(&listed.iter().map(integration_view).collect::<Vec<_>>(), text);
            Ok(())
        }
        IntegrationsCommand::Show(named) => {
            let found = find(&all, &named.whose.tenant, &named.integration).await?;
            let view = integration_view(&found);
            output.result(&view, format!("{view:#}"));
            Ok(())
        }
        IntegrationsCommand::Add(options) => add(&all, options, output).await,
        IntegrationsCommand::Set(options) => set(&all, options, output).await,
        IntegrationsCommand::Pause(named) => change(&all, named, paused(true), output).await,
        IntegrationsCommand::Resume(named) => change(&all, named, paused(false), output).await,
        IntegrationsCommand::Remove(options) => {
            let tenant = &options.whose.tenant;
            let found = find(&all, tenant, &options.integration).await?;
            all.remove(tenant, found.id(), &options.name, None, &at_the_command(tenant), Duration::MAX).await?;
            output.result(&json!({"removed": found.id()}), format!("removed {}", options.name));
            Ok(())
        }
    }
}

async fn add(all: &Integrations, options: &Add, output: &Output) -> Result<(), CommandError> {
    let tenant = &options.whose.tenant;
    let credentials = options.given.credentials()?;
    let credentials = credentials
        .ok_or_else(|| CommandError::Undone("give --credentials FILE, or - for standard input".to_owned()))?;
    let settings = IntegrationSettings {
        platform: options.platform,
        base_url: options.url.trim().to_owned(),
        options: options.given.options(&Options::default())?.unwrap_or_default(),
    };
    let new = NewIntegration { name: options.name.clone(), settings, credentials, webhook_secret: None };
    let made = all.create(tenant, new, options.given.force, &at_the_command(tenant)).await;
    told(made.map_err(unconnected)?, output);
    Ok(())
}

async fn set(all: &Integrations, options: &Set, output: &Output) -> Result<(), CommandError> {
    let tenant = &options.whose.tenant;
    let found = find(all, tenant, &options.integration).await?;
    let now = match &found {
        Known::Stored(stored) => stored.settings.options.clone(),
        Known::Environment { .. } => Options::default(),
    };
    let change = IntegrationChange {
        name: options.name.clone(),
        base_url: options.url.as_ref().map(|url| url.trim().to_owned()),
        options: options.given.options(&now)?,
        credentials: options.given.credentials()?,
        ..IntegrationChange::default()
    };
    let done = all.change(tenant, found.id(), change, options.given.force, None, &at_the_command(tenant)).await;
    told(done.map_err(unconnected)?, output);
    Ok(())
}

async fn change(
    all: &Integrations,
    named: &Named,
    change: IntegrationChange,
    output: &Output,
) -> Result<(), CommandError> {
    let tenant = &named.whose.tenant;
    let found = find(all, tenant, &named.integration).await?;
    told(all.change(tenant, found.id(), change, false, None, &at_the_command(tenant)).await?, output);
    Ok(())
}

fn told((stored, tried): (StoredIntegration, Tried), output: &Output) {
    let known = Known::Stored(Box::new(stored));
    let connection = tried.as_ref().map(connection_view);
    output.result(&json!({"integration": integration_view(&known), "connection": connection}), line(&known));
}

/// What helps when the platform did not take what was given.
fn unconnected(refused: Refused) -> CommandError {
    match refused {
        Refused::NotConnected(failure) => {
            CommandError::Undone(format!("{failure} Nothing was stored; --force stores it all the same."))
        }
        refused => refused.into(),
    }
}

async fn find(all: &Integrations, tenant: &TenantId, wanted: &str) -> Result<Known, CommandError> {
    let listed = all.list(tenant).await?;
    let is_wanted = |known: &Known| known.id().to_string() == wanted || known.name() == wanted;
    listed.into_iter().find(is_wanted).ok_or_else(|| {
        CommandError::Undone("no integration has this id or name: see `tandem integrations list`".to_owned())
    })
}

impl Given {
    fn credentials(&self) -> Result<Option<Credentials>, CommandError> {
        let Some(path) = &self.credentials else { return Ok(None) };
        let text = if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().take(LARGEST).read_to_string(&mut text).map_err(CommandError::file(path))?;
            text
        } else {
            std::fs::read_to_string(path).map_err(CommandError::file(path))?
        };
        let unreadable = || CommandError::Undone("the credentials are no JSON that can be read".to_owned());
        let given: Value = serde_json::from_str(&text).map_err(|_| unreadable())?;
        read_credentials(&given).map(Some).map_err(|issues| Refused::Invalid(issues).into())
    }

    fn options(&self, now: &Options) -> Result<Option<Options>, CommandError> {
        if self.settings.is_empty() {
            return Ok(None);
        }
        let value = |text: &str| match text {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        };
        let entry = |setting: &String| {
            let (name, text) = setting.split_once('=').unwrap_or((setting, ""));
            (name.to_owned(), value(text))
        };
        let given = Value::Object(self.settings.iter().map(entry).collect());
        Ok(Some(read_options(&given, now).map_err(Refused::Invalid)?))
    }
}

/// The most that is read of credentials.
const LARGEST: u64 = 64 * 1024;

fn line(known: &Known) -> String {
    let (status, reason) = match known {
        Known::Environment { .. } => ("active (environment)".to_owned(), String::new()),
        Known::Stored(stored) => match &stored.status {
            IntegrationStatus::Active => ("active".to_owned(), String::new()),
            IntegrationStatus::Paused { since } => (format!("paused since {since:.0}"), String::new()),
            IntegrationStatus::Error { since, reason } => {
                (format!("error since {since:.0}"), format!("\n    {reason}"))
            }
            IntegrationStatus::Removing { since } => (format!("removing since {since:.0}"), String::new()),
        },
    };
    format!("{}  {}  {}  {status}  {}{reason}", known.id(), known.platform(), known.base_url(), known.name())
}
