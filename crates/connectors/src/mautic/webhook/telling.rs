//! One entry of a delivery: when it happened and whom it is about.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use tandem_core::domain::engagement::{EngagementEvent, EngagementKind};
use tandem_core::domain::issue::FieldIssue;
use tandem_core::webhook::entry::{Entry, EntryKind, Told};

use super::part::{Part, Read};
use super::person::Person;

/// The moment of an entry that nothing dates, as some older designs send them: who takes the delivery in knows when it
/// came. An opt-out without a date is still an opt-out.
pub const UNDATED: Timestamp = Timestamp::UNIX_EPOCH;

/// An entry, about to be read.
pub(in crate::mautic) struct Telling<'a> {
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

    /// When it happened. The thing's own dates come first: they are those of the tables, and `timestamp` is later where
    /// Mautic works off a queue. A date that can't be read is as good as none.
    pub fn when(&self, thing: &Part<'_>, own: &[&str], last: &[&str]) -> Timestamp {
        let dated = |part: &Part<'_>, names: &[&str]| names.iter().find_map(|name| moment(part.value(name)?));
        let found = dated(thing, own).or_else(|| dated(&self.root, &["timestamp"])).or(self.delivered);
        found.or_else(|| dated(thing, last)).unwrap_or(UNDATED)
    }

    /// The entry that tells something of a person.
    ///
    /// # Errors
    /// `Missing` when it does not say of whom.
    pub fn of(&self, person: Person, name: &'static str, kind: EntryKind, at: Timestamp) -> Told {
        if person.contact.is_none() && person.email.is_none() {
            return Err(self.root.missing("contact"));
        }
        Ok(entry(person, name, kind, at))
    }
}

/// An entry that is no echo.
pub(in crate::mautic) fn entry(person: Person, name: &'static str, kind: EntryKind, at: Timestamp) -> Entry {
    Entry { name, kind, contact: person.remote_id(), email: person.email, at, echo: false }
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

/// A moment: ISO 8601 with an offset, the database's UTC without one, or epoch seconds.
pub(in crate::mautic) fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())
        }
        Value::Number(seconds) => Timestamp::from_second(seconds.as_i64()?).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The sending of an email, as far as an entry tells it.
#[derive(Default)]
pub(in crate::mautic) struct Sending {
    pub email: Option<String>,
    pub campaign: Option<String>,
    pub subject: Option<String>,
}

impl Sending {
    /// Reads `email` (an object, or its number alone), `campaign`, and `source` with `sourceId`, as hits and records of
    /// sent emails carry them. A source `campaign.event` names an event of a campaign and not the campaign.
    pub fn of(thing: &Part<'_>) -> Result<Self, FieldIssue> {
        let mut sending = match thing.value("email") {
            Some(Value::Object(_)) => Self::of_object(thing)?,
            Some(Value::String(text)) if text.contains('@') => Self::default(),
            _ => Self { email: thing.id("email")?.map(|id| id.to_string()), ..Self::default() },
        };
        if let Some(Value::Object(_)) = thing.value("campaign") {
            let campaign = thing.object("campaign")?;
            sending.campaign = campaign.map(|campaign| campaign.text_of(&["name", "id"])).transpose()?.flatten();
        } else {
            sending.campaign = thing.text("campaign")?;
        }
        let source = thing.text("source")?;
        match source.as_deref() {
            Some("email") if sending.email.is_none() => sending.email = thing.text("sourceId")?,
            Some("campaign") if sending.campaign.is_none() => sending.campaign = thing.text("sourceId")?,
            Some(_) | None => {}
        }
        Ok(sending)
    }

    fn of_object(thing: &Part<'_>) -> Result<Self, FieldIssue> {
        let Some(email) = thing.object("email")? else { return Ok(Self::default()) };
        let id = email.id("id")?.map(|id| id.to_string());
        Ok(Self { email: id, subject: email.text_of(&["subject", "name"])?, campaign: None })
    }
}
