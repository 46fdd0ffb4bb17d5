//! What is kept in the order of time: what was written to platforms, and what came from them.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::ports::place::TimePlace;

use super::{Key, key, month, of_integration, of_tenant, sortable};

/// The months (in UTC) from the one of `newest` down to the one of `oldest`, by name, the newest first.
#[must_use]
pub fn months_down(newest: Timestamp, oldest: Timestamp) -> Vec<String> {
    let first_of_month = |moment: Timestamp| moment.to_zoned(TimeZone::UTC).date().first_of_month();
    let (mut month, oldest) = (first_of_month(newest), first_of_month(oldest));
    let mut months = Vec::new();
    while month >= oldest {
        months.push(month.strftime("%Y-%m").to_string());
        match month.checked_sub(Span::new().months(1)) {
            Ok(before) => month = before,
            Err(_) => break,
        }
    }
    months
}

/// The partition of what was written to the platform in a month.
#[must_use]
pub fn operation_partition(scope: &Scope, month: &str) -> String {
    of_integration(scope, &format!("operations#{month}"))
}

/// Where something stands in a list that is ordered by time.
#[must_use]
pub fn time_place(place: &TimePlace) -> String {
    format!("{}#{}", sortable(place.at), place.name)
}

/// What stands behind a place, and before every later one: names hold nothing that comes after `~`.
#[must_use]
pub fn behind_place(place: &TimePlace) -> String {
    format!("{}~", time_place(place))
}

/// The place that a sort key names.
#[must_use]
pub fn place_of(sk: &str) -> Option<TimePlace> {
    let (at, name) = sk.split_once('#')?;
    Some(TimePlace { at: Timestamp::from_microsecond(at.parse().ok()?).ok()?, name: name.to_owned() })
}

/// A pack of operations.
#[must_use]
pub fn operation_pack(scope: &Scope, place: &TimePlace) -> Key {
    key(operation_partition(scope, &month(place.at)), time_place(place))
}

/// The partition of what came from platforms in a month, for the application to read.
#[must_use]
pub fn change_partition(tenant: &TenantId, month: &str) -> String {
    of_tenant(tenant, &format!("changes#{month}"))
}

/// A change that came from a platform.
#[must_use]
pub fn change(tenant: &TenantId, place: &TimePlace) -> Key {
    key(change_partition(tenant, &month(place.at)), time_place(place))
}
