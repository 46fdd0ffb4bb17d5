//! What a contact belongs to, what it did, and its points.

use axum::{Extension, extract::State};
use serde_json::{Value, json};

use super::{list::keyed, view::emit_contact};
use crate::mautic::{
    answer::Answer,
    audit::Details,
    auth::Actor,
    clock,
    input::{PathParts, Query},
    rows::{Activity, Membership, object},
    simulator::MauticSimulator,
    store::Store,
    webhooks,
};

const ACTIVITY_TYPES: &str = include_str!("../../../data/activity_types.json");

fn membership(id: u64, name: &str, member: &Membership) -> Value {
    json!({
        "id": id,
        "name": name,
        "dateAdded": clock::iso(member.added),
        "manuallyRemoved": member.removed,
        "manuallyAdded": true,
    })
}

/// `GET /api/contacts/{id}/segments`.
pub(crate) async fn segments(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        let Some(contact) = store.resolve(id).and_then(|id| store.contact(id)) else { return Answer::not_found() };
        let members = contact.segments.iter().filter(|(_, member)| !member.removed);
        let views: Vec<_> = members
            .filter_map(|(id, member)| {
                let segment = store.segments.get(*id)?;
                let mut view = membership(*id, &segment.name, member);
                view["alias"] = json!(segment.alias);
                Some((*id, view))
            })
            .collect();
        Answer::ok(json!({"total": views.len(), "lists": keyed(views.into_iter())}))
    })
}

/// `GET /api/contacts/{id}/campaigns`: published ones only (`Entity/CampaignRepository.php` of Mautic's CampaignBundle).
pub(crate) async fn campaigns(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        let Some(contact) = store.resolve(id).and_then(|id| store.contact(id)) else { return Answer::not_found() };
        let members = contact.campaigns.iter().filter(|(_, member)| !member.removed);
        let views: Vec<_> = members
            .filter_map(|(id, member)| {
                let campaign = store.campaigns.get(*id).filter(|campaign| campaign.published)?;
                let mut view = membership(*id, &campaign.name, member);
                view["listMembership"] = json!(campaign.segments);
                Some((*id, view))
            })
            .collect();
        Answer::ok(json!({"total": views.len(), "campaigns": keyed(views.into_iter())}))
    })
}

/// `GET /api/contacts/{id}/activity`.
pub(crate) async fn activity(
    State(mautic): State<MauticSimulator>,
    PathParts(id): PathParts<u64>,
    query: Query,
) -> Answer {
    let base = mautic.base_url();
    mautic.read(|store| {
        let Some(id) = store.resolve(id) else { return Answer::not_found() };
        let mut found: Vec<_> = store.activities.iter().filter(|(_, row)| row.contact == id).collect();
        found.sort_by_key(|(row_id, row)| std::cmp::Reverse((row.at.as_second(), *row_id)));
        let limit = query.number("limit").unwrap_or(25).max(1);
        let page = query.number("page").unwrap_or(1).max(1);
        let shown = found.iter().skip((page - 1) * limit).take(limit);
        let types: Value = serde_json::from_str(ACTIVITY_TYPES).unwrap_or_default();
        Answer::ok(json!({
            "events": shown.map(|(row_id, row)| event_view(*row_id, row, &base)).collect::<Value>(),
            "filters": {"search": "", "includeEvents": [], "excludeEvents": []},
            "order": ["timestamp", "DESC"],
            "types": types,
            "total": found.len(),
            "page": page,
            "limit": limit,
            "maxPages": found.len().div_ceil(limit) as f64,
        }))
    })
}

fn event_view(id: u64, row: &Activity, base: &str) -> Value {
    let mut label = row.label.clone();
    if let Some(path) = label.get("href").and_then(Value::as_str) {
        label["href"] = json!(format!("{base}{path}"));
    }
    json!({
        "event": row.event,
        "eventId": format!("{}{id}", row.event),
        "eventType": row.kind,
        "eventLabel": label,
        "timestamp": clock::iso(row.at),
        "contactId": row.contact.to_string(),
        "details": row.details,
    })
}

/// `POST /api/contacts/{id}/points/{plus|minus}/{delta}`.
pub(crate) async fn points(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts((id, operator, delta)): PathParts<(u64, String, i64)>,
) -> Answer {
    let (delta, name) = match operator.as_str() {
        "plus" => (delta, "add (+)"),
        "minus" => (-delta, "subtract (-)"),
        _ => return Answer::no_such_url(&format!("/api/contacts/{id}/points/{operator}/{delta}")),
    };
    mautic.write(|store| {
        let Some(id) = store.resolve(id) else { return Answer::not_found() };
        give_points(store, id, delta, name, &actor);
        Answer::success()
    })
}

/// Hooks see the contact with its old points, the new ones beside it.
fn give_points(store: &mut Store, id: u64, delta: i64, name: &str, actor: &Actor) {
    let now = store.now();
    store.edit_contact(id, |contact| contact.by.touch(actor, now));
    let Some(contact) = store.contact(id) else { return };
    let view = emit_contact(store, Some(id), contact, false);
    let old = contact.points;
    store.edit_contact(id, |contact| contact.points += delta);
    store.note_points(id, name, "API", delta);
    let details = Details::changed(&object(json!({"points": [old, old + delta]})));
    store.audit(actor, "lead", id, "update", &details);
    let points = json!({"old_points": old, "new_points": old + delta});
    webhooks::emit(store, "mautic.lead_points_change", json!({"contact": view, "points": points}));
    webhooks::emit(store, "mautic.lead_post_save_update", json!({"contact": view}));
}
