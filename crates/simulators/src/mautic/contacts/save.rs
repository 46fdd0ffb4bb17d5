//! Saving and deleting contacts, with everything that follows from it.

use serde_json::{Map, Value, json};

use super::{
    dnc::{self, NewDnc},
    form::Draft,
    view::{Shape, contact_view, emit_contact},
};
use crate::mautic::{audit::Details, auth::Actor, companies, php, rows::Contact, stages, store::Store, tags, webhooks};

/// Writes a draft with what a request carries besides fields. The draft shows the answer afterwards.
pub(crate) fn save(store: &mut Store, draft: &mut Draft, params: &Map<String, Value>, actor: &Actor) {
    let created = draft.id.is_none();
    let before = draft.id.and_then(|id| store.contact(id)).cloned();
    let old_points = before.as_ref().map_or(0, |contact| contact.points);
    apply_relations(store, draft, params, actor);
    let changes = draft.write_values();
    if changes.get("company").is_some_and(|change| change[1].is_null()) {
        // Whoever loses the name of the primary company does not belong to it any more (`LeadModel::saveEntity`).
        draft.contact.companies.pop();
    }

    let now = store.now();
    if !created || draft.contact.by.frozen {
        draft.contact.by.touch(actor, now);
    }
    let newly_identified = draft.contact.identified.is_none() && draft.contact.has_identity();
    if newly_identified {
        draft.contact.identified = Some(now);
    }
    let id = draft.id.unwrap_or_else(|| store.next_contact_id());
    draft.id = Some(id);
    store.put_contact(id, draft.contact.clone());

    if newly_identified {
        let label = json!(format!("Contact was identified by {}", actor.name));
        store.note(
            id,
            "lead.source.identified",
            "Contact identified by source",
            label,
            json!({
                "objectDescription": actor.name,
            }),
        );
    }
    let company = named_company(store, &changes, actor);
    let details = trail(store, before.as_ref(), &draft.contact, &changes);
    store.audit_save(actor, id, created, details);
    link_company(store, draft, company);
    add_inline_dnc(store, draft, params, actor, created);
    emit_save(store, draft, created, newly_identified, old_points);
}

/// What a save changed, as the audit log tells it: fields in their order, points, tags, and that the contact got a name.
fn trail(store: &Store, before: Option<&Contact>, after: &Contact, changes: &Map<String, Value>) -> Details {
    let old_points = before.map_or(0, |contact| contact.points);
    let points = json!([old_points, after.points as f64]);
    let mut ordered = Map::new();
    for (_, field) in store.fields_of("lead") {
        if let Some(change) = changes.get(&field.alias) {
            ordered.insert(field.alias.clone(), change.clone());
        } else if field.alias == "points" && after.points != old_points {
            ordered.insert("points".into(), points.clone());
        }
    }
    let mut details = Details::changed(&ordered);
    let tags = tag_changes(store, before.map_or(&[], |contact| &contact.tags), &after.tags);
    if !tags.is_empty() {
        details.add("tags", &Value::Object(tags));
    }
    let stage = before.and_then(|contact| contact.stage);
    if stage != after.stage {
        details.add("stage", &json!([stage, after.stage]));
    }
    if let Some(at) = after.identified.filter(|_| before.is_none_or(|contact| contact.identified.is_none())) {
        details.add_identified(at);
    }
    details
}

fn tag_changes(store: &Store, before: &[u64], after: &[u64]) -> Map<String, Value> {
    let names = |these: &[u64], others: &[u64]| -> Vec<String> {
        let gone = these.iter().filter(|id| !others.contains(id));
        gone.filter_map(|id| store.tags.get(*id).map(|tag| tag.name.clone())).collect()
    };
    let sides = [("added", names(after, before)), ("removed", names(before, after))];
    sides.into_iter().filter(|(_, names)| !names.is_empty()).map(|(side, names)| (side.into(), json!(names))).collect()
}

fn apply_relations(store: &mut Store, draft: &mut Draft, params: &Map<String, Value>, actor: &Actor) {
    if let Some(wanted) = params.get("tags") {
        draft.contact.tags = tags::change(store, &draft.contact.tags, wanted);
    } else {
        draft.contact.tags.sort_by_key(|id| store.tags.get(*id).map(|tag| tag.name.to_lowercase()));
    }
    if let Some(owner) = params.get("owner") {
        draft.contact.owner = php::numeric(owner).map(|id| id as u64).filter(|id| *id == 1);
    }
    if let Some(stage) = params.get("stage").and_then(|raw| stages::find(store, raw)) {
        let id = draft.id.unwrap_or_else(|| store.next_contact_id());
        stages::move_to(store, &mut draft.contact, id, stage, &actor.name);
    }
}

