//! Bodies as Mautic sends and takes them. PHP decides their shapes: a list is an object keyed by id in one place and an
//! array in another, empty it is `{}` or `[]`, and a number may come as text. Private to this connector.

mod contact;
mod field;
mod hook;
mod lists;
mod loose;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

pub(super) use contact::{Contact, DoNotContact, FieldValues, Reference};
pub(super) use field::{Field, Fields, OneField};
pub(super) use hook::{Hook, Hooks, OneHook, Triggers};
pub(super) use lists::{
    Activity, BulkAdded, Campaigns, Companies, Company, JoinedCampaigns, JoinedSegment, JoinedSegments, Named,
    OneCompany, OneSegment, Segments, Stages, Stats, Tags, User,
};
pub(super) use loose::{Listed, Loose, Loosely};

/// `{"contact": …}`.
#[derive(Deserialize)]
pub(super) struct OneContact {
    pub contact: Contact,
}

/// `{"contact": …}` where nothing but its being there matters: after a deletion it has no id (recording `110-contact-delete`).
#[derive(Deserialize)]
pub(super) struct AnyContact {
    #[serde(rename = "contact")]
    pub _contact: IgnoredAny,
}

/// `{"total": "2", "contacts": …}`.
#[derive(Deserialize)]
pub(super) struct Contacts {
    pub contacts: Listed<Contact>,
}

/// The answer of a batch: `contacts` and `errors` are keyed by the index of the entry sent, `statusCodes` is in its order
/// (recordings `046-batch-new-mixed`, `161-batch-put-no-id`).
#[derive(Deserialize)]
pub(super) struct Batch {
    pub contacts: Listed<Contact>,
    #[serde(default, rename = "statusCodes")]
    pub status_codes: Listed<u16>,
    #[serde(default)]
    pub errors: Listed<Error>,
}

/// `{"success": 1}`, or `true`.
#[derive(Deserialize)]
pub(super) struct Success {
    pub success: Loose,
}

/// `{"errors": [{"message", "code", "type"?, "details"?}]}`.
#[derive(Deserialize)]
pub(super) struct Errors {
    pub errors: Listed<Error>,
}

/// One error. Its message is only compared with known ones: it repeats values and paths.
#[derive(Deserialize)]
pub(super) struct Error {
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub code: Option<Loosely<u16>>,
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Messages by field, or `[]`; not there at all when no controller was reached (recording `027-contact-get-nonnumeric`).
    #[serde(default)]
    pub details: Option<Listed<Value>>,
}
