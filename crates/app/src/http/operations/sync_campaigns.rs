//! `sync_campaigns`: which campaigns there are, for an application that shows them.

use serde_json::{Value, json};
use tandem_core::ports::bulk::RemoteList;

use super::{demo, failed};
use crate::http::AppState;
use crate::http::envelope::Reply;

/// All campaigns; one call to Mautic in five minutes.
pub async fn sync_campaigns(state: &AppState) -> Reply {
    let Some(desk) = &state.desk else { return demo("sync_campaigns", json!({"campaigns": [], "cached": false})) };
    match desk.campaigns().await {
        Ok((campaigns, cached)) => {
            let campaigns: Vec<Value> = campaigns.iter().map(shown).collect();
            Reply::Done(json!({"success": true, "campaigns": campaigns, "cached": cached}))
        }
        Err(failure) => failed(state, failure),
    }
}

fn shown(campaign: &RemoteList) -> Value {
    json!({"id": campaign.id, "name": campaign.name, "published": campaign.published})
}
