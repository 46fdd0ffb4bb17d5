//! Tags.

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    fields::page_size,
    input::{Payload, Query},
    php,
    rows::Tag,
    simulator::MauticSimulator,
    store::Store,
};

fn view(id: u64, tag: &Tag) -> Value {
    json!({"id": id, "tag": tag.name, "description": null})
}

/// `GET /api/tags`.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    mautic.read(|store| {
        let wanted = query.text("search").to_lowercase();
        let found: Vec<_> = store.tags.iter().filter(|(_, tag)| tag.name.to_lowercase().contains(&wanted)).collect();
        let page = found.iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, tag)| (id.to_string(), view(*id, tag))).collect();
        Answer::ok(json!({"total": found.len(), "tags": php::map_or_empty_list(views)}))
    })
}

/// `POST /api/tags/new`.
pub(crate) async fn create(State(mautic): State<MauticSimulator>, payload: Payload) -> Answer {
    let name = payload.params().get("tag").map(php::text).unwrap_or_default();
    if name.is_empty() {
        return Answer::error(400, "tag: A name is required.", json!({"tag": ["A name is required."]}));
    }
    mautic.write(|store| {
        let id = store.tag_id(&kept_name(store, &name));
        let tag = store.tags.get(id).map(|tag| view(id, tag));
        Answer::created(format!("/api/tags/{id}"), json!({"tag": tag}))
    })
}

/// 5.1 keeps names entity-encoded, and then finds nothing by them; 7.0 takes markup away (recording `226` of 7.0.0 and its
/// note).
fn kept_name(store: &Store, name: &str) -> String {
    store.version.pick(php::entities(name), php::without_tags(name))
}

/// Applies a contact's `tags` parameter: names to add, and with a leading minus to take away.
pub(crate) fn change(store: &mut Store, current: &[u64], wanted: &Value) -> Vec<u64> {
    let names: Vec<String> = match wanted {
        Value::Array(items) => items.iter().map(tag_name).collect(),
        other => php::text(other).split(',').map(str::to_owned).collect(),
    };
    let mut tags = current.to_vec();
    tags.sort_by_key(|id| store.tags.get(*id).map(|tag| tag.name.to_lowercase()));
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        match name.strip_prefix('-') {
            Some(gone) => {
                let gone = kept_name(store, gone);
                let id = store.tags.find(|tag| tag.name.eq_ignore_ascii_case(&gone)).map(|(id, _)| id);
                tags.retain(|tag| Some(*tag) != id);
            }
            None => {
                let id = store.tag_id(&kept_name(store, name));
                if !tags.contains(&id) {
                    tags.push(id);
                }
            }
        }
    }
    tags
}

fn tag_name(item: &Value) -> String {
    // A tag may be given as an object, the way that answers have it.
    item.get("tag").map_or_else(|| php::text(item), php::text)
}
