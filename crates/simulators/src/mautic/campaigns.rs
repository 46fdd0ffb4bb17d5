//! Campaigns. Their events are kept and shown, never run.

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    auth::Actor,
    clock,
    fields::page_size,
    input::{PathParts, Payload, Query},
    php,
    rows::{Campaign, Contact, Membership, object},
    simulator::MauticSimulator,
    store::Store,
};

impl Campaign {
    fn view(&self, store: &Store, id: u64) -> Value {
        let lists: Vec<Value> =
            self.segments.iter().filter_map(|segment| Some(store.segments.get(*segment)?.brief(*segment))).collect();
        let mut view = self.by.head(self.published);
        view.extend(object(json!({
            "id": id,
            "name": self.name,
            "category": null,
            "description": self.description,
            "allowRestart": self.allow_restart,
            "publishUp": null,
            "publishDown": null,
            "events": self.events,
            "forms": [],
            "lists": lists,
            "canvasSettings": self.canvas,
        })));
        store.version.add_projects(&mut view);
        Value::Object(view)
    }
}

/// `GET /api/campaigns`, by name.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    mautic.read(|store| {
        let wanted = query.text("search").to_lowercase();
        let mut found: Vec<_> =
            store.campaigns.iter().filter(|(_, row)| row.name.to_lowercase().contains(&wanted)).collect();
        found.sort_by_key(|(_, campaign)| campaign.name.to_lowercase());
        let page = found.iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, row)| (id.to_string(), row.view(store, *id))).collect();
        Answer::ok(json!({"total": found.len(), "campaigns": php::map_or_empty_list(views)}))
    })
}

/// `GET /api/campaigns/{id}`.
pub(crate) async fn get_one(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        let campaign = store.campaigns.get(id);
        campaign.map_or_else(Answer::not_found, |row| Answer::ok(json!({"campaign": row.view(store, id)})))
    })
}

/// `POST /api/campaigns/new`.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    let name = params.get("name").map(php::text).unwrap_or_default();
    if name.is_empty() {
        return Answer::error(400, "name: A name is required.", json!({"name": ["A name is required."]}));
    }
    mautic.write(|store| {
        let id = store.campaigns.next_id();
        let campaign = read_campaign(store, name, &params, &actor);
        let view = campaign.view(store, id);
        store.campaigns.add(campaign);
        Answer::created(format!("/api/campaigns/{id}"), json!({"campaign": view}))
    })
}

fn read_campaign(store: &Store, name: String, params: &Map<String, Value>, actor: &Actor) -> Campaign {
    let items = |key: &str| params.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let ids = |item: &Value| php::numeric(item.get("id").unwrap_or(item)).map(|id| id as u64);
    let mut by = store.authorship(actor);
    // Its events are saved after it, which counts as a change, though not as a dated one.
    by.modified_by = Some(actor.name.clone());
    let numbers = event_numbers(store, &items("events"));
    Campaign {
        by,
        published: params.get("isPublished").is_none_or(php::boolean),
        name,
        description: params.get("description").map(php::text).filter(|text| !text.is_empty()),
        allow_restart: params.get("allowRestart").is_some_and(php::boolean),
        events: items("events").iter().zip(&numbers).map(|(event, (_, id))| event_view(event, *id)).collect(),
        segments: items("lists").iter().filter_map(ids).collect(),
        canvas: renumbered(params.get("canvasSettings").unwrap_or(&json!([])), &numbers),
        entries: 0,
    }
}

/// The provisional ids of new events, each with the one that it gets.
fn event_numbers(store: &Store, events: &[Value]) -> Vec<(String, u64)> {
    let used: usize = store.campaigns.iter().map(|(_, row)| row.events.as_array().map_or(0, Vec::len)).sum();
    let provisional = events.iter().map(|event| event.get("id").map(php::text).unwrap_or_default());
    provisional.enumerate().map(|(place, id)| (id, (used + place + 1) as u64)).collect()
}

fn renumbered(canvas: &Value, numbers: &[(String, u64)]) -> Value {
    match canvas {
        Value::String(text) => {
            let found = numbers.iter().find(|(provisional, _)| provisional == text);
            found.map_or_else(|| canvas.clone(), |(_, id)| json!(id.to_string()))
        }
        Value::Array(items) => items.iter().map(|item| renumbered(item, numbers)).collect(),
        Value::Object(map) => map.iter().map(|(key, item)| (key.clone(), renumbered(item, numbers))).collect(),
        other => other.clone(),
    }
}

