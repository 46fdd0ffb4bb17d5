//! `delete_contact`: the contact goes from Mautic and from the table.

use serde_json::json;
use tandem_core::sync::change::Outcome;
use tandem_core::sync::erase::Erasure;

use super::{accepted, demo, failed, whom};
use crate::http::AppState;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::input::Input;

/// Deletes the contact named by `mauticContactId`, `id` or `email`.
pub async fn delete_contact(state: &AppState, started: &Started, input: Input<'_>) -> Reply {
    let whom = match whom(input) {
        Ok(whom) => whom,
        Err(issues) => return Reply::Failed(ApiError::invalid(issues)),
    };
    let Some(desk) = &state.desk else { return demo("delete_contact", json!({"contactId": whom.contact})) };
    let erasure = Erasure { at: started.at, keep_row: false };
    match desk.erase(&whom, erasure, &started.correlation_id).await {
        Ok(Outcome::Done(erased)) => Reply::Done(json!({
            "success": true,
            "contactId": erased.contacts.first(),
            "action": if erased.existed { "deleted" } else { "absent" },
        })),
        Ok(Outcome::Queued(queued)) => accepted(queued),
        Err(failure) => failed(state, failure),
    }
}
