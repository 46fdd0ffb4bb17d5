//! Companies.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Problems},
    audit::Details,
    auth::Actor,
    clock,
    collation::folded,
    contacts::{Submitted, emit_contact, submit},
    fields::page_size,
    input::{PathParts, Payload, Query},
    php,
    rows::{Company, Field, object},
    simulator::MauticSimulator,
    store::Store,
    webhooks,
};

/// The groups in which a company's fields are shown: after it was made, and from then on.
const CREATED_GROUPS: [&str; 4] = ["core", "professional", "social", "personal"];
const LOADED_GROUPS: [&str; 3] = ["core", "professional", "other"];

/// Values that a webhook has at the top level: its key, and the field.
const PROFILE: [(&str, &str); 12] = [
    ("name", "companyname"),
    ("email", "companyemail"),
    ("address1", "companyaddress1"),
    ("address2", "companyaddress2"),
    ("phone", "companyphone"),
    ("city", "companycity"),
    ("state", "companystate"),
    ("zipcode", "companyzipcode"),
    ("country", "companycountry"),
    ("website", "companywebsite"),
    ("industry", "companyindustry"),
    ("description", "companydescription"),
];

impl Company {
    fn fields(&self, store: &Store, groups: &[&str], created: bool) -> Map<String, Value> {
        let mut views: Vec<(&str, Map<String, Value>)> = groups.iter().map(|group| (*group, Map::new())).collect();
        for (id, field) in self.ordered(store, created) {
            let value = self.values.get(&field.alias).cloned().unwrap_or_default();
            let mut meta = if created { field.brief_meta(id) } else { field.stored_meta(id) };
            if created {
                meta.shift_remove("properties");
            }
            let normalized = field.normalized(&value);
            meta.insert("value".into(), value);
            meta.insert("normalizedValue".into(), normalized);
            if let Some((_, group)) = views.iter_mut().find(|(name, _)| *name == field.group) {
                group.insert(field.alias.clone(), Value::Object(meta));
            }
        }
        views.into_iter().map(|(group, view)| (group.to_owned(), php::map_or_empty_list(view))).collect()
    }

    fn ordered<'a>(&self, store: &'a Store, created: bool) -> Vec<(u64, &'a Field)> {
        let mut fields = store.fields_of("company");
        if !created {
            fields.sort_by_key(|(_, field)| field.column);
        }
        fields
    }

    fn view(&self, store: &Store, id: u64, created: bool) -> Value {
        let groups: &[&str] = if created { &CREATED_GROUPS } else { &LOADED_GROUPS };
        let mut fields = self.fields(store, groups, created);
        let mut all = Map::new();
        all.insert("id".into(), json!(id));
        for (_, field) in self.ordered(store, created) {
            all.insert(field.alias.clone(), self.values.get(&field.alias).cloned().unwrap_or_default());
        }
        fields.insert("all".into(), Value::Object(all));
        let mut view = object(json!({"id": id, "score": self.score, "fields": fields}));
        store.version.add_projects(&mut view);
        Value::Object(view)
    }

    fn webhook_view(&self, store: &Store, id: u64) -> Value {
        let mut view = self.by.head(true);
        view.insert("id".into(), json!(id));
        for (key, alias) in PROFILE {
            view.insert(key.into(), self.values.get(alias).cloned().unwrap_or_default());
        }
        view.insert("score".into(), json!(self.score));
        view.insert("fields".into(), Value::Object(self.fields(store, &LOADED_GROUPS, false)));
        store.version.add_projects(&mut view);
        Value::Object(view)
    }

    /// The row of the database that emails get, with the link to their contact.
    pub(crate) fn joined_row(&self, store: &Store, id: u64, contact: u64, primary: bool) -> Value {
        let mut row = object(json!({
            "id": id.to_string(),
            "owner_id": null,
            "is_published": "1",
            "date_added": clock::sql(self.by.added),
            "created_by": null,
            "created_by_user": self.by.created_by,
            "date_modified": self.by.modified.map(clock::sql),
            "modified_by": null,
            "modified_by_user": self.by.modified_by,
            "checked_out": null,
            "checked_out_by": null,
            "checked_out_by_user": null,
            "social_cache": "a:0:{}",
            "score": self.score.to_string(),
        }));
        for (_, field) in self.ordered(store, false) {
            row.insert(field.alias.clone(), self.values.get(&field.alias).cloned().unwrap_or_default());
        }
        row.insert("lead_id".into(), json!(contact.to_string()));
        row.insert("is_primary".into(), json!(if primary { "1" } else { "0" }));
        Value::Object(row)
    }
}

/// `GET /api/companies`.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    mautic.read(|store| {
        let wanted = folded(query.text("search").trim());
        let found: Vec<_> = store.companies.iter().filter(|(_, row)| folded(row.name()).contains(&wanted)).collect();
        let page = found.iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, row)| (id.to_string(), row.view(store, *id, false))).collect();
        Answer::ok(json!({"total": found.len().to_string(), "companies": views}))
    })
}

