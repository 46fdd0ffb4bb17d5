//! What the rules write: a field of the contact, or whether the contact is in a list.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One thing that events decide, each by itself: the newest event that speaks of it stands. As text: `field.last_login`,
/// `segment.new_users`, `campaign.welcome`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// A field, by its local name.
    Field(String),
    /// A segment, by its key in the rules.
    Segment(String),
    /// A campaign, by its key in the rules.
    Campaign(String),
}

/// A text that names no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be field., segment. or campaign. and a name")]
pub struct InvalidTarget;

impl Target {
    /// Whether it is a list that contacts are put into.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        match self {
            Self::Segment(_) | Self::Campaign(_) => true,
            Self::Field(_) => false,
        }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        match text.split_once('.') {
            Some((_, "")) | None => Err(InvalidTarget),
            Some(("field", name)) => Ok(Self::Field(name.to_owned())),
            Some(("segment", key)) => Ok(Self::Segment(key.to_owned())),
            Some(("campaign", key)) => Ok(Self::Campaign(key.to_owned())),
            Some(_) => Err(InvalidTarget),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "field.{name}"),
            Self::Segment(key) => write!(f, "segment.{key}"),
            Self::Campaign(key) => write!(f, "campaign.{key}"),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = InvalidTarget;
    fn try_from(text: String) -> Result<Self, InvalidTarget> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}
