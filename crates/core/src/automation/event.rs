//! What happened to a user in the application, and how far its effects have come.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::consent::ConsentEntry;
use crate::domain::identity::{Email, ExternalId};
use crate::domain::record::{Fields, Patch};
use crate::sync::change::Visitor;

/// The longest id of an event, in bytes.
pub const LONGEST_ID: usize = 200;
/// The longest name of an event, in bytes.
const LONGEST_NAME: usize = 64;

/// The name of an event: a lower-case letter, then at most 63 letters, digits, `_`, `.` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventName(String);

/// A text that is no name of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("takes a lower-case letter and up to 63 more lower-case letters, digits, and _ . -")]
pub struct InvalidEventName;

impl EventName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventName {
    type Error = InvalidEventName;
    fn try_from(text: String) -> Result<Self, InvalidEventName> {
        let name = text.trim();
        let later = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-');
        let sound =
            name.len() <= LONGEST_NAME && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(later);
        if sound { Ok(Self(name.to_owned())) } else { Err(InvalidEventName) }
    }
}

impl From<EventName> for String {
    fn from(name: EventName) -> Self {
        name.0
    }
}

/// The place of an event among those of its user: by the time at which it happened; of one moment, by rank and id, so that
/// the order is the same in whatever order events arrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// When it happened, as its sender says.
    pub at: Timestamp,
    /// Of events of one moment, the higher one counts as later: a subscription is created before it is updated.
    #[serde(default)]
    pub rank: u8,
    /// The event's id.
    pub id: String,
}

/// A customer of a payment provider: such events often name nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Customer {
    /// `stripe` or `lemonsqueezy`.
    pub provider: String,
    /// The provider's id of the customer.
    pub id: String,
}

/// Whom an event is about; at least one of the first three is given.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EventUser {
    /// The application's id.
    pub external_id: Option<ExternalId>,
    /// The address.
    pub email: Option<Email>,
    /// The customer of a payment provider.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// What the customer paid, by the provider's ids: later documents may name nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<Customer>,
    /// What else is said of the person, by the rules' local names.
    #[serde(default)]
    pub fields: Patch,
    /// What is said about being mailed.
    #[serde(default)]
    pub consent: Option<ConsentEntry>,
    /// The visitor that the person was until now.
    #[serde(default)]
    pub visitor: Option<Visitor>,
}

impl fmt::Debug for EventUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventUser").finish_non_exhaustive()
    }
}

/// Something that happened to a user.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleEvent {
    /// Name and place in time.
    pub by: Moment,
    /// What happened.
    pub name: EventName,
    /// To whom.
    pub user: EventUser,
    /// What the sender says of it; texts, numbers, flags.
    pub properties: Fields,
}

impl LifecycleEvent {
    /// The id of an event that came without one: the same for the same event, whenever it is sent. Without a time of its
    /// own, two events of the same content are told apart by when they came.
    #[must_use]
    pub fn derived_id(name: &EventName, user: &EventUser, at: Timestamp, properties: &Fields) -> String {
        let who = (&user.external_id, &user.email, &user.customer);
        let text = serde_json::to_string(&(name, who, at, properties)).unwrap_or_default();
        format!("auto-{}", hex::encode(&Sha256::digest(text.as_bytes())[..16]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::stored::Payload;
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        let name = |text: &str| EventName::try_from(text.to_owned()).is_ok();
        assert!(name("user_signup") && name("feature.used-2"));
        assert!(!name("") && !name("User") && !name("9lives") && !name("a b") && !name(&"x".repeat(65)));
    }

    #[test]
    fn an_event_without_an_id_gets_the_same_one_whenever_it_is_sent() {
        let name = EventName::try_from("user_login".to_owned()).unwrap();
        let user = EventUser { email: Some("a@example.com".parse().unwrap()), ..EventUser::default() };
        let at = Timestamp::UNIX_EPOCH;
        let id = |properties: Fields| LifecycleEvent::derived_id(&name, &user, at, &properties);
        assert_eq!(id(Fields::new()), id(Fields::new()));
        assert_ne!(id(Fields::new()), id(Fields::from([("a".to_owned(), json!(1))])));
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let user = EventUser { email: Some("secret@example.com".parse().unwrap()), ..EventUser::default() };
        let payload = Payload { user, properties: Fields::from([("note".to_owned(), json!("secret"))]) };
        assert!(!format!("{payload:?}").contains("secret"));
    }
}
