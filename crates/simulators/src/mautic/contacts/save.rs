//! Saving and deleting contacts, with everything that follows from it.

use serde_json::{Map, Value, json};

use super::{
    dnc::{self, NewDnc},
    form::Draft,
    view::{Shape, contact_view, emit_contact},
};
use crate::mautic::{companies, php, rows::Contact, stages, store::Store, tags, webhooks};

/// Writes a draft with what a request carries besides fields. The draft shows the answer afterwards.
pub(crate) fn save(store: &mut Store, draft: &mut Draft, params: &Map<String, Value>, actor: &str) {
    let created = draft.id.is_none();
    let old_points = draft.id.and_then(|id| store.contact(id)).map_or(0, |contact| contact.points);
    apply_relations(store, draft, params, actor);
    let changes = draft.write_values();

    let now = store.now();
    if !created {
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
        let label = json!(format!("Contact was identified by {actor}"));
        store.note(
            id,
            "lead.source.identified",
            "Contact identified by source",
            label,
            json!({
                "objectDescription": actor,
            }),
        );
    }
    link_company(store, draft, &changes, actor);
    add_inline_dnc(store, draft, params, created);
    store.audit(actor, "lead", id, if created { "create" } else { "update" }, &changes);
    emit_save(store, draft, created, newly_identified, old_points);
}

fn apply_relations(store: &mut Store, draft: &mut Draft, params: &Map<String, Value>, actor: &str) {
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
        stages::move_to(store, &mut draft.contact, id, stage, actor);
    }
}

/// The name of a company in a contact's field makes the company, and makes the contact belong to it.
fn link_company(store: &mut Store, draft: &mut Draft, changes: &Map<String, Value>, actor: &str) {
    let Some(name) = changes.get("company").and_then(|change| change[1].as_str()) else { return };
    let Some(id) = draft.id else { return };
    let company = companies::find_or_make(store, name, actor);
    companies::join(store, id, company);
    if let Some(contact) = store.contact(id) {
        draft.contact = contact.clone();
    }
}

fn add_inline_dnc(store: &mut Store, draft: &mut Draft, params: &Map<String, Value>, created: bool) {
    let (Some(id), Some(entries)) = (draft.id, params.get("doNotContact").and_then(Value::as_array)) else { return };
    for entry in entries {
        let channel = entry.get("channel").map(php::text).unwrap_or_else(|| "email".into());
        let reason = entry.get("reason").and_then(php::numeric).map_or(dnc::MANUAL, |reason| reason as i64);
        if reason == 0 {
            dnc::remove_dnc(store, id, &channel);
            continue;
        }
        let comments = entry.get("comments").map(php::text).unwrap_or_default();
        dnc::add_dnc(store, id, NewDnc { channel, channel_id: None, reason, comments }, !created);
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
pub(crate) fn delete(store: &mut Store, id: u64, actor: &str) -> Option<Value> {
    let contact = store.remove_contact(id)?;
    let view = contact_view(store, None, &contact, Shape::Loaded);
    store.audit(actor, "lead", id, "delete", &Map::new());
    emit_delete(store, id, &contact);
    for dnc in contact.dnc {
        store.dnc.remove(dnc);
    }
    Some(view)
}

/// Tells of a contact that is no more.
fn emit_delete(store: &mut Store, id: u64, contact: &Contact) {
    let view = emit_contact(store, None, contact, false);
    webhooks::emit(store, "mautic.lead_post_delete", json!({"id": id, "contact": view}));
}

/// Ends a contact that was merged into another; its do-not-contact entries live on with the survivor.
pub(crate) fn delete_merged(store: &mut Store, id: u64) {
    let Some(contact) = store.remove_contact(id) else { return };
    let mut view = emit_contact(store, None, &contact, false);
    // Its tags belong to the survivor now, and only empty places are left of them.
    view["tags"] = contact.tags.iter().map(|_| json!([])).collect();
    webhooks::emit(store, "mautic.lead_post_delete", json!({"id": id, "contact": view}));
}
