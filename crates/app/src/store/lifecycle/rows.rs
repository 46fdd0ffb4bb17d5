//! What the items of lifecycle events hold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_core::automation::stored::StoredEvent;
use tandem_core::automation::subject::Subject;
use tandem_core::domain::link::Lease;
use tandem_core::error::Result;
use tandem_core::ports::Attempt;

use super::KEPT;
use crate::store::row::{Item, document, moment, parsed, row};

/// An event. `event_revision` guards optimistic writes.
#[derive(Serialize, Deserialize)]
pub(super) struct EventRow {
    event_revision: u64,
    document: String,
    expires_at: i64,
}

impl EventRow {
    pub(super) fn of(event: &StoredEvent) -> Result<Self> {
        Ok(Self { event_revision: event.revision, document: document(event)?, expires_at: expiry(event) })
    }
}

/// A place in a list of events. `received_at` is in microseconds.
#[derive(Serialize, Deserialize)]
pub(super) struct PlaceRow {
    pub(super) event_id: String,
    pub(super) received_at: i64,
    expires_at: i64,
}

impl PlaceRow {
    pub(super) fn of(event: &StoredEvent) -> Self {
        let received_at = event.received_at.as_microsecond();
        Self { event_id: event.by.id.clone(), received_at, expires_at: expiry(event) }
    }
}

fn expiry(event: &StoredEvent) -> i64 {
    event.received_at.as_second().saturating_add(KEPT.as_secs())
}

/// What is remembered of a user and, while somebody does the user's steps, the lease. `lease_until` is in microseconds.
#[derive(Serialize, Deserialize)]
pub(super) struct SubjectRow {
    subject_version: u64,
    document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<i64>,
}

impl SubjectRow {
    pub(super) fn of(subject: &Subject, lease: Option<&Lease>) -> Result<Self> {
        Ok(Self {
            subject_version: subject.version,
            document: document(subject)?,
            lease_owner: lease.map(|lease| lease.owner.clone()),
            lease_until: lease.map(|lease| lease.until.as_microsecond()),
        })
    }
}

/// When a person was deleted, in microseconds. Kept for good: documents and files of years ago turn up again.
#[derive(Serialize, Deserialize)]
pub(super) struct GraveRow {
    pub(super) gone_at: i64,
}

pub(super) fn event(item: Item) -> Result<StoredEvent> {
    parsed(&row::<EventRow>(item)?.document)
}

/// The SDK repeats a request whose answer was lost: then what refuses it is its own first try.
pub(super) fn written_or_contended(there: Item, written: &StoredEvent) -> Attempt {
    let is_own = !there.is_empty() && event(there).is_ok_and(|stored| stored == *written);
    if is_own { Attempt::Done } else { Attempt::Contended }
}

pub(super) fn gone_at(item: Item) -> Result<Timestamp> {
    moment(row::<GraveRow>(item)?.gone_at)
}

pub(super) fn subject(item: Item) -> Result<(Subject, Option<Lease>)> {
    let row: SubjectRow = row(item)?;
    let lease = match row.lease_owner.zip(row.lease_until) {
        Some((owner, until)) => Some(Lease { owner, until: moment(until)? }),
        None => None,
    };
    Ok((parsed(&row.document)?, lease))
}
