//! `export_contact`: all that is held about a person.

use serde_json::json;

use super::{demo, failed, whom};
use crate::http::AppState;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::input::Input;

/// Exports the contact named by `mauticContactId`, `id` or `email`.
pub async fn export_contact(state: &AppState, _started: &Started, input: Input<'_>) -> Reply {
    let whom = match whom(input) {
        Ok(whom) => whom,
        Err(issues) => return Reply::Failed(ApiError::invalid(issues)),
    };
    let Some(desk) = &state.desk else { return demo("export_contact", json!({"contactId": whom.contact})) };
    match desk.export(&whom).await {
        Ok(mut export) => {
            if let Some(object) = export.as_object_mut() {
                object.insert("success".to_owned(), json!(true));
            }
            Reply::Done(export)
        }
        Err(failure) => failed(state, failure),
    }
}
