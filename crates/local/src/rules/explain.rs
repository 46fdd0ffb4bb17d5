//! `tandem rules explain`: what events would do, by the rules alone. No call, no write.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tandem_app::config::Environment;
use tandem_app::events::{EventRules, ReadEvent, listed, read_item};
use tandem_app::system::SystemClock;
use tandem_core::automation::event::LifecycleEvent;
use tandem_core::automation::explain::{self, Effect, Explanation, Source, What};
use tandem_core::automation::rulebook::{ListRef, RuleBook};
use tandem_core::domain::issue::FieldIssue;
use tandem_core::mapping::RuleSet;
use tandem_core::ports::Clock;

use super::{Text, field_rules};
use crate::failure::CommandError;
use crate::output::Output;

/// Options of `tandem rules explain`.
#[derive(Args)]
pub struct Explain {
    /// An event as `POST /events` takes it, or several of one user; `-` reads standard input.
    event: PathBuf,
    /// The rules; without it those that the configuration names, else the built-in ones.
    #[arg(long)]
    file: Option<PathBuf>,
    /// What happened to the user before: a list of events. Without it nothing is known of the user.
    #[arg(long)]
    history: Option<PathBuf>,
}

/// What an event would do.
#[derive(Serialize)]
struct Explained {
    id: String,
    name: String,
    issues: Vec<FieldIssue>,
    #[serde(flatten)]
    explanation: Explanation,
}

/// Runs the command.
pub fn explain(options: &Explain, environment: &Environment, output: &Output) -> Result<(), CommandError> {
    let rules = Text::given(options.file.as_deref(), environment)?;
    let fields = field_rules()?;
    let book = match rules.book(environment, &fields) {
        Ok(book) => book,
        Err(problems) => return super::refused(&rules, &problems, output),
    };
    let history = options.history.as_deref().map(|path| read(path, &book, &fields)).transpose()?.unwrap_or_default();
    let mut known: Vec<LifecycleEvent> = history.into_iter().map(|read| read.event).collect();
    let mut explained = Vec::new();
    for ReadEvent { event, issues } in read(&options.event, &book, &fields)? {
        let explanation = explain::explain(&book, &known, &event)?;
        let (id, name) = (event.by.id.clone(), event.name.as_str().to_owned());
        explained.push(Explained { id, name, issues, explanation });
        known.push(event);
    }
    output.result(&explained, text(&explained, &book));
    Ok(())
}

fn read(path: &Path, book: &RuleBook, fields: &RuleSet) -> Result<Vec<ReadEvent>, CommandError> {
    let document: Value = serde_json::from_str(&contents(path)?)
        .map_err(|error| CommandError::Undone(format!("{}: no JSON: {error}", path.display())))?;
    // Nobody's key: a visitor's signature proves nothing here.
    let rules = EventRules { lifecycle: book, fields, now: SystemClock.now(), api_key: "" };
    let unfit = |issues: Vec<FieldIssue>| unfit(path, &issues);
    let items = listed(document).map_err(|issue| unfit(vec![issue]))?;
    items.iter().enumerate().map(|(index, item)| read_item(index, item, &rules).map_err(unfit)).collect()
}

fn contents(path: &Path) -> Result<String, CommandError> {
    let text =
        if path == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    text.map_err(CommandError::file(path))
}

fn unfit(path: &Path, issues: &[FieldIssue]) -> CommandError {
    let told: Vec<String> = issues.iter().map(|issue| format!("{}: {}", issue.field, issue.message)).collect();
    CommandError::Undone(format!("{}: {}", path.display(), told.join("; ")))
}

fn text(explained: &[Explained], book: &RuleBook) -> String {
    let mut text = String::new();
    for one in explained {
        // Writing to a string can't fail, here and below.
        let _infallible = writeln!(text, "{}  {}", one.name, one.id);
        for issue in &one.issues {
            let _infallible = writeln!(text, "  left out {}: {}", issue.field, issue.message);
        }
        for effect in &one.explanation.effects {
            let _infallible = writeln!(text, "  {}", line(effect, book));
        }
        for note in &one.explanation.notes {
            let _infallible = writeln!(text, "  note: {note}");
        }
        if one.explanation.effects.is_empty() && one.explanation.notes.is_empty() {
            let _infallible = writeln!(text, "  nothing: no rule is for this event");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn line(effect: &Effect, book: &RuleBook) -> String {
    let what = match &effect.what {
        What::Erase => "delete  the person, everywhere".to_owned(),
        What::Consent { opted_in: true } => "consent opts in".to_owned(),
        What::Consent { opted_in: false } => "consent opts out".to_owned(),
        What::Set { field, value: Value::Null } => format!("clear   {field}"),
        What::Set { field, value } => format!("set     {field} = {value}"),
        What::Add { field, number } => format!("add     {number} to {field}"),
        What::List { target, member } => {
            let word = if *member { "into   " } else { "out of " };
            format!("{word} {target} ({})", book.list(target).map(found_by).unwrap_or_default())
        }
        What::Superseded { target } => format!("leave   {target}: a later event decided it"),
    };
    let says: Vec<String> = effect.says.iter().map(source).collect();
    let says = if says.is_empty() { String::new() } else { format!("  [{}]", says.join(", ")) };
    let of = effect.of_event.as_ref().map(|id| format!("  [of event {id}]")).unwrap_or_default();
    format!("{what}{says}{of}")
}

fn found_by(list: &ListRef) -> String {
    let found = match (&list.id, &list.name) {
        (Some(id), _) => format!("number {id}"),
        (None, name) => format!("named {}", name.as_deref().unwrap_or_default()),
    };
    if list.optional { format!("{found}; skipped when missing") } else { found }
}

fn source(source: &Source) -> String {
    match source {
        Source::Rule(place) => format!("rule {place}"),
        Source::Tier(name) => format!("tier {name}"),
        Source::User => "the event's user".to_owned(),
    }
}
