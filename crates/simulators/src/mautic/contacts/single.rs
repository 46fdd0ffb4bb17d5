//! One contact at a time.

use axum::{Extension, extract::State, http};
use serde_json::{Map, Value, json};

use super::{
    form::{Draft, Method},
    raw::raw_identifier,
    save::{delete, save},
    view::{Shape, contact_view},
};
use crate::mautic::{
    answer::{Answer, Problems},
    auth::Actor,
    input::{PathParts, Payload},
    rows::Contact,
    simulator::MauticSimulator,
    store::Store,
};

/// `GET /api/contacts/{id}`. The id of a merged contact answers with the survivor.
pub(crate) async fn get_one(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        let found = store.resolve(id).and_then(|id| Some((id, store.contact(id)?)));
        found.map_or_else(Answer::not_found, |(id, contact)| {
            Answer::ok(json!({"contact": contact_view(store, Some(id), contact, Shape::Loaded)}))
        })
    })
}

/// `POST /api/contacts/new`: an update where the address is known, and not safe in parallel.
///
/// Mautic looks for a known contact first, looks again when it validates, and inserts later still. Who comes in between
/// the looks and the insert of another gets a contact of the same address.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    let known = mautic.write(|store| {
        let known = known_contact(store, &params)?;
        Some(write(store, Draft::loaded(store, known.0, known.1), &params, Method::Create, false, &actor))
    });
    if let Some(outcome) = known {
        return single_answer(&mautic, outcome);
    }
    let half = mautic.inner.options.race_window / 2;
    tokio::time::sleep(half).await;
    let draft = match mautic
        .read(|store| validated(store, fresh(store, &params, &actor, true), &params, Method::Create, false))
    {
        Ok(draft) => draft,
        Err(problems) => return problems.answer(),
    };
    tokio::time::sleep(half).await;
    let outcome = mautic.write(|store| commit(store, draft, &params, &actor));
    single_answer(&mautic, Ok(outcome))
}

/// The contact that a create would update: the youngest that has any of the request's unique identifiers.
pub(crate) fn known_contact(store: &Store, params: &Map<String, Value>) -> Option<(u64, Contact)> {
    let identifiers = store.fields_of("lead").into_iter().filter(|(_, field)| field.unique);
    let known = identifiers.filter_map(|(_, field)| {
        let value = raw_identifier(field, params)?;
        store.with_identifier(&field.alias, &value).into_iter().next()
    });
    let id = known.max()?;
    Some((id, store.contact(id)?.clone()))
}

/// An empty contact, for a create with the raw values of the request.
pub(crate) fn fresh(store: &Store, params: &Map<String, Value>, actor: &Actor, raw: bool) -> Draft {
    Draft::fresh(store, Contact::new(store.authorship(actor)), raw.then_some(params))
}

/// What a write came to: the draft that was saved, and whether it made a contact.
pub(crate) struct Outcome {
    pub(crate) draft: Draft,
    pub(crate) created: bool,
}

pub(crate) fn validated(
    store: &Store,
    mut draft: Draft,
    params: &Map<String, Value>,
    method: Method,
    put: bool,
) -> Result<Draft, Problems> {
    let problems = draft.submit(store, params, method, put);
    if problems.is_empty() { Ok(draft) } else { Err(problems) }
}

pub(crate) fn commit(store: &mut Store, mut draft: Draft, params: &Map<String, Value>, actor: &Actor) -> Outcome {
    let created = draft.id.is_none();
    save(store, &mut draft, params, actor);
    Outcome { draft, created }
}

/// Validates and saves in one go.
pub(crate) fn write(
    store: &mut Store,
    draft: Draft,
    params: &Map<String, Value>,
    method: Method,
    put: bool,
    actor: &Actor,
) -> Result<Outcome, Problems> {
    let draft = validated(store, draft, params, method, put)?;
    Ok(commit(store, draft, params, actor))
}

fn single_answer(mautic: &MauticSimulator, outcome: Result<Outcome, Problems>) -> Answer {
    let Outcome { draft, created } = match outcome {
        Ok(outcome) => outcome,
        Err(problems) => return problems.answer(),
    };
    let shape = if created { Shape::Created } else { Shape::Loaded };
    let view = mautic.read(|store| draft.view(store, shape));
    match draft.id.filter(|_| created) {
        Some(id) => Answer::created(format!("/api/contacts/{id}"), json!({"contact": view})),
        None => Answer::ok(json!({"contact": view})),
    }
}

/// `PATCH` and `PUT /api/contacts/{id}/edit`.
pub(crate) async fn edit(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts(id): PathParts<u64>,
    verb: http::Method,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    let put = verb == http::Method::PUT;
    let outcome = mautic.write(|store| {
        let loaded = store.resolve(id).and_then(|id| Some((id, store.contact(id)?.clone())));
        let draft = match loaded {
            Some((id, contact)) => Draft::loaded(store, id, contact),
            None if put => fresh(store, &params, &actor, false),
            None => return None,
        };
        let method = if put { Method::Replace } else { Method::Patch };
        Some(write(store, draft, &params, method, put, &actor))
    });
    outcome.map_or_else(Answer::not_found, |outcome| single_answer(&mautic, outcome))
}

/// `DELETE /api/contacts/{id}/delete`.
pub(crate) async fn remove(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts(id): PathParts<u64>,
) -> Answer {
    mautic.write(|store| {
        let view = store.resolve(id).and_then(|id| delete(store, id, &actor));
        view.map_or_else(Answer::not_found, |view| Answer::ok(json!({"contact": view})))
    })
}
