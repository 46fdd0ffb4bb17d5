//! Every key format of the table.
//!
//! A partition key starts with its owner: `T#tenant#…` for what all integrations of a tenant share, `I#tenant#integration#…`
//! for what belongs to one integration, `K#…` for API keys, which are looked up before the tenant is known, `W#…` for the public
//! ids of webhooks, and `tenants` for the list of tenants. The functions' types say which: they take a [`TenantId`] or a [`Scope`]. Links alone stand in a partition of the tenant's under the name
//! of their integration, so that a record is read with all of them by one call. Names of tenants and integrations can't hold
//! a `#`, and text from outside only stands last, so no two things share a key.

mod access;
mod admin;
mod lifecycle;
mod log;
mod people;
mod platform;
mod rows;
mod runs;
#[cfg(test)]
mod tests;
mod versions;
mod webhook;

pub use access::*;
pub use admin::*;
pub use lifecycle::*;
pub use log::*;
pub use people::*;
pub use platform::*;
pub use rows::*;
pub use runs::*;
pub use versions::*;
pub use webhook::*;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tandem_core::domain::scope::{Scope, TenantId};

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    /// Whether DynamoDB can hold an item under it: neither part is empty or too long. Names from outside become part of keys, and
    /// one that fits none names nothing.
    #[must_use]
    pub fn fits(&self) -> bool {
        is_within(&self.pk, MOST_OF_PARTITION) && is_within(&self.sk, MOST_OF_SORT)
    }
}

/// The bytes that a partition key has at most.
pub(super) const MOST_OF_PARTITION: usize = 2_048;
/// The bytes that a sort key has at most.
pub(super) const MOST_OF_SORT: usize = 1_024;

/// Whether a part of a key is there and no longer than this, in bytes.
pub(super) fn is_within(part: &str, most: usize) -> bool {
    (1..=most).contains(&part.len())
}

fn key(pk: String, sk: impl Into<String>) -> Key {
    Key { pk, sk: sk.into() }
}

fn of_integration(scope: &Scope, rest: &str) -> String {
    format!("I#{}#{}#{rest}", scope.tenant, scope.integration)
}

fn of_tenant(tenant: &TenantId, rest: &str) -> String {
    format!("T#{tenant}#{rest}")
}

/// What stands in keys for text from outside, which may be anything: 128 bits of SHA-256, in hex.
fn short_digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

/// Microseconds as text that sorts as they do; moments before 1970, in which nothing arrived, are taken for its beginning.
fn sortable(moment: Timestamp) -> String {
    format!("{:018}", moment.as_microsecond().max(0))
}