fn event_view(event: &Value, id: u64) -> Value {
    let or_null = |key: &str| event.get(key).cloned().unwrap_or_default();
    json!({
        "id": id,
        "name": or_null("name"),
        "description": or_null("description"),
        "type": or_null("type"),
        "eventType": or_null("eventType"),
        "channel": null,
        "channelId": null,
        "order": or_null("order"),
        "properties": event.get("properties").cloned().unwrap_or_else(|| json!([])),
        "triggerDate": null,
        "triggerInterval": or_null("triggerInterval"),
        "triggerIntervalUnit": or_null("triggerIntervalUnit"),
        "triggerHour": null,
        "triggerRestrictedStartHour": null,
        "triggerRestrictedStopHour": null,
        "triggerRestrictedDaysOfWeek": [],
        "triggerMode": or_null("triggerMode"),
        "decisionPath": or_null("decisionPath"),
        "parent": null,
        "children": [],
    })
}

/// `GET /api/campaigns/{id}/contacts`.
pub(crate) async fn contacts(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        if !store.campaigns.contains(id) {
            return Answer::not_found();
        }
        let member = |contact: &Contact| contact.campaigns.get(&id).filter(|member| !member.removed).cloned();
        let rows: Vec<Value> = store
            .contacts()
            .filter_map(|(lead, contact)| Some((lead, member(contact)?)))
            .map(|(lead, member)| member_row(id, lead, &member))
            .collect();
        Answer::ok(json!({"total": rows.len().to_string(), "contacts": rows}))
    })
}

fn member_row(campaign: u64, contact: u64, member: &Membership) -> Value {
    json!({
        "campaign_id": campaign.to_string(),
        "lead_id": contact.to_string(),
        "date_added": clock::sql(member.added),
        "manually_removed": "0",
        "manually_added": "1",
        "rotation": member.rotation.to_string(),
    })
}

/// `POST /api/campaigns/{id}/contact/{contact}/{add|remove}`. Says success also where nothing changed.
pub(crate) async fn change_member(
    State(mautic): State<MauticSimulator>,
    PathParts((id, contact, action)): PathParts<(u64, u64, String)>,
) -> Answer {
    mautic.write(|store| {
        if !store.campaigns.contains(id) {
            return Answer::not_found();
        }
        let Some(resolved) = store.resolve(contact) else { return Answer::contact_not_found() };
        match action.as_str() {
            "add" => add_member(store, id, resolved),
            "remove" => remove_member(store, id, resolved),
            _ => return Answer::no_such_url(&format!("/api/campaigns/{id}/contact/{contact}/{action}")),
        }
        Answer::success()
    })
}

/// An addition by hand. One who is in already enters again where the campaign allows a restart, and else nothing happens;
/// one who was taken out by hand enters again in either case (`Membership/Action/Adder.php` of Mautic's CampaignBundle).
fn add_member(store: &mut Store, id: u64, contact: u64) {
    let may_restart = store.campaigns.get(id).is_some_and(|campaign| campaign.allow_restart);
    let member = store.contact(contact).and_then(|contact| contact.campaigns.get(&id));
    if member.is_some_and(|member| !member.removed && !may_restart) {
        return;
    }
    let now = store.now();
    store.edit_contact(contact, |contact| {
        let member = contact.campaigns.entry(id);
        member.and_modify(|member| member.restart(now)).or_insert_with(|| Membership::new(now));
    });
    if let Some(campaign) = store.campaigns.edit(id) {
        campaign.entries += 1;
    }
    note_change(store, id, contact, "added to");
}

/// A removal by hand; the row stays. Nothing happens to one who is not in (`Membership/Action/Remover.php`).
fn remove_member(store: &mut Store, id: u64, contact: u64) {
    let member = store.contact(contact).and_then(|contact| contact.campaigns.get(&id));
    if member.is_none_or(|member| member.removed) {
        return;
    }
    store.edit_contact(contact, |contact| {
        if let Some(member) = contact.campaigns.get_mut(&id) {
            member.removed = true;
        }
    });
    note_change(store, id, contact, "removed from");
}

fn note_change(store: &mut Store, id: u64, contact: u64, action: &str) {
    let name = store.campaigns.get(id).map(|campaign| campaign.name.clone()).unwrap_or_default();
    let label = json!(format!("Contact {action} campaign, {name}"));
    let details = json!({"campaignId": id, "campaignName": name, "objectDescription": name});
    store.note(contact, "campaign_membership", "Campaign membership change", label, details);
}
