//! Mapping sets as an operator changes them: checked as a whole, set as a new version, never over somebody else's.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_connectors::mautic;
use tandem_core::domain::catalog::FieldCatalog;
use tandem_core::domain::identity::ExternalId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::mapping::check::check;
use tandem_core::mapping::set_difference::{Difference, differences};
use tandem_core::mapping::{Dates, MappingSet, Problem, RuleSet};
use tandem_core::ports::Attempt;
use tandem_core::sync::run::dry_run::PlannedChange;
use tandem_core::sync::services::Desk;

use crate::lifecycle_rules::LifecycleRules;
use crate::store::{Act, Owner, Table, Version, VersionTable};

/// A mapping set as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredMappings {
    /// The set.
    pub set: MappingSet,
    /// As [`Dates::since`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub since: BTreeMap<String, Timestamp>,
}

/// Who sets a version, and what they say about it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Who, when.
    pub act: Act,
    /// What they say.
    pub note: Option<String>,
    /// The version that they saw; `None` takes the place of any.
    pub seen: Option<u64>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken<T> {
    /// It counts from now on; in warm functions within half a minute.
    Set {
        /// The version that counts now.
        version: Version<T>,
        /// What may not be meant.
        warnings: Vec<Problem>,
    },
    /// It says what counts already.
    Same(u64),
    /// It was refused: all that is wrong, warnings among it.
    Refused(Vec<Problem>),
    /// Another version was set since the one that was seen; this one counts.
    Changed(u64),
    /// There is no version of this number.
    Unknown,
}

/// What a set would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Whether it can be set; else nothing more is told than what is wrong.
    pub sound: bool,
    /// All that is wrong, and what may not be meant.
    pub problems: Vec<Problem>,
    /// What it says otherwise than the set that counts.
    pub differences: Vec<Difference>,
    /// What would be done about each record, as plans of dry runs have it; `unknown` for an id that no record has. Personal data.
    pub records: Vec<Value>,
}

/// The mapping sets of integrations.
#[derive(Clone)]
pub struct Mappings {
    versions: Arc<VersionTable<StoredMappings>>,
    lifecycle: LifecycleRules,
}

impl Mappings {
    /// The sets in `table`. The lifecycle rules of an integration's tenant must go on knowing the fields that they set.
    #[must_use]
    pub fn new(table: Table, lifecycle: LifecycleRules) -> Self {
        Self { versions: Arc::new(VersionTable::new(table)), lifecycle }
    }

    /// The version that counts. One or two read calls.
    ///
    /// # Errors
    /// `Storage` when the table fails; so do all methods below.
    pub async fn active(&self, scope: &Scope) -> Result<Version<StoredMappings>> {
        let number = self.versions.active(&Owner::Mappings(scope.clone())).await?;
        match self.version(scope, number).await? {
            Some(version) => Ok(version),
            None => built_in(),
        }
    }

    /// A version by its number; 0 is the built-in one.
    pub async fn version(&self, scope: &Scope, number: u64) -> Result<Option<Version<StoredMappings>>> {
        match number {
            0 => built_in().map(Some),
            _ => self.versions.version(&Owner::Mappings(scope.clone()), number).await,
        }
    }

    /// All versions that are kept, the newest first, the built-in one last.
    pub async fn list(&self, scope: &Scope) -> Result<Vec<Version<StoredMappings>>> {
        let mut versions = self.versions.list(&Owner::Mappings(scope.clone())).await?;
        versions.push(built_in()?);
        Ok(versions)
    }

    /// All that is wrong with a set for this integration. `catalog` is what the platform has.
    pub async fn check(&self, scope: &Scope, set: &MappingSet, catalog: Option<&FieldCatalog>) -> Result<Vec<Problem>> {
        let mut problems = check(set, &mautic::PLATFORM, catalog);
        if let Ok(rules) = set.people() {
            let lifecycle = self.lifecycle.active(&scope.tenant).await?;
            let unknown = lifecycle.book(&rules).err().unwrap_or_default();
            problems.extend(unknown.into_iter().map(|what| Problem::error("", format!("the lifecycle rules: {what}"))));
        }
        Ok(problems)
    }

    /// What a set would change, and what would be written of the records of these external ids by the desk's integration. Nothing is
    /// written, and the platform is not changed.
    pub async fn try_out(
        &self,
        mut desk: Desk,
        set: &MappingSet,
        catalog: &FieldCatalog,
        records: &[ExternalId],
    ) -> Result<Tried> {
        let scope = desk.integration.scope.clone();
        let problems = self.check(&scope, set, Some(catalog)).await?;
        if problems.iter().any(Problem::is_error) {
            return Ok(Tried { sound: false, problems, differences: Vec::new(), records: Vec::new() });
        }
        let differences = differences(&self.active(&scope).await?.content.set, set);
        if let Ok(rules) = set.people() {
            desk.integration.rules = Arc::new(rules);
        }
        let record = |(id, change): (String, Option<PlannedChange>)| match change {
            Some(change) => json!(change),
            None => json!({"id": id, "action": "unknown"}),
        };
        let records = desk.proposed(records).await?.into_iter().map(record).collect();
        Ok(Tried { sound: true, problems, differences, records })
    }

