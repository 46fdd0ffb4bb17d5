//! Up to 200 contacts at a time.

use axum::{Extension, extract::State, http};
use serde_json::{Map, Value, json};

use super::{
    form::{Draft, Method},
    raw::raw_email,
    save::delete,
    single::{Outcome, commit, fresh, known_contact, write},
    view::{Shape, contact_view},
};
use crate::mautic::{
    answer::{Answer, Problems},
    auth::Actor,
    input::{Payload, Query},
    php,
    simulator::MauticSimulator,
    store::Store,
};

const MOST: usize = 200;

/// The parts of a batch's answer, entry by entry.
#[derive(Default)]
struct Results {
    contacts: Vec<(usize, Value)>,
    statuses: Vec<u16>,
    errors: Map<String, Value>,
}

impl Results {
    fn take(&mut self, store: &Store, index: usize, outcome: Result<Outcome, Problems>, shape: Shape) {
        match outcome {
            Ok(Outcome { draft, created }) => {
                let shape = if created { Shape::Created } else { shape };
                self.contacts.push((index, draft.view(store, shape)));
                self.statuses.push(if created { 201 } else { 200 });
            }
            Err(problems) => {
                let (code, error) = problems.entry();
                self.statuses.push(code);
                self.errors.insert(index.to_string(), error);
            }
        }
    }

    fn not_found(&mut self, index: usize) {
        self.statuses.push(404);
        let error = json!({"message": "Item was not found.", "code": 404, "type": "api"});
        self.errors.insert(index.to_string(), error);
    }

    /// An entry without an id among others that have one is called an error, whatever was done with it.
    fn id_missing(&mut self, index: usize) {
        // Mautic shows the name of the message here, not the message.
        let error = json!({"message": "mautic.api.call.id_missing", "code": 400, "type": "api"});
        self.errors.entry(index.to_string()).or_insert(error);
        if let Some(status) = self.statuses.get_mut(index).filter(|status| **status < 300) {
            *status = 400;
        }
    }

    fn answer(self, status: u16) -> Answer {
        let mut body = Map::new();
        body.insert("contacts".into(), listed(self.contacts));
        body.insert("statusCodes".into(), json!(self.statuses));
        if !self.errors.is_empty() {
            body.insert("errors".into(), php::list_or_map(self.errors));
        }
        Answer::with(status, Value::Object(body))
    }
}

/// PHP writes an array whose keys have a gap as an object.
fn listed(contacts: Vec<(usize, Value)>) -> Value {
    let gapless = contacts.iter().enumerate().all(|(place, (index, _))| place == *index);
    if gapless {
        return contacts.into_iter().map(|(_, view)| view).collect();
    }
    Value::Object(contacts.into_iter().map(|(index, view)| (index.to_string(), view)).collect())
}

fn too_many(entries: &[Map<String, Value>]) -> Option<Answer> {
    let message = "A max of 200 entities are supported at a time.";
    (entries.len() > MOST).then(|| Answer::error(500, message, json!([])))
}

/// The time that the entries take.
async fn work_on(mautic: &MauticSimulator, entries: &[Map<String, Value>]) {
    let each = mautic.inner.options.batch_entry;
    mautic.inner.cores.work(each * u32::try_from(entries.len()).unwrap_or(u32::MAX)).await;
}

/// `POST /api/contacts/batch/new`: each entry updates the contact that has its address, or makes one.
///
/// The race of single creates is here as well: a contact, a tag or a company that somebody else makes while the batch runs is
/// not seen.
pub(crate) async fn batch_new(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let actor = actor.in_batch();
    let entries = payload.entries();
    if let Some(refusal) = too_many(&entries) {
        return refusal;
    }
    let seen = mautic.read(Store::seen);
    if !entries.is_empty() {
        tokio::time::sleep(mautic.inner.options.race_window).await;
    }
    work_on(&mautic, &entries).await;
    mautic.write_as_of(&seen, |store| {
        let mut results = Results::default();
        let mut own: Vec<u64> = Vec::new();
        for (index, params) in entries.iter().enumerate() {
            let outcome = create_entry(store, params, &actor, |id| id < seen.contacts || own.contains(&id));
            own.extend(outcome.as_ref().ok().and_then(|outcome| outcome.draft.id));
            results.take(store, index, outcome, Shape::Loaded);
        }
        results.answer(201)
    })
}

fn create_entry(
    store: &mut Store,
    params: &Map<String, Value>,
    actor: &Actor,
    seen: impl Fn(u64) -> bool,
) -> Result<Outcome, Problems> {
    match known_contact(store, params) {
        Some((id, contact)) if seen(id) => {
            write(store, Draft::loaded(store, id, contact), params, Method::Patch, false, actor)
        }
        _ => {
            let mut draft = fresh(store, params, actor, true);
            let problems = draft.submit(store, params, Method::Create, false);
            // An address that is taken by a contact which this batch has not seen is no problem to it.
            if problems.is_empty() || problems.only_taken() {
                Ok(commit(store, draft, params, actor))
            } else {
                Err(problems)
            }
        }
    }
}