/// `GET /api/companies/{id}`.
pub(crate) async fn get_one(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        let company = store.companies.get(id);
        company.map_or_else(Answer::not_found, |row| Answer::ok(json!({"company": row.view(store, id, false)})))
    })
}

/// `POST /api/companies/new`: where the name is known, that company is written anew, and keeps nothing that is not carried. That was
/// not recorded; it follows `CompanyApiController` and `CustomFieldsApiControllerTrait` of Mautic's LeadBundle.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    let name = params.get("companyname").map(php::text).unwrap_or_default();
    mautic.write(|store| {
        let values = match submitted(store, &params) {
            Ok(values) => values,
            Err(problems) => return problems.answer(),
        };
        if name.trim().is_empty() {
            return nameless();
        }
        let known = by_name(store, &name);
        let id = known.unwrap_or_else(|| make(store, &name, &actor));
        if let Some(company) = store.companies.edit(id) {
            company.values.clear();
        }
        set_values(store, id, values);
        emit_saved(store, id);
        let view = store.companies.get(id).map(|company| company.view(store, id, known.is_none()));
        let body = json!({"company": view});
        if known.is_some() { Answer::ok(body) } else { Answer::created(format!("/api/companies/{id}"), body) }
    })
}

/// `PATCH /api/companies/{id}/edit`. Not recorded: as the edit of a contact, it changes what it carries, and blanks with
/// `overwriteWithBlank` alone; and the audit log has a row of it, as it has of a create (recording `153-stats-audit`).
pub(crate) async fn edit(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts(id): PathParts<u64>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    mautic.write(|store| {
        if !store.companies.contains(id) {
            return Answer::not_found();
        }
        let values = match submitted(store, &params) {
            Ok(values) => values,
            Err(problems) => return problems.answer(),
        };
        if params.get("companyname").is_some_and(|name| php::text(name).trim().is_empty()) {
            return nameless();
        }
        let before = store.companies.get(id).map(|company| company.values.clone()).unwrap_or_default();
        set_values(store, id, values);
        if params.get("overwriteWithBlank").is_some_and(php::boolean) {
            blank_values(store, id, &params);
        }
        note_edit(store, id, &before, &actor);
        emit_saved(store, id);
        let view = store.companies.get(id).map(|company| company.view(store, id, false));
        Answer::ok(json!({"company": view}))
    })
}

fn nameless() -> Answer {
    let message = "companyname: This value should not be blank.";
    Answer::error(400, message, json!({"companyname": ["This value should not be blank."]}))
}