    /// Makes a set the one that counts, if nothing is wrong with it.
    pub async fn set(
        &self,
        scope: &Scope,
        set: MappingSet,
        catalog: Option<&FieldCatalog>,
        setting: Setting,
    ) -> Result<Taken<StoredMappings>> {
        let active = self.active(scope).await?;
        if setting.seen.is_some_and(|seen| seen != active.version) {
            return Ok(Taken::Changed(active.version));
        }
        let problems = self.check(scope, &set, catalog).await?;
        if problems.iter().any(Problem::is_error) {
            return Ok(Taken::Refused(problems));
        }
        if set == active.content.set {
            return Ok(Taken::Same(active.version));
        }
        self.store(scope, &active, set, problems, setting).await
    }

    /// Makes the set of an older version the one that counts, as a new version: what was set is history and stays so.
    pub async fn roll_back(
        &self,
        scope: &Scope,
        number: u64,
        catalog: Option<&FieldCatalog>,
        setting: Setting,
    ) -> Result<Taken<StoredMappings>> {
        let Some(version) = self.version(scope, number).await? else { return Ok(Taken::Unknown) };
        let note = setting.note.clone().or_else(|| Some(format!("as version {number}")));
        self.set(scope, version.content.set, catalog, Setting { note, ..setting }).await
    }

    async fn store(
        &self,
        scope: &Scope,
        active: &Version<StoredMappings>,
        set: MappingSet,
        warnings: Vec<Problem>,
        Setting { act, note, .. }: Setting,
    ) -> Result<Taken<StoredMappings>> {
        let (before, next) = (rules_of(active), set.people());
        let (Ok(before), Ok(next)) = (before, next) else { return Ok(Taken::Refused(warnings)) };
        let number = active.version + 1;
        let Dates { since, .. } = Dates::following(&before, &next, number, act.at);
        let content = StoredMappings { set, since };
        let entry = act.entry("mappings.set", scope.integration.to_string(), &["mappings"]);
        let version = Version { version: number, set_at: act.at, set_by: act.by.clone(), note, content };
        match self.versions.set(&Owner::Mappings(scope.clone()), &version, &entry).await? {
            Attempt::Done => Ok(Taken::Set { version, warnings }),
            Attempt::Contended => Ok(Taken::Changed(self.active(scope).await?.version)),
        }
    }
}

/// The rules of a stored set, dated.
///
/// # Errors
/// All that is wrong with it: it was sound when it was set, so an older release has set it.
pub fn rules_of(version: &Version<StoredMappings>) -> std::result::Result<RuleSet, Vec<Problem>> {
    let dates = Dates { version: version.version, changed_at: version.set_at, since: version.content.since.clone() };
    Ok(version.content.set.people()?.dated(dates))
}

/// The set that counts where nobody has set one.
///
/// # Errors
/// `Misconfigured` when the connector's own rules can't be read, which a test rules out.
pub fn built_in() -> Result<Version<StoredMappings>> {
    let content = StoredMappings { set: mautic::built_in_mappings()?, since: BTreeMap::new() };
    Ok(Version {
        version: 0,
        set_at: Timestamp::UNIX_EPOCH,
        set_by: "Tandem".to_owned(),
        note: Some("built in".to_owned()),
        content,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What stands in the table can't be written otherwise any more: an older version has to be read for good.
    #[test]
    fn a_stored_set_has_this_form() {
        let rules = "[[rule]]\nlocal = \"email\"\nrole = \"address\"\nremote = \"email\"\ndirection = \"push\"\ntransform = \"email\"\n";
        let at = Timestamp::from_microsecond(1_795_000_000_123_456).unwrap();
        let content = StoredMappings {
            set: MappingSet::built_in("contact", rules).unwrap(),
            since: [("email".to_owned(), at)].into(),
        };
        let version = Version {
            version: 7,
            set_at: at,
            set_by: "jane".to_owned(),
            note: Some("as version 3".to_owned()),
            content,
        };
        let stored = json!({
            "version": 7,
            "set_at": "2026-11-18T11:06:40.123456Z",
            "set_by": "jane",
            "note": "as version 3",
            "content": {
                "set": {"mappings": [{"kind": "person", "object": "contact", "rules": [
                    {"local": "email", "role": "address", "remote": "email", "direction": "push", "transform": "email"},
                ]}]},
                "since": {"email": "2026-11-18T11:06:40.123456Z"},
            },
        });
        assert_eq!(serde_json::to_value(&version).unwrap(), stored);
        assert_eq!(serde_json::from_value::<Version<StoredMappings>>(stored).unwrap(), version);
        let dates = rules_of(&version).unwrap().dates().clone();
        assert_eq!((dates.version, dates.changed_at, dates.since.len()), (7, at, 1));
    }
}
