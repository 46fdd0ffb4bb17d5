//! Records, what leads to them, their links, and what waits for them.

use jiff::Timestamp;
use tandem_core::domain::identity::{Identity, IdentityKind, RecordKey};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::jobs::message::MembershipList;

use super::{Key, key, of_integration, of_tenant, short_digest, sortable};

/// The sort key of a record in its partition.
pub const RECORD: &str = "record";
/// What the sort keys of a record's links begin with.
pub const LINKS: &str = "link#";

/// Into how many partitions the people of an integration's outbox are spread: DynamoDB takes 1,000 write units a second of each.
const PEOPLE_SHARDS: usize = 4;

/// The partitions of an outbox: one for organisations, deals and packs, which is read first, and those of people.
pub const OUTBOX_SHARDS: usize = PEOPLE_SHARDS + 1;

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

/// The partition of the records that name another one, by the other one's identity.
#[must_use]
pub fn relatives(tenant: &TenantId, of: &Identity) -> String {
    of_tenant(tenant, &format!("related#{}", of.digest()))
}

/// That a record names another one.
#[must_use]
pub fn relative(tenant: &TenantId, of: &Identity, record: &RecordKey) -> Key {
    key(relatives(tenant, of), record.as_str())
}

/// The partition of what a record names or named, by which it is found when the record is erased.
#[must_use]
pub fn relations_partition(tenant: &TenantId, record: &RecordKey) -> String {
    of_tenant(tenant, &format!("relations#{}", record.as_str()))
}

/// The same relation as [`relative`], from the side of who names.
#[must_use]
pub fn relation(tenant: &TenantId, record: &RecordKey, of: &Identity) -> Key {
    key(relations_partition(tenant, record), of.digest())
}

/// The place of who names among the relatives of an identity, by its digest.
#[must_use]
pub fn relative_of_digest(tenant: &TenantId, digest: &str, record: &RecordKey) -> Key {
    key(of_tenant(tenant, &format!("related#{digest}")), record.as_str())
}

/// What the source of a record was last told.
#[must_use]
pub fn feedback(tenant: &TenantId, record: &RecordKey) -> Key {
    key(record_partition(tenant, record), "feedback")
}

/// The pointer from an identity to its record.
#[must_use]
pub fn identity(tenant: &TenantId, identity: &Identity) -> Key {
    named_identity(tenant, &identity_name(identity))
}

/// The note that the person with an identity was deleted.
#[must_use]
pub fn tombstone(tenant: &TenantId, identity: &Identity) -> Key {
    key(of_tenant(tenant, &format!("gone#{}", identity_name(identity))), "gone")
}

/// The pointer of an identity by its name.
#[must_use]
pub fn named_identity(tenant: &TenantId, name: &str) -> Key {
    key(of_tenant(tenant, &format!("identity#{name}")), "pointer")
}

/// The consent ledger of an address by its name as an identity; `None` for what is no address.
#[must_use]
pub fn named_consent(tenant: &TenantId, name: &str) -> Option<Key> {
    name.strip_prefix("email#").map(|digest| consent_of(tenant, digest))
}

/// What an identity is called in keys.
#[must_use]
pub fn identity_name(identity: &Identity) -> String {
    let kind = match identity.kind() {
        IdentityKind::Email => "email",
        // The digest tells ids of different kinds apart.
        IdentityKind::External | IdentityKind::Organisation | IdentityKind::Deal => "external",
    };
    format!("{kind}#{}", identity.digest())
}

/// The consent ledger of an address: an opt-out reaches all integrations.
#[must_use]
pub fn consent(tenant: &TenantId, email: &Identity) -> Key {
    consent_of(tenant, email.digest())
}

fn consent_of(tenant: &TenantId, digest: &str) -> Key {
    key(of_tenant(tenant, &format!("consent#{digest}")), "email")
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

/// A partition of an integration's outbox: of the records whose links have to be brought up to them. The first one is of
/// organisations and deals, and has packs behind them.
#[must_use]
pub fn outbox_partition(scope: &Scope, shard: usize) -> String {
    match shard.checked_sub(1) {
        None => of_integration(scope, "outbox#others"),
        Some(shard) => of_integration(scope, &format!("outbox#{shard}")),
    }
}

/// The outbox entry of a record.
#[must_use]
pub fn outbox(scope: &Scope, record: &RecordKey) -> Key {
    let shard = if record.kind().is_person() { 1 + shard_of(record, PEOPLE_SHARDS) } else { 0 };
    key(outbox_partition(scope, shard), record.as_str())
}

/// The partition of an integration's outbox that is about lists which lifecycle events decided.
#[must_use]
pub fn open_lists_partition(scope: &Scope) -> String {
    of_integration(scope, "outbox#lists")
}

/// An entry about a record's lists, by when it is due; `all` tells one of an integration that is new.
#[must_use]
pub fn open_lists(scope: &Scope, due: Timestamp, record: &RecordKey, all: bool) -> Key {
    let all = if all { "#all" } else { "" };
    key(open_lists_partition(scope), format!("{}#{}{all}", sortable(due), record.as_str()))
}

/// What the sort keys of packs begin with, in the partition of the outbox that is read first: behind the keys of organisations and
/// deals.
pub const PACKS: &str = "pack#";
/// What stands behind all packs.
pub const BEHIND_PACKS: &str = "pack#~";

/// An outbox entry of many people. Names sort by the time at which packs were made.
#[must_use]
pub fn pack(scope: &Scope, name: &str) -> Key {
    key(outbox_partition(scope, 0), format!("{PACKS}{name}"))
}

/// The partition of the newest wishes about a contact's memberships.
#[must_use]
pub fn wish_partition(scope: &Scope, contact: &RemoteId) -> String {
    of_integration(scope, &format!("wish#{contact}"))
}

/// The newest wish about a contact's membership of a list.
#[must_use]
pub fn membership_wish(scope: &Scope, contact: &RemoteId, list: &MembershipList) -> Key {
    let list = match list {
        MembershipList::Campaign(id) => format!("campaign#{id}"),
        MembershipList::Segment(id) => format!("segment#{id}"),
    };
    key(wish_partition(scope, contact), list)
}
