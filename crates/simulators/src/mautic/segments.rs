//! Segments, which the API also calls lists.

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Problems},
    auth::Actor,
    contacts::emit_contact,
    fields::page_size,
    input::{PathParts, Payload, Query},
    php,
    rows::{Membership, Segment, object},
    simulator::MauticSimulator,
    store::Store,
    version::MauticVersion,
    webhooks,
};

impl Segment {
    pub(crate) fn view(&self, id: u64, version: MauticVersion) -> Value {
        let mut view = self.by.head(self.published);
        view.extend(object(json!({
            "id": id,
            "name": self.name,
            "publicName": self.public_name,
            "alias": self.alias,
            "description": self.description,
            "category": null,
            "filters": self.filters,
            "isGlobal": self.global,
            "isPreferenceCenter": self.preference_center,
        })));
        version.add_projects(&mut view);
        Value::Object(view)
    }

    /// How a campaign names its sources.
    pub(crate) fn brief(&self, id: u64) -> Value {
        json!({
            "createdByUser": self.by.created_by,
            "modifiedByUser": self.by.modified_by,
            "id": id,
            "name": self.name,
            "publicName": self.public_name,
            "alias": self.alias,
            "description": self.description,
            "category": null,
        })
    }
}

/// `GET /api/segments`, by name.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    mautic.read(|store| {
        let wanted = query.text("search").to_lowercase();
        let mut found: Vec<_> = store.segments.iter().collect();
        found.retain(|(_, segment)| segment.name.to_lowercase().contains(&wanted) || segment.alias.contains(&wanted));
        found.sort_by_key(|(_, segment)| segment.name.to_lowercase());
        let page = found.iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, segment)| (id.to_string(), segment.view(*id, store.version))).collect();
        Answer::ok(json!({"total": found.len(), "lists": php::map_or_empty_list(views)}))
    })
}

/// `GET /api/segments/{id}`.
pub(crate) async fn get_one(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        let segment = store.segments.get(id);
        segment.map_or_else(Answer::not_found, |segment| Answer::ok(json!({"list": segment.view(id, store.version)})))
    })
}

/// `DELETE /api/segments/{id}/delete`: its members are in no such segment any more. Not recorded; it answers as the deletions
/// of other things do.
pub(crate) async fn remove(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.write(|store| {
        let Some(segment) = store.segments.remove(id) else { return Answer::not_found() };
        let members: Vec<u64> =
            store.contacts().filter(|(_, row)| row.segments.contains_key(&id)).map(|(id, _)| id).collect();
        for contact in members {
            store.edit_contact(contact, |contact| {
                contact.segments.remove(&id);
            });
        }
        let mut view = segment.view(id, store.version);
        view["id"] = Value::Null;
        Answer::ok(json!({"list": view}))
    })
}

/// `POST /api/segments/new`.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    mautic.write(|store| match read_segment(store, &params, &actor) {
        Ok(segment) => {
            let id = store.segments.next_id();
            let view = segment.view(id, store.version);
            store.segments.add(segment);
            Answer::created(format!("/api/segments/{id}"), json!({"list": view}))
        }
        Err(problems) => problems.answer(),
    })
}

/// `POST /api/segments/batch/new`.
pub(crate) async fn batch_create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let entries = payload.entries();
    mautic.write(|store| {
        let (mut lists, mut statuses, mut errors) = (Vec::new(), Vec::new(), Map::new());
        for (index, params) in entries.iter().enumerate() {
            match read_segment(store, params, &actor) {
                Ok(segment) => {
                    lists.push(segment.view(store.segments.next_id(), store.version));
                    store.segments.add(segment);
                    statuses.push(201);
                }
                Err(problems) => {
                    let (code, error) = problems.entry();
                    statuses.push(code);
                    errors.insert(index.to_string(), error);
                }
            }
        }
        let mut body = object(json!({"lists": lists, "statusCodes": statuses}));
        if !errors.is_empty() {
            body.insert("errors".into(), php::list_or_map(errors));
        }
        Answer::with(201, Value::Object(body))
    })
}

