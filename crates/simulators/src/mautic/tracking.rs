//! What visitors and readers of emails do: hits, opens, clicks, unsubscribes, forms.

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    clock,
    contacts::{Draft, Method, NewDnc, Shape, add_dnc, emit_contact, lead_view, remove_dnc, save},
    emails::hash_of,
    input::{PathParts, Payload, Query},
    merge, php,
    rows::{Authorship, Contact, EmailStat, PageHit, Redirect, Submission},
    simulator::MauticSimulator,
    store::Store,
    users, webhooks,
};

/// The name under which Mautic writes changes that a visitor caused: an empty first name, a space, an empty last name.
pub(crate) const VISITOR: &str = " ";

/// One transparent pixel.
const PIXEL: [u8; 43] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0xf9, 4, 1, 0, 0, 0, 0, 0x2c,
    0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b,
];

/// Everything that needs no credentials because anybody may visit it.
pub(crate) fn routes() -> Router<MauticSimulator> {
    Router::new()
        .route("/mtc.js", get(script))
        .route("/mtc/event", post(event))
        .route("/form/submit", post(submit))
        .route("/email/{file}", get(open_pixel))
        .route("/email/unsubscribe/{hash}", get(unsubscribe_page))
        .route("/email/unsubscribe/{hash}/{address}/{proof}", get(unsubscribe_signed))
        .route("/email/resubscribe/{hash}", get(resubscribe_page))
        .route("/r/{key}", get(click_redirect))
}

fn page(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=0, must-revalidate, private"));
    response
}

fn html(text: &str) -> Response {
    page("text/html; charset=UTF-8", format!("<!DOCTYPE html>\n<html><body><div>{text}</div></body></html>"))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let cookie = format!("{cookie}; path=/; secure; samesite=none");
    if let Ok(value) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
}

