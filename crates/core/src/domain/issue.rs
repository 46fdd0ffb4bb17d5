//! What was wrong with one field, said so that a person can mend it.

use serde::{Deserialize, Serialize};

/// One value that could not be taken as it was given. The rest of the record is not held back by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldIssue {
    /// The field as the caller named it, as a path: `contact.email`.
    pub field: String,
    /// What kind of thing is wrong.
    pub code: IssueCode,
    /// One sentence for a person. It never repeats the value: values are personal data.
    pub message: String,
}

impl FieldIssue {
    /// An issue with one field.
    pub fn new(field: impl Into<String>, code: IssueCode, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// The kinds of field issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueCode {
    /// The field must be there and is not.
    Missing,
    /// A JSON type that the field does not take.
    WrongType,
    /// A value that can't be read as what the field holds.
    Invalid,
    /// Longer than the platform stores.
    TooLong,
    /// Not one of the values that the platform knows.
    NotInList,
    /// No rule maps this field: it goes nowhere.
    UnknownField,
    /// The platform has no such field: `tandem connect` can make it.
    MissingOnPlatform,
    /// The platform refused the value.
    RefusedByPlatform,
    /// The value belongs to another contact.
    Taken,
    /// Another local record shares this contact.
    SharedIdentity,
    /// Older than what is known already.
    Stale,
    /// The person opted out; this change would have undone it.
    OptOutKept,
    /// What is said about being mailed is neither yes nor no.
    UnreadableConsent,
    /// The person was deleted, and this does not begin anew.
    Erased,
    /// A step after the write itself could not be done yet and was put on the queue.
    Deferred,
}
