//! A tenant: who owns records, integrations and API keys.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::scope::TenantId;

/// What is known of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// By which keys of the table and calls name it. For good.
    pub id: TenantId,
    /// What people call it.
    pub name: Label,
    /// Whether it is served.
    pub status: TenantStatus,
    /// When it was made; `None` for the default one, which never was.
    pub created_at: Option<Timestamp>,
    /// How often it was changed since.
    pub revision: u64,
}

/// Whether a tenant is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TenantStatus {
    /// It is.
    Active,
    /// Its calls are refused and its jobs wait, until somebody resumes it.
    Suspended {
        /// Since when.
        since: Timestamp,
    },
    /// It and everything it owns is being deleted. There is no way back.
    Deleting {
        /// Since when.
        since: Timestamp,
    },
}

impl Tenant {
    /// A tenant that is served from now on.
    #[must_use]
    pub fn new(id: TenantId, name: Label, now: Timestamp) -> Self {
        Self { id, name, status: TenantStatus::Active, created_at: Some(now), revision: 1 }
    }

    /// The same tenant in another status.
    #[must_use]
    pub fn with_status(self, status: TenantStatus) -> Self {
        Self { status, revision: self.revision + 1, ..self }
    }
}

/// The tenant of the installation itself.
impl Default for Tenant {
    fn default() -> Self {
        let (id, name) = (TenantId::default(), Label("default".to_owned()));
        Self { id, name, status: TenantStatus::Active, created_at: None, revision: 1 }
    }
}

/// What people call a tenant, a key or an integration: 1 to 100 characters, without control characters or blanks around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// A name that is blank, too long, or holds control characters.
#[derive(Debug, thiserror::Error)]
#[error("a name takes 1 to 100 characters, and no control characters")]
pub struct UnusableLabel;

impl Label {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Label {
    type Error = UnusableLabel;

    fn try_from(name: String) -> Result<Self, UnusableLabel> {
        let short = name.chars().count() <= 100;
        let name = name.trim();
        let sound = short && !name.is_empty() && !name.chars().any(char::is_control);
        if sound { Ok(Self(name.to_owned())) } else { Err(UnusableLabel) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_trimmed_and_takes_no_control_characters() {
        assert_eq!(Label::try_from(" Acme & Söhne ".to_owned()).unwrap().as_str(), "Acme & Söhne");
        for bad in [String::new(), "  ".to_owned(), "a\nb".to_owned(), "x".repeat(101)] {
            assert!(Label::try_from(bad).is_err());
        }
    }
}
