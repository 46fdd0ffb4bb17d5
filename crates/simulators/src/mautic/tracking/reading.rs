//! What people do with the emails they get.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    html, page, user_agent,
    visits::{record_hit, touch},
    with_cookie,
};
use crate::mautic::{
    answer::Answer,
    auth::Actor,
    clock,
    contacts::{NewDnc, Shape, add_dnc, emit_contact, lead_view, remove_dnc, touch_dnc},
    emails::hash_of,
    input::{PathParts, Query},
    php,
    rows::{EmailStat, PageHit, Redirect},
    simulator::MauticSimulator,
    store::Store,
    webhooks,
};

/// One transparent pixel.
const PIXEL: [u8; 43] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0xf9, 4, 1, 0, 0, 0, 0, 0x2c,
    0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b,
];

fn stat_of(store: &Store, hash: &str) -> Option<u64> {
    store.email_stats.find(|stat| stat.hash == hash).map(|(id, _)| id)
}

/// `GET /email/{hash}.gif`, the pixel that tells of an open.
pub(super) async fn open_pixel(State(mautic): State<MauticSimulator>, PathParts(file): PathParts<String>) -> Response {
    let hash = file.trim_end_matches(".gif");
    let contact = mautic.write(|store| {
        let stat = stat_of(store, hash)?;
        open(store, stat)
    });
    let pixel = page("image/gif", PIXEL.to_vec());
    match contact {
        Some(contact) => with_cookie(pixel, &format!("mtc_id={contact}")),
        None => pixel,
    }
}

/// Somebody opened an email. Gives the contact that it was sent to.
pub(crate) fn open(store: &mut Store, stat_id: u64) -> Option<u64> {
    let now = store.now();
    let stat = store.email_stats.edit(stat_id)?;
    let first = stat.read.is_none();
    stat.read.get_or_insert(now);
    stat.opens += 1;
    let stat = stat.clone();
    let contact = store.resolve(stat.contact)?;
    if first && let Some(email) = store.emails.edit(stat.email) {
        email.read += 1;
    }
    let view = opened_view(store, stat_id, &stat, contact);
    touch_and_tell(store, contact);
    if let (true, Some(view)) = (first, view) {
        webhooks::emit(store, "mautic.email_on_open", json!({"stat": view}));
    }
    Some(contact)
}

/// The contact's fields are not loaded anew for this, so hooks see the new time beside the old field.
fn touch_and_tell(store: &mut Store, contact: u64) {
    let Some(before) = store.contact(contact).cloned() else { return };
    let now = store.now();
    touch(store, contact);
    store.edit_contact(contact, |contact| contact.by.touch(&Actor::visitor(), now));
    let Some(after) = store.contact(contact) else { return };
    let mut view = emit_contact(store, Some(contact), after, false);
    view["fields"] = emit_contact(store, Some(contact), &before, false)["fields"].take();
    webhooks::emit(store, "mautic.lead_post_save_update", json!({"contact": view}));
}

fn opened_view(store: &Store, id: u64, stat: &EmailStat, contact: u64) -> Option<Value> {
    let email = store.emails.get(stat.email)?;
    Some(json!({
        "id": id,
        "emailAddress": stat.address,
        "ipAddress": [],
        "dateSent": clock::iso(stat.sent),
        "isRead": true,
        "isFailed": stat.failed,
        "dateRead": stat.read.map(clock::iso),
        "retryCount": 0,
        "source": "api",
        "openCount": stat.opens,
        "lastOpened": stat.read.map(clock::iso),
        "sourceId": 0,
        "trackingHash": stat.hash,
        "viewedInBrowser": false,
        "lead": lead_view(store, contact, store.contact(contact)?, Shape::Loaded),
        "email": email.body(stat.email, store.version),
    }))
}

