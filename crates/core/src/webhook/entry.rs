//! One thing that a delivery, or a row of the platform's statistics, tells about a contact.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::author::Author;
use crate::domain::engagement::EngagementEvent;
use crate::domain::identity::Email;
use crate::domain::issue::FieldIssue;
use crate::domain::link::RemoteId;
use crate::error::Result;

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryKind {
    /// The person did something, or the platform's do-not-contact list changed.
    Engagement(EngagementEvent),
    /// A contact was saved; `identified` says that it just became a known person.
    Saved {
        /// Its fields by the platform's names, `null` ones left out.
        fields: BTreeMap<String, Value>,
        /// Whether it just became known.
        identified: bool,
    },
    /// Its points changed.
    Points {
        /// What they are now.
        points: i64,
    },
    /// It came into a segment or left it.
    Segment {
        /// The segment's alias.
        alias: String,
        /// Whether it is in.
        member: bool,
    },
    /// It came to a company or left it.
    Company {
        /// The company's name.
        name: String,
        /// Whether it belongs to it.
        member: bool,
    },
    /// It is said to be gone: merged into another contact, or deleted.
    Gone,
    /// A type that changes nothing here: sent mail, a company's own record, a type that is not known.
    Noted,
}

/// The moment of an entry that tells none. The intake puts the time of arrival in its place.
pub const UNDATED: Timestamp = Timestamp::UNIX_EPOCH;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The short name of what happened, as answers show it: `unsubscribe`, `click`, `contact_updated`.
    pub name: &'static str,
    /// What is told.
    pub kind: EntryKind,
    /// The contact, when it has a number.
    pub contact: Option<RemoteId>,
    /// The contact's address, when it is known and sound.
    pub email: Option<Email>,
    /// When it happened, by the platform's clock.
    pub at: Timestamp,
    /// The mark that Tandem leaves when it forbids mail itself: its own echo.
    pub echo: bool,
    /// Who did it on the platform, where that matters and is told: who allowed mail again.
    pub author: Author,
}

/// An entry of a delivery, or what is wrong with it. One that is wrong does not spoil the others.
pub type Told = Result<Entry, FieldIssue>;

/// Reads a platform's deliveries. Pure.
pub trait Deliveries: Send + Sync {
    /// Splits a body into its entries, in order.
    ///
    /// # Errors
    /// `Invalid` when the body is no JSON object at all.
    fn split(&self, body: &[u8]) -> Result<Vec<Told>>;
}

/// What the platform was last seen to hold of a contact, register by register: of each, the newest wins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Fields, and when they were seen.
    pub fields: Option<(Timestamp, BTreeMap<String, Value>)>,
    /// Points, and when they were seen.
    pub points: Option<(Timestamp, i64)>,
    /// Memberships of segments by alias, and when they changed.
    pub segments: BTreeMap<String, (Timestamp, bool)>,
    /// Companies by name, and when they changed.
    pub companies: BTreeMap<String, (Timestamp, bool)>,
}

impl Observed {
    /// Takes in what an entry tells; `false` when something newer is known. Two tellings of one second are told apart by
    /// their content, so that the order of arrival makes no difference.
    pub fn take(&mut self, entry: &Entry) -> bool {
        match &entry.kind {
            EntryKind::Saved { fields, .. } => newer(&mut self.fields, entry.at, fields.clone(), json_text),
            EntryKind::Points { points } => newer(&mut self.points, entry.at, *points, |points| *points),
            EntryKind::Segment { alias, member } => newest(&mut self.segments, alias, entry.at, *member),
            EntryKind::Company { name, member } => newest(&mut self.companies, name, entry.at, *member),
            EntryKind::Engagement(_) | EntryKind::Gone | EntryKind::Noted => false,
        }
    }
}

fn newer<T, K: Ord>(register: &mut Option<(Timestamp, T)>, at: Timestamp, value: T, rank: impl Fn(&T) -> K) -> bool {
    let wins = register.as_ref().is_none_or(|(known_at, known)| (*known_at, rank(known)) < (at, rank(&value)));
    if wins {
        *register = Some((at, value));
    }
    wins
}

fn newest(registers: &mut BTreeMap<String, (Timestamp, bool)>, name: &str, at: Timestamp, member: bool) -> bool {
    let wins = registers.get(name).is_none_or(|known| *known < (at, member));
    if wins {
        registers.insert(name.to_owned(), (at, member));
    }
    wins
}

fn json_text(fields: &BTreeMap<String, Value>) -> String {
    fields.iter().map(|(name, value)| format!("{name}={value};")).collect()
}
