//! Entries and events, made the same way from webhooks and from rows of tables.

use jiff::Timestamp;
use tandem_core::domain::author::Author;
use tandem_core::domain::engagement::{EngagementEvent, EngagementKind};
use tandem_core::webhook::entry::{Entry, EntryKind};

use super::person::Person;

/// An entry that is no echo.
pub(in crate::mautic) fn entry(person: Person, name: &'static str, kind: EntryKind, at: Timestamp) -> Entry {
    Entry { name, kind, contact: person.remote_id(), email: person.email, at, echo: false, author: Author::Unknown }
}

/// An event of which no more is known than its name. Where it came from is for who takes it in to say.
pub(in crate::mautic) fn event(kind: EngagementKind, natural_id: String, at: Timestamp) -> EngagementEvent {
    EngagementEvent {
        natural_id,
        kind,
        at,
        email: None,
        campaign: None,
        subject: None,
        url: None,
        agent: None,
        sent_at: None,
        source: String::new(),
    }
}

/// How answers call what happened.
pub(in crate::mautic) const fn name(kind: EngagementKind) -> &'static str {
    match kind {
        EngagementKind::Open => "open",
        EngagementKind::Click => "click",
        EngagementKind::Unsubscribe => "unsubscribe",
        EngagementKind::HardBounce | EngagementKind::SoftBounce => "bounce",
        EngagementKind::Complaint => "complaint",
        EngagementKind::Contactable => "contactable",
        EngagementKind::Form => "form",
        EngagementKind::Page => "page",
    }
}