/// What a request carries, taken through the form: as of a contact, for no refusal of a company was recorded.
fn submitted(store: &Store, params: &Map<String, Value>) -> Result<Vec<(String, Value)>, Problems> {
    let (mut values, mut problems) = (Vec::new(), Problems::default());
    for (_, field) in store.fields_of("company") {
        let Some(raw) = params.get(&field.alias) else { continue };
        match submit(store.version, field, raw, &mut problems) {
            Submitted::Value(_) if php::loosely_empty(raw) => {}
            Submitted::Value(value) => {
                let is_whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
                let value = if is_whole { json!(value.as_f64().unwrap_or_default() as i64) } else { value };
                values.push((field.alias.clone(), value));
            }
            Submitted::Flag(flag) => values.push((field.alias.clone(), json!(u8::from(flag)))),
            Submitted::Absent | Submitted::Blank => {}
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// `DELETE /api/companies/{id}/delete`. Not recorded; it answers as the deletions of other things do.
pub(crate) async fn remove(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.write(|store| {
        let Some(company) = store.companies.get(id) else { return Answer::not_found() };
        let mut view = company.view(store, id, false);
        let mut told = company.webhook_view(store, id);
        view["id"] = Value::Null;
        told["id"] = Value::Null;
        store.companies.remove(id);
        webhooks::emit(store, "mautic.company_post_delete", json!({"id": id, "company": told}));
        Answer::ok(json!({"company": view}))
    })
}

fn set_values(store: &mut Store, id: u64, values: Vec<(String, Value)>) {
    if let Some(company) = store.companies.edit(id) {
        company.values.extend(values);
    }
}

/// The row of the audit log; none where nothing was changed.
fn note_edit(store: &mut Store, id: u64, before: &BTreeMap<String, Value>, actor: &Actor) {
    let Some(after) = store.companies.get(id).map(|company| company.values.clone()) else { return };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let value = |values: &BTreeMap<String, Value>, name: &String| values.get(name).cloned().unwrap_or_default();
    let changes: Map<String, Value> =
        changed.map(|name| (name.clone(), json!([value(before, name), value(&after, name)]))).collect();
    if !changes.is_empty() {
        store.audit(actor, "company", id, "update", &Details::changed(&changes));
    }
}

fn blank_values(store: &mut Store, id: u64, params: &Map<String, Value>) {
    let Some(company) = store.companies.edit(id) else { return };
    company.values.retain(|alias, _| !params.get(alias).is_some_and(|value| php::text(value).is_empty()));
}

fn by_name(store: &Store, name: &str) -> Option<u64> {
    let name = folded(name);
    store.companies.find(|company| folded(company.name()) == name).map(|(id, _)| id)
}

pub(crate) fn make(store: &mut Store, name: &str, actor: &Actor) -> u64 {
    let values = BTreeMap::from([("companyname".to_owned(), json!(name))]);
    let by = store.authorship(actor);
    let id = store.companies.add(Company { by, score: 0, values });
    let mut details = Details::changed(&object(json!({"companyname": [null, name]})));
    if store.version.is_7() {
        details.add("dateModified", &json!([null, clock::iso(store.now())]));
    }
    store.audit(actor, "company", id, "create", &details);
    id
}

fn emit_saved(store: &mut Store, id: u64) {
    if let Some(view) = store.companies.get(id).map(|company| company.webhook_view(store, id)) {
        webhooks::emit(store, "mautic.company_post_save", json!({"company": view}));
    }
}

/// The company of a name, made where there is none.
pub(crate) fn find_or_make(store: &mut Store, name: &str, actor: &Actor) -> u64 {
    by_name(store, name).unwrap_or_else(|| {
        let id = make(store, name, actor);
        emit_saved(store, id);
        id
    })
}

/// Makes a contact belong to a company, which becomes its primary one. It is the one thing that moves the time of change in 7.0
/// (recordings `128`, `135`, `141` of 7.0.0).
pub(crate) fn join(store: &mut Store, contact: u64, company: u64) {
    let Some(name) = store.companies.get(company).map(|company| company.name().to_owned()) else { return };
    let Some(before) = store.contact(contact).cloned() else { return };
    let (now, moves) = (store.now(), store.version.is_7());
    store.edit_contact(contact, |contact| {
        if moves {
            contact.by.modified = Some(now);
        }
        contact.companies.retain(|other| *other != company);
        contact.companies.push(company);
        contact.values.insert("company".into(), json!(name.clone()));
    });
    if !before.companies.contains(&company) {
        // The field of the name is not loaded anew, only the name itself.
        let mut view = emit_contact(store, Some(contact), &before, true);
        view["company"] = json!(name);
        emit_membership(store, view, company, true);
    }
}

fn is_member(store: &Store, contact: u64, company: u64) -> bool {
    store.contact(contact).is_some_and(|contact| contact.companies.contains(&company))
}

fn leave(store: &mut Store, contact: u64, company: u64) {
    if !is_member(store, contact, company) {
        return;
    }
    let remaining = store
        .contact(contact)
        .and_then(|contact| contact.companies.iter().rev().find(|other| **other != company).copied());
    let name = remaining.and_then(|id| store.companies.get(id)).map(|company| json!(company.name()));
    store.edit_contact(contact, |contact| {
        contact.companies.retain(|other| *other != company);
        match name {
            Some(name) => contact.values.insert("company".into(), name),
            None => contact.values.remove("company"),
        };
    });
    if let Some(row) = store.contact(contact) {
        let view = emit_contact(store, Some(contact), row, true);
        emit_membership(store, view, company, false);
    }
}

fn emit_membership(store: &mut Store, contact: Value, company_id: u64, added: bool) {
    let Some(company) = store.companies.get(company_id) else { return };
    let company = company.webhook_view(store, company_id);
    let payload = json!({"added": added, "contact": contact, "company": company});
    webhooks::emit(store, "mautic.lead_company_change", payload);
}

/// `POST /api/companies/{id}/contact/{contact}/{add|remove}`.
pub(crate) async fn change_member(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts((id, contact, action)): PathParts<(u64, u64, String)>,
) -> Answer {
    mautic.write(|store| {
        if !store.companies.contains(id) {
            return Answer::not_found();
        }
        let Some(resolved) = store.resolve(contact) else { return Answer::contact_not_found() };
        match action.as_str() {
            // To who is a member already nothing happens: what is the primary one stays it. That was not recorded; it follows
            // `CompanyModel::addLeadToCompany`.
            "add" if is_member(store, resolved, id) => {}
            "add" => in_the_log(store, resolved, &actor, |store| join(store, resolved, id)),
            "remove" => in_the_log(store, resolved, &actor, |store| leave(store, resolved, id)),
            _ => return Answer::no_such_url(&format!("/api/companies/{id}/contact/{contact}/{action}")),
        }
        Answer::success()
    })
}

/// The name of the primary company is a field of the contact, and its change stands in the audit log.
fn in_the_log(store: &mut Store, contact: u64, actor: &Actor, change: impl FnOnce(&mut Store)) {
    let name =
        |store: &Store| store.contact(contact).and_then(|row| row.values.get("company").cloned()).unwrap_or_default();
    let before = name(store);
    change(store);
    let after = name(store);
    if before != after {
        let details = Details::changed(&object(json!({"company": [before, after]})));
        store.audit(actor, "lead", contact, "update", &details);
    }
}
