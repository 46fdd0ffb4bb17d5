//! Lifecycle events, and what is remembered of their users.

use std::iter::successors;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tandem_core::automation::event::Customer;
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::TenantId;

use super::{Key, key, of_tenant, short_digest, sortable};

/// What the sort keys of a user's events begin with.
pub const SUBJECT_EVENTS: &str = "event#";

/// What stands in keys for the id of a lifecycle event, which its sender chose.
#[must_use]
pub fn event_digest(id: &str) -> String {
    short_digest(id)
}

/// A lifecycle event.
#[must_use]
pub fn lifecycle_event(tenant: &TenantId, digest: &str) -> Key {
    key(of_tenant(tenant, &format!("event#{digest}")), "event")
}

/// The partition that lists the events of which it is not known that they reached the queue.
#[must_use]
pub fn unqueued_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "unqueued")
}

/// An event in the list of those of which it is not known that they reached the queue.
#[must_use]
pub fn unqueued(tenant: &TenantId, digest: &str) -> Key {
    key(unqueued_partition(tenant), digest)
}

/// The name of the day (in UTC) whose partition lists the events that came then.
#[must_use]
pub fn day(received: Timestamp) -> String {
    received.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

/// The days (in UTC) from the one of `newest` down to the one of `oldest`, by name, the newest first.
#[must_use]
pub fn days_down(newest: Timestamp, oldest: Timestamp) -> Vec<String> {
    let date = |moment: Timestamp| moment.to_zoned(TimeZone::UTC).date();
    let (day, oldest) = (date(newest), date(oldest));
    let days = successors(Some(day), |day| day.yesterday().ok()).take_while(|day| *day >= oldest);
    days.map(|day| day.strftime("%Y-%m-%d").to_string()).collect()
}

/// The partition that lists the events of a day.
#[must_use]
pub fn event_log_partition(tenant: &TenantId, day: &str) -> String {
    of_tenant(tenant, &format!("event-log#{day}"))
}

/// An event in the list of its day, in the order of arrival.
#[must_use]
pub fn event_log(tenant: &TenantId, received: Timestamp, digest: &str) -> Key {
    key(event_log_partition(tenant, &day(received)), format!("{}#{digest}", sortable(received)))
}

/// The partition of what is remembered of a user's events.
#[must_use]
pub fn subject_partition(tenant: &TenantId, record: &RecordKey) -> String {
    of_tenant(tenant, &format!("lifecycle#{}", record.as_str()))
}

/// What is remembered of a user's events.
#[must_use]
pub fn subject(tenant: &TenantId, record: &RecordKey) -> Key {
    key(subject_partition(tenant, record), "subject")
}

/// An event in the list of its user, in the order in which events happened.
#[must_use]
pub fn subject_event(tenant: &TenantId, record: &RecordKey, at: Timestamp, digest: &str) -> Key {
    key(subject_partition(tenant, record), format!("{SUBJECT_EVENTS}{}#{digest}", sortable(at)))
}

/// The pointer from a payment provider's customer to a record.
#[must_use]
pub fn customer(tenant: &TenantId, customer: &Customer) -> Key {
    key(of_tenant(tenant, &format!("customer#{}", short_digest(&customer.key()))), "pointer")
}