fn user_agent(headers: &HeaderMap) -> String {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// `GET /mtc.js`.
async fn script() -> Response {
    page("application/javascript", "/* The tracking script of a simulated Mautic tracks nothing by itself. */")
}

/// A visitor: the device that a browser says it is, and the contact behind it.
struct Visitor {
    device: String,
    contact: u64,
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

fn known_visitor(store: &Store, headers: &HeaderMap, params: &Map<String, Value>) -> Option<Visitor> {
    let named = params.get("mautic_device_id").map(php::text).filter(|device| !device.is_empty());
    let device = named.or_else(|| cookie(headers, "mautic_device_id").map(str::to_owned))?;
    let contact = device_owner(store, &device)?;
    Some(Visitor { device, contact })
}

fn new_visitor(store: &mut Store) -> u64 {
    let mut contact = tracked_contact(store, None);
    contact.ips = vec![store.local_address()];
    store.add_contact(contact)
}

fn tracked_contact(store: &Store, created_by: Option<String>) -> Contact {
    let mut contact = Contact::new(Authorship { added: store.now(), modified: None, created_by, modified_by: None });
    contact.image = Some("gravatar".into());
    contact
}

fn touch(store: &mut Store, contact: u64) {
    let now = clock::sql(store.now());
    store.edit_contact(contact, |contact| {
        contact.values.insert("last_active".into(), json!(now));
    });
}

/// `POST /mtc/event`.
async fn event(State(mautic): State<MauticSimulator>, headers: HeaderMap, query: Query, payload: Payload) -> Response {
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

fn record_hit(store: &mut Store, row: PageHit) {
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
    let email = row.email.and_then(|id| Some(store.emails.get(id)?.body(id)));
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

fn stat_of(store: &Store, hash: &str) -> Option<u64> {
    store.email_stats.find(|stat| stat.hash == hash).map(|(id, _)| id)
}

/// `GET /email/{hash}.gif`, the pixel that tells of an open.
async fn open_pixel(State(mautic): State<MauticSimulator>, PathParts(file): PathParts<String>) -> Response {
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
    store.edit_contact(contact, |contact| contact.by.touch(VISITOR, now));
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
        "email": email.body(stat.email),
    }))
}

/// `GET /r/{key}?ct=…`, a link of an email.
async fn click_redirect(
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
async fn unsubscribe_page(State(mautic): State<MauticSimulator>, PathParts(hash): PathParts<String>) -> Response {
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
async fn unsubscribe_signed(
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
    add_dnc(store, contact, entry, true);
    touch_and_tell(store, contact);
    Some((contact, stat.address.clone()))
}

/// `GET /email/resubscribe/{hash}`.
async fn resubscribe_page(State(mautic): State<MauticSimulator>, PathParts(hash): PathParts<String>) -> Response {
    mautic.write(|store| {
        let contact = stat_of(store, &hash).and_then(|id| store.email_stats.get(id)).map(|stat| stat.contact);
        if let Some(contact) = contact.and_then(|contact| store.resolve(contact)) {
            remove_dnc(store, contact, "email");
            touch_and_tell(store, contact);
        }
    });
    html("You get our emails again.")
}

/// `POST /form/submit`.
async fn submit(State(mautic): State<MauticSimulator>, headers: HeaderMap, query: Query, payload: Payload) -> Response {
    let params = payload.params();
    let given = params.get("mauticform").and_then(Value::as_object).cloned().unwrap_or_default();
    let form = query.number("formId").or_else(|| given.get("formId").and_then(|id| php::text(id).parse().ok()));
    let contact = mautic.write(|store| {
        let visitor = known_visitor(store, &headers, &params);
        submit_form(store, form? as u64, &given, visitor.map(|visitor| (visitor.contact, visitor.device)))
    });
    match contact {
        Some(contact) => with_cookie(html(""), &format!("mtc_id={contact}")),
        None => html("There is no such form."),
    }
}

/// Somebody sent a form. `visitor` is the contact and the device of a browser that is known.
pub(crate) fn submit_form(
    store: &mut Store,
    form_id: u64,
    given: &Map<String, Value>,
    visitor: Option<(u64, String)>,
) -> Option<u64> {
    let form = store.forms.get(form_id)?.clone();
    let mut results = Map::new();
    let mut mapped = Map::new();
    for field in &form.fields {
        let alias = php::text(&field["alias"]);
        let Some(value) = given.get(&alias) else { continue };
        results.insert(alias, value.clone());
        if let Some(target) = field["mappedField"].as_str().or_else(|| field["leadField"].as_str()) {
            mapped.insert(target.to_owned(), value.clone());
        }
    }
    let device = visitor.as_ref().map(|(_, device)| device.clone());
    let (contact, lead) = identify(store, &mapped, visitor.map(|(contact, _)| contact))?;
    let row = Submission {
        form: form_id,
        contact,
        at: store.now(),
        device: device.unwrap_or_else(|| hash_of("device", contact)),
        results: Value::Object(results),
    };
    tell_submitted(store, &row, lead);
    store.submissions.add(row);
    Some(contact)
}

/// Whom the values of a form belong to, after they are taken over, and how hooks see the contact then: a merged one as it
/// was before.
fn identify(store: &mut Store, mapped: &Map<String, Value>, visitor: Option<u64>) -> Option<(u64, Value)> {
    let email = mapped.get("email").map(php::text).unwrap_or_default();
    let known = store.with_email(&email).into_iter().next();
    let anonymous = visitor.filter(|id| store.contact(*id).is_some_and(|contact| contact.identified.is_none()));
    if let (Some(known), Some(visitor)) = (known, anonymous)
        && known != visitor
    {
        let lead = lead_view(store, visitor, store.contact(visitor)?, Shape::Loaded);
        merge::into_visitor(store, visitor, known, VISITOR);
        return Some((visitor, lead));
    }
    let shape = if known.or(anonymous).is_some() { Shape::Loaded } else { Shape::Created };
    let contact = take_values(store, known.or(anonymous), mapped);
    let lead = lead_view(store, contact, store.contact(contact)?, shape);
    Some((contact, lead))
}

fn take_values(store: &mut Store, contact: Option<u64>, mapped: &Map<String, Value>) -> u64 {
    let loaded = contact.and_then(|id| Some((id, store.contact(id)?.clone())));
    let mut draft = match loaded {
        Some((id, contact)) => Draft::loaded(store, id, contact),
        None => Draft::fresh(store, tracked_contact(store, Some(VISITOR.into())), None),
    };
    draft.contact.values.insert("last_active".into(), json!(clock::sql(store.now())));
    // What does not fit is left out; a form has answered for it already.
    draft.submit(store, mapped, Method::Patch, false);
    save(store, &mut draft, &Map::new(), VISITOR);
    draft.id.unwrap_or_default()
}

fn tell_submitted(store: &mut Store, row: &Submission, lead: Value) {
    let address = store.local_address();
    let Some(form) = store.forms.get(row.form) else { return };
    let submission = json!({
        "id": store.submissions.next_id(),
        "ipAddress": users::ip_view(store, address),
        "form": form.brief(row.form),
        "lead": lead,
        "trackingId": row.device,
        "dateSubmitted": clock::iso(row.at),
        "referer": "",
        "page": null,
        "results": row.results,
    });
    webhooks::emit(store, "mautic.form_on_submit", json!({"submission": submission}));
}