/// `GET /r/{key}?ct=…`, a link of an email.
pub(super) async fn click_redirect(
    State(mautic): State<MauticSimulator>,
    PathParts(key): PathParts<String>,
    headers: HeaderMap,
    query: Query,
) -> Response {
    let url = mautic.read(|store| store.redirects.find(|row| row.key == key).map(|(_, row)| row.url.clone()));
    let Some(url) = url else { return Answer::no_such_url(&format!("/r/{key}")).into_response() };
    let hash = clicked_hash(query.text("ct"));
    let agent = user_agent(&headers);
    mautic.write(|store| hash.and_then(|hash| stat_of(store, &hash)).and_then(|id| click(store, id, &url, agent)));
    let mut response = page("text/html; charset=UTF-8", Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(location) = HeaderValue::try_from(url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The `ct` of a link is a serialized PHP array in base64; the hash of the sent email is all that counts in it.
fn clicked_hash(ct: &str) -> Option<String> {
    let bytes = STANDARD.decode(ct).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (_, rest) = text.split_once("s:4:\"stat\";s:")?;
    let (_, rest) = rest.split_once('"')?;
    rest.split_once('"').map(|(hash, _)| hash.to_owned())
}

/// The redirect that stands for a link, made where there is none, as the path that leads to it.
pub(crate) fn link(store: &mut Store, stat: &EmailStat, url: &str) -> String {
    let known = store.redirects.find(|row| row.url == url).map(|(_, row)| row.key.clone());
    let key = known.unwrap_or_else(|| {
        let key = hash_of("redirect", store.redirects.next_id());
        store.redirects.add(Redirect { url: url.to_owned(), key: key.clone() });
        key
    });
    format!("/r/{key}?ct={}", STANDARD.encode(php::serialize(&click_through(stat))))
}

fn click_through(stat: &EmailStat) -> Value {
    let email = stat.email.to_string();
    json!({
        "source": ["email", email],
        "email": email,
        "stat": stat.hash,
        "lead": stat.contact.to_string(),
        "channel": {"email": email},
    })
}

/// Somebody followed a link of an email, which Mautic also takes for an open.
pub(crate) fn click(store: &mut Store, stat_id: u64, url: &str, user_agent: String) -> Option<u64> {
    let stat = store.email_stats.get(stat_id)?.clone();
    let address = store.local_address();
    store.edit_contact(store.resolve(stat.contact)?, |contact| {
        if !contact.ips.contains(&address) {
            contact.ips.push(address);
        }
    });
    let contact = open(store, stat_id)?;
    let row = PageHit {
        contact,
        at: store.now(),
        url: url.to_owned(),
        title: None,
        user_agent,
        device: hash_of("device", contact),
        query: json!({"ct": click_through(&stat), "page_url": url}),
        email: Some(stat.email),
    };
    record_hit(store, row);
    Some(contact)
}

/// `GET /email/unsubscribe/{hash}`.
pub(super) async fn unsubscribe_page(
    State(mautic): State<MauticSimulator>,
    PathParts(hash): PathParts<String>,
) -> Response {
    let done = mautic.write(|store| {
        let stat = stat_of(store, &hash)?;
        unsubscribe(store, stat)
    });
    match done {
        Some((contact, address)) => with_cookie(
            html(&format!("{address} gets no more emails from us. <a href='/email/resubscribe/{hash}'>Undo this</a>.")),
            &format!("mtc_id={contact}"),
        ),
        None => html("There is nothing to unsubscribe from."),
    }
}

/// The link that emails carry also names the address and a proof, neither of which is asked for.
pub(super) async fn unsubscribe_signed(
    state: State<MauticSimulator>,
    PathParts((hash, _, _)): PathParts<(String, String, String)>,
) -> Response {
    unsubscribe_page(state, PathParts(hash)).await
}

/// Somebody unsubscribed by an email's link. Gives the contact and its address.
pub(crate) fn unsubscribe(store: &mut Store, stat_id: u64) -> Option<(u64, String)> {
    let stat = store.email_stats.get(stat_id)?.clone();
    opt_out(store, &stat, 1, "User unsubscribed.")
}

/// An email came back.
pub(crate) fn bounce(store: &mut Store, stat_id: u64, comments: &str) -> Option<u64> {
    let stat = store.email_stats.edit(stat_id)?;
    stat.failed = true;
    let stat = stat.clone();
    opt_out(store, &stat, 2, comments).map(|(contact, _)| contact)
}

fn opt_out(store: &mut Store, stat: &EmailStat, reason: i64, comments: &str) -> Option<(u64, String)> {
    let contact = store.resolve(stat.contact)?;
    let entry = NewDnc { channel: "email".into(), channel_id: Some(stat.email), reason, comments: comments.to_owned() };
    let visitor = Actor::visitor();
    touch_dnc(store, contact, &visitor);
    add_dnc(store, contact, entry, &visitor, true);
    touch_and_tell(store, contact);
    Some((contact, stat.address.clone()))
}

/// `GET /email/resubscribe/{hash}`.
pub(super) async fn resubscribe_page(
    State(mautic): State<MauticSimulator>,
    PathParts(hash): PathParts<String>,
) -> Response {
    mautic.write(|store| {
        let stat = stat_of(store, &hash);
        stat.and_then(|stat| resubscribe(store, stat))
    });
    html("You get our emails again.")
}

/// Somebody took an unsubscription back by an email's link, which leaves no entry of do-not-contact (recording `224`).
pub(crate) fn resubscribe(store: &mut Store, stat_id: u64) -> Option<u64> {
    let contact = store.email_stats.get(stat_id)?.contact;
    let contact = store.resolve(contact)?;
    let visitor = Actor::visitor();
    touch_dnc(store, contact, &visitor);
    remove_dnc(store, contact, "email", &visitor);
    touch_and_tell(store, contact);
    Some(contact)
}
