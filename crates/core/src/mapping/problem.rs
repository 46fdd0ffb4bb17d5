//! What is wrong with a mapping set, and where it stands in the document.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The set can't be used.
    Error,
    /// The set can be used, and something may not be as it is meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: `mappings[0].rules[3].remote`.
    pub place: String,
    /// How bad it is.
    pub severity: Severity,
    /// A sentence for a person.
    pub message: String,
}

impl Problem {
    /// What keeps a set from being used.
    pub fn error(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), severity: Severity::Error, message: message.into() }
    }

    /// What may not be meant.
    pub fn warning(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), severity: Severity::Warning, message: message.into() }
    }

    /// The same, with its place inside another one.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        let place = match (outer.is_empty(), self.place.is_empty()) {
            (true, _) => self.place,
            (false, true) => outer.to_owned(),
            (false, false) => format!("{outer}.{}", self.place),
        };
        Self { place, ..self }
    }

    /// Whether it keeps the set from being used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.place, self.message) }
    }
}
