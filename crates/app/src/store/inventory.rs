//! What of a tenant no other list leads to: items under digests that stay when the record they were about is gone. Deleting the tenant
//! finds them here.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::Serialize;
use tandem_core::domain::identity::{Identity, IdentityKind};
use tandem_core::domain::scope::TenantId;
use tandem_core::error::Result;

use super::keys::{self, Key};
use super::row::item;
use super::table::Table;

#[derive(Serialize)]
struct Nothing {}

/// The place of an item that ends by itself.
#[derive(Serialize)]
struct EndingRow {
    expires_at: i64,
}

/// The place of an item in the list, for the transaction that writes the item.
pub(super) fn listing(table: &Table, tenant: &TenantId, of: &Key) -> Result<TransactWriteItem> {
    table.putting(item(keys::inventoried(tenant, &of.pk), &Nothing {})?, None)
}

/// The same of an item that ends at this second.
pub(super) fn listing_until(table: &Table, tenant: &TenantId, of: &Key, expires_at: i64) -> Result<TransactWriteItem> {
    table.putting(item(keys::inventoried(tenant, &of.pk), &EndingRow { expires_at })?, None)
}

/// The place of the consent of an address that no record has any more; `None` for what is no address.
pub(super) fn listing_of_consent(
    table: &Table,
    tenant: &TenantId,
    identity: &Identity,
) -> Result<Option<TransactWriteItem>> {
    let is_address = identity.kind() == IdentityKind::Email;
    is_address.then(|| listing(table, tenant, &keys::consent(tenant, identity))).transpose()
}
