//! `tandem events`: lifecycle events, how far they have come, and queueing them again.

use std::fmt::Write;
use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tandem_app::config::Environment;
use tandem_app::http::event_view;
use tandem_app::system::SystemEntropy;
use tandem_core::automation::stored::{EventStatus, StoredEvent};
use tandem_core::domain::identity::{Email, ExternalId};
use tandem_core::ports::Entropy;
use tandem_core::sync::services::Desk;

use crate::about;
use crate::failure::CommandError;
use crate::installation::Installation;
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
    /// Every parked one, of the oldest 1,000 parked jobs.
    #[arg(long, visible_alias = "parked")]
    all: bool,
}

/// Runs the command.
pub async fn events(
    command: &Events,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let desk = installation.foundation.table_desk()?;
    match command {
        Events::List(options) => {
            let listed = list(&desk, options).await?;
            let mut people = Vec::with_capacity(listed.len());
            for event in &listed {
                people.push(about::person_of_event(&desk, event).await?);
            }
            let shown = |(event, person): (&StoredEvent, &Option<String>)| {
                let mut shown = event_view(event);
                shown["person"] = json!(person);
                shown
            };
            output.result(&listed.iter().zip(&people).map(shown).collect::<Vec<_>>(), table(&listed, &people));
        }
        Events::Show { id } => {
            let found = desk.stored_event(id).await?;
            let event = found.ok_or_else(|| CommandError::Undone("no event has this id".to_owned()))?;
            let mut shown = event_view(&event);
            let person = about::person_of_event(&desk, &event).await?;
            shown["person"] = json!(person);
            let text = detail(&event, person.as_deref(), &shown);
            output.result(&shown, text);
        }
        Events::Replay(options) => {
            let replayed = replay(&desk, options).await?;
            let text = format!("{} events are on the queue again", replayed.len());
            output.result(&json!({"replayed": replayed}), text);
        }
    }
    Ok(())
}

async fn list(desk: &Desk, options: &List) -> Result<Vec<StoredEvent>, CommandError> {
    let (status, limit) = (options.status.map(EventStatus::from), options.limit.clamp(1, MOST));
    let Some(user) = &options.user else { return Ok(desk.newest_events(status, None, limit).await?) };
    let (id, email) = (ExternalId::try_from(user.clone()).ok(), user.parse::<Email>().ok());
    Ok(desk.events_of_user(id.as_ref(), email.as_ref(), status, None, limit).await?)
}

async fn replay(desk: &Desk, options: &Replay) -> Result<Vec<String>, CommandError> {
    let correlation_id = SystemEntropy.id();
    if options.all || options.ids == [ALL] {
        return Ok(desk.replay_parked_events(&correlation_id).await?);
    }
    for (done, id) in options.ids.iter().enumerate() {
        let replayed = desk.replay_event(id, &correlation_id).await;
        replayed.map_err(|failure| CommandError::Undone(format!("{id}: {failure} ({done} before it are queued)")))?;
    }
    Ok(options.ids.clone())
}

fn table(events: &[StoredEvent], people: &[Option<String>]) -> String {
    if events.is_empty() {
        return "no such event".to_owned();
    }
    let line = |(event, person): (&StoredEvent, &Option<String>)| line(event, person.as_deref());
    events.iter().zip(people).map(line).collect::<Vec<_>>().join("\n")
}

fn line(event: &StoredEvent, person: Option<&str>) -> String {
    let left = event.steps.iter().filter(|step| step.is_open()).count();
    let steps = match (event.steps.len(), left) {
        (0, _) => "no steps".to_owned(),
        (all, 0) => format!("{all} steps"),
        (all, left) => format!("{left} of {all} steps left"),
    };
    let note = event.note.as_ref().map(|note| format!("\n    {note}")).unwrap_or_default();
    let at = event.by.at.strftime("%Y-%m-%d %H:%M:%S");
    let (status, name, person) = (status(event.status), event.name.as_str(), person.unwrap_or("nobody known"));
    format!("{at}  {status:<10}  {name:<24}  {person}  {}  {steps}{note}", event.by.id)
}

/// The steps are shown by the names that callers of the API see.
fn detail(event: &StoredEvent, person: Option<&str>, shown: &Value) -> String {
    let mut text = line(event, person);
    let contact = event.contact.as_ref().map_or("not known yet", |contact| contact.0.as_str());
    let received = event.received_at.strftime("%Y-%m-%d %H:%M:%S");
    // Writing to a string can't fail, here and below.
    let _infallible = write!(text, "\n  received {received}, contact {contact}, attempts {}", event.attempts);
    for step in shown["steps"].as_array().into_iter().flatten() {
        let part = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
        let note = if step["note"].is_null() { String::new() } else { format!("  {}", part("note")) };
        let what = if step["target"].is_null() { part("kind") } else { part("target") };
        let _infallible = write!(text, "\n  {:<10}  {:<8}  {what}{note}", part("status"), part("action"));
    }
    text
}

fn status(status: EventStatus) -> &'static str {
    match status {
        EventStatus::Pending => "pending",
        EventStatus::Processing => "processing",
        EventStatus::Completed => "completed",
        EventStatus::Parked => "parked",
    }
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
