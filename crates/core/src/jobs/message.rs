//! What lies on the queue: tagged and versioned, so that a message written by an older release stays readable.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::identity::{Email, RecordKey};
use crate::domain::link::RemoteId;
use crate::domain::scope::Scope;
use crate::domain::whom::Whom;
use crate::error::Failure;

/// A queued piece of work. Running it twice has the effect of running it once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Names the job; a repeat of the message has the same id.
    pub id: String,
    /// Whose work it is.
    pub scope: Scope,
    /// The correlation id of the request that it came from.
    pub correlation_id: String,
    /// When it was first put on the queue.
    pub queued_at: Timestamp,
    /// What to do.
    pub task: Task,
}

/// The kinds of work. A retired kind stays here and readable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Bring the platform to the record's state at the time of running, not of queueing.
    #[serde(rename = "push_contact_v1")]
    PushContact {
        /// Which record.
        record: RecordKey,
    },
    /// Put a contact into a campaign or segment, or take it out.
    #[serde(rename = "set_membership_v1")]
    SetMembership(MembershipChange),
    /// The same, where the platform has to say first which contact or list is meant.
    #[serde(rename = "request_membership_v1")]
    RequestMembership(MembershipRequest),
    /// Delete a person everywhere, where the platform has to say first which contact is meant.
    #[serde(rename = "erase_v1")]
    Erase {
        /// How the caller named the person.
        whom: Whom,
        /// When the person was deleted.
        at: Timestamp,
        /// Whether the application's row stays where Tandem itself keeps it.
        keep_row: bool,
    },
    /// Delete a contact on the platform.
    #[serde(rename = "delete_contact_v1")]
    DeleteContact {
        /// Which contact.
        contact: RemoteId,
    },
    /// Delete a person here who was deleted by way of another integration of the tenant.
    #[serde(rename = "delete_person_v1")]
    DeletePerson {
        /// The person's contacts, as far as they were known.
        contacts: Vec<RemoteId>,
        /// The address, under which others may be there.
        email: Option<Email>,
        /// When the person was deleted.
        at: Timestamp,
    },
    /// Take a delivery that could not be stored when it came.
    #[serde(rename = "take_delivery_v1")]
    TakeDelivery {
        /// The delivery's bytes in base64. They were verified.
        body: String,
    },
    /// Apply a stored delivery.
    #[serde(rename = "apply_delivery_v1")]
    ApplyDelivery {
        /// Its digest.
        digest: String,
    },
    /// See whether a contact that is said to be gone was merged or deleted.
    #[serde(rename = "check_gone_v1")]
    CheckGone {
        /// Which contact.
        contact: RemoteId,
    },
    /// Make a record of somebody who appeared on the platform, if the integration's rule takes the person in.
    #[serde(rename = "take_newcomer_v1")]
    TakeNewcomer {
        /// Which contact.
        contact: RemoteId,
    },
    /// See who allowed mail to a contact again, for whom an opt-out stands.
    #[serde(rename = "check_allowed_v1")]
    CheckAllowed {
        /// Which contact.
        contact: RemoteId,
        /// When it is said to have happened.
        at: Timestamp,
    },
    /// Tell the source what is known of a person, as it stands at the time of running.
    #[serde(rename = "write_back_v1")]
    WriteBack {
        /// Which contact.
        contact: RemoteId,
    },
    /// Hand over to the source what people changed on the platform, as the record has it at the time of running.
    #[serde(rename = "take_back_v1")]
    TakeBack {
        /// Which record.
        record: RecordKey,
        /// When the platform says that it was changed.
        at: Timestamp,
        /// The application's names of what came back: also what was changed back, and stands in no other value's place any more.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        fields: BTreeSet<String>,
    },
    /// Go on with the sync run of the integration.
    #[serde(rename = "sync_v1")]
    Sync,
    /// Do a sync run that a person ordered.
    #[serde(rename = "start_run_v1")]
    StartRun(RunOrder),
    /// Do what the schedule does for the integration: a sync run, and a look at its webhook.
    #[serde(rename = "look_after_v1")]
    LookAfter,
    /// Send what waits in the integration's outbox, apart from its runs.
    #[serde(rename = "send_outbox_v1")]
    SendOutbox,
    /// Do what a stored lifecycle event asks for.
    #[serde(rename = "apply_event_v1")]
    ApplyEvent {
        /// The event's id.
        event: String,
    },
    /// Set the lists of a person that lifecycle events decided and another integration worked at.
    #[serde(rename = "bring_lists_v1")]
    BringLists {
        /// Whose lists.
        record: RecordKey,
    },
    /// Finish an `identify` that ran out of its time.
    #[serde(rename = "identify_v1")]
    Identify {
        /// The record that the visitor is.
        record: RecordKey,
        /// The contact number that the visitor's browser had.
        visitor: Option<RemoteId>,
        /// Whether the application signed that number.
        trusted: bool,
    },
}

