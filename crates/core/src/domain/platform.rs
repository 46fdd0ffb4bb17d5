//! Contacts as a marketing platform holds them, in no platform's own words.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
}

/// What Tandem notes when it forbids mail itself; by it, it knows its own echo.
pub const OWN_OPT_OUT: &str = "opted out in the application";

impl DoNotContact {
    /// The entry by which Tandem forbids mail to somebody who opted out in the application.
    #[must_use]
    pub fn own_opt_out() -> Self {
        let reason = DoNotContactReason::Manual;
        Self { channel: "email".to_owned(), reason, comments: OWN_OPT_OUT.to_owned() }
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
    /// Values to set. Zeros need [`super::super::ports::MarketingPlatform::replace`] or a create-only write.
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
