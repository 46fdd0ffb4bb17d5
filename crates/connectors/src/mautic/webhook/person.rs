//! Whom an entry is about: the contact's number, its address, its fields.

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;

use super::part::{Part, Read};

/// What the contact is called; older versions said `lead`, and things that happen still do.
const CONTACT: [&str; 2] = ["contact", "lead"];

/// A person, as far as an entry names them.
#[derive(Clone, Default)]
pub(in crate::mautic) struct Person {
    pub contact: Option<u64>,
    pub email: Option<Email>,
}

impl Person {
    /// The person that a thing names, or else the entry around it.
    pub fn of(thing: &Part<'_>, root: &Part<'_>) -> Read<Self> {
        let contact = match thing.object_of(&CONTACT)? {
            Some(contact) => Some(contact),
            None => root.object_of(&CONTACT)?,
        };
        let Some(contact) = contact else {
            return Ok(Self { contact: None, email: address_of(thing)? });
        };
        let email = match address(&contact)? {
            Some(email) => Some(email),
            None => address_of(thing)?,
        };
        Ok(Self { contact: contact.id("id")?, email })
    }

    /// The contact's number as Tandem keeps it.
    pub fn remote_id(&self) -> Option<RemoteId> {
        self.contact.map(|id| RemoteId(id.to_string()))
    }
}

/// The contact of an entry.
pub(super) fn contact<'a>(root: &Part<'a>) -> Read<Option<Part<'a>>> {
    root.object_of(&CONTACT)
}

/// The address among a contact's fields: in the group `core` (recording
/// `mautic-5.1.0-webhooks/001-mautic.lead_post_save_new`), in `all`, or flat (recording `020-mautic.email_on_send`). An
/// address that is none is as good as no address.
fn address(contact: &Part<'_>) -> Read<Option<Email>> {
    if let Some(fields) = contact.object("fields")? {
        for group in ["core", "all"] {
            let Some(group) = fields.object(group)? else { continue };
            let text = match group.value("email") {
                Some(Value::Object(_)) => {
                    group.object("email")?.map(|field| field.text("value")).transpose()?.flatten()
                }
                _ => group.text("email")?,
            };
            if let Some(text) = text {
                return Ok(text.parse().ok());
            }
        }
    }
    Ok(contact.text("email")?.and_then(|text| text.parse().ok()))
}

/// The address that stands beside a contact. `email` is the message in most shapes.
fn address_of(thing: &Part<'_>) -> Read<Option<Email>> {
    let text = match thing.text_of(&["emailAddress", "email_address"])? {
        Some(text) => Some(text),
        None => thing.value("email").and_then(Value::as_str).map(str::to_owned),
    };
    Ok(text.and_then(|text| text.parse().ok()))
}

/// A contact's fields that are set, by alias: from the groups, or from the contact itself where it is flat.
pub(super) fn fields(contact: &Part<'_>) -> Read<BTreeMap<String, Value>> {
    let Some(groups) = contact.object("fields")? else { return Ok(flat(contact)) };
    let mut fields = BTreeMap::new();
    for (name, _) in groups.members() {
        let Some(group) = groups.object(name)? else { continue };
        fields.extend(group.members().filter_map(|(alias, field)| Some((alias.clone(), value_of(field)?.clone()))));
    }
    fields.remove("id");
    Ok(fields)
}

/// A field is described by an object that holds its value; in `all` it is the value alone.
fn value_of(field: &Value) -> Option<&Value> {
    let value = match field {
        Value::Object(described) => described.get("value")?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => field,
    };
    Some(value).filter(|value| !value.is_null())
}

/// Aliases of fields are in lower case; what Mautic says of the contact beside its fields is in camel case.
fn flat(contact: &Part<'_>) -> BTreeMap<String, Value> {
    let is_field = |(alias, value): &(&String, &Value)| {
        let is_alias = alias.as_str() != "id" && !alias.bytes().any(|byte| byte.is_ascii_uppercase());
        is_alias && matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
    };
    contact.members().filter(is_field).map(|(alias, value)| (alias.clone(), value.clone())).collect()
}
