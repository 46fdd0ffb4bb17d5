//! `add_to_campaign`, `remove_from_campaign`, `add_to_segment`, `remove_from_segment`.

use serde_json::json;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::jobs::message::MembershipList;
use tandem_core::sync::change::Outcome;

use super::{accepted, demo, failed, whom};
use crate::http::AppState;
use crate::http::envelope::{ApiError, Reply, Started};
use crate::http::input::Input;

/// Which membership, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Into a campaign.
    AddToCampaign,
    /// Out of a campaign.
    RemoveFromCampaign,
    /// Into a segment.
    AddToSegment,
    /// Out of a segment.
    RemoveFromSegment,
}

impl Kind {
    fn member(self) -> bool {
        match self {
            Self::AddToCampaign | Self::AddToSegment => true,
            Self::RemoveFromCampaign | Self::RemoveFromSegment => false,
        }
    }

    fn list(self, input: Input<'_>) -> Result<MembershipList, FieldIssue> {
        match self {
            Self::AddToCampaign | Self::RemoveFromCampaign => Ok(MembershipList::Campaign(id(input, "campaignId")?)),
            Self::AddToSegment | Self::RemoveFromSegment => Ok(MembershipList::Segment(id(input, "segmentId")?)),
        }
    }
}

fn id(input: Input<'_>, name: &str) -> Result<String, FieldIssue> {
    let id = input.remote_id(name)?;
    id.map(|id| id.0).ok_or_else(|| input.issue(name, IssueCode::Missing, "Give the number of the list."))
}

/// Makes the change, or queues it.
pub async fn change(state: &AppState, started: &Started, input: Input<'_>, kind: Kind) -> Reply {
    let (whom, list) = match (whom(input), kind.list(input)) {
        (Ok(whom), Ok(list)) => (whom, list),
        (whom, list) => {
            let issues = whom.err().unwrap_or_default().into_iter().chain(list.err());
            return Reply::Failed(ApiError::invalid(issues.collect()));
        }
    };
    let Some(desk) = &state.desk else {
        return demo("membership", json!({"contactId": whom.contact, "list": list}));
    };
    match desk.set_membership(&whom, list.clone(), kind.member(), &started.correlation_id).await {
        Ok(Outcome::Done(contact)) => Reply::Done(json!({
            "success": true,
            "contactId": contact,
            "action": if kind.member() { "added" } else { "removed" },
        })),
        Ok(Outcome::Queued(queued)) => accepted(queued),
        Err(failure) => failed(state, failure),
    }
}
