//! Versions of mapping sets and of lifecycle rules, as answers show them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::lifecycle_rules::StoredRules;
use crate::mappings::StoredMappings;
use crate::store::Version;

/// The versions of a document that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions<T> {
    /// The number of the one that counts; 0 where none was set.
    pub active: u64,
    /// The versions, the newest first.
    pub versions: Vec<T>,
}

/// A version of a mapping set, without the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingsVersion {
    /// Its number; 0 is the built-in one.
    pub version: u64,
    /// When it was set; never, for the built-in one.
    pub set_at: Option<Timestamp>,
    /// Who set it.
    pub set_by: String,
    /// What they said about it.
    pub note: Option<String>,
    /// How many rules it has.
    pub rules: usize,
}

/// A version of lifecycle rules, without the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesVersion {
    /// Its number.
    pub version: u64,
    /// When it was set.
    pub set_at: Timestamp,
    /// Who set it.
    pub set_by: String,
    /// What they said about it.
    pub note: Option<String>,
    /// Whether it has rules of its own; else it says that those of the configuration count.
    pub stored: bool,
}

impl Versions<MappingsVersion> {
    /// Of these versions, the newest first.
    #[must_use]
    pub fn of_mappings(versions: &[Version<StoredMappings>]) -> Self {
        let active = versions.first().map_or(0, |version| version.version);
        Self { active, versions: versions.iter().map(MappingsVersion::of).collect() }
    }
}

impl Versions<RulesVersion> {
    /// The same of rules.
    #[must_use]
    pub fn of_rules(versions: &[Version<StoredRules>]) -> Self {
        let active = versions.first().map_or(0, |version| version.version);
        Self { active, versions: versions.iter().map(RulesVersion::of).collect() }
    }
}

impl MappingsVersion {
    /// What is told of a version.
    #[must_use]
    pub fn of(version: &Version<StoredMappings>) -> Self {
        Self {
            version: version.version,
            set_at: (version.version > 0).then_some(version.set_at),
            set_by: version.set_by.clone(),
            note: version.note.clone(),
            rules: version.content.set.mappings.iter().map(|mapping| mapping.rules.len()).sum(),
        }
    }
}

impl RulesVersion {
    fn of(version: &Version<StoredRules>) -> Self {
        Self {
            version: version.version,
            set_at: version.set_at,
            set_by: version.set_by.clone(),
            note: version.note.clone(),
            stored: version.content.text.is_some(),
        }
    }
}
