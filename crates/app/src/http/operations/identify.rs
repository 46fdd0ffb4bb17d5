//! `identify`: an anonymous visitor becomes known. It never keeps a login waiting: past its time a job goes on.

use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::sync::change::{ContactChange, IdentifyCase, Outcome, Pushed, Subject, Visitor};
use tandem_core::sync::push::For;
use tandem_core::sync::services::Desk;

use super::upsert_contact::{payload, with_issues};
use super::{accepted, demo, failed};
use crate::http::AppState;
use crate::http::contact::read_change;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::input::Input;
use crate::http::visitor::{is_signed, signature};

/// Identifies the visitor of the payload.
pub async fn identify(state: &AppState, started: &Started, input: Input<'_>, api_key: &str) -> Reply {
    let change = match read(state, started, input, api_key) {
        Ok(change) => change,
        Err(issues) => return Reply::Failed(ApiError::invalid(issues)),
    };
    let Some(desk) = &state.desk else {
        return demo(
            "identify",
            json!({"contactId": null, "setCookie": null, "case": "created", "fieldIssues": change.issues}),
        );
    };
    let pushed = async {
        // A login makes nobody known again who was deleted.
        desk.refuse_deleted(&change).await?;
        desk.push(&change, &started.correlation_id, For::Caller).await
    };
    match tokio::time::timeout(state.identify_budget, pushed).await {
        Ok(Ok(Outcome::Done(pushed))) => Reply::Done(done(&pushed, api_key)),
        Ok(Ok(Outcome::Queued(queued))) => accepted(queued),
        Ok(Err(failure)) => failed(state, with_issues(failure, change.issues)),
        Err(_elapsed) => later(state, started, desk, &change).await,
    }
}

fn read(
    state: &AppState,
    started: &Started,
    input: Input<'_>,
    api_key: &str,
) -> Result<ContactChange, Vec<FieldIssue>> {
    let payload = payload(input).map_err(|issue| vec![issue])?;
    let mut change = read_change(payload, &state.rules, started.at)?;
    if matches!(change.subject, Subject::Person { email: None, .. }) {
        let missing = payload.issue("email", IssueCode::Missing, "Give the email address of the visitor.");
        return Err(if change.issues.is_empty() { vec![missing] } else { change.issues });
    }
    match payload.remote_id("mtc_id") {
        Ok(Some(id)) => {
            let trusted =
                payload.text("mtc_signature").ok().flatten().is_some_and(|sign| is_signed(&id, sign, api_key));
            change.visitor = Some(Visitor { id, trusted });
        }
        Ok(None) => {}
        // A broken cookie must not keep anybody from being identified.
        Err(issue) => change.issues.push(issue),
    }
    Ok(change)
}

/// The time is up: the write that was cut off keeps its lease, and a job looks what became of it.
async fn later(state: &AppState, started: &Started, desk: &Desk, change: &ContactChange) -> Reply {
    match desk.push_later(change, &started.correlation_id).await {
        Ok(queued) => accepted(queued),
        Err(failure) => failed(state, failure),
    }
}

fn done(pushed: &Pushed, api_key: &str) -> Value {
    json!({
        "success": true,
        "contactId": pushed.contact,
        "setCookie": pushed.contact.as_ref().map(|contact| json!({"mtc_id": contact})),
        "mtcSignature": pushed.contact.as_ref().map(|contact| signature(contact, api_key)),
        "case": case(pushed.case),
        "situation": pushed.situation,
        "enrolledIn": pushed.enrolled_in,
        "fieldIssues": pushed.issues,
    })
}

fn case(case: IdentifyCase) -> &'static str {
    match case {
        IdentifyCase::KnownEmail => "known_email",
        IdentifyCase::ClaimedAnonymous => "claimed_anonymous",
        IdentifyCase::OtherPerson => "other_person",
        IdentifyCase::Created => "created",
    }
}
