//! One entry of a delivery: when it happened and whom it is about.

use jiff::Timestamp;
use tandem_core::webhook::entry::{Entry, EntryKind, Told, UNDATED};

use super::built::entry;
use super::part::{Part, Read};
use super::person::Person;

/// An entry, about to be read.
pub(super) struct Telling<'a> {
    /// The entry itself.
    pub root: Part<'a>,
    delivered: Option<Timestamp>,
}

impl<'a> Telling<'a> {
    /// `delivered` dates the whole delivery.
    pub fn new(root: Part<'a>, delivered: Option<Timestamp>) -> Self {
        Self { root, delivered }
    }

    /// The thing that happened, which stands under its own key, or is the entry itself in older designs.
    pub fn thing(&self, name: &str) -> Read<Part<'a>> {
        Ok(self.root.object(name)?.unwrap_or_else(|| self.root.clone()))
    }

    /// When it happened. The thing's own date comes first: it is that of the tables, and `timestamp` is later where Mautic
    /// works off a queue. `near` is a date that is not far off.
    pub fn when(&self, own: Option<Timestamp>, near: Option<Timestamp>) -> Timestamp {
        own.or_else(|| self.root.moment_of(&["timestamp"])).or(self.delivered).or(near).unwrap_or(UNDATED)
    }

    /// The entry that tells something of a person.
    ///
    /// # Errors
    /// `Missing` when it does not say of whom.
    pub fn of(&self, person: Person, name: &'static str, kind: EntryKind, at: Timestamp) -> Told {
        self.about_somebody(entry(person, name, kind, at))
    }

    /// The entry, if it says of whom it tells.
    ///
    /// # Errors
    /// `Missing` when it does not.
    pub fn about_somebody(&self, entry: Entry) -> Told {
        if entry.contact.is_none() && entry.email.is_none() { Err(self.root.missing("contact")) } else { Ok(entry) }
    }
}
