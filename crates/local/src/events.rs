//! `tandem events`: lifecycle events, how far they have come, and queueing them again.

use std::fmt::Write;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_core::automation::stored::EventStatus;
use tandem_core::domain::identity::Email;
use tandem_core::domain::scope::TenantId;

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
use crate::jobs::ALL;
use crate::output::Output;

/// The most events that a list shows.
const MOST: usize = 1_000;

/// What to do with events.
#[derive(Subcommand)]
pub enum Events {
    /// List events, the newest first.
    List(List),
    /// Show one with its steps.
    Show {
        /// The event's id.
        id: String,
    },
    /// Queue events again, once what stopped them is gone; they go on with the steps that are left.
    Replay(Replay),
}

/// Options of `tandem events list`.
#[derive(Args)]
pub struct List {
    /// Only those that have come this far.
    #[arg(long)]
    status: Option<Status>,
    /// Only those of this user: an address, or the application's id.
    #[arg(long)]
    user: Option<String>,
    /// Only those that came on this day (in UTC), such as 2026-11-28.
    #[arg(long)]
    day: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// How far an event has come.
#[derive(Clone, Copy, ValueEnum)]
pub enum Status {
    /// Stored.
    Pending,
    /// Some steps are left.
    Processing,
    /// All is done.
    Completed,
    /// A person is needed.
    Parked,
}

/// Options of `tandem events replay`.
#[derive(Args)]
pub struct Replay {
    /// The events' ids; `all` for every parked one.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// Every parked one, the newest 1,000.
    #[arg(long, visible_alias = "parked")]
    all: bool,
}

/// Runs the command.
pub async fn events(command: &Events, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    match command {
        Events::List(options) => {
            let listed = list(&api, options).await?;
            output.result(&listed, table(&listed));
        }
        Events::Show { id } => {
            let unknown = || CommandError::Undone("no event has this id".to_owned());
            let event = api.find(Ask::get(&["events", id])).await?.ok_or_else(unknown)?;
            output.result(&event["event"], detail(&event["event"]));
        }
        Events::Replay(options) => {
            let replayed = replay(&api, options).await?;
            let text = format!("{} events are on the queue again", replayed.len());
            output.result(&json!({"replayed": replayed}), text);
        }
    }
    Ok(())
}

async fn list(api: &Api, options: &List) -> Result<Vec<Value>, CommandError> {
    let limit = options.limit.clamp(1, MOST);
    let status = options.status.map(|status| json!(EventStatus::from(status)));
    let status = status.as_ref().and_then(Value::as_str);
    let day = options.day.as_deref();
    // Whoever can be an address is one: no application's id looks like it by chance.
    let email = options.user.as_deref().filter(|user| user.parse::<Email>().is_ok());
    let id = options.user.as_deref().filter(|_| email.is_none());
    let ask = || Ask::get(&["events"]).with("status", status).with("day", day).with("userId", id).with("email", email);
    api.all("events", limit, ask).await
}

async fn replay(api: &Api, options: &Replay) -> Result<Vec<String>, CommandError> {
    if options.all || options.ids == [ALL] {
        return replay_parked(api).await;
    }
    for (done, id) in options.ids.iter().enumerate() {
        let replayed = api.ask(Ask::post(&["events", id, "replay"], json!({}))).await;
        replayed.map_err(|failure| CommandError::Undone(format!("{id}: {failure} ({done} before it are queued)")))?;
    }
    Ok(options.ids.clone())
}

/// By their jobs: of an event that was done meanwhile, or forgotten with its user, nothing is left to do.
async fn replay_parked(api: &Api) -> Result<Vec<String>, CommandError> {
    let parked = api.all("events", MOST, || Ask::get(&["events"]).with("status", Some("parked"))).await?;
    let mut replayed = Vec::new();
    for id in parked.iter().filter_map(|event| event["id"].as_str()) {
        let replay = Ask::post(&["events", id, "replay"], json!({}));
        if api.find_unless(replay, "event_is_completed").await?.is_some() {
            replayed.push(id.to_owned());
        }
    }
    replayed.sort();
    Ok(replayed)
}

fn table(events: &[Value]) -> String {
    if events.is_empty() {
        return "no such event".to_owned();
    }
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let steps = event["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_open = |step: &&Value| matches!(step["status"].as_str(), Some("pending" | "failed"));
    let steps = match (steps.len(), steps.iter().filter(is_open).count()) {
        (0, _) => "no steps".to_owned(),
        (all, 0) => format!("{all} steps"),
        (all, left) => format!("{left} of {all} steps left"),
    };
    let note = event["note"].as_str().map(|note| format!("\n    {note}")).unwrap_or_default();
    let (at, status, name) = (moment(&event["time"]), text("status"), text("name"));
    let person = event["person"].as_str().unwrap_or("nobody known");
    format!("{at}  {status:<10}  {name:<24}  {person}  {}  {steps}{note}", text("id"))
}

fn moment(value: &Value) -> String {
    let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

fn detail(event: &Value) -> String {
    let mut text = line(event);
    let contact = match &event["contactId"] {
        Value::Null => "not known yet".to_owned(),
        Value::String(id) => id.clone(),
        other => other.to_string(),
    };
    let received = moment(&event["receivedAt"]);
    // Writing to a string can't fail, here and below.
    let _infallible = write!(text, "\n  received {received}, contact {contact}, attempts {}", event["attempts"]);
    for step in event["steps"].as_array().into_iter().flatten() {
        let part = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
        let note = if step["note"].is_null() { String::new() } else { format!("  {}", part("note")) };
        let what = if step["target"].is_null() { part("kind") } else { part("target") };
        let _infallible = write!(text, "\n  {:<10}  {:<8}  {what}{note}", part("status"), part("action"));
    }
    text
}

impl From<Status> for EventStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Processing => Self::Processing,
            Status::Completed => Self::Completed,
            Status::Parked => Self::Parked,
        }
    }
}
