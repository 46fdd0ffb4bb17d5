//! Between Mautic's bodies and the domain.

use serde_json::{Map, Value, json};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{ContactWrite, DoNotContact, DoNotContactReason, RemoteContact};
use tandem_core::error::{Failure, FailureKind, Result};

use super::{address, wire};

/// A contact with all that a PUT has to carry, for a PUT takes away what it does not carry (recording
/// `031-contact-put-existing-partial`).
#[derive(Clone, Debug, PartialEq)]
pub struct WholeContact {
    /// The contact.
    pub contact: RemoteContact,
    /// The id of the user who owns it.
    pub owner: Option<u64>,
    /// The id of its stage.
    pub stage: Option<u64>,
}

/// The number that an id of Mautic is.
///
/// # Errors
/// `NotFound` for anything else: `/contacts/abc` is a path that Mautic does not have (recording `027-contact-get-nonnumeric`),
/// and `1/../2` must not become one.
pub(super) fn number(id: &str, what: &str) -> Result<u64> {
    id.parse().map_err(|_| Failure::new(FailureKind::NotFound, format!("Mautic has no {what} with such an id.")))
}

/// The number of a contact's id.
pub(super) fn contact_number(id: &RemoteId) -> Result<u64> {
    number(&id.0, "contact")
}

/// A contact of an answer with its owner and stage; `None` when the answer's contact has no id.
pub(super) fn whole(contact: wire::Contact) -> Option<WholeContact> {
    let mut fields = contact.fields.0;
    fields.remove("id");
    let id = contact.id.0.parse::<u64>().ok().filter(|id| *id > 0)?;
    let points = contact.points.and_then(|points| points.0);
    let reference = |reference: Option<wire::Reference>| reference.and_then(|reference| reference.id.0);
    let stage_name = contact.stage.as_ref().and_then(|stage| stage.name.clone());
    let remote = RemoteContact {
        id: RemoteId(id.to_string()),
        email: fields.get("email").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned),
        points: points.unwrap_or_default(),
        stage: stage_name,
        fields,
        tags: contact.tags.into_values().map(|tag| tag.tag).collect(),
        do_not_contact: contact.do_not_contact.into_values().map(do_not_contact).collect(),
    };
    Some(WholeContact { contact: remote, owner: reference(contact.owner), stage: reference(contact.stage) })
}

/// A contact of an answer.
pub(super) fn remote_contact(contact: wire::Contact) -> Option<RemoteContact> {
    whole(contact).map(|whole| whole.contact)
}

fn do_not_contact(entry: wire::DoNotContact) -> DoNotContact {
    let reason = match entry.reason.0.as_str() {
        "1" => DoNotContactReason::Unsubscribed,
        "2" => DoNotContactReason::Bounced,
        _ => DoNotContactReason::Manual,
    };
    DoNotContact { channel: entry.channel, reason, comments: entry.comments.unwrap_or_default() }
}

/// Mautic's number for a reason (recordings `120-wh-dnc-unsub`, `122-wh-dnc-bounce`, `124-wh-dnc-manual`).
pub(super) const fn reason_number(reason: DoNotContactReason) -> u8 {
    match reason {
        DoNotContactReason::Unsubscribed => 1,
        DoNotContactReason::Bounced => 2,
        DoNotContactReason::Manual => 3,
    }
}

/// The body of a write that leaves all other fields alone.
///
/// # Errors
/// `Refused` for an address that Mautic would not keep as it is.
pub(super) fn partial_body(write: &ContactWrite) -> Result<Map<String, Value>> {
    address::check(write)?;
    let mut body: Map<String, Value> = write.fields.clone().into_iter().collect();
    extend(&mut body, write)?;
    Ok(body)
}

/// The body of a write that replaces the contact: its own fields, overlaid by the write and the clears. Tags and
/// do-not-contact entries outlive a PUT, so only the changes to them are sent (recordings `031-contact-put-existing-partial`,
/// `157-put-full-zero`).
pub(super) fn replacing_body(
    whole: &WholeContact,
    write: &ContactWrite,
    clear: &[String],
) -> Result<Map<String, Value>> {
    address::check(write)?;
    let mut body: Map<String, Value> = whole.contact.fields.clone().into_iter().collect();
    body.insert("points".to_owned(), whole.contact.points.into());
    for (name, id) in [("owner", whole.owner), ("stage", whole.stage)] {
        if let Some(id) = id {
            body.insert(name.to_owned(), id.into());
        }
    }
    body.extend(write.fields.clone());
    body.extend(clear.iter().map(|name| (name.clone(), Value::Null)));
    extend(&mut body, write)?;
    Ok(body)
}

/// Adds what a write carries besides fields (recording `055-contact-post-dnc-inline`).
fn extend(body: &mut Map<String, Value>, write: &ContactWrite) -> Result<()> {
    if !write.tags.is_empty() {
        body.insert("tags".to_owned(), write.tags.clone().into());
    }
    if let Some(entry) = &write.forbid_mail {
        let entry = json!({"channel": "email", "reason": reason_number(entry.reason), "comments": entry.comments});
        body.insert("doNotContact".to_owned(), Value::Array(vec![entry]));
    }
    if let Some(stage) = &write.stage {
        body.insert("stage".to_owned(), number(stage, "stage")?.into());
    }
    Ok(())
}
