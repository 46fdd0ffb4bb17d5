//! `identify`: an anonymous visitor becomes known. It never keeps a login waiting: past its time a job goes on.

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::link::RemoteId;
use tandem_core::sync::change::{ContactChange, IdentifyCase, Outcome, Pushed, Subject, Visitor};
use tandem_core::sync::push::For;
use tandem_core::sync::services::Desk;

use super::upsert_contact::{payload, with_issues};
use super::{accepted, demo, failed};
use crate::http::AppState;
use crate::http::contact::read_change;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::input::Input;

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
    let pushed =
        tokio::time::timeout(state.identify_budget, desk.push(&change, &started.correlation_id, For::Caller)).await;
    match pushed {
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
        "setCookie": {"mtc_id": pushed.contact},
        "mtcSignature": signature(&pushed.contact, api_key),
        "case": case(pushed.case),
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

/// The visitor's number, signed with the application's own API key: only the application can have put it into a cookie.
fn mac(id: &RemoteId, api_key: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(api_key.as_bytes()).ok()?;
    mac.update(b"mtc_id=");
    mac.update(id.0.as_bytes());
    Some(mac)
}

fn signature(id: &RemoteId, api_key: &str) -> Option<String> {
    mac(id, api_key).map(|mac| hex::encode(mac.finalize().into_bytes()))
}

/// Compared in constant time.
fn is_signed(id: &RemoteId, signature: &str, api_key: &str) -> bool {
    let Ok(given) = hex::decode(signature.trim()) else { return false };
    mac(id, api_key).is_some_and(|mac| mac.verify_slice(&given).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_that_the_application_signed_is_trusted() {
        let id = RemoteId("123".to_owned());
        let signed = signature(&id, "tdm_key").unwrap();
        assert!(is_signed(&id, &signed, "tdm_key"));
        assert!(!is_signed(&RemoteId("124".to_owned()), &signed, "tdm_key"));
        assert!(!is_signed(&id, &signed, "tdm_other"));
        assert!(!is_signed(&id, "zz", "tdm_key"));
    }
}
