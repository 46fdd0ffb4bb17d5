//! Contacts as a marketing platform holds them, in no platform's own words.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::consent::{ConsentEntry, ConsentSource, ConsentStatus, UNREADABLE_WORD};
use super::link::RemoteId;

/// A contact as the platform answered it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteContact {
    /// The platform's id. May differ from the one asked for: then the platform merged the two.
    pub id: RemoteId,
    /// The address, as stored there.
    pub email: Option<String>,
    /// All fields by the platform's names, `null` ones left out.
    pub fields: BTreeMap<String, Value>,
    /// Tag names.
    pub tags: Vec<String>,
    /// The channels on which the contact must not be contacted.
    pub do_not_contact: Vec<DoNotContact>,
    /// Points that the platform gave.
    pub points: i64,
    /// The stage's name, when the answer shows one.
    pub stage: Option<String>,
}

impl RemoteContact {
    /// The entry that forbids mail, if there is one.
    #[must_use]
    pub fn mail_forbidden(&self) -> Option<&DoNotContact> {
        self.do_not_contact.iter().find(|entry| entry.channel == "email")
    }
}

impl fmt::Debug for RemoteContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteContact").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a contact must not be contacted on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoNotContact {
    /// `email`, `sms`, …
    pub channel: String,
    /// The reason.
    pub reason: DoNotContactReason,
    /// What the platform noted with it.
    pub comments: String,
    /// Since when it stands as it is, where the platform tells it.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

/// What Tandem notes when it forbids mail itself to somebody who opted out in the application.
const OWN_OPT_OUT: &str = "opted out in the application";
/// How a note begins when Tandem forbids mail because of a statement that was made elsewhere, or puts its entry back.
const OWN_KEPT: &str = "kept by Tandem: ";

/// Whether Tandem set the entry that this was noted with: by it, it knows its own echo.
#[must_use]
pub fn is_own_note(comments: &str) -> bool {
    let comments = comments.trim();
    comments == OWN_OPT_OUT || comments.starts_with(OWN_KEPT)
}

impl DoNotContact {
    /// The entry by which Tandem forbids mail because of an opt-out that stands.
    #[must_use]
    pub fn of_opt_out(standing: Option<&ConsentEntry>) -> Self {
        if standing.is_some_and(|standing| standing.status == ConsentStatus::Unclear) {
            return Self::kept(standing);
        }
        match standing.map(|standing| standing.source) {
            Some(ConsentSource::Platform | ConsentSource::Administrator) => Self::kept(standing),
            Some(ConsentSource::Application | ConsentSource::Person) | None => Self::own(OWN_OPT_OUT.to_owned()),
        }
    }

    /// The entry by which Tandem puts back one that somebody took away who may not. It names the statement that stands.
    #[must_use]
    pub fn kept(standing: Option<&ConsentEntry>) -> Self {
        let statement = standing.map_or_else(|| "an opt-out stands".to_owned(), ToString::to_string);
        Self::own(format!("{OWN_KEPT}{statement}"))
    }

    fn own(comments: String) -> Self {
        Self { channel: "email".to_owned(), reason: DoNotContactReason::Manual, comments, since: None }
    }

    /// Whether Tandem set it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        is_own_note(&self.comments)
    }

    /// Whether Tandem set it for somebody of whom it was unclear whether to mail them: a yes, whoever says it, ends it.
    #[must_use]
    pub fn is_of_unclear(&self) -> bool {
        let statement = self.comments.trim().strip_prefix(OWN_KEPT).and_then(|text| text.strip_prefix("the "));
        statement.is_some_and(|text| text.starts_with(UNREADABLE_WORD))
    }
}

/// The reasons that Mautic knows (`reason` 1, 2, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoNotContactReason {
    /// The person unsubscribed.
    Unsubscribed,
    /// Mail bounced.
    Bounced,
    /// Set by hand or by a program.
    Manual,
}

/// Fields to write, by the platform's names, with what else one write can carry.
#[derive(Clone, Default, PartialEq)]
pub struct ContactWrite {
    /// Values to set. Zeros need [`crate::ports::MarketingPlatform::rewrite`] or a create-only write.
    pub fields: BTreeMap<String, Value>,
    /// Tags to add; one that starts with `-` is taken away.
    pub tags: Vec<String>,
    /// Forbid mail in the same write.
    pub forbid_mail: Option<DoNotContact>,
    /// Move to this stage.
    pub stage: Option<String>,
}

impl fmt::Debug for ContactWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactWrite").field("fields", &self.fields.keys()).finish_non_exhaustive()
    }
}

/// What a write that may create did.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The contact afterwards.
    pub contact: RemoteContact,
    /// Whether the platform said that it is new.
    pub created: bool,
}

/// What the platform says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformInfo {
    /// The version, when the answer carried one.
    pub version: Option<String>,
    /// Calls per hour, when an administrator set a limit.
    pub rate_limit: Option<u32>,
    /// Calls left in this hour.
    pub rate_remaining: Option<u32>,
}
