//! What was written to a platform: which thing, which of its fields by name, and how that ended. Never a value.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::RecordKey;
use super::link::RemoteId;
use super::situation::Situation;
use crate::error::{Effect, Failure, FailureKind};
use crate::policy;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// A thing was made.
    Create,
    /// Some of its fields were changed.
    Update,
    /// It was read and written whole, for the sake of zeros and blanks.
    Rewrite,
    /// It was deleted.
    Delete,
    /// Mail was forbidden.
    ForbidMail,
    /// Mail was allowed again.
    AllowMail,
    /// It was put into a list.
    AddToList,
    /// It was taken out of a list.
    RemoveFromList,
    /// A list was made.
    MakeList,
    /// A field was made.
    MakeField,
    /// The webhook was made or mended.
    SetHook,
    /// Something was made and deleted, so that the webhook has something to tell.
    TryHook,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// The platform did it.
    #[default]
    Done,
    /// The platform understood, and did not do it.
    Refused,
    /// It did not come to the platform, or the platform could not do it.
    Failed,
    /// It may have been done, or may still be under way: no answer came that could be read.
    Unknown,
}

impl OperationStatus {
    /// The status of an operation that failed so.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        match failure.effect {
            Effect::Unknown => Self::Unknown,
            Effect::None if policy::is_refusal(failure.kind) || failure.kind == FailureKind::NotFound => Self::Refused,
            Effect::None => Self::Failed,
        }
    }

    fn is_done(&self) -> bool {
        *self == Self::Done
    }
}

/// Which way an operation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From Tandem to the platform: every write of a platform.
    ToPlatform,
}

/// A call that writes, with all that it wrote on: what is kept. A batch is one call with many parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteCall {
    /// What was done.
    #[serde(rename = "k")]
    pub kind: OperationKind,
    /// What kind of thing it was done to, as the platform calls it.
    #[serde(rename = "o")]
    pub object: String,
    /// The platform's number of the list, where one is concerned.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// When the call began, by Tandem's clock.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    #[serde(rename = "d", default)]
    pub duration_ms: u64,
    /// The correlation id of the request or the job that it was made for.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The run that it was made by.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What it wrote on, in the order of the call.
    #[serde(rename = "p")]
    pub parts: Vec<WrittenPart>,
}

/// One thing that a call wrote on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenPart {
    /// The platform's id of it; of what was to be made, once it is known.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<RemoteId>,
    /// The record that it belongs to, where the writer said so.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordKey>,
    /// The situation in which the record was, where the writer said so.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub situation: Option<Situation>,
    /// The platform's names of the fields that were sent.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// How it ended.
    #[serde(rename = "s", default, skip_serializing_if = "OperationStatus::is_done")]
    pub status: OperationStatus,
    /// Why it was not done.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureKind>,
}

impl WrittenPart {
    /// Notes that it failed.
    pub fn fail(&mut self, failure: &Failure) {
        self.status = OperationStatus::of(failure);
        self.error = Some(failure.kind);
    }
}

/// One thing that was done to one thing, as it is read: a part of a call with what it shares with the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// When the call began.
    pub at: Timestamp,
    /// What was done.
    pub operation: OperationKind,
    /// Which way it went.
    pub direction: Direction,
    /// What kind of thing it was done to.
    pub object: String,
    /// The platform's id of it.
    pub remote_id: Option<RemoteId>,
    /// The list, where one is concerned.
    pub list: Option<String>,
    /// The record that it belongs to.
    pub record: Option<RecordKey>,
    /// The situation in which the record was when it was written.
    pub situation: Option<Situation>,
    /// Names of the fields that were sent.
    pub fields: Vec<String>,
    /// How it ended.
    pub status: OperationStatus,
    /// Why it was not done.
    pub error: Option<FailureKind>,
    /// How long the call took, in milliseconds: of a batch the whole call.
    pub duration_ms: u64,
    /// The correlation id of the request or the job.
    pub correlation_id: Option<String>,
    /// The run.
    pub run: Option<String>,
}

impl WriteCall {
    /// What was done to each thing, in the order of the call.
    pub fn operations(&self) -> impl DoubleEndedIterator<Item = Operation> + '_ {
        self.parts.iter().map(|part| Operation {
            at: self.at,
            operation: self.kind,
            direction: Direction::ToPlatform,
            object: self.object.clone(),
            remote_id: part.remote_id.clone(),
            list: self.list.clone(),
            record: part.record.clone(),
            situation: part.situation,
            fields: part.fields.clone(),
            status: part.status,
            error: part.error,
            duration_ms: self.duration_ms,
            correlation_id: self.correlation_id.clone(),
            run: self.run.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_stored_form_of_a_part_is_what_it_was_with_a_word_for_the_situation() {
        let bare = WrittenPart { remote_id: Some(RemoteId("7".to_owned())), ..WrittenPart::default() };
        assert_eq!(serde_json::to_value(&bare).unwrap(), json!({"i": "7"}));
        let part = WrittenPart { situation: Some(Situation::NotMapped), ..bare };
        assert_eq!(serde_json::to_value(&part).unwrap(), json!({"i": "7", "w": "not_mapped"}));
    }
}
