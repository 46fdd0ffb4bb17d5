//! The versions of Mautic that the simulator can be.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value, json};

/// A version whose behaviour is known from recorded exchanges. They differ in little, and in what hurts: times of change,
/// do-not-contact, webhooks, lists of values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MauticVersion {
    /// Mautic 5.1.0.
    #[default]
    V5_1,
    /// Mautic 7.0.0.
    V7_0,
}

impl MauticVersion {
    /// All of them, the oldest first.
    pub const ALL: [Self; 2] = [Self::V5_1, Self::V7_0];

    /// As the `Mautic-Version` header has it.
    #[must_use]
    pub fn full(self) -> &'static str {
        match self {
            Self::V5_1 => "5.1.0",
            Self::V7_0 => "7.0.0",
        }
    }

    /// Whether it is 7.0.
    pub(crate) fn is_7(self) -> bool {
        self == Self::V7_0
    }

    /// 7.0 has projects in most of what it shows; nothing here belongs to one.
    pub(crate) fn add_projects(self, view: &mut Map<String, Value>) {
        if self.is_7() {
            view.insert("projects".into(), json!([]));
        }
    }

    /// The first in 5.1, the second in 7.0.
    pub(crate) fn pick<T>(self, five: T, seven: T) -> T {
        match self {
            Self::V5_1 => five,
            Self::V7_0 => seven,
        }
    }
}

impl fmt::Display for MauticVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pick("5.1", "7.0"))
    }
}

/// A version that is not simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no simulated Mautic {0}: 5.1 and 7.0 are")]
pub struct UnknownVersion(String);

impl FromStr for MauticVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        match text {
            "5.1" | "5.1.0" => Ok(Self::V5_1),
            "7.0" | "7.0.0" => Ok(Self::V7_0),
            _ => Err(UnknownVersion(text.to_owned())),
        }
    }
}
