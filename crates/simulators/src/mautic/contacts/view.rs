//! How a contact is written: alone, in lists, in answers about do-not-contact, and in webhooks.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    entity::{Entity, ordered_fields},
    form::{Draft, stored_values},
};
use crate::mautic::{
    clock, php,
    rows::{Contact, object},
    store::Store,
};

/// The top-level fields that some answers repeat outside of the groups.
const PROFILE: [&str; 15] = [
    "title",
    "firstname",
    "lastname",
    "company",
    "position",
    "email",
    "phone",
    "mobile",
    "address1",
    "address2",
    "city",
    "state",
    "zipcode",
    "timezone",
    "country",
];

static NOTHING: BTreeMap<String, Value> = BTreeMap::new();

/// The dress in which a contact appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It was just made: its fields describe themselves briefly.
    Created,
    /// It was loaded by its id.
    Loaded,
    /// It is a row of a list: its fields stand in the order of the database's columns, and yes and no are text.
    Listed,
    /// A row of a list, with `minimal` asked for.
    Minimal,
}

impl Shape {
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Listed | Self::Minimal)
    }
}

impl Draft {
    /// The answer to the write that this draft was.
    pub(crate) fn view(&self, store: &Store, shape: Shape) -> Value {
        Value::Object(self.entity().view(store, shape, true))
    }

    /// The contact as webhooks about this write have it.
    pub(crate) fn webhook_view(&self, store: &Store, shape: Shape) -> Value {
        Value::Object(self.entity().view(store, shape, false))
    }

    fn entity(&self) -> Entity<'_> {
        Entity { id: self.id, contact: &self.contact, shown: &self.shown, updated: &self.updated, being_written: true }
    }
}

/// A stored contact. A deleted one has no id any more.
pub(crate) fn contact_view(store: &Store, id: Option<u64>, contact: &Contact, shape: Shape) -> Value {
    let shown = shown_as(store, contact, shape);
    let entity = Entity { id, contact, shown: &shown, updated: &NOTHING, being_written: false };
    Value::Object(entity.view(store, shape, true))
}

/// The contact of a webhook, with its profile at the top level where `profile` is asked for.
pub(crate) fn emit_contact(store: &Store, id: Option<u64>, contact: &Contact, profile: bool) -> Value {
    let shown = stored_values(store, contact);
    let entity = Entity { id, contact, shown: &shown, updated: &NOTHING, being_written: false };
    let mut view = entity.view(store, Shape::Loaded, false);
    if !profile {
        return Value::Object(view);
    }
    let rest = split_after(&mut view, "color");
    for alias in PROFILE {
        view.insert(alias.into(), contact.values.get(alias).cloned().unwrap_or_default());
    }
    view.extend(rest);
    Value::Object(view)
}

/// The short form in which hits, submissions and opens name their contact.
pub(crate) fn lead_view(store: &Store, id: u64, contact: &Contact, shape: Shape) -> Value {
    let mut shown = stored_values(store, contact);
    if shape == Shape::Created {
        // Only what was given, not what being tracked adds.
        shown.retain(|alias, _| alias != "points" && alias != "last_active");
    }
    let entity = Entity { id: Some(id), contact, shown: &shown, updated: &NOTHING, being_written: false };
    json!({"id": id, "points": contact.points, "color": null, "fields": entity.fields(store, shape, false)})
}

/// A contact without groups, as emails get it; its id is text.
pub(crate) fn flat_profile(store: &Store, id: u64, contact: &Contact) -> Map<String, Value> {
    let shown = stored_values(store, contact);
    let entity = Entity { id: Some(id), contact, shown: &shown, updated: &NOTHING, being_written: false };
    object(entity.all(&ordered_fields(store, Shape::Loaded)))
}

/// The answer to a change of do-not-contact, which leaves out whatever is null.
pub(crate) fn dnc_view(store: &Store, id: u64, contact: &Contact) -> Value {
    let shown = stored_values(store, contact);
    let entity = Entity { id: Some(id), contact, shown: &shown, updated: &NOTHING, being_written: false };
    let mut view = contact.by.head(true);
    view.insert("id".into(), json!(id));
    view.insert("points".into(), json!(contact.points));
    for alias in PROFILE {
        view.insert(alias.into(), contact.values.get(alias).cloned().unwrap_or_default());
    }
    view.insert("fields".into(), entity.unfixed_fields(store));
    let mut tail = entity.tail(store, Shape::Loaded);
    tail.insert("doNotContact".into(), dated_dnc(store, contact));
    view.extend(tail);
    without_nulls(Value::Object(view))
}

fn dated_dnc(store: &Store, contact: &Contact) -> Value {
    let rows = contact.dnc.iter().filter_map(|id| Some((*id, store.dnc.get(*id)?)));
    rows.map(|(id, row)| {
        json!({
            "id": id,
            "dateAdded": clock::iso(row.at),
            "reason": row.reason,
            "comments": row.comments,
            "channel": row.channel,
            "channelId": row.channel_id,
        })
    })
    .collect()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, item)| !item.is_null());
            kept.map(|(key, item)| (key, without_nulls(item))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// Takes everything behind a key out of a map.
fn split_after(map: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    let place = map.keys().position(|other| other == key).map_or(map.len(), |place| place + 1);
    let all = std::mem::take(map);
    let (mut rest, mut index) = (Map::new(), 0);
    for (key, value) in all {
        if index < place {
            map.insert(key, value)
        } else {
            rest.insert(key, value)
        };
        index += 1;
    }
    rest
}

/// What the groups show: in a list, booleans are text as the database has them.
fn shown_as(store: &Store, contact: &Contact, shape: Shape) -> BTreeMap<String, Value> {
    let mut shown = stored_values(store, contact);
    if shape.is_list() {
        for (_, field) in store.fields_of("lead") {
            if let (true, Some(value)) = (field.kind == "boolean", shown.get_mut(&field.alias)) {
                *value = json!(php::text(value));
            }
        }
    }
    shown
}
