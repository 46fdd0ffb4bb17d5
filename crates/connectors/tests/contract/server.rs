//! Serves one recording, and compares what was asked with what was recorded.

use serde_json::{Value, json};

use super::recording::Recording;
use crate::support::stub::{Reply, Seen, Stub};

/// Answers the recorded call as recorded, and what a method needs besides (a token, the contact that is rewritten) as a
/// healthy Mautic would.
pub async fn serving(recording: Recording) -> Stub {
    Stub::start(move |seen| {
        if seen.path() == recording.path() && seen.method == recording.method {
            return recorded(&recording);
        }
        if seen.is_token_request() {
            return Reply::token("token");
        }
        besides(seen)
    })
    .await
}

fn recorded(recording: &Recording) -> Reply {
    let reply = match &recording.answered {
        Value::String(text) => Reply::text(recording.status, "text/html", text.clone()),
        body => Reply::json(recording.status, body),
    };
    let skipped = ["content-type", "content-length", "set-cookie"];
    let headers = recording.headers.iter().filter(|(name, _)| !skipped.contains(&name.to_lowercase().as_str()));
    headers.fold(reply, |reply, (name, value)| reply.with(name, value))
}

fn besides(seen: &Seen) -> Reply {
    let body = match seen.path().rsplit('/').next().unwrap() {
        "segments" => json!({"total": 0, "lists": []}),
        "campaigns" => json!({"total": 0, "campaigns": []}),
        "activity" => json!({"events": [], "total": 0}),
        "self" => json!({"username": "hub [1]"}),
        id => json!({"contact": {"id": id, "points": 9, "fields": {"all": {
            "id": id, "email": "zero@example.com", "firstname": "F", "lastname": "L", "total_orders": 5,
            "total_spent": 0.5, "marketing_opt_in": 0, "points": 9, "city": null}}}}),
    };
    Reply::json(200, &body)
}

/// Whether the method sent the recorded request: method and path, and the body where it is the data of a contact.
pub fn same_request(recording: &Recording, stub: &Stub) -> Result<(), String> {
    if recording.path().ends_with("/token") || NO_CALL.contains(&recording.name.as_str()) {
        return Ok(());
    }
    let calls = stub.calls();
    let is_it = |seen: &&Seen| seen.method == recording.method && seen.path() == recording.path();
    let Some(sent) = calls.iter().find(is_it) else {
        return Err(format!("was not asked, but {:?}", calls.iter().map(|seen| &seen.target).collect::<Vec<_>>()));
    };
    let is_data =
        recording.path().starts_with("/api/contacts") && recording.sent.is_object() | recording.sent.is_array();
    if is_data && !OWN_BODY.contains(&recording.name.as_str()) && sent.body != recording.sent {
        return Err(format!("was sent {}", sent.body));
    }
    Ok(())
}

/// Refused or answered by the client itself.
const NO_CALL: [&str; 3] = ["027-contact-get-nonnumeric", "047-batch-new-201", "048-batch-new-empty"];

/// Where the client sends more on purpose: the comments of a do-not-contact entry, the whole contact of a PUT.
const OWN_BODY: [&str; 7] = [
    "030-contact-put-404",
    "031-contact-put-existing-partial",
    "120-wh-dnc-unsub",
    "124-wh-dnc-manual",
    "157-put-full-zero",
    "160-batch-put-zero-known",
    "900-race-create-same-email",
];
