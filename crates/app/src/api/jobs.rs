//! Parked jobs, as answers show them: not with what they carry, which may be a whole delivery.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::domain::issue::FieldIssue;
use tandem_core::domain::scope::IntegrationId;
use tandem_core::error::FailureKind;
use tandem_core::jobs::message::ParkedJob;
use tandem_core::sync::issues::issue_of;

/// A job that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// What it does, in a word.
    pub task: String,
    /// The integration that it is for.
    pub integration: IntegrationId,
    /// Whom it is about: an address, the application's id, or a contact's number.
    pub person: Option<String>,
    /// Why it could not be done.
    pub reason: Reason,
    /// What a person can do about it.
    pub advice: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first put on the queue.
    pub queued_at: Timestamp,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// The correlation id of the call that it came from.
    pub correlation_id: String,
    /// The issue that it is one of.
    pub issue: String,
}

/// Why a job could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// A sentence for people.
    pub message: String,
    /// The fields that are to blame.
    pub fields: Vec<FieldIssue>,
}

/// An answer with one job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OneJob {
    /// The job.
    pub job: JobView,
}

impl JobView {
    /// A parked job, and whom it is about.
    #[must_use]
    pub fn of(parked: &ParkedJob, person: Option<String>) -> Self {
        let (job, reason) = (&parked.job, &parked.reason);
        Self {
            id: job.id.clone(),
            task: job.task.word().to_owned(),
            integration: job.scope.integration.clone(),
            person,
            reason: Reason { kind: reason.kind, message: reason.message.clone(), fields: reason.fields.clone() },
            advice: parked.advice.clone(),
            attempts: parked.attempts,
            queued_at: job.queued_at,
            parked_at: parked.parked_at,
            correlation_id: job.correlation_id.clone(),
            issue: issue_of(parked),
        }
    }
}