/// `PATCH` and `PUT /api/contacts/batch/edit`.
pub(crate) async fn batch_edit(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    verb: http::Method,
    payload: Payload,
) -> Answer {
    let actor = actor.in_batch();
    let entries = payload.entries();
    if let Some(refusal) = too_many(&entries) {
        return refusal;
    }
    let put = verb == http::Method::PUT;
    let ids = slots(&entries);
    let seen = mautic.read(Store::seen);
    if put && ids.iter().any(Option::is_none) {
        // The race of single creates is here as well.
        tokio::time::sleep(mautic.inner.options.race_window).await;
    }
    work_on(&mautic, &entries).await;
    mautic.write_as_of(&seen, |store| {
        let mut results = Results::default();
        let own = store.next_contact_id();
        for (index, params) in entries.iter().enumerate() {
            match ids[index] {
                None if put => {
                    // A contact that somebody else made meanwhile is not seen.
                    let outcome = put_new(store, params, &actor, |id| id < seen.contacts || id >= own);
                    results.take(store, index, outcome, Shape::Listed);
                }
                id => edit_entry(store, &mut results, index, params, id, put, &actor),
            }
            if ids.iter().any(Option::is_some) && carried_id(params).is_none() {
                results.id_missing(index);
            }
        }
        results.answer(200)
    })
}

/// An entry of a PUT that has no id makes a contact, unless one that was seen has its address.
fn put_new(
    store: &mut Store,
    params: &Map<String, Value>,
    actor: &Actor,
    seen: impl Fn(u64) -> bool,
) -> Result<Outcome, Problems> {
    let is_seen = known_contact(store, params).is_none_or(|(id, _)| seen(id));
    let mut draft = fresh(store, params, actor, false);
    let problems = draft.submit(store, params, Method::Replace, true);
    let passes = problems.is_empty() || (problems.only_taken() && !is_seen);
    if passes { Ok(commit(store, draft, params, actor)) } else { Err(problems) }
}

fn edit_entry(
    store: &mut Store,
    results: &mut Results,
    index: usize,
    params: &Map<String, Value>,
    id: Option<u64>,
    put: bool,
    actor: &Actor,
) {
    // Unlike the single calls, a batch does not follow merges: it asks the database for ids.
    let loaded = id.and_then(|id| Some(Draft::loaded(store, id, store.contact(id)?.clone())));
    let method = if put { Method::Replace } else { Method::Patch };
    let draft = match loaded {
        Some(draft) => draft,
        None if put => fresh(store, params, actor, false),
        None => return results.not_found(index),
    };
    let shape = entry_shape(&draft, params);
    let outcome = write(store, draft, params, method, put, actor);
    results.take(store, index, outcome, shape);
}

fn carried_id(params: &Map<String, Value>) -> Option<u64> {
    php::numeric(params.get("id")?).map(|id| id as u64)
}

/// Which contact each entry is written to. Mautic lines the ids up without the entries that have none, and hands them
/// out from the first entry on: **a batch that mixes both kinds writes to the wrong contacts.**
fn slots(entries: &[Map<String, Value>]) -> Vec<Option<u64>> {
    let mut ids: Vec<Option<u64>> = entries.iter().filter_map(carried_id).map(Some).collect();
    ids.resize(entries.len(), None);
    ids
}

/// A batch loads its contacts as a list. One that carries its own address is loaded again by it, and not as a list.
fn entry_shape(draft: &Draft, params: &Map<String, Value>) -> Shape {
    let own = draft.contact.email().map(str::to_lowercase);
    let carried = raw_email(params).map(|email| email.to_lowercase());
    if own.is_some() && own == carried { Shape::Loaded } else { Shape::Listed }
}

/// `DELETE /api/contacts/batch/delete`, with the ids in the query or in the body. Unknown ones are passed over.
pub(crate) async fn batch_delete(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    query: Query,
    payload: Payload,
) -> Answer {
    let ids = wanted_ids(&query, &payload);
    if ids.len() > MOST {
        return Answer::error(500, "A max of 200 entities are supported at a time.", json!([]));
    }
    mautic.write(|store| {
        let mut gone = Vec::new();
        for (index, id) in ids.into_iter().enumerate() {
            let Some(contact) = store.contact(id).cloned() else { continue };
            gone.push((index, contact_view(store, Some(id), &contact, Shape::Listed)));
            delete(store, id, &actor);
        }
        let contacts: Value = gone.into_iter().map(|(_, view)| view).collect();
        Answer::ok(json!({"contacts": contacts}))
    })
}

fn wanted_ids(query: &Query, payload: &Payload) -> Vec<u64> {
    let given = query.0.get("ids").or_else(|| payload.0.get("ids")).unwrap_or(&payload.0);
    let number = |value: &Value| php::numeric(value).map(|id| id as u64);
    match given {
        Value::Array(items) => items.iter().filter_map(|item| number(item.get("id").unwrap_or(item))).collect(),
        Value::Object(map) => map.values().filter_map(number).collect(),
        other => php::text(other).split(',').filter_map(|id| id.trim().parse().ok()).collect(),
    }
}
