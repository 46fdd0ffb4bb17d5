//! `tandem integrations`: the platforms that a tenant's records are kept in step with.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tandem_connectors::registry::Platform;
use tandem_core::domain::tenant::Label;

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
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
    base_url: String,
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
    base_url: Option<String>,
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
    target: &Target<'_>,
    output: &Output,
) -> Result<(), CommandError> {
    let status = |status: &str| json!({"status": status});
    match command {
        IntegrationsCommand::List(whose) => {
            let listed = list(&target.api(&whose.tenant).await?).await?;
            let text = if listed.is_empty() {
                "no integrations: `tandem integrations add` makes one".to_owned()
            } else {
                listed.iter().map(line).collect::<Vec<_>>().join("\n")
            };
            output.result(&listed, text);
            Ok(())
        }
        IntegrationsCommand::Show(named) => {
            let found = find(&target.api(&named.whose.tenant).await?, &named.integration).await?;
            output.result(&found, format!("{found:#}"));
            Ok(())
        }
        IntegrationsCommand::Add(options) => add(options, target, output).await,
        IntegrationsCommand::Set(options) => {
            let mut change = options.given.wish()?;
            change.extend(options.name.as_ref().map(|name| ("name".to_owned(), json!(name))));
            change.extend(options.base_url.as_ref().map(|url| ("baseUrl".to_owned(), json!(url.trim()))));
            let api = target.api(&options.whose.tenant).await?;
            changed(&api, &options.integration, Value::Object(change), output).await
        }
        IntegrationsCommand::Pause(named) => {
            changed(&target.api(&named.whose.tenant).await?, &named.integration, status("paused"), output).await
        }
        IntegrationsCommand::Resume(named) => {
            changed(&target.api(&named.whose.tenant).await?, &named.integration, status("active"), output).await
        }
        IntegrationsCommand::Remove(options) => remove(options, target, output).await,
    }
}

async fn add(options: &Add, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let mut wish = options.given.wish()?;
    if !wish.contains_key("credentials") {
        return Err(CommandError::Undone("give --credentials FILE, or - for standard input".to_owned()));
    }
    wish.insert("platform".to_owned(), json!(options.platform.to_string()));
    wish.insert("name".to_owned(), json!(options.name));
    wish.insert("baseUrl".to_owned(), json!(options.base_url.trim()));
    let api = target.api(&options.whose.tenant).await?;
    told(&api.ask(Ask::post(&["integrations"], Value::Object(wish))).await.map_err(unconnected)?, output);
    Ok(())
}

async fn changed(api: &Api, wanted: &str, change: Value, output: &Output) -> Result<(), CommandError> {
    let id = id_of(&find(api, wanted).await?);
    told(&api.ask(Ask::patch(&["integrations", &id], change)).await.map_err(unconnected)?, output);
    Ok(())
}

/// As many calls as it takes: each goes on for some seconds.
async fn remove(options: &Remove, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&options.whose.tenant).await?;
    let id = id_of(&find(&api, &options.integration).await?);
    loop {
        let told = api.ask(Ask::delete(&["integrations", &id]).with("name", Some(&options.name))).await?;
        if told["deleted"] == json!(true) {
            output.result(&json!({"removed": id}), format!("removed {}", options.name));
            return Ok(());
        }
    }
}

fn told(done: &Value, output: &Output) {
    output.result(done, line(&done["integration"]));
}

/// What helps when the platform did not take what was given.
fn unconnected(error: CommandError) -> CommandError {
    match error {
        CommandError::Undone(message) if message.contains("nothing was stored") => {
            CommandError::Undone(format!("{message} --force stores it all the same."))
        }
        error => error,
    }
}

async fn list(api: &Api) -> Result<Vec<Value>, CommandError> {
    let mut answer = api.ask(Ask::get(&["integrations"])).await?;
    api.read(answer["integrations"].take())
}

async fn find(api: &Api, wanted: &str) -> Result<Value, CommandError> {
    let is_wanted = |known: &Value| known["id"] == wanted || known["name"] == wanted;
    list(api).await?.into_iter().find(is_wanted).ok_or_else(|| {
        CommandError::Undone("no integration has this id or name: see `tandem integrations list`".to_owned())
    })
}

fn id_of(integration: &Value) -> String {
    integration["id"].as_str().unwrap_or_default().to_owned()
}

impl Given {
    /// What goes into the body of a call.
    fn wish(&self) -> Result<Map<String, Value>, CommandError> {
        let mut wish = Map::new();
        wish.extend(self.credentials()?.map(|given| ("credentials".to_owned(), given)));
        if !self.settings.is_empty() {
            wish.insert("settings".to_owned(), self.options());
        }
        if self.force {
            wish.insert("force".to_owned(), json!(true));
        }
        Ok(wish)
    }

    fn credentials(&self) -> Result<Option<Value>, CommandError> {
        let Some(path) = &self.credentials else { return Ok(None) };
        let text = if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().take(LARGEST).read_to_string(&mut text).map_err(CommandError::file(path))?;
            text
        } else {
            std::fs::read_to_string(path).map_err(CommandError::file(path))?
        };
        let unreadable = |_| CommandError::Undone("the credentials are no JSON that can be read".to_owned());
        serde_json::from_str(&text).map(Some).map_err(unreadable)
    }

    fn options(&self) -> Value {
        let value = |text: &str| match text {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        };
        let entry = |setting: &String| {
            let (name, text) = setting.split_once('=').unwrap_or((setting, ""));
            (name.to_owned(), value(text))
        };
        Value::Object(self.settings.iter().map(entry).collect())
    }
}

/// The most that is read of credentials.
const LARGEST: u64 = 64 * 1024;

fn line(known: &Value) -> String {
    let text = |name: &str| known[name].as_str().unwrap_or_default();
    let since = text("since").parse::<Timestamp>().map(|at| format!(" since {at:.0}")).unwrap_or_default();
    let status = match (text("origin"), text("status")) {
        ("environment", status) => format!("{status} (environment)"),
        (_, status) => format!("{status}{since}"),
    };
    let reason = known["reason"].as_str().map(|reason| format!("\n    {reason}")).unwrap_or_default();
    format!("{}  {}  {}  {status}  {}{reason}", text("id"), text("platform"), text("baseUrl"), text("name"))
}