/// The name of a company in a contact's field makes the company.
fn named_company(store: &mut Store, changes: &Map<String, Value>, actor: &Actor) -> Option<u64> {
    let name = changes.get("company").and_then(|change| change[1].as_str())?;
    Some(companies::find_or_make(store, name, actor))
}

/// The contact belongs to the company that its field names.
fn link_company(store: &mut Store, draft: &mut Draft, company: Option<u64>) {
    let (Some(id), Some(company)) = (draft.id, company) else { return };
    companies::join(store, id, company);
    if let Some(contact) = store.contact(id) {
        draft.contact = contact.clone();
    }
}

fn add_inline_dnc(store: &mut Store, draft: &mut Draft, params: &Map<String, Value>, actor: &Actor, created: bool) {
    let (Some(id), Some(entries)) = (draft.id, params.get("doNotContact").and_then(Value::as_array)) else { return };
    for entry in entries {
        let channel = entry.get("channel").map(php::text).unwrap_or_else(|| "email".into());
        let reason = entry.get("reason").and_then(php::numeric).map_or(dnc::MANUAL, |reason| reason as i64);
        if reason == 0 {
            dnc::remove_dnc(store, id, &channel, actor);
            continue;
        }
        let comments = entry.get("comments").map(php::text).unwrap_or_default();
        dnc::add_dnc(store, id, NewDnc { channel, channel_id: None, reason, comments }, actor, !created);
    }
    if let Some(contact) = store.contact(id) {
        draft.contact = contact.clone();
    }
}

fn emit_save(store: &mut Store, draft: &Draft, created: bool, newly_identified: bool, old_points: i64) {
    if store.hooks.len() == 0 {
        return;
    }
    let shape = if created { Shape::Created } else { Shape::Loaded };
    let contact = draft.webhook_view(store, shape);
    if !created && draft.contact.points != old_points {
        let points = json!({"old_points": old_points, "new_points": draft.contact.points});
        webhooks::emit(store, "mautic.lead_points_change", json!({"contact": contact, "points": points}));
    }
    if newly_identified {
        webhooks::emit(store, "mautic.lead_post_save_new", json!({"contact": contact}));
    } else if !created {
        webhooks::emit(store, "mautic.lead_post_save_update", json!({"contact": contact}));
    }
}

/// Deletes a contact. Gives back how the API shows what is gone: without its id.
pub(crate) fn delete(store: &mut Store, id: u64, actor: &Actor) -> Option<Value> {
    let contact = store.remove_contact(id)?;
    let view = contact_view(store, None, &contact, Shape::Loaded);
    audit_delete(store, id, &contact, actor);
    emit_delete(store, id, &contact);
    for dnc in contact.dnc {
        store.dnc.remove(dnc);
    }
    Some(view)
}

fn audit_delete(store: &mut Store, id: u64, contact: &Contact, actor: &Actor) {
    let mut details = Details::default();
    details.add("name", &json!(contact.email().or_else(|| contact.value("firstname"))));
    store.audit(actor, "lead", id, "delete", &details);
}

/// Tells of a contact that is no more.
fn emit_delete(store: &mut Store, id: u64, contact: &Contact) {
    let view = emit_contact(store, None, contact, false);
    webhooks::emit(store, "mautic.lead_post_delete", json!({"id": id, "contact": view}));
}

/// Ends a contact that was merged into another; its do-not-contact entries live on with the survivor.
pub(crate) fn delete_merged(store: &mut Store, id: u64, actor: &Actor) {
    let Some(contact) = store.remove_contact(id) else { return };
    audit_delete(store, id, &contact, actor);
    let mut view = emit_contact(store, None, &contact, false);
    // Its tags belong to the survivor now, and only empty places are left of them.
    view["tags"] = contact.tags.iter().map(|_| json!([])).collect();
    webhooks::emit(store, "mautic.lead_post_delete", json!({"id": id, "contact": view}));
}
