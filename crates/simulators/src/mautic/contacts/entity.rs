//! The parts of a written contact.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::view::Shape;
use crate::mautic::{
    clock,
    fields::GROUPS,
    php,
    rows::{Contact, DoNotContact, Field, object},
    stages::stage_brief,
    store::Store,
    users,
};

/// A contact with the two views of its fields, as in [`super::form::Draft`].
pub(super) struct Entity<'a> {
    pub(super) id: Option<u64>,
    pub(super) contact: &'a Contact,
    pub(super) shown: &'a BTreeMap<String, Value>,
    pub(super) updated: &'a BTreeMap<String, Value>,
    /// Tags come by name when they are loaded, and as they were given while they are being written.
    pub(super) being_written: bool,
}

pub(super) fn ordered_fields(store: &Store, shape: Shape) -> Vec<(u64, &Field)> {
    let mut fields = store.fields_of("lead");
    if shape.is_list() {
        fields.sort_by_key(|(_, field)| field.column);
    }
    fields
}

impl Entity<'_> {
    pub(super) fn view(&self, store: &Store, shape: Shape, with_all: bool) -> Map<String, Value> {
        let mut view = self.contact.by.head(true);
        view.insert("id".into(), json!(self.id));
        view.insert("points".into(), json!(self.contact.points));
        view.insert("color".into(), Value::Null);
        view.insert("fields".into(), self.fields(store, shape, with_all));
        if shape != Shape::Minimal {
            view.extend(self.tail(store, shape));
        }
        view
    }

    /// Everything behind the fields.
    pub(super) fn tail(&self, store: &Store, shape: Shape) -> Map<String, Value> {
        let contact = self.contact;
        object(json!({
            "lastActive": self.last_active(),
            "owner": contact.owner.and_then(users::user_brief),
            "ipAddresses": contact.ips.iter().filter_map(|id| users::ip_view(store, *id)).collect::<Value>(),
            "tags": self.tags(store, shape),
            "utmtags": if shape == Shape::Created { Value::Null } else { json!([]) },
            "stage": contact.stage.and_then(|id| stage_brief(store, id)),
            "dateIdentified": contact.identified.map(clock::iso),
            "preferredProfileImage": contact.image,
            "doNotContact": self.do_not_contact(store),
            "frequencyRules": [],
        }))
    }

    /// A value that this very write gave to the field of the same name does not show here yet.
    fn last_active(&self) -> Option<String> {
        if self.updated.contains_key("last_active") {
            return None;
        }
        self.contact.value("last_active").and_then(clock::from_sql).map(clock::iso)
    }

    /// Tags as given while they are being written, else by name. A deleted contact has none.
    fn tags(&self, store: &Store, shape: Shape) -> Value {
        if self.id.is_none() && shape != Shape::Created {
            return json!([]);
        }
        let mut tags: Vec<_> =
            self.contact.tags.iter().filter_map(|id| Some((*id, &store.tags.get(*id)?.name))).collect();
        if !self.being_written {
            tags.sort_by_key(|(_, name)| name.to_lowercase());
        }
        tags.into_iter().map(|(id, name)| json!({"id": id, "tag": name, "description": null})).collect()
    }

    fn do_not_contact(&self, store: &Store) -> Value {
        let rows = self.contact.dnc.iter().filter_map(|id| Some((*id, store.dnc.get(*id)?)));
        rows.map(|(id, row)| dnc_row(self.id.map(|_| id), row)).collect()
    }

    pub(super) fn fields(&self, store: &Store, shape: Shape, with_all: bool) -> Value {
        let fields = ordered_fields(store, shape);
        let mut groups = empty_groups();
        for (id, field) in &fields {
            let mut meta = if shape == Shape::Created { field.brief_meta(*id) } else { field.stored_meta(*id) };
            let value = self.shown_value(field);
            meta.insert("normalizedValue".into(), field.normalized(&value));
            meta.insert("value".into(), value);
            swap_last_two(&mut meta);
            put_in_group(&mut groups, field, Value::Object(meta));
        }
        let mut view: Map<_, _> =
            groups.into_iter().map(|(name, group)| (name.to_owned(), php::map_or_empty_list(group))).collect();
        if with_all {
            view.insert("all".into(), self.all(&fields));
        }
        Value::Object(view)
    }

    /// The groups as they are before numbers are put right, which is how do-not-contact answers show them.
    pub(super) fn unfixed_fields(&self, store: &Store) -> Value {
        let mut groups = empty_groups();
        for (id, field) in ordered_fields(store, Shape::Loaded) {
            let mut meta = field.stored_meta(id);
            let value = self.shown.get(&field.alias).cloned().unwrap_or_default();
            let normalized = field.normalized(&value);
            meta.insert("value".into(), value);
            meta.insert("normalizedValue".into(), normalized);
            put_in_group(&mut groups, field, Value::Object(meta));
        }
        groups.into_iter().map(|(name, group)| (name.to_owned(), php::map_or_empty_list(group))).collect()
    }

    /// What a group shows for a field: numbers whole where the field has no decimal places.
    fn shown_value(&self, field: &Field) -> Value {
        match self.shown.get(&field.alias) {
            None => Value::Null,
            Some(value) if field.kind == "number" => number(field, value),
            Some(value) => value.clone(),
        }
    }

    /// All fields flat. What is being written goes before what is shown, except for numbers.
    pub(super) fn all(&self, fields: &[(u64, &Field)]) -> Value {
        let mut all = Map::new();
        all.insert("id".into(), json!(self.id.map(|id| id.to_string())));
        for group in GROUPS {
            for (_, field) in fields.iter().filter(|(_, field)| field.group == group) {
                all.insert(field.alias.clone(), self.flat_value(field));
            }
        }
        Value::Object(all)
    }

    fn flat_value(&self, field: &Field) -> Value {
        let shown = self.shown_value(field);
        match field.kind.as_str() {
            "number" if !shown.is_null() => shown,
            // Points are always a number.
            _ if field.alias == "points" => json!(0),
            _ => self.updated.get(&field.alias).cloned().unwrap_or(shown),
        }
    }
}

/// `value` comes before `normalizedValue`.
fn swap_last_two(meta: &mut Map<String, Value>) {
    if let Some(normalized) = meta.shift_remove("normalizedValue") {
        meta.insert("normalizedValue".into(), normalized);
    }
}

fn number(field: &Field, value: &Value) -> Value {
    let number = php::numeric(value).unwrap_or(0.0);
    if field.scale().is_some() { json!(number) } else { json!(number.trunc() as i64) }
}

fn empty_groups() -> Vec<(&'static str, Map<String, Value>)> {
    GROUPS.into_iter().map(|name| (name, Map::new())).collect()
}

fn put_in_group(groups: &mut [(&'static str, Map<String, Value>)], field: &Field, view: Value) {
    if let Some((_, group)) = groups.iter_mut().find(|(name, _)| *name == field.group) {
        group.insert(field.alias.clone(), view);
    }
}

fn dnc_row(id: Option<u64>, row: &DoNotContact) -> Value {
    json!({
        "id": id,
        "reason": row.reason,
        "comments": row.comments,
        "channel": row.channel,
        "channelId": row.channel_id,
    })
}
