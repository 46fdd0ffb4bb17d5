//! The lifecycle rules of tenants: those that are stored for a tenant, else those that the operator's configuration names.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::domain::scope::TenantId;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::mapping::{Problem, RuleSet};
use tandem_core::ports::Attempt;

use crate::config::LifecycleConfig;
use crate::mappings::{Setting, Taken};
use crate::store::{Owner, Table, Version, VersionTable};

/// Lifecycle rules as they are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRules {
    /// The rules, in TOML; `None` says that those of the operator's configuration count again.
    pub text: Option<String>,
}

/// The rules that count for a tenant.
#[derive(Clone, Debug)]
pub struct RulesInForce {
    /// The number of the stored version that says so; 0 when there is none.
    pub version: u64,
    rules: Rules,
}

#[derive(Clone, Debug)]
enum Rules {
    /// Those of the operator's configuration, which may name variables of the environment.
    Configured(LifecycleConfig),
    /// Those that were stored for the tenant, which see nothing of the environment.
    Stored(String),
}

impl RulesInForce {
    /// Their text, in TOML.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.rules {
            Rules::Configured(config) => &config.text,
            Rules::Stored(text) => text,
        }
    }

    /// Whether they are the tenant's own, and not those of the operator's configuration.
    #[must_use]
    pub fn are_stored(&self) -> bool {
        match self.rules {
            Rules::Configured(_) => false,
            Rules::Stored(_) => true,
        }
    }

    /// The rules, checked against the field rules.
    ///
    /// # Errors
    /// All that is wrong, a sentence each, with the place.
    pub fn book(&self, fields: &RuleSet) -> std::result::Result<RuleBook, Vec<String>> {
        match &self.rules {
            Rules::Configured(config) => RuleBook::parse(&config.text, fields, |name| config.variable(name)),
            Rules::Stored(text) => RuleBook::parse_stored(text, fields),
        }
    }

    /// The same, for whoever is about to use them.
    ///
    /// # Errors
    /// `Misconfigured` with all that is wrong.
    pub fn load(&self, fields: &RuleSet) -> Result<RuleBook> {
        self.book(fields).map_err(|problems| {
            let message = format!("the lifecycle rules can't be used: {}", problems.join("; "));
            Failure::new(FailureKind::Misconfigured, message)
        })
    }
}

/// The longest text of rules, in bytes.
const LONGEST: usize = 256 * 1024;

fn too_long() -> String {
    format!("the rules are longer than {} KB", LONGEST / 1024)
}

/// The lifecycle rules of all tenants.
#[derive(Clone)]
pub struct LifecycleRules {
    versions: Arc<VersionTable<StoredRules>>,
    configured: LifecycleConfig,
}

impl LifecycleRules {
    /// The rules in `table`, and those that count where there are none.
    #[must_use]
    pub fn new(table: Table, configured: LifecycleConfig) -> Self {
        Self { versions: Arc::new(VersionTable::new(table)), configured }
    }

    /// The rules that count. One or two read calls.
    ///
    /// # Errors
    /// `Storage` when the table fails; so do all methods below.
    pub async fn active(&self, tenant: &TenantId) -> Result<RulesInForce> {
        let number = self.versions.active(&Owner::LifecycleRules(tenant.clone())).await?;
        self.of_version(tenant, number).await
    }

    /// Those of a version; the configured ones for 0 and for a version that is not kept.
    pub(crate) async fn of_version(&self, tenant: &TenantId, number: u64) -> Result<RulesInForce> {
        let stored = self.version(tenant, number).await?.and_then(|version| version.content.text);
        let rules = stored.map_or_else(|| Rules::Configured(self.configured_for(tenant)), Rules::Stored);
        Ok(RulesInForce { version: number, rules })
    }

    /// The rules of a tenant that stored none: the configuration is the default tenant's, and others read nothing of it.
    fn configured_for(&self, tenant: &TenantId) -> LifecycleConfig {
        if tenant.is_default() { self.configured.clone() } else { LifecycleConfig::built_in() }
    }

    /// A stored version.
    pub async fn version(&self, tenant: &TenantId, number: u64) -> Result<Option<Version<StoredRules>>> {
        match number {
            0 => Ok(None),
            _ => self.versions.version(&Owner::LifecycleRules(tenant.clone()), number).await,
        }
    }

    /// All stored versions, the newest first.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Version<StoredRules>>> {
        self.versions.list(&Owner::LifecycleRules(tenant.clone())).await
    }

    /// Makes rules those that count, if nothing is wrong with them; `None` has those of the configuration count again. `fields`
    /// are the field rules that they set fields of.
    pub async fn set(
        &self,
        tenant: &TenantId,
        text: Option<&str>,
        fields: &RuleSet,
        Setting { act, note, seen }: Setting,
    ) -> Result<Taken<StoredRules>> {
        let active = self.active(tenant).await?;
        if seen.is_some_and(|seen| seen != active.version) {
            return Ok(Taken::Changed(active.version));
        }
        let problems = self.problems(tenant, text, fields);
        if !problems.is_empty() {
            return Ok(Taken::Refused(problems));
        }
        if Some(active.text()).filter(|_| active.are_stored()) == text {
            return Ok(Taken::Same(active.version));
        }
        let content = StoredRules { text: text.map(str::to_owned) };
        let entry = act.entry("rules.set", tenant.to_string(), &["rules"]);
        let version = Version { version: active.version + 1, set_at: act.at, set_by: act.by.clone(), note, content };
        match self.versions.set(&Owner::LifecycleRules(tenant.clone()), &version, &entry).await? {
            Attempt::Done => Ok(Taken::Set { version, warnings: Vec::new() }),
            Attempt::Contended => Ok(Taken::Changed(self.active(tenant).await?.version)),
        }
    }

    /// The rules of a text as a tenant may write them, or those that count where none is given; else all that is wrong with them.
    pub async fn book_of(
        &self,
        tenant: &TenantId,
        text: Option<&str>,
        fields: &RuleSet,
    ) -> Result<std::result::Result<RuleBook, Vec<String>>> {
        match text {
            Some(text) if text.len() > LONGEST => Ok(Err(vec![too_long()])),
            Some(text) => Ok(RuleBook::parse_stored(text, fields)),
            None => Ok(self.active(tenant).await?.book(fields)),
        }
    }

    fn problems(&self, tenant: &TenantId, text: Option<&str>, fields: &RuleSet) -> Vec<Problem> {
        let told = match text {
            Some(text) if text.len() > LONGEST => vec![too_long()],
            Some(text) => RuleBook::parse_stored(text, fields).err().unwrap_or_default(),
            None => {
                let configured = RulesInForce { version: 0, rules: Rules::Configured(self.configured_for(tenant)) };
                configured.book(fields).err().unwrap_or_default()
            }
        };
        told.into_iter().map(|what| Problem::error("", what)).collect()
    }

    /// Makes the rules of an older version those that count, as a new version; 0 are those of the configuration.
    pub async fn roll_back(
        &self,
        tenant: &TenantId,
        number: u64,
        fields: &RuleSet,
        setting: Setting,
    ) -> Result<Taken<StoredRules>> {
        let text = match self.version(tenant, number).await? {
            Some(version) => version.content.text,
            None if number == 0 => None,
            None => return Ok(Taken::Unknown),
        };
        let note = setting.note.clone().or_else(|| Some(format!("as version {number}")));
        self.set(tenant, text.as_deref(), fields, Setting { note, ..setting }).await
    }
}
