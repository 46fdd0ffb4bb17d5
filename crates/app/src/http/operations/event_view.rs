//! How events are shown to callers.

use serde_json::{Map, Value, json};
use tandem_core::automation::accept::Taken;
use tandem_core::automation::event::{EventStatus, Step, StepAction, StoredEvent};
use tandem_core::automation::target::Target;
use tandem_core::domain::issue::FieldIssue;

use crate::events::ReadEvent;
use crate::http::envelope::Reply;
use crate::http::visitor;

/// What became of one item of a call.
pub enum Item {
    /// It was taken.
    Taken {
        /// The event, and whether it was known.
        taken: Box<Taken>,
        /// What of it was left out.
        issues: Vec<FieldIssue>,
        /// Whether it named a visitor of the website.
        visitor: bool,
    },
    /// It can't be taken.
    Rejected(Vec<FieldIssue>),
}

/// The answer to a call: counts, and a result for each item in its order. 202 while anything is left to the queue.
pub fn answer(items: &[Item], api_key: &str, waited: bool) -> Reply {
    let count = |wanted: fn(&Item) -> bool| items.iter().filter(|item| wanted(item)).count();
    let data = json!({
        "success": true,
        "accepted": count(|item| matches!(item, Item::Taken { taken, .. } if !taken.duplicate)),
        "duplicates": count(|item| matches!(item, Item::Taken { taken, .. } if taken.duplicate)),
        "rejected": count(|item| matches!(item, Item::Rejected(_))),
        "events": items.iter().enumerate().map(|(index, item)| result(index, item, api_key, waited)).collect::<Vec<_>>(),
    });
    let is_finished = |item: &Item| match item {
        Item::Taken { taken, .. } => taken.event.status == EventStatus::Completed,
        Item::Rejected(_) => true,
    };
    if waited && items.iter().all(is_finished) { Reply::Done(data) } else { Reply::Accepted(data) }
}

/// The answer where nothing is done.
pub fn demo(read: &[Result<ReadEvent, Vec<FieldIssue>>]) -> Value {
    let result = |(index, read): (usize, &Result<ReadEvent, Vec<FieldIssue>>)| match read {
        Ok(ReadEvent { event, issues }) => json!({
            "index": index, "id": event.by.id, "name": event.name, "status": "completed", "duplicate": false, "issues": issues,
        }),
        Err(issues) => rejected(index, issues),
    };
    let accepted = read.iter().filter(|read| read.is_ok()).count();
    json!({
        "accepted": accepted,
        "duplicates": 0,
        "rejected": read.len() - accepted,
        "events": read.iter().enumerate().map(result).collect::<Vec<_>>(),
    })
}

fn result(index: usize, item: &Item, api_key: &str, waited: bool) -> Value {
    let (taken, issues, visitor) = match item {
        Item::Taken { taken, issues, visitor } => (taken, issues, *visitor),
        Item::Rejected(issues) => return rejected(index, issues),
    };
    let stored = &taken.event;
    let mut shown =
        if waited { event(stored) } else { json!({"id": stored.by.id, "name": stored.name, "status": stored.status}) };
    if let Some(object) = shown.as_object_mut() {
        object.insert("index".to_owned(), json!(index));
        object.insert("duplicate".to_owned(), json!(taken.duplicate));
        object.insert("issues".to_owned(), json!(issues));
        if visitor && waited {
            add_cookie(object, stored, api_key);
        }
    }
    shown
}

fn rejected(index: usize, issues: &[FieldIssue]) -> Value {
    json!({"index": index, "id": null, "name": null, "status": "rejected", "duplicate": false, "issues": issues})
}

/// Which number the visitor's browser should have from now on.
fn add_cookie(object: &mut Map<String, Value>, event: &StoredEvent, api_key: &str) {
    if let Some(contact) = &event.contact {
        object.insert("setCookie".to_owned(), json!({"mtc_id": contact}));
        object.insert("mtcSignature".to_owned(), json!(visitor::signature(contact, api_key)));
    }
}

/// An event and its steps.
pub fn event(event: &StoredEvent) -> Value {
    json!({
        "id": event.by.id,
        "name": event.name,
        "time": event.by.at,
        "receivedAt": event.received_at,
        "status": event.status,
        "contactId": event.contact,
        "attempts": event.attempts,
        "steps": event.steps.iter().map(step).collect::<Vec<_>>(),
        "note": event.note,
        "completedAt": event.completed_at,
    })
}

fn step(step: &Step) -> Value {
    let (kind, action, target) = match &step.action {
        StepAction::Consent { opted_in } => ("consent", if *opted_in { "opt_in" } else { "opt_out" }, None),
        StepAction::Contact => ("contact", "upsert", None),
        StepAction::List { target, member, .. } => {
            let kind = match target {
                Target::Segment(_) => "segment",
                Target::Campaign(_) => "campaign",
                Target::Field(_) => "contact",
            };
            (kind, if *member { "add" } else { "remove" }, Some(target.to_string()))
        }
        StepAction::Erase => ("erase", "delete", None),
    };
    json!({"kind": kind, "action": action, "target": target, "status": step.status, "note": step.note})
}
