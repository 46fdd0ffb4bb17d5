//! Visitors and the pages that they look at.

use axum::http::header;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{html, page, user_agent, with_cookie};
use crate::mautic::{
    answer::Answer,
    clock,
    contacts::{Shape, lead_view},
    emails::hash_of,
    input::{Payload, Query},
    php,
    rows::{Authorship, Contact, PageHit, object},
    simulator::MauticSimulator,
    store::Store,
    webhooks,
};

/// `GET /mtc.js`.
pub(super) async fn script() -> Response {
    page("application/javascript", "/* The tracking script of a simulated Mautic tracks nothing by itself. */")
}

/// A visitor: the device that a browser says it is, and the contact behind it.
pub(super) struct Visitor {
    pub(super) device: String,
    pub(super) contact: u64,
}

/// The contact whose device this is.
fn device_owner(store: &Store, device: &str) -> Option<u64> {
    let hit = store.page_hits.iter().rev().find(|(_, hit)| hit.device == device)?;
    store.resolve(hit.1.contact)
}

/// Finds the visitor that a browser's cookie or parameter names, or welcomes a new one.
fn visitor(store: &mut Store, headers: &HeaderMap, params: &Map<String, Value>) -> Visitor {
    match known_visitor(store, headers, params) {
        Some(visitor) => visitor,
        None => {
            let contact = new_visitor(store);
            Visitor { device: hash_of("device", contact), contact }
        }
    }
}

pub(super) fn known_visitor(store: &Store, headers: &HeaderMap, params: &Map<String, Value>) -> Option<Visitor> {
    let named = params.get("mautic_device_id").map(php::text).filter(|device| !device.is_empty());
    let device = named.or_else(|| cookie(headers, "mautic_device_id").map(str::to_owned))?;
    let contact = device_owner(store, &device)?;
    Some(Visitor { device, contact })
}

pub(super) fn new_visitor(store: &mut Store) -> u64 {
    let mut contact = tracked_contact(store, None);
    contact.ips = vec![store.local_address()];
    store.add_contact(contact)
}

pub(super) fn tracked_contact(store: &Store, created_by: Option<String>) -> Contact {
    let mut contact = Contact::new(Authorship { created_by, ..Authorship::nobody(store.now(), store.version) });
    contact.image = Some("gravatar".into());
    contact
}

pub(super) fn touch(store: &mut Store, contact: u64) {
    let now = clock::sql(store.now());
    store.edit_contact(contact, |contact| {
        contact.values.insert("last_active".into(), json!(now));
    });
}

/// `POST /mtc/event`.
pub(super) async fn event(
    State(mautic): State<MauticSimulator>,
    headers: HeaderMap,
    query: Query,
    payload: Payload,
) -> Response {
    let mut params = query.0;
    params.extend(payload.params());
    let agent = user_agent(&headers);
    let visitor = mautic.write(|store| {
        let visitor = visitor(store, &headers, &params);
        hit(store, &visitor, &params, agent);
        visitor
    });
    let body = json!({
        "success": 1,
        "id": visitor.contact,
        "sid": visitor.device,
        "device_id": visitor.device,
        "events": [],
    });
    let response = Answer::ok(body).unversioned().into_response();
    let response = with_cookie(response, &format!("mtc_id={}", visitor.contact));
    let response = with_cookie(response, &format!("mautic_device_id={}", visitor.device));
    with_cookie(response, "mautic_referer_id=1")
}

/// A page that is not there: it makes an anonymous contact and a page hit all the same.
pub(crate) fn missing_page(mautic: &MauticSimulator, headers: &HeaderMap, uri: &Uri) -> Response {
    let (agent, url) = (user_agent(headers), format!("{}{uri}", mautic.base_url()));
    mautic.write(|store| {
        let visitor = visitor(store, headers, &Map::new());
        let params = object(json!({"page_url": url, "page_title": "404"}));
        hit(store, &visitor, &params, agent);
    });
    let mut response = html("Uh oh! We could not find what you are looking for.");
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn hit(store: &mut Store, visitor: &Visitor, params: &Map<String, Value>, user_agent: String) {
    let at = store.now();
    let text = |key: &str| params.get(key).map(php::text);
    let query = params.iter().map(|(key, value)| (key.clone(), json!(php::text(value)))).collect();
    let row = PageHit {
        contact: visitor.contact,
        at,
        url: text("page_url").unwrap_or_default(),
        title: text("page_title"),
        user_agent,
        device: visitor.device.clone(),
        query: Value::Object(query),
        email: None,
    };
    record_hit(store, row);
}

pub(super) fn record_hit(store: &mut Store, row: PageHit) {
    let contact = row.contact;
    let id = store.page_hits.next_id();
    if let Some(view) = hit_view(store, id, &row) {
        webhooks::emit(store, "mautic.page_on_hit", json!({"hit": view}));
    }
    store.page_hits.add(row);
    touch(store, contact);
}

fn hit_view(store: &Store, id: u64, row: &PageHit) -> Option<Value> {
    let lead = lead_view(store, row.contact, store.contact(row.contact)?, Shape::Loaded);
    let email = row.email.and_then(|id| Some(store.emails.get(id)?.body(id, store.version)));
    let redirect = row.email.and_then(|_| store.redirects.find(|redirect| redirect.url == row.url));
    Some(json!({
        "id": id,
        "dateHit": clock::iso(row.at),
        "dateLeft": null,
        "page": null,
        "redirect": redirect.map(|(id, redirect)| json!({"id": id, "redirectId": redirect.key, "url": redirect.url})),
        "email": email,
        "lead": lead,
        "ipAddress": [],
        "country": "",
        "region": "",
        "city": "",
        "isp": "",
        "organization": "",
        "code": 200,
        "referer": null,
        "url": row.url,
        "urlTitle": row.title,
        "userAgent": row.user_agent,
        "remoteHost": null,
        "pageLanguage": null,
        "browserLanguages": [],
        "trackingId": row.device,
        "source": row.email.map(|_| "email"),
        "sourceId": row.email,
        "query": row.query,
    }))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
}
