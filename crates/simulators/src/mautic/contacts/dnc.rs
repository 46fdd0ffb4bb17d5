//! Do-not-contact entries.

use axum::{Extension, extract::State};
use serde_json::{Value, json};

use super::view::{dnc_view, emit_contact};
use crate::mautic::{
    answer::Answer,
    auth::Actor,
    input::{PathParts, Payload},
    php,
    rows::DoNotContact,
    simulator::MauticSimulator,
    store::Store,
    webhooks,
};

/// The reason that counts when none is given.
pub(crate) const MANUAL: i64 = 3;

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

/// Adds an entry, in place of one that the channel already has. Hooks hear of it where `emit` says so.
pub(crate) fn add_dnc(store: &mut Store, contact: u64, new: NewDnc, emit: bool) {
    let old = find(store, contact, &new.channel);
    if let Some((id, reason)) = old {
        // The reason of an entry only ever gets stronger: who opted out stays opted out.
        if reason == new.reason || (reason == 1 && new.reason == 2) {
            return;
        }
        unlink(store, contact, id);
    }
    let (channel, reason) = (new.channel.clone(), new.reason);
    let at = store.now();
    let id = store.dnc.add(DoNotContact {
        contact,
        reason: new.reason,
        channel: new.channel,
        channel_id: new.channel_id,
        comments: new.comments,
        at,
    });
    store.edit_contact(contact, |contact| contact.dnc.push(id));
    if emit {
        emit_change(store, contact, &channel, status(old.map(|(_, reason)| reason)), status(Some(reason)));
    }
}

/// Takes the entry of a channel away, whatever its reason. Says whether there was one.
pub(crate) fn remove_dnc(store: &mut Store, contact: u64, channel: &str) -> bool {
    let Some((id, reason)) = find(store, contact, channel) else { return false };
    unlink(store, contact, id);
    emit_change(store, contact, channel, status(Some(reason)), status(None));
    true
}

fn unlink(store: &mut Store, contact: u64, id: u64) {
    store.dnc.remove(id);
    store.edit_contact(contact, |contact| contact.dnc.retain(|other| *other != id));
}

fn emit_change(store: &mut Store, id: u64, channel: &str, old: &str, new: &str) {
    let Some(contact) = store.contact(id) else { return };
    let contact = emit_contact(store, Some(id), contact, false);
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

/// A change of do-not-contact saves its contact, of which hooks hear as well.
pub(crate) fn save_touched(store: &mut Store, id: u64, actor: &str) {
    let now = store.now();
    store.edit_contact(id, |contact| contact.by.touch(actor, now));
    let Some(contact) = store.contact(id) else { return };
    let contact = emit_contact(store, Some(id), contact, false);
    webhooks::emit(store, "mautic.lead_post_save_update", json!({"contact": contact}));
}

/// `POST /api/contacts/{id}/dnc/{channel}/add`.
pub(crate) async fn dnc_add(
    State(mautic): State<MauticSimulator>,
    Extension(Actor(actor)): Extension<Actor>,
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
        add_dnc(store, id, NewDnc { channel, channel_id: None, reason, comments }, true);
        save_touched(store, id, &actor);
        Answer::ok(json!({"contact": view(store, id)}))
    })
}

/// `POST /api/contacts/{id}/dnc/{channel}/remove`.
pub(crate) async fn dnc_remove(
    State(mautic): State<MauticSimulator>,
    Extension(Actor(actor)): Extension<Actor>,
    PathParts((id, channel)): PathParts<(u64, String)>,
) -> Answer {
    mautic.write(|store| {
        let Some(id) = store.resolve(id) else { return Answer::not_found() };
        let found = remove_dnc(store, id, &channel);
        if found {
            save_touched(store, id, &actor);
        }
        Answer::ok(json!({"recordFound": found, "contact": view(store, id)}))
    })
}

fn view(store: &Store, id: u64) -> Value {
    store.contact(id).map(|contact| dnc_view(store, id, contact)).unwrap_or_default()
}
