//! The one place that reads the time, and the formats in which Mautic writes it.

use jiff::{Timestamp, tz::TimeZone};

/// The time now, as the simulator sees it.
#[allow(clippy::disallowed_methods, reason = "a stand-in for a server is allowed to have a clock of its own")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// `2026-11-20T21:26:10+00:00`, as in answers of the API.
pub(crate) fn iso(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// `2026-11-20 21:26:10`, as in the database and in values of fields.
pub(crate) fn sql(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads `2026-11-20 21:26:10` back.
pub(crate) fn from_sql(text: &str) -> Option<Timestamp> {
    let civil: jiff::civil::DateTime = text.replace(' ', "T").parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
