//! `add_to_campaign`, `remove_from_campaign`, `add_to_segment`, `remove_from_segment`.

use serde_json::json;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::jobs::message::{ListChoice, ListKind, MembershipRequest};
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

    fn list(self) -> ListKind {
        match self {
            Self::AddToCampaign | Self::RemoveFromCampaign => ListKind::Campaign,
            Self::AddToSegment | Self::RemoveFromSegment => ListKind::Segment,
        }
    }
}

/// Which list the caller means.
#[derive(Debug, PartialEq)]
enum Wanted {
    /// The one with this number.
    Number(String),
    /// The one with this name, and the field that gives it.
    Named(String, &'static str),
}

/// Reads the number of the list, or its name: from the field of names, or from the field of numbers when that holds none.
fn wanted(input: Input<'_>, kind: ListKind) -> Result<Wanted, FieldIssue> {
    let (id, name) = match kind {
        ListKind::Campaign => ("campaignId", "campaignName"),
        ListKind::Segment => ("segmentId", "segmentName"),
    };
    match (input.remote_id(id), input.name(id)) {
        (Ok(Some(number)), _) => Ok(Wanted::Number(number.0)),
        (Ok(None), _) => {
            let given = input.name(name)?.map(|given| Wanted::Named(given.to_owned(), name));
            given.ok_or_else(|| input.issue(id, IssueCode::Missing, format!("Give {id} or {name}.")))
        }
        (Err(_), Ok(Some(text))) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            Err(input.issue(id, IssueCode::Invalid, "The value must be a positive whole number, or a name."))
        }
        (Err(_), Ok(Some(text))) => Ok(Wanted::Named(text.to_owned(), id)),
        (Err(issue), _) => Err(issue),
    }
}

/// Makes the change, or queues it.
pub async fn change(state: &AppState, started: &Started, input: Input<'_>, kind: Kind) -> Reply {
    let (whom, wanted) = match (whom(input), wanted(input, kind.list())) {
        (Ok(whom), Ok(wanted)) => (whom, wanted),
        (whom, wanted) => {
            let issues = whom.err().unwrap_or_default().into_iter().chain(wanted.err());
            return Reply::Failed(ApiError::invalid(issues.collect()));
        }
    };
    let Some(desk) = &state.desk else {
        let (Wanted::Number(list) | Wanted::Named(list, _)) = wanted;
        return demo("membership", json!({"contactId": whom.contact, "list": kind.list().with_id(list)}));
    };
    let list = match wanted {
        Wanted::Number(number) => ListChoice::Id(kind.list().with_id(number)),
        Wanted::Named(name, field) => ListChoice::Named { kind: kind.list(), name, field: field.to_owned() },
    };
    let request = MembershipRequest { whom, list, member: kind.member(), asked_at: started.at };
    match desk.set_membership(request, &started.correlation_id).await {
        Ok(Outcome::Done(contact)) => Reply::Done(json!({
            "success": true,
            "contactId": contact,
            "action": if kind.member() { "added" } else { "removed" },
        })),
        Ok(Outcome::Queued(queued)) => accepted(queued),
        Err(failure) => failed(state, failure),
    }
}
