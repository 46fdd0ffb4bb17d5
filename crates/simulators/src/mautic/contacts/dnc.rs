//! Do-not-contact entries.

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};

use super::view::{dnc_view, emit_contact};
use crate::mautic::{
    answer::Answer,
    audit::Details,
    auth::Actor,
    clock,
    input::{PathParts, Payload},
    php,
    rows::{DoNotContact, object},
    simulator::MauticSimulator,
    store::Store,
    version::MauticVersion,
    webhooks,
};

/// The reason that counts when none is given.
pub(crate) const MANUAL: i64 = 3;

/// The person's own wish.
const UNSUBSCRIBED: i64 = 1;

/// An entry to be made.
pub(crate) struct NewDnc {
    pub(crate) channel: String,
    pub(crate) channel_id: Option<u64>,
    pub(crate) reason: i64,
    pub(crate) comments: String,
}

fn status(reason: Option<i64>) -> &'static str {
    match reason {
        Some(1) => "unsubscribed",
        Some(2) => "bounced",
        Some(_) => "manual",
        None => "contactable",
    }
}

/// The entry that a contact has for a channel.
fn find(store: &Store, contact: u64, channel: &str) -> Option<(u64, i64)> {
    let ids = &store.contact(contact)?.dnc;
    ids.iter().find_map(|id| {
        let row = store.dnc.get(*id)?;
        (row.channel == channel).then_some((*id, row.reason))
    })
}

/// Whether an entry gives way to a later one. In 5.1 the first one stays, whatever is added later; in 7.0 a later reason
/// replaces it, unless the person unsubscribed (recordings `220` to `224` of 7.0.0).
fn gives_way(version: MauticVersion, old: i64, new: i64) -> bool {
    match version {
        MauticVersion::V5_1 => false,
        MauticVersion::V7_0 => old != UNSUBSCRIBED && old != new,
    }
}

/// Adds an entry, or puts it in the place of one that the channel already has. Hooks hear of it where `emit` says so.
pub(crate) fn add_dnc(store: &mut Store, contact: u64, new: NewDnc, actor: &Actor, emit: bool) {
    let old = find(store, contact, &new.channel);
    if old.is_some_and(|(_, reason)| !gives_way(store.version, reason, new.reason)) {
        return;
    }
    let NewDnc { channel, channel_id, reason, comments } = new;
    let row = DoNotContact { contact, reason, channel: channel.clone(), channel_id, comments, at: store.now() };
    let mut change = object(json!({"reason": reason}));
    match old {
        // The row keeps its id; its date moves.
        Some((id, reason)) => {
            change.insert("old_reason".into(), json!(reason));
            store.dnc.put(id, row.clone());
        }
        None => {
            let id = store.dnc.add(row.clone());
            store.edit_contact(contact, |contact| contact.dnc.push(id));
        }
    }
    change.insert("comments".into(), json!(row.comments));
    audit(store, contact, &channel, change, actor);
    if emit {
        emit_change(store, contact, &channel, [status(old.map(|(_, reason)| reason)), status(Some(reason))], actor);
    }
}

/// Takes the entry of a channel away, whatever its reason. Says whether there was one.
pub(crate) fn remove_dnc(store: &mut Store, contact: u64, channel: &str, actor: &Actor) -> bool {
    let Some((id, reason)) = find(store, contact, channel) else { return false };
    let comments = store.dnc.get(id).map(|row| row.comments.clone());
    unlink(store, contact, id);
    let change = object(json!({"reason": 0, "old_reason": reason, "comments": comments}));
    audit(store, contact, channel, change, actor);
    emit_change(store, contact, channel, [status(Some(reason)), status(None)], actor);
    true
}

/// The row of the audit log (recording `225`): who lifted or made an entry stands there.
fn audit(store: &mut Store, contact: u64, channel: &str, change: Map<String, Value>, actor: &Actor) {
    let mut details = Details::default();
    details.add("dnc_channel_status", &json!({channel: change}));
    store.audit(actor, "lead", contact, "update", &details);
}

fn unlink(store: &mut Store, contact: u64, id: u64) {
    store.dnc.remove(id);
    store.edit_contact(contact, |contact| contact.dnc.retain(|other| *other != id));
}

fn emit_change(store: &mut Store, id: u64, channel: &str, [old, new]: [&str; 2], actor: &Actor) {
    let Some(contact) = store.contact(id) else { return };
    let mut contact = emit_contact(store, Some(id), contact, false);
    if actor.is_visitor() {
        // The person is active, though the field does not say so yet (recording `webhook-232`).
        contact["lastActive"] = json!(clock::iso(store.now()));
    }
    webhooks::emit(
        store,
        "mautic.lead_channel_subscription_changed",
        json!({
            "contact": contact,
            "channel": channel,
            "old_status": old,
            "new_status": new,
        }),
    );
}

/// Who changes a subscription stands in the contact already when hooks hear of it (recordings `webhook-232` to `-237`).
pub(crate) fn touch(store: &mut Store, id: u64, actor: &Actor) {
    let now = store.now();
    store.edit_contact(id, |contact| contact.by.touch(actor, now));
}

/// A change of do-not-contact saves its contact, of which hooks hear as well.
pub(crate) fn tell_saved(store: &mut Store, id: u64) {
    let Some(contact) = store.contact(id) else { return };
    let contact = emit_contact(store, Some(id), contact, false);
    webhooks::emit(store, "mautic.lead_post_save_update", json!({"contact": contact}));
}

/// `POST /api/contacts/{id}/dnc/{channel}/add`.
pub(crate) async fn dnc_add(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts((id, channel)): PathParts<(u64, String)>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    let reason = params.get("reason").map_or(MANUAL, |raw| php::numeric(raw).unwrap_or(0.0) as i64);
    let comments = params.get("comments").map(php::text).unwrap_or_default();
    mautic.write(|store| {
        let Some(id) = store.resolve(id) else { return Answer::not_found() };
        if reason == 0 {
            let details = json!(["Reason code needs to be an integer and higher than 0."]);
            return Answer::error(400, "Invalid reason code given", details);
        }
        touch(store, id, &actor);
        add_dnc(store, id, NewDnc { channel, channel_id: None, reason, comments }, &actor, true);
        tell_saved(store, id);
        Answer::ok(json!({"contact": view(store, id)}))
    })
}

/// `POST /api/contacts/{id}/dnc/{channel}/remove`.
pub(crate) async fn dnc_remove(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts((id, channel)): PathParts<(u64, String)>,
) -> Answer {
    mautic.write(|store| {
        let Some(id) = store.resolve(id) else { return Answer::not_found() };
        let found = find(store, id, &channel).is_some();
        if found {
            touch(store, id, &actor);
            remove_dnc(store, id, &channel, &actor);
            tell_saved(store, id);
        }
        Answer::ok(json!({"recordFound": found, "contact": view(store, id)}))
    })
}

fn view(store: &Store, id: u64) -> Value {
    store.contact(id).map(|contact| dnc_view(store, id, contact)).unwrap_or_default()
}
