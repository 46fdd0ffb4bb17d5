//! Two contacts become one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    audit::Details,
    auth::Actor,
    contacts::{delete_merged, emit_contact},
    rows::{Contact, Merged},
    store::Store,
    webhooks,
};

/// Merges a known contact into the visitor that gave its address. **The visitor survives**, and the known contact's id
/// from then on answers with the visitor. Values that came with the address stand in the survivor, whatever the known contact
/// had.
pub(crate) fn into_visitor(
    store: &mut Store,
    visitor: u64,
    known: u64,
    given: &BTreeMap<String, Value>,
    actor: &Actor,
) {
    let Some(loser) = store.contact(known).cloned() else { return };
    let Some(before) = store.contact(visitor).cloned() else { return };
    let now = store.now();
    store.edit_contact(visitor, |winner| {
        winner.by.touch(actor, now);
        // The older history wins: what is known about the person is as old as its oldest half.
        winner.by.added = winner.by.added.min(loser.by.added);
        winner.identified = loser.identified.or(Some(now));
        take_relations(winner, &loser);
    });
    if let Some(winner) = store.contact(visitor) {
        // Hooks see the survivor before the values are in it, its new points beside it.
        let view = emit_contact(store, Some(visitor), winner, false);
        let points = json!({"old_points": before.points, "new_points": before.points + loser.points});
        if loser.points != 0 {
            webhooks::emit(store, "mautic.lead_points_change", json!({"contact": view, "points": points}));
        }
        webhooks::emit(store, "mautic.lead_post_save_new", json!({"contact": view}));
        finish(store, visitor, known, &loser, given, view, actor);
    }
}

fn finish(
    store: &mut Store,
    visitor: u64,
    known: u64,
    loser: &Contact,
    given: &BTreeMap<String, Value>,
    survivor: Value,
    actor: &Actor,
) {
    let mut details = Details::default();
    details.add("merged_into", &json!(visitor));
    store.audit(actor, "lead", known, "merge", &details);
    delete_merged(store, known, actor);
    store.merged.put(known, Merged { into: visitor });
    let mut changes = Map::new();
    store.edit_contact(visitor, |winner| {
        winner.points += loser.points;
        for (alias, value) in given.iter().chain(&loser.values) {
            winner.values.entry(alias.clone()).or_insert_with(|| {
                changes.insert(alias.clone(), json!([null, value]));
                value.clone()
            });
        }
    });
    store.audit_save(actor, visitor, false, Details::changed(&changes));
    move_history(store, visitor, known);
    webhooks::emit(store, "mautic.lead_post_save_update", json!({"contact": survivor}));
}

fn take_relations(winner: &mut Contact, loser: &Contact) {
    winner.owner = winner.owner.or(loser.owner);
    winner.stage = winner.stage.or(loser.stage);
    for tag in &loser.tags {
        if !winner.tags.contains(tag) {
            winner.tags.push(*tag);
        }
    }
    winner.dnc.extend(&loser.dnc);
    winner.companies.extend(&loser.companies);
    for (id, member) in &loser.segments {
        winner.segments.entry(*id).or_insert_with(|| member.clone());
    }
    for (id, member) in &loser.campaigns {
        winner.campaigns.entry(*id).or_insert_with(|| member.clone());
    }
}

/// What the one did, the other did.
fn move_history(store: &mut Store, to: u64, from: u64) {
    let dnc: Vec<u64> = store.dnc.iter().filter(|(_, row)| row.contact == from).map(|(id, _)| id).collect();
    for id in dnc {
        if let Some(row) = store.dnc.edit(id) {
            row.contact = to;
        }
    }
    let stats: Vec<u64> = store.email_stats.iter().filter(|(_, row)| row.contact == from).map(|(id, _)| id).collect();
    for id in stats {
        if let Some(row) = store.email_stats.edit(id) {
            row.contact = to;
        }
    }
}