fn read_segment(store: &Store, params: &Map<String, Value>, actor: &Actor) -> Result<Segment, Problems> {
    let text = |key: &str| params.get(key).map(php::text).filter(|text| !text.is_empty());
    // 5.1 keeps names entity-encoded, and then finds nothing by them (the note of recording `225` of 7.0.0).
    let name_text = |key: &str| text(key).map(|text| store.version.pick(php::entities(&text), text));
    let flag = |key: &str, default: bool| params.get(key).map_or(default, php::boolean);
    let mut problems = Problems::default();
    let Some(name) = name_text("name") else {
        problems.add("name", "A name is required.");
        return Err(problems);
    };
    let is_free = |alias: &str| store.segments.find(|segment| segment.alias == alias).is_none();
    let alias = match text("alias") {
        Some(alias) => segment_alias(&alias),
        None => free_alias(&segment_alias(&text("name").unwrap_or_default()), is_free),
    };
    if !is_free(&alias) {
        let message = "Alias is already in use. Please choose another or leave blank to have it autogenerated.";
        problems.add("alias", message);
        return Err(problems);
    }
    Ok(Segment {
        by: store.authorship(actor),
        published: flag("isPublished", true),
        public_name: name_text("publicName").unwrap_or_else(|| name.clone()),
        name,
        alias,
        description: text("description"),
        filters: params.get("filters").cloned().unwrap_or_else(|| json!([])),
        global: flag("isGlobal", true),
        preference_center: flag("isPreferenceCenter", false),
    })
}

/// A name as an alias: lower case, blanks as dashes, everything else than letters and digits left out; `R&D` becomes `rd`
/// (recording `225` of 7.0.0).
fn segment_alias(name: &str) -> String {
    let spaced = name.to_lowercase().replace(' ', "-");
    spaced.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

/// An alias made from a name gets a number when it is taken.
fn free_alias(alias: &str, is_free: impl Fn(&str) -> bool) -> String {
    let numbered = (1..).map(|number| format!("{alias}{number}"));
    std::iter::once(alias.to_owned()).chain(numbered).find(|alias| is_free(alias)).unwrap_or_default()
}

/// `POST /api/segments/{id}/contact/{contact}/{add|remove}`. Says success also where nothing changed.
pub(crate) async fn change_member(
    State(mautic): State<MauticSimulator>,
    PathParts((id, contact, action)): PathParts<(u64, u64, String)>,
) -> Answer {
    mautic.write(|store| {
        if !store.segments.contains(id) {
            return Answer::not_found();
        }
        let Some(resolved) = store.resolve(contact) else { return Answer::contact_not_found() };
        match action.as_str() {
            "add" => add_member(store, id, resolved),
            "remove" => remove_member(store, id, resolved),
            _ => return Answer::no_such_url(&format!("/api/segments/{id}/contact/{contact}/{action}")),
        }
        Answer::success()
    })
}

/// `POST /api/segments/{id}/contacts/add` with `{"ids": […]}`.
pub(crate) async fn add_members(
    State(mautic): State<MauticSimulator>,
    PathParts(id): PathParts<u64>,
    payload: Payload,
) -> Answer {
    let Some(ids) = payload.0.get("ids").and_then(Value::as_array) else {
        return Answer::error(400, "mautic.core.error.badrequest", json!([]));
    };
    mautic.write(|store| {
        if !store.segments.contains(id) {
            return Answer::not_found();
        }
        let mut details = Map::new();
        for contact in ids {
            let found = php::numeric(contact).and_then(|contact| store.resolve(contact as u64));
            if let Some(found) = found {
                add_member(store, id, found);
            }
            let key = found.map_or_else(|| php::text(contact), |found| found.to_string());
            details.insert(key, json!({"success": found.is_some()}));
        }
        Answer::ok(json!({"success": 1, "details": php::map_or_empty_list(details)}))
    })
}

fn add_member(store: &mut Store, segment: u64, contact: u64) {
    let now = store.now();
    let member = store.contact(contact).and_then(|contact| contact.segments.get(&segment));
    if member.is_some_and(|member| !member.removed) {
        return;
    }
    store.edit_contact(contact, |contact| {
        contact.segments.insert(segment, Membership::new(now));
    });
    tell(store, segment, contact, "added");
}

fn remove_member(store: &mut Store, segment: u64, contact: u64) {
    let member = store.contact(contact).and_then(|contact| contact.segments.get(&segment));
    if member.is_none_or(|member| member.removed) {
        return;
    }
    store.edit_contact(contact, |contact| {
        if let Some(member) = contact.segments.get_mut(&segment) {
            member.removed = true;
        }
    });
    tell(store, segment, contact, "removed");
}

fn tell(store: &mut Store, segment_id: u64, contact_id: u64, action: &str) {
    let (Some(segment), Some(contact)) = (store.segments.get(segment_id), store.contact(contact_id)) else { return };
    let name = segment.name.clone();
    let view = segment.view(segment_id, store.version);
    let contact = emit_contact(store, Some(contact_id), contact, true);
    let preposition = if action == "added" { "to" } else { "from" };
    let label = json!(format!("Contact {action} {preposition} segment, {name}"));
    let details = json!({"objectDescription": name});
    store.note(contact_id, "segment_membership", "Segment membership change", label, details);
    webhooks::emit(store, "mautic.lead_list_change", json!({"contact": contact, "segment": view, "action": action}));
}
