//! Keys of what operators keep: tenants, API keys, audit entries.

use tandem_core::domain::scope::{IntegrationId, TenantId};

use super::{Key, key, of_tenant};

/// The partition that lists all tenants, by their ids.
#[must_use]
pub fn tenant_partition() -> String {
    "tenants".to_owned()
}

/// A tenant.
#[must_use]
pub fn tenant(id: &TenantId) -> Key {
    key(tenant_partition(), id.to_string())
}

/// The note that a tenant was deleted: its id is not given to another.
#[must_use]
pub fn gone_tenant(id: &TenantId) -> Key {
    key("tenants-gone".to_owned(), id.to_string())
}

/// The partition of the names of a tenant's keys.
#[must_use]
pub fn api_key_name_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "api-key-names")
}

/// The name of a key that is not revoked. Names that differ in letter case alone are one.
#[must_use]
pub fn api_key_name(tenant: &TenantId, name: &str) -> Key {
    key(api_key_name_partition(tenant), name.to_lowercase())
}

/// The list of what no other list of a tenant leads to.
#[must_use]
pub fn inventory_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "inventory")
}

/// A partition's place in that list.
#[must_use]
pub fn inventoried(tenant: &TenantId, partition: &str) -> Key {
    key(inventory_partition(tenant), partition)
}

/// The partition of who changed what of a tenant's settings.
#[must_use]
pub fn audit_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "audit")
}

/// One change. Ids are time-ordered.
#[must_use]
pub fn audit(tenant: &TenantId, id: &str) -> Key {
    key(audit_partition(tenant), id)
}

/// The partition of what people decided of a tenant's issues.
#[must_use]
pub fn issue_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "issues")
}

/// What a person decided of an issue.
#[must_use]
pub fn issue(tenant: &TenantId, id: &str) -> Key {
    key(issue_partition(tenant), id)
}

/// The partition of a tenant's stored integrations.
#[must_use]
pub fn integration_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "integrations")
}

/// A stored integration.
#[must_use]
pub fn integration(tenant: &TenantId, id: &IntegrationId) -> Key {
    key(integration_partition(tenant), id.to_string())
}

/// The partition of the names of a tenant's stored integrations.
#[must_use]
pub fn integration_name_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "integration-names")
}

/// The name of an integration. Names that differ in letter case alone are one.
#[must_use]
pub fn integration_name(tenant: &TenantId, name: &str) -> Key {
    key(integration_name_partition(tenant), name.to_lowercase())
}

/// Where the public id of an integration's webhooks leads.
#[must_use]
pub fn public_id(public_id: &str) -> Key {
    key(format!("W#{public_id}"), "integration")
}
