//! Documents that people change by making a new version: every version is kept as it was, the newest counts, and nobody overwrites
//! what somebody else has set meanwhile.

use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::audit::{AuditEntry, noting};
use super::condition::Condition;
use super::keys::{self, Key};
use super::row::{Item, document, item, parsed, row};
use super::table::Table;

/// How many versions are kept.
pub const KEPT: u64 = 50;

/// A version of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version<T> {
    /// Its number, from 1.
    pub version: u64,
    /// When it was set.
    pub set_at: Timestamp,
    /// Who set it, as a person would say it.
    pub set_by: String,
    /// What whoever set it said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What it says.
    pub content: T,
}

/// The versions of one document for each owner.
pub struct VersionTable<T> {
    table: Table,
    of: PhantomData<fn() -> T>,
}

#[derive(Serialize, Deserialize)]
struct VersionRow {
    document: String,
}

#[derive(Serialize, Deserialize)]
struct HeadRow {
    active_version: u64,
}

/// Whose versions are meant: an integration's mapping sets, a tenant's lifecycle rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The mapping sets of an integration.
    Mappings(Scope),
    /// The lifecycle rules of a tenant.
    LifecycleRules(TenantId),
}

impl Owner {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Mappings(scope) => &scope.tenant,
            Self::LifecycleRules(tenant) => tenant,
        }
    }

    fn partition(&self) -> String {
        match self {
            Self::Mappings(scope) => keys::mappings_partition(scope),
            Self::LifecycleRules(tenant) => keys::lifecycle_rules_partition(tenant),
        }
    }

    fn head(&self) -> Key {
        keys::version_head(self.partition())
    }

    fn version(&self, number: u64) -> Key {
        keys::version(self.partition(), number)
    }
}

impl<T: Serialize + DeserializeOwned> VersionTable<T> {
    /// The versions in `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table, of: PhantomData }
    }

    /// The number of the version that counts; 0 when nobody has set one. One read call.
    ///
    /// # Errors
    /// `Storage` when the table fails; so do all methods below.
    pub async fn active(&self, owner: &Owner) -> Result<u64> {
        number(self.table.get(owner.head()).await?)
    }

    /// A version; `None` when there is none of this number, or it was so long ago that it is not kept. One read call.
    pub async fn version(&self, owner: &Owner, number: u64) -> Result<Option<Version<T>>> {
        self.table.get(owner.version(number)).await?.map(version).transpose()
    }

    /// All versions that are kept, the newest first. One read call per MB.
    pub async fn list(&self, owner: &Owner) -> Result<Vec<Version<T>>> {
        let items = self.table.partition_with_prefix(owner.partition(), keys::VERSIONS).await?;
        items.into_iter().rev().map(version).collect()
    }

    /// Makes a version the one that counts, if the one before it does, and notes who did it; `Contended` when another was set
    /// meanwhile. One write call.
    pub async fn set(&self, owner: &Owner, new: &Version<T>, entry: &AuditEntry) -> Result<Attempt> {
        let before = new.version.saturating_sub(1);
        let follows = match before {
            0 => Condition::absent(),
            _ => Condition::new("active_version = :before").number(":before", before),
        };
        let content = VersionRow { document: document(new)? };
        let mut parts = vec![
            self.table.putting(item(owner.head(), &HeadRow { active_version: new.version })?, Some(follows))?,
            self.table.putting(item(owner.version(new.version), &content)?, None)?,
            noting(&self.table, owner.tenant(), entry)?,
        ];
        if let Some(oldest) = new.version.checked_sub(KEPT).filter(|oldest| *oldest > 0) {
            parts.push(self.table.deleting(owner.version(oldest), None)?);
        }
        Ok(self.table.transact(parts).await?.into())
    }
}

/// The numbers of the versions that count, of two owners. One read call.
///
/// # Errors
/// `Storage` when the table fails.
pub async fn versions_in_force(table: &Table, owners: [&Owner; 2]) -> Result<[u64; 2]> {
    let mut heads = table.get_all(owners.iter().map(|owner| owner.head()).collect()).await?;
    let [one, other] = owners.map(|owner| number(heads.remove(&owner.head())));
    Ok([one?, other?])
}

fn number(head: Option<Item>) -> Result<u64> {
    head.map_or(Ok(0), |head| Ok(row::<HeadRow>(head)?.active_version))
}

fn version<T: DeserializeOwned>(item: Item) -> Result<Version<T>> {
    parsed(&row::<VersionRow>(item)?.document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_an_integration_and_of_its_tenant_stand_apart_and_in_order() {
        let scope = Scope::default_mautic();
        let (sets, rules) = (Owner::Mappings(scope.clone()), Owner::LifecycleRules(scope.tenant));
        let own = |key: Key| format!("{} {}", key.pk, key.sk);
        assert_eq!(own(sets.head()), "I#default#mautic#mappings head");
        assert_eq!(own(sets.version(7)), "I#default#mautic#mappings version#000007");
        assert_eq!(own(rules.version(1)), "T#default#rules version#000001");
    }
}
