//! What becomes of a contact whose record the application deleted, or does not have any more.

use std::str::FromStr;

/// The rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Vanished {
    /// Nothing: the contact stays as it is.
    #[default]
    Keep,
    /// It gets this tag.
    Tag(String),
    /// It is not mailed any more.
    Unsubscribe,
    /// It is deleted, and all that is kept of it.
    Delete,
}

/// A text that is none of the rules.
#[derive(Debug, thiserror::Error)]
#[error("is one of keep, tag:NAME, unsubscribe, delete")]
pub struct UnknownRule;

impl Vanished {
    /// The tag of a contact whose record is gone.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(name) => Some(name),
            Self::Keep | Self::Unsubscribe | Self::Delete => None,
        }
    }
}

impl FromStr for Vanished {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        match text.trim().split_once(':').unwrap_or((text.trim(), "")) {
            ("keep", "") => Ok(Self::Keep),
            ("tag", "") => Ok(Self::Tag("deleted-in-application".to_owned())),
            ("tag", name) => Ok(Self::Tag(name.trim().to_owned())),
            ("unsubscribe", "") => Ok(Self::Unsubscribe),
            ("delete", "") => Ok(Self::Delete),
            _ => Err(UnknownRule),
        }
    }
}
