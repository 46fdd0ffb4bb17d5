//! `sync_contacts`: rows of the source, by their ids, brought to Mautic because a caller asks for them.

use serde_json::{Value, json};
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::sync::run::chosen::{AT_MOST, Chosen, ChosenOutcome};

use super::upsert_contact::action;
use super::{demo, failed};
use crate::http::AppState;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::input::Input;

/// Syncs the rows that `ids` names; each has a result of its own. 202 when some are brought to Mautic later.
pub async fn sync_contacts(state: &AppState, started: &Started, input: Input<'_>) -> Reply {
    let ids = match ids(input) {
        Ok(ids) => ids,
        Err(issue) => return Reply::Failed(ApiError::invalid(vec![issue])),
    };
    let Some(desk) = &state.desk else {
        return demo("sync_contacts", json!({"results": [], "requested": ids.len()}));
    };
    match desk.sync_chosen(&ids, &started.correlation_id).await {
        Ok(chosen) => told(&chosen),
        Err(failure) => failed(state, failure),
    }
}

/// The ids, beside the action or in its payload: texts or numbers.
fn ids(input: Input<'_>) -> Result<Vec<String>, FieldIssue> {
    let payload = input.object("payload", "payload")?.unwrap_or(input);
    let given = payload.entries().find(|(name, _)| *name == "ids").map(|(_, value)| value);
    let list = match given {
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(Value::Array(_)) | None | Some(Value::Null) => {
            return Err(payload.issue("ids", IssueCode::Missing, "Give the ids of the records as a list."));
        }
        Some(_) => return Err(payload.wrong_type("ids", "a list of ids")),
    };
    if list.len() > AT_MOST {
        let message = format!("A call takes at most {AT_MOST} ids; these are {}.", list.len());
        return Err(payload.issue("ids", IssueCode::TooLong, message));
    }
    let id = |(index, value): (usize, &Value)| match value {
        Value::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(payload.issue(&format!("ids[{index}]"), IssueCode::WrongType, "An id is a text or a number.")),
    };
    list.iter().enumerate().map(id).collect()
}

fn told(chosen: &[Chosen]) -> Reply {
    let queued = chosen.iter().any(|one| one.outcome == ChosenOutcome::Queued);
    let data = json!({"success": true, "queued": queued, "results": chosen.iter().map(result).collect::<Vec<_>>()});
    if queued { Reply::Accepted(data) } else { Reply::Done(data) }
}

fn result(one: &Chosen) -> Value {
    let (status, contact) = match &one.outcome {
        ChosenOutcome::Done { action: done, contact } => (action(*done), contact.as_ref()),
        ChosenOutcome::Queued => ("queued", None),
        ChosenOutcome::Missing => ("missing", None),
        ChosenOutcome::Rejected(_) => ("rejected", None),
    };
    json!({"id": one.id, "status": status, "contactId": contact, "situation": one.situation, "issues": one.issues})
}
