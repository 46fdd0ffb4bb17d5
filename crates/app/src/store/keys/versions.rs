//! Documents that are kept by version: mapping sets, lifecycle rules.

use tandem_core::domain::scope::{Scope, TenantId};

use super::{Key, key, of_integration, of_tenant};

/// The partition of the mapping sets of an integration.
#[must_use]
pub fn mappings_partition(scope: &Scope) -> String {
    of_integration(scope, "mappings")
}

/// The partition of a tenant's lifecycle rules.
#[must_use]
pub fn lifecycle_rules_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "rules")
}

/// Which version of a partition's document counts.
#[must_use]
pub fn version_head(partition: String) -> Key {
    key(partition, "head")
}

/// What the sort keys of versions begin with.
pub const VERSIONS: &str = "version#";

/// A version of a partition's document; versions sort by their numbers.
#[must_use]
pub fn version(partition: String, number: u64) -> Key {
    key(partition, format!("{VERSIONS}{number:06}"))
}
