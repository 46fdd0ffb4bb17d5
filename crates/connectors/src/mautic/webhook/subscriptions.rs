//! Opt-outs, bounces and their end: Mautic's do-not-contact list.

use jiff::{SignedDuration, Timestamp};
use tandem_core::domain::author::Author;
use tandem_core::domain::engagement::EngagementEvent;
use tandem_core::domain::issue::IssueCode;
use tandem_core::domain::platform::is_own_note;
use tandem_core::webhook::entry::{Entry, EntryKind, Told};

use super::built::{self, event, name};
use super::natural;
use super::part::{Part, Read};
use super::person::{self, Person};
use super::reasons::Status;
use super::telling::Telling;

/// The one channel that Tandem looks after.
pub(in crate::mautic) const EMAIL: &str = "email";

/// An entry of the do-not-contact list.
#[derive(Default)]
pub(in crate::mautic) struct Listed {
    pub id: Option<u64>,
    /// The email by which the person opted out.
    pub email: Option<u64>,
    pub comments: String,
}

/// `lead_channel_subscription_changed` (recordings `mautic-5.1.0-webhooks/005…`, `011…`, `013…`). The entry of the list is
/// among the contact's, unless it has just been taken away.
pub(super) fn changed(telling: &Telling<'_>) -> Told {
    let root = &telling.root;
    let channel = root.text("channel")?.unwrap_or_else(|| EMAIL.to_owned());
    let status = new_status(root)?;
    let person = Person::of(root, root)?;
    let contact = person::contact(root)?;
    let row = contact.as_ref().map(|contact| row_of(contact, &channel, status)).transpose()?.flatten();
    let listed = match &row {
        Some(row) => listed(row)?,
        None => Listed { comments: root.text_of(&["comments", "comment"])?.unwrap_or_default(), ..Listed::default() },
    };
    let own = row.as_ref().and_then(|row| row.moment_of(&["dateAdded"]));
    let at = telling.when(own, contact.as_ref().and_then(|contact| contact.moment_of(&["dateModified"])));
    let author = contact.as_ref().map(|contact| author(contact, at)).transpose()?.unwrap_or_default();
    if channel != EMAIL {
        return Ok(built::entry(person, name(status.kind(&listed.comments)), EntryKind::Noted, at));
    }
    telling.about_somebody(Entry { author, ..forbidden(person, status, &listed, at) })
}

/// A contact's dates have whole seconds, and so has an entry's.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(2);

/// Who made the change, by what the contact says of who changed it last (recordings `webhook-234…`, `webhook-236…`). That is
/// told of this change only where the contact's own date moved with it, which in 7.0 it does not: then nobody is named.
fn author(contact: &Part<'_>, at: Timestamp) -> Read<Author> {
    let moved = contact.moment_of(&["dateModified"]).is_some_and(|moved| moved.duration_since(at).abs() <= AT_ONCE);
    if !moved {
        return Ok(Author::Unknown);
    }
    let name = contact.text("modifiedByUser")?;
    Ok(match (contact.id("modifiedBy")?, name) {
        (Some(id), name) => Author::User { id, name: name.unwrap_or_default() },
        (None, Some(name)) => Author::Program(name),
        (None, None) if contact.has_text("modifiedByUser") => Author::Person,
        (None, None) => Author::Unknown,
    })
}

/// The entry that tells of a change of the do-not-contact list.
pub(in crate::mautic) fn forbidden(person: Person, status: Status, listed: &Listed, at: Timestamp) -> Entry {
    let kind = status.kind(&listed.comments);
    let natural_id = match status {
        Status::Contactable => natural::contactable(person.contact, at),
        Status::Unsubscribed | Status::Bounced | Status::Manual | Status::Complained => {
            natural::do_not_contact(listed.id, person.contact, status, at)
        }
    };
    let event = EngagementEvent { email: listed.email.map(|id| id.to_string()), ..event(kind, natural_id, at) };
    let echo = is_own_note(&listed.comments);
    Entry { echo, ..built::entry(person, name(kind), EntryKind::Engagement(event), at) }
}

fn new_status(root: &Part<'_>) -> Read<Status> {
    const NAME: &str = "new_status";
    let word = root.text_of(&[NAME, "newStatus"])?.ok_or_else(|| root.missing(NAME))?;
    Status::parse(&word).ok_or_else(|| root.issue(NAME, IssueCode::Invalid, "Is no status that Mautic knows."))
}

/// The contact's entry for a channel that has the new status.
fn row_of<'a>(contact: &Part<'a>, channel: &str, status: Status) -> Read<Option<Part<'a>>> {
    for row in contact.objects("doNotContact")? {
        let is_of_channel = row.text("channel")?.is_none_or(|of| of == channel);
        let fits = row.text("reason")?.is_none_or(|reason| Status::of_reason(&reason) == status);
        if is_of_channel && fits {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn listed(row: &Part<'_>) -> Read<Listed> {
    Ok(Listed { id: row.id("id")?, email: row.id("channelId")?, comments: row.text("comments")?.unwrap_or_default() })
}
