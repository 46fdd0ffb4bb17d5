//! `upsert_contact`: the contact is in Mautic, once, with its right fields, or the caller knows why not.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::error::{Failure, FailureKind};
use tandem_core::sync::change::{Outcome, PushAction, Pushed};
use tandem_core::sync::push::For;

use super::{accepted, demo, failed};
use crate::http::AppState;
use crate::http::contact::read_change;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::input::Input;

/// Brings the payload's contact to Mautic.
pub async fn upsert_contact(state: &AppState, started: &Started, input: Input<'_>) -> Reply {
    let payload = match payload(input) {
        Ok(payload) => payload,
        Err(issue) => return Reply::Failed(ApiError::invalid(vec![issue])),
    };
    let change = match read_change(payload, &state.rules, started.at) {
        Ok(change) => change,
        Err(issues) => return Reply::Failed(ApiError::invalid(issues)),
    };
    let Some(desk) = &state.desk else {
        let data = json!({"contactId": null, "action": "created", "situation": "absent", "enrolledIn": [], "fieldIssues": change.issues});
        return demo("upsert_contact", data);
    };
    let push = desk.push(&change, &started.correlation_id, For::Caller);
    let pushed = match tokio::time::timeout(state.call_budget.min(LONGEST_ANSWER), push).await {
        Ok(pushed) => pushed,
        // The write that was cut off keeps its lease, and a job looks what became of it.
        Err(_elapsed) => desk.push_later(&change, &started.correlation_id).await.map(Outcome::Queued),
    };
    match pushed {
        Ok(Outcome::Done(pushed)) => Reply::Done(done(&pushed)),
        Ok(Outcome::Queued(queued)) => accepted(queued),
        Err(failure) => failed(state, with_issues(failure, change.issues)),
    }
}

/// API Gateway gives an answer up after 30 seconds: whatever is configured, the caller gets one before.
const LONGEST_ANSWER: Duration = Duration::from_secs(25);

/// The payload of an action that needs one.
pub fn payload<'a>(input: Input<'a>) -> Result<Input<'a>, FieldIssue> {
    input
        .object("payload", "")?
        .ok_or_else(|| input.issue("payload", IssueCode::Missing, "The action needs a payload."))
}

fn done(pushed: &Pushed) -> Value {
    json!({
        "success": true,
        "contactId": pushed.contact,
        "action": action(pushed.action),
        "situation": pushed.situation,
        "enrolledIn": pushed.enrolled_in,
        "fieldIssues": pushed.issues,
    })
}

/// How answers call what was done.
pub fn action(action: PushAction) -> &'static str {
    match action {
        PushAction::Created => "created",
        PushAction::Updated => "updated",
        PushAction::Unchanged => "unchanged",
        PushAction::NotSent => "not_sent",
    }
}

/// A refused request names what was wrong with it from the start: an address that is none, rather than one that is missing.
pub fn with_issues(mut failure: Failure, issues: Vec<FieldIssue>) -> Failure {
    if failure.kind == FailureKind::Invalid && !issues.is_empty() {
        failure.fields.retain(|issue| !issues.iter().any(|other| other.field == issue.field));
        failure.message = issues.first().map_or(failure.message, |issue| format!("{}: {}", issue.field, issue.message));
        failure.fields.splice(0..0, issues);
    }
    failure
}
