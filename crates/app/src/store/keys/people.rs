//! Records, what leads to them, their links, and what waits for them.

use tandem_core::domain::identity::{Identity, IdentityKind, RecordKey};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::jobs::message::MembershipList;

use super::{Key, key, of_integration, of_tenant, short_digest};

/// The sort key of a record in its partition.
pub const RECORD: &str = "record";
/// What the sort keys of a record's links begin with.
pub const LINKS: &str = "link#";

/// Into how many partitions an integration's outbox is spread: DynamoDB takes 1,000 write units a second of each.
pub const OUTBOX_SHARDS: usize = 4;

/// Into how many partitions the list of a tenant's records is spread.
pub const RECORD_SHARDS: usize = 16;

/// The partition that holds a record and its links.
#[must_use]
pub fn record_partition(tenant: &TenantId, record: &RecordKey) -> String {
    of_tenant(tenant, &format!("record#{}", record.as_str()))
}

/// A record.
#[must_use]
pub fn record(tenant: &TenantId, record: &RecordKey) -> Key {
    key(record_partition(tenant, record), RECORD)
}

/// What the sort key of an integration's links is.
#[must_use]
pub fn link_of(integration: &IntegrationId) -> String {
    format!("{LINKS}{integration}")
}

/// A record's link to an integration, and the lease on it.
#[must_use]
pub fn link(scope: &Scope, record: &RecordKey) -> Key {
    key(record_partition(&scope.tenant, record), link_of(&scope.integration))
}

/// A partition of the list of a tenant's records.
#[must_use]
pub fn records_partition(tenant: &TenantId, shard: usize) -> String {
    of_tenant(tenant, &format!("records#{shard:x}"))
}

/// A record's place in the list.
#[must_use]
pub fn listed_record(tenant: &TenantId, record: &RecordKey) -> Key {
    key(records_partition(tenant, shard_of(record, RECORD_SHARDS)), record.as_str())
}

fn shard_of(record: &RecordKey, shards: usize) -> usize {
    record.as_str().bytes().map(usize::from).sum::<usize>() % shards
}

/// What the source of a record was last told.
#[must_use]
pub fn feedback(tenant: &TenantId, record: &RecordKey) -> Key {
    key(record_partition(tenant, record), "feedback")
}

/// The pointer from an identity to its record.
#[must_use]
pub fn identity(tenant: &TenantId, identity: &Identity) -> Key {
    key(of_tenant(tenant, &format!("identity#{}", named(identity))), "pointer")
}

/// The note that the person with an identity was deleted.
#[must_use]
pub fn tombstone(tenant: &TenantId, identity: &Identity) -> Key {
    key(of_tenant(tenant, &format!("gone#{}", named(identity))), "gone")
}

fn named(identity: &Identity) -> String {
    let kind = match identity.kind() {
        IdentityKind::Email => "email",
        IdentityKind::External => "external",
    };
    format!("{kind}#{}", identity.digest())
}

/// The consent ledger of an address: an opt-out reaches all integrations.
#[must_use]
pub fn consent(tenant: &TenantId, email: &Identity) -> Key {
    key(of_tenant(tenant, &format!("consent#{}", email.digest())), "email")
}

/// The pointer from a contact of the platform to its record.
#[must_use]
pub fn remote(scope: &Scope, id: &RemoteId) -> Key {
    key(of_integration(scope, &format!("remote#{id}")), "pointer")
}

/// The note that the person was deleted whose contact of the platform this was.
#[must_use]
pub fn contact_tombstone(scope: &Scope, contact: &RemoteId) -> Key {
    key(of_integration(scope, &format!("gone#contact#{}", short_digest(&contact.0))), "gone")
}

/// The partition that lists the records with a field that a person has to decide.
#[must_use]
pub fn contested_partition(scope: &Scope) -> String {
    of_integration(scope, "contested")
}

/// A record in the list of those with a field that a person has to decide.
#[must_use]
pub fn contested(scope: &Scope, record: &RecordKey) -> Key {
    key(contested_partition(scope), record.as_str())
}

/// A partition of an integration's outbox: of the records whose links have to be brought up to them.
#[must_use]
pub fn outbox_partition(scope: &Scope, shard: usize) -> String {
    of_integration(scope, &format!("outbox#{shard}"))
}

/// The outbox entry of a record.
#[must_use]
pub fn outbox(scope: &Scope, record: &RecordKey) -> Key {
    key(outbox_partition(scope, shard_of(record, OUTBOX_SHARDS)), record.as_str())
}

/// The newest wish about a contact's membership of a list.
#[must_use]
pub fn membership_wish(scope: &Scope, contact: &RemoteId, list: &MembershipList) -> Key {
    let list = match list {
        MembershipList::Campaign(id) => format!("campaign#{id}"),
        MembershipList::Segment(id) => format!("segment#{id}"),
    };
    key(of_integration(scope, &format!("wish#{contact}")), list)
}
