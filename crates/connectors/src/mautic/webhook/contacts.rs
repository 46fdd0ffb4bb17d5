//! What became of contacts themselves: saved, points, segments, companies, gone; and what changes nothing here.

use tandem_core::domain::issue::IssueCode;
use tandem_core::webhook::entry::{EntryKind, Told};

use super::built;
use super::part::{Part, Read};
use super::person::{self, Person};
use super::telling::Telling;

/// The dates of a contact that stand in for an entry's own, the likeliest first.
const DATES: [&str; 2] = ["dateModified", "dateAdded"];

/// `lead_post_save_new`, once the contact is known (`identified`), and `lead_post_save_update` (recordings
/// `mautic-5.1.0-webhooks/001…`, `002…`).
pub(super) fn saved(telling: &Telling<'_>, identified: bool) -> Told {
    let contact = contact(telling)?;
    let fields = person::fields(&contact)?;
    let name = if identified { "contact_identified" } else { "contact_updated" };
    of_contact(telling, &contact, name, EntryKind::Saved { fields, identified })
}

/// `lead_points_change`: the contact beside it may still have the old points (recording
/// `mautic-5.1.0-webhooks/003-mautic.lead_points_change`).
pub(super) fn points(telling: &Telling<'_>) -> Told {
    let points = required(&telling.root, "points")?;
    let points = points.whole("new_points")?.ok_or_else(|| points.missing("new_points"))?;
    of_contact(telling, &contact(telling)?, "points", EntryKind::Points { points })
}

/// `lead_list_change`: segments were once called lists (recording `mautic-5.1.0-webhooks/017-mautic.lead_list_change`).
pub(super) fn segment(telling: &Telling<'_>) -> Told {
    let root = &telling.root;
    let segment = root.object_of(&["segment", "list"])?.ok_or_else(|| root.missing("segment"))?;
    let alias = segment.text("alias")?.ok_or_else(|| segment.missing("alias"))?;
    let member = match root.text("action")?.as_deref() {
        Some("added") => true,
        Some("removed") => false,
        Some(_) => return Err(root.issue("action", IssueCode::Invalid, "Must be added or removed.")),
        None => return Err(root.missing("action")),
    };
    of_contact(telling, &contact(telling)?, "segment", EntryKind::Segment { alias, member })
}

/// `lead_company_change` (recording `mautic-5.1.0-webhooks/019-mautic.lead_company_change`).
pub(super) fn company(telling: &Telling<'_>) -> Told {
    let root = &telling.root;
    let company = required(root, "company")?;
    let name = company.text_of(&["name", "companyname"])?.ok_or_else(|| company.missing("name"))?;
    let member = root.flag("added")?.ok_or_else(|| root.missing("added"))?;
    of_contact(telling, &contact(telling)?, "company", EntryKind::Company { name, member })
}

/// `lead_post_delete`, after a deletion and after a merge alike: the number stands at the top, the contact has none any
/// more (recordings `mautic-5.1.0-webhooks/027-mautic.lead_post_delete`, `039-mautic.lead_post_delete`).
pub(super) fn gone(telling: &Telling<'_>) -> Told {
    let root = &telling.root;
    let person = Person::of(root, root)?;
    let contact = root.id("id")?.or(person.contact).ok_or_else(|| root.missing("id"))?;
    let at = telling.when(None, None);
    telling.of(Person { contact: Some(contact), ..person }, "contact_gone", EntryKind::Gone, at)
}

/// What changes nothing here. It need not be about anybody.
pub(super) fn noted(telling: &Telling<'_>, name: &'static str) -> Told {
    let root = &telling.root;
    let person = Person::of(root, root)?;
    Ok(built::entry(person, name, EntryKind::Noted, telling.when(None, None)))
}

fn of_contact(telling: &Telling<'_>, contact: &Part<'_>, name: &'static str, kind: EntryKind) -> Told {
    let at = telling.when(None, contact.moment_of(&DATES));
    telling.of(Person::of(&telling.root, &telling.root)?, name, kind, at)
}

fn contact<'a>(telling: &Telling<'a>) -> Read<Part<'a>> {
    person::contact(&telling.root)?.ok_or_else(|| telling.root.missing("contact"))
}

fn required<'a>(root: &Part<'a>, name: &str) -> Read<Part<'a>> {
    root.object(name)?.ok_or_else(|| root.missing(name))
}