impl Task {
    /// What it does, in a word for answers.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::PushContact { .. } => "push_contact",
            Self::SetMembership(_) | Self::RequestMembership(_) | Self::BringLists { .. } => "membership",
            Self::DeleteContact { .. } | Self::DeletePerson { .. } | Self::Erase { .. } => "delete_contact",
            Self::TakeDelivery { .. } => "take_delivery",
            Self::ApplyDelivery { .. } => "apply_delivery",
            Self::CheckGone { .. } => "check_contact",
            Self::CheckAllowed { .. } => "check_consent",
            Self::WriteBack { .. } => "write_back",
            Self::TakeBack { .. } => "take_back",
            Self::TakeNewcomer { .. } => "newcomer",
            Self::Sync | Self::StartRun(_) => "sync",
            Self::SendOutbox => "send",
            Self::LookAfter => "look_after",
            Self::ApplyEvent { .. } => "event",
            Self::Identify { .. } => "identify",
        }
    }

    /// Whether the platform can do several of this kind with fewer calls than one each.
    #[must_use]
    pub const fn is_done_together(&self) -> bool {
        match self {
            Self::PushContact { .. } | Self::ApplyEvent { .. } | Self::SetMembership(_) | Self::TakeNewcomer { .. } => {
                true
            }
            Self::DeleteContact { .. }
            | Self::DeletePerson { .. }
            | Self::TakeDelivery { .. }
            | Self::ApplyDelivery { .. }
            | Self::CheckGone { .. }
            | Self::WriteBack { .. }
            | Self::TakeBack { .. }
            | Self::Sync
            | Self::StartRun(_)
            | Self::LookAfter
            | Self::SendOutbox
            | Self::RequestMembership(_)
            | Self::Erase { .. }
            | Self::CheckAllowed { .. }
            | Self::BringLists { .. }
            | Self::Identify { .. } => false,
        }
    }

    /// Whether a run does the same anyway: such a job does not wait for an integration that is paused, and needs no person.
    #[must_use]
    pub const fn is_done_by_runs(&self) -> bool {
        matches!(self, Self::SendOutbox)
    }
}

/// A sync run that a person ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOrder {
    /// The id of the run: it is carried out once.
    pub run: String,
    /// Read all rows and compare each with what was sent.
    pub full: bool,
    /// Deletions and blanks are meant, however many.
    pub accept_losses: bool,
    /// Look for what was changed on the platform, though the last look was not long ago.
    pub pull: bool,
    /// Change nothing, and keep what would be done.
    pub dry_run: bool,
}

/// One contact's membership of one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipChange {
    /// Which contact.
    pub contact: RemoteId,
    /// Which list.
    pub list: MembershipList,
    /// In or out.
    pub member: bool,
    /// When it was asked for: an older wish never overrides a newer one.
    pub asked_at: Timestamp,
}

/// A list that contacts are put into.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "list", content = "id", rename_all = "snake_case")]
pub enum MembershipList {
    /// A campaign, by its id.
    Campaign(String),
    /// A segment, by its id.
    Segment(String),
}

impl MembershipList {
    /// The list's id, whatever it is.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Campaign(id) | Self::Segment(id) => id,
        }
    }
}

/// What contacts are put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// A campaign.
    Campaign,
    /// A segment.
    Segment,
}

impl ListKind {
    /// The list of this kind with an id.
    #[must_use]
    pub fn with_id(self, id: String) -> MembershipList {
        match self {
            Self::Campaign => MembershipList::Campaign(id),
            Self::Segment => MembershipList::Segment(id),
        }
    }

    /// What several of them are called.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Campaign => "campaigns",
            Self::Segment => "segments",
        }
    }
}

/// A list as a caller names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListChoice {
    /// By its id.
    Id(MembershipList),
    /// By its name, which the platform has to be asked about.
    Named {
        /// A campaign or a segment.
        kind: ListKind,
        /// Its name or alias, as the caller writes it.
        name: String,
        /// The request's field that gives the name.
        field: String,
    },
}

/// What a caller asks for. As a job it holds how the caller named the person, because nothing else may be known yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MembershipRequest {
    /// Which contact.
    pub whom: Whom,
    /// Which list.
    pub list: ListChoice,
    /// In or out.
    pub member: bool,
    /// When it was asked for.
    pub asked_at: Timestamp,
}

/// A job that needs a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParkedJob {
    /// The job as it was.
    pub job: Job,
    /// Why it could not be done.
    pub reason: Failure,
    /// What a person can do about it.
    pub advice: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was parked.
    pub parked_at: Timestamp,
}
