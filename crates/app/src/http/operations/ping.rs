//! `ping`: is Mautic there, and does it accept the credentials?

use serde_json::json;

use super::{demo, failed, info, milliseconds};
use crate::http::AppState;
use crate::http::envelope::{Reply, Started};

/// One call to Mautic.
pub async fn ping(state: &AppState, started: &Started) -> Reply {
    let Some(desk) = &state.desk else { return demo("ping", json!({})) };
    match desk.integration.platform.ping().await {
        Ok(found) => Reply::Done(json!({
            "success": true,
            "mautic": info(&found),
            "mauticMs": milliseconds(state, started),
        })),
        Err(failure) => failed(state, failure),
    }
}
