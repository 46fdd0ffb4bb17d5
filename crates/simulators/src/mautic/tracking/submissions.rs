//! Forms that visitors send.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::{
    html,
    visits::{known_visitor, new_visitor, touch, tracked_contact},
    with_cookie,
};
use crate::mautic::{
    auth::Actor,
    clock,
    contacts::{Draft, Method, Shape, clean_email, lead_view, save},
    emails::hash_of,
    input::{Payload, Query},
    merge, php,
    rows::Submission,
    simulator::MauticSimulator,
    store::Store,
    users, webhooks,
};

/// `POST /form/submit`.
pub(super) async fn submit(
    State(mautic): State<MauticSimulator>,
    headers: HeaderMap,
    query: Query,
    payload: Payload,
) -> Response {
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
    let email = mapped.get("email").map(|email| clean_email(&php::text(email))).unwrap_or_default();
    let known = store.with_email(&email).into_iter().next();
    let is_stranger = |store: &Store, id: u64| store.contact(id).is_some_and(|contact| contact.identified.is_none());
    let anonymous = visitor.filter(|id| is_stranger(store, *id));
    if let Some(known) = known.filter(|known| Some(*known) != visitor) {
        // A browser that is not known is a new visitor, who merges with the person like any other.
        let visitor = anonymous.unwrap_or_else(|| {
            let stranger = new_visitor(store);
            touch(store, stranger);
            stranger
        });
        let lead = lead_view(store, visitor, store.contact(visitor)?, Shape::Loaded);
        let given = form_values(store, visitor, mapped);
        merge::into_visitor(store, visitor, known, &given, &Actor::visitor());
        return Some((visitor, lead));
    }
    let shape = if known.or(anonymous).is_some() { Shape::Loaded } else { Shape::Created };
    let contact = take_values(store, known.or(anonymous), mapped);
    let lead = lead_view(store, contact, store.contact(contact)?, shape);
    Some((contact, lead))
}

/// The values of a form as they would be kept.
fn form_values(store: &Store, visitor: u64, mapped: &Map<String, Value>) -> BTreeMap<String, Value> {
    let Some(contact) = store.contact(visitor).cloned() else { return BTreeMap::new() };
    let mut draft = Draft::loaded(store, visitor, contact);
    draft.submit(store, mapped, Method::Patch, false);
    draft.updated.remove("points");
    draft.write_values();
    let given = draft.contact.values.into_iter();
    given.filter(|(alias, _)| mapped.contains_key(alias) && alias != "email").collect()
}

fn take_values(store: &mut Store, contact: Option<u64>, mapped: &Map<String, Value>) -> u64 {
    let loaded = contact.and_then(|id| Some((id, store.contact(id)?.clone())));
    let mut draft = match loaded {
        Some((id, contact)) => Draft::loaded(store, id, contact),
        None => Draft::fresh(store, tracked_contact(store, Some(Actor::visitor().name)), None),
    };
    draft.contact.values.insert("last_active".into(), json!(clock::sql(store.now())));
    // What does not fit is left out; a form has answered for it already.
    draft.submit(store, mapped, Method::Patch, false);
    save(store, &mut draft, &Map::new(), &Actor::visitor());
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
