//! Stages.

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    auth::Actor,
    clock,
    fields::page_size,
    input::{PathParts, Payload, Query},
    php,
    rows::{Contact, Stage, object},
    simulator::MauticSimulator,
    store::Store,
    version::MauticVersion,
};

impl Stage {
    fn view(&self, id: u64, version: MauticVersion) -> Value {
        let mut view = self.by.head(self.published);
        view.extend(object(json!({
            "id": id,
            "name": self.name,
            "category": null,
            "weight": self.weight,
            "description": self.description,
            "publishUp": null,
            "publishDown": null,
        })));
        version.add_projects(&mut view);
        Value::Object(view)
    }
}

/// The stage as its contacts show it.
pub(crate) fn stage_brief(store: &Store, id: u64) -> Option<Value> {
    let stage = store.stages.get(id)?;
    Some(json!({
        "createdByUser": stage.by.created_by,
        "modifiedByUser": stage.by.modified_by,
        "id": id,
        "name": stage.name,
        "category": null,
        "weight": stage.weight,
        "description": stage.description,
    }))
}

/// A stage by its id or its name.
pub(crate) fn find(store: &Store, wanted: &Value) -> Option<u64> {
    let text = php::text(wanted);
    let by_id = text.parse().ok().filter(|id| store.stages.contains(*id));
    by_id.or_else(|| store.stages.find(|stage| stage.name == text).map(|(id, _)| id))
}

/// Moves a contact that is being written to a stage.
pub(crate) fn move_to(store: &mut Store, contact: &mut Contact, id: u64, stage: u64, action: &str) {
    if contact.stage == Some(stage) {
        return;
    }
    contact.stage = Some(stage);
    note_move(store, id, stage, action);
}

fn note_move(store: &mut Store, contact: u64, stage: u64, action: &str) {
    let name = store.stages.get(stage).map(|stage| stage.name.clone()).unwrap_or_default();
    let event_name = format!("{stage}: {name}");
    let id = store.activities.next_id().to_string();
    let label = json!({"label": event_name, "href": format!("/s/stages/edit/{stage}"), "isExternal": false});
    let details = json!({"log": {
        "id": id,
        "reference": stage.to_string(),
        "eventName": event_name,
        "actionName": action,
        "dateAdded": clock::iso(store.now()),
        "lead_id": contact.to_string(),
    }});
    store.note(contact, "stage.changed", "Stage changed", label, details);
}

/// `GET /api/stages`.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    mautic.read(|store| {
        let page = store.stages.iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, stage)| (id.to_string(), stage.view(id, store.version))).collect();
        Answer::ok(json!({"total": store.stages.len(), "stages": php::map_or_empty_list(views)}))
    })
}

/// `POST /api/stages/new`.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    let text = |key: &str| params.get(key).map(php::text).filter(|text| !text.is_empty());
    let Some(name) = text("name") else {
        return Answer::error(400, "name: A name is required.", json!({"name": ["A name is required."]}));
    };
    mautic.write(|store| {
        let id = store.stages.next_id();
        let stage = Stage {
            by: store.authorship(&actor),
            published: params.get("isPublished").is_none_or(php::boolean),
            name,
            weight: params.get("weight").and_then(php::numeric).unwrap_or(0.0) as i64,
            description: text("description"),
        };
        let view = stage.view(id, store.version);
        store.stages.add(stage);
        Answer::created(format!("/api/stages/{id}"), json!({"stage": view}))
    })
}

/// `POST /api/stages/{id}/contact/{contact}/{add|remove}`.
pub(crate) async fn change_member(
    State(mautic): State<MauticSimulator>,
    PathParts((id, contact, action)): PathParts<(u64, u64, String)>,
) -> Answer {
    mautic.write(|store| {
        if !store.stages.contains(id) {
            return Answer::not_found();
        }
        let Some(resolved) = store.resolve(contact) else { return Answer::contact_not_found() };
        match action.as_str() {
            "add" => {
                store.edit_contact(resolved, |contact| contact.stage = Some(id));
                note_move(store, resolved, id, "Manually Added");
            }
            "remove" => store.edit_contact(resolved, |contact| contact.stage = None),
            _ => return Answer::no_such_url(&format!("/api/stages/{id}/contact/{contact}/{action}")),
        }
        Answer::success()
    })
}
