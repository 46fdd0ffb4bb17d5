//! The application's rows, where Tandem keeps them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tandem_core::domain::scope::TenantId;

use super::{Key, key, of_tenant, short_digest, sortable};

/// Into how many partitions the application's rows are spread, by the first digit of the digest of their id.
pub const ROW_SHARDS: usize = 16;

/// What stands in keys for the id of an application's row.
#[must_use]
pub fn row_digest(id: &str) -> String {
    short_digest(id)
}

/// The shard that a row belongs to.
#[must_use]
pub fn row_shard_of(digest: &str) -> usize {
    digest.get(..1).and_then(|digit| usize::from_str_radix(digit, 16).ok()).unwrap_or(0)
}

/// A partition of the application's rows, in the order of their digests.
#[must_use]
pub fn row_shard(tenant: &TenantId, shard: usize) -> String {
    of_tenant(tenant, &format!("rows#{shard:x}"))
}

/// A row of the application.
#[must_use]
pub fn row(tenant: &TenantId, digest: &str) -> Key {
    key(row_shard(tenant, row_shard_of(digest)), digest)
}

/// The name of the month (in UTC) whose partition holds the rows that arrived at this moment.
#[must_use]
pub fn month(arrival: Timestamp) -> String {
    arrival.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
}

/// The partition of the rows whose newest state arrived in a month, in the order of their arrival.
#[must_use]
pub fn arrivals(tenant: &TenantId, month: &str) -> String {
    of_tenant(tenant, &format!("arrivals#{month}"))
}

/// A row among those that arrived in its month.
#[must_use]
pub fn arrival(tenant: &TenantId, arrival: Timestamp, digest: &str) -> Key {
    key(arrivals(tenant, &month(arrival)), format!("{}#{digest}", sortable(arrival)))
}

/// What stands after everything that arrived before this moment, and after the row of this digest that arrived at it.
#[must_use]
pub fn behind_arrival(arrival: Timestamp, digest: Option<&str>) -> String {
    format!("{}#{}", sortable(arrival), digest.unwrap_or_default())
}

/// The months in which rows arrived.
#[must_use]
pub fn arrival_months(tenant: &TenantId) -> Key {
    key(of_tenant(tenant, "arrivals"), "months")
}
