//! Who may call, what was answered, and what waits for a person.

use tandem_core::domain::scope::TenantId;

use super::{Key, key, of_tenant};

/// The partition of a tenant's parked jobs.
#[must_use]
pub fn parked_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "parked")
}

/// A parked job. Job ids are time-ordered, so the partition lists the oldest job first.
#[must_use]
pub fn parked(tenant: &TenantId, job: &str) -> Key {
    key(parked_partition(tenant), job)
}

/// The stored answer to an idempotent call, by the digest of the caller's key.
#[must_use]
pub fn answer(tenant: &TenantId, digest: &str) -> Key {
    key(of_tenant(tenant, &format!("idempotency#{digest}")), "answer")
}

/// An API key, by the hash of its secret.
#[must_use]
pub fn api_key(hash: &str) -> Key {
    key(format!("K#{hash}"), "key")
}

/// The partition that lists a tenant's API keys.
#[must_use]
pub fn api_key_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "api-keys")
}

/// An API key in its tenant's list.
#[must_use]
pub fn listed_api_key(tenant: &TenantId, hash: &str) -> Key {
    key(api_key_partition(tenant), hash)
}
