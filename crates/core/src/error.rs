//! The few kinds of failure that callers decide on.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::issue::FieldIssue;
use crate::domain::situation::Situation;

/// The result of an operation of Tandem.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What kind of failure it is. What follows from it stands in [`crate::policy`], and only there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The caller's request can't be taken as it is.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// Another writer holds the thing just now.
    Conflict,
    /// A value that only one contact may have is another contact's: somebody has to change one of the two.
    Taken,
    /// The platform understood and refused the data.
    Refused,
    /// The platform does not accept Tandem's credentials, or its API is switched off.
    Credentials,
    /// The platform's budget of calls is used up.
    RateLimited,
    /// The platform can't be reached or says that it can't answer.
    Unavailable,
    /// The platform did not answer in time.
    Timeout,
    /// The platform answered something that can't be read: HTML, cut-off JSON, an answer to another question.
    Garbled,
    /// Tandem's own table or queue failed.
    Storage,
    /// Tandem is set up wrongly.
    Misconfigured,
}

/// Whether a failed call may have had its effect all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing was done.
    None,
    /// It may have been done, and may still be under way: look before doing it again.
    Unknown,
}

/// A failure: its kind, a sentence without personal data, and what is needed to decide what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// One sentence for a person; no secret and no personal data.
    pub message: String,
    /// Whether the effect may have happened.
    pub effect: Effect,
    /// The earliest moment at which another attempt makes sense, when the platform said so.
    pub retry_at: Option<Timestamp>,
    /// The fields that caused it.
    pub fields: Vec<FieldIssue>,
    /// The situation of the record that kept it from being written; `None` when it was something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub situation: Option<Situation>,
}

impl Failure {
    /// A failure without effect.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            effect: Effect::None,
            retry_at: None,
            fields: Vec::new(),
            situation: None,
        }
    }

    /// The same failure, of a call that may have had its effect.
    #[must_use]
    pub fn maybe_done(mut self) -> Self {
        self.effect = Effect::Unknown;
        self
    }

    /// The same failure, with the moment from which another attempt makes sense.
    #[must_use]
    pub fn not_before(mut self, moment: Timestamp) -> Self {
        self.retry_at = Some(moment);
        self
    }

    /// The same failure, because of the record's situation.
    #[must_use]
    pub fn because(mut self, situation: Situation) -> Self {
        self.situation = Some(situation);
        self
    }

    /// The same failure, with the fields that caused it.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<FieldIssue>) -> Self {
        self.fields = fields;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
