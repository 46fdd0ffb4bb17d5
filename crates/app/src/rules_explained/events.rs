//! What events would do, by the rules alone. No call, no write.

use std::fmt::Write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_core::automation::event::LifecycleEvent;
use tandem_core::automation::explain::{self, Effect, Explanation, Source, What};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::error::Failure;
use tandem_core::mapping::RuleSet;

use super::describe::{List, lists_of};
use crate::events::{EventRules, ReadEvent, listed, read_item};

/// How many events are explained at a time, those of before included: each is held against all before it.
pub const MOST_EVENTS: usize = 100;

/// What an event would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Its id.
    pub id: String,
    /// What happened.
    pub name: String,
    /// What of it was left out.
    pub issues: Vec<FieldIssue>,
    /// What would be done.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// What events of one user would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainedEvents {
    /// Each of them, in the order given.
    pub events: Vec<Explained>,
    /// The lists that the rules know.
    pub lists: Vec<List>,
}

/// Why events can't be explained.
#[derive(Debug)]
pub enum Unexplained {
    /// They are no events.
    Unfit(Vec<FieldIssue>),
    /// One of them can't be done.
    Failed(Failure),
}

/// Says what events would do, one after the other; `history` came before them. Both are as `POST /events` takes events.
///
/// # Errors
/// [`Unexplained`].
pub fn explained(
    book: &RuleBook,
    fields: &RuleSet,
    now: Timestamp,
    (events, history): (Value, Option<Value>),
) -> Result<ExplainedEvents, Unexplained> {
    // Nobody's key: a visitor's signature proves nothing here.
    let rules = EventRules { lifecycle: book, fields, now, api_key: "" };
    let before = history.map(|document| read("history", document, &rules)).transpose()?.unwrap_or_default();
    let events = read("events", events, &rules)?;
    if before.len() + events.len() > MOST_EVENTS {
        let message = format!("At most {MOST_EVENTS} events are explained at a time.");
        return Err(Unexplained::Unfit(vec![FieldIssue::new("events", IssueCode::TooLong, message)]));
    }
    let mut known: Vec<LifecycleEvent> = before.into_iter().map(|read| read.event).collect();
    let mut explained = Vec::new();
    for ReadEvent { event, issues } in events {
        let explanation = explain::explain(book, &known, &event).map_err(Unexplained::Failed)?;
        let (id, name) = (event.by.id.clone(), event.name.as_str().to_owned());
        explained.push(Explained { id, name, issues, explanation });
        known.push(event);
    }
    Ok(ExplainedEvents { events: explained, lists: lists_of(book) })
}

/// Issues name an event by its place in the list of this name.
fn read(list: &str, document: Value, rules: &EventRules<'_>) -> Result<Vec<ReadEvent>, Unexplained> {
    let place = |issue: FieldIssue| FieldIssue { field: issue.field.replacen("events", list, 1), ..issue };
    let unfit = |issues: Vec<FieldIssue>| Unexplained::Unfit(issues.into_iter().map(place).collect());
    let items = listed(document).map_err(|issue| unfit(vec![issue]))?;
    items.iter().enumerate().map(|(index, item)| read_item(index, item, rules).map_err(unfit)).collect()
}

impl ExplainedEvents {
    /// The table for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for one in &self.events {
            // Writing to a string can't fail, here and below.
            let _infallible = writeln!(text, "{}  {}", one.name, one.id);
            for issue in &one.issues {
                let _infallible = writeln!(text, "  left out {}: {}", issue.field, issue.message);
            }
            for effect in &one.explanation.effects {
                let _infallible = writeln!(text, "  {}", self.line(effect));
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

    fn line(&self, effect: &Effect) -> String {
        let what = match &effect.what {
            What::Erase => "delete  the person, everywhere".to_owned(),
            What::Consent { opted_in: true } => "consent opts in".to_owned(),
            What::Consent { opted_in: false } => "consent opts out".to_owned(),
            What::Set { field, value: Value::Null } => format!("clear   {field}"),
            What::Set { field, value } => format!("set     {field} = {value}"),
            What::Add { field, number } => format!("add     {number} to {field}"),
            What::List { target, member } => {
                let word = if *member { "into   " } else { "out of " };
                let list = self.lists.iter().find(|list| list.list == *target);
                format!("{word} {target} ({})", list.map(found_by).unwrap_or_default())
            }
            What::Superseded { target } => format!("leave   {target}: a later event decided it"),
        };
        let says: Vec<String> = effect.says.iter().map(source).collect();
        let says = if says.is_empty() { String::new() } else { format!("  [{}]", says.join(", ")) };
        let of = effect.of_event.as_ref().map(|id| format!("  [of event {id}]")).unwrap_or_default();
        format!("{what}{says}{of}")
    }
}

fn found_by(list: &List) -> String {
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
