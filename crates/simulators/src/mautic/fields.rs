//! Custom fields: how they are listed, made, and described beside values.

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};

use super::{
    aliases,
    answer::{Answer, Problems},
    audit::Details,
    auth::Actor,
    input::{PathParts, Payload, Query},
    php,
    rows::{Authorship, Field, object},
    simulator::MauticSimulator,
    store::Store,
    version::MauticVersion,
};

/// The kinds of field that can be made.
const KINDS: [&str; 17] = [
    "boolean",
    "country",
    "date",
    "datetime",
    "email",
    "html",
    "locale",
    "lookup",
    "multiselect",
    "number",
    "region",
    "select",
    "tel",
    "text",
    "textarea",
    "time",
    "url",
];

/// The groups in which fields are shown, besides `all`.
pub(crate) const GROUPS: [&str; 4] = ["core", "social", "personal", "professional"];

/// How many characters a field takes that is made without a limit, and how many it can be given.
const USUAL_LIMIT: u64 = 64;
const HIGHEST_LIMIT: u64 = 191;

/// The limit of a field that is made without one.
pub(crate) fn usual_limit(kind: &str) -> Option<u64> {
    let without = ["boolean", "date", "datetime", "html", "number", "textarea", "time"];
    (!without.contains(&kind)).then_some(USUAL_LIMIT)
}

impl Field {
    /// How the field describes itself when an entity was just made.
    pub(crate) fn brief_meta(&self, id: u64) -> Map<String, Value> {
        let properties = if self.properties.is_null() { json!([]) } else { self.properties.clone() };
        object(json!({
            "id": id,
            "group": self.group,
            "label": self.label,
            "alias": self.alias,
            "type": self.kind,
            "properties": properties,
        }))
    }

    /// How the field describes itself when an entity was loaded: a row of the database, all of it text.
    pub(crate) fn stored_meta(&self, id: u64) -> Map<String, Value> {
        object(json!({
            "id": id.to_string(),
            "label": self.label,
            "alias": self.alias,
            "type": self.kind,
            "group": self.group,
            "object": self.object,
            "is_fixed": if self.fixed { "1" } else { "0" },
            "properties": php::serialize_properties(&self.properties),
            "default_value": self.default,
        }))
    }

    /// Decimal places, where the field has any.
    pub(crate) fn scale(&self) -> Option<u32> {
        let scale = php::numeric(&self.properties["scale"])?;
        (scale > 0.0).then_some(scale as u32)
    }

    /// What is shown for a value: the label of an option, the word for yes or no.
    pub(crate) fn normalized(&self, value: &Value) -> Value {
        match (self.kind.as_str(), value) {
            (_, Value::Null) => json!(""),
            ("boolean", Value::String(text)) if text.is_empty() => value.clone(),
            ("boolean", value) => {
                let word = if php::boolean(value) { "yes" } else { "no" };
                self.properties.get(word).cloned().unwrap_or_else(|| value.clone())
            }
            ("select", Value::String(text)) => self.label_of(text).unwrap_or_else(|| value.clone()),
            _ => value.clone(),
        }
    }

    fn label_of(&self, option: &str) -> Option<Value> {
        let options = self.properties["list"].as_array()?;
        options.iter().find(|entry| entry["value"] == option).map(|entry| entry["label"].clone())
    }

    /// Whether a select offers an option.
    pub(crate) fn offers(&self, option: &str) -> bool {
        let options = self.properties["list"].as_array();
        options.is_some_and(|options| options.iter().any(|entry| entry["value"] == option || entry == option))
    }

    fn head(&self) -> Map<String, Value> {
        if let Some(by) = &self.by {
            return by.head(true);
        }
        // What Mautic installed itself has no author.
        let mut head = object(json!({
            "isPublished": true, "dateAdded": null, "dateModified": null, "createdBy": null,
            "createdByUser": null, "modifiedBy": null, "modifiedByUser": null,
        }));
        if let Some(changed) = &self.changed {
            for (key, value) in changed.head(true) {
                if key.contains("odified") {
                    head.insert(key, value);
                }
            }
        }
        head
    }

    fn is_short_visible(&self, version: MauticVersion) -> bool {
        if self.fixed {
            return matches!(self.alias.as_str(), "firstname" | "lastname" | "email");
        }
        version.pick(true, false)
    }

    fn view(&self, id: u64, version: MauticVersion) -> Value {
        let mut view = self.head();
        let properties = if self.properties.is_null() { json!({}) } else { self.properties.clone() };
        view.extend(object(json!({
            "id": id,
            "label": self.label,
            "alias": self.alias,
            "type": self.kind,
            "group": self.group,
            "order": self.order,
            "object": self.object,
            "defaultValue": self.default,
            "isRequired": false,
            "isFixed": self.fixed,
            "isListable": true,
            "isVisible": true,
            "isShortVisible": self.is_short_visible(version),
            "isUniqueIdentifier": self.unique,
            "isPubliclyUpdatable": self.alias == "email",
            "properties": properties,
        })));
        if version.is_7() {
            view.insert("isIndex".into(), json!(false));
            view.insert("charLengthLimit".into(), json!(self.limit));
        }
        Value::Object(view)
    }

    /// Takes over what can be changed of a field that is there.
    fn take(&mut self, params: &Map<String, Value>) -> Problems {
        let mut problems = Problems::default();
        if let Some(label) = params.get("label").map(php::text).filter(|label| !label.is_empty()) {
            self.label = label;
        }
        if let Some(properties) = params.get("properties") {
            self.properties = texts_inside(properties);
        }
        if let Some(unique) = params.get("isUniqueIdentifier").or_else(|| params.get("isUniqueIdentifer")) {
            self.unique = php::boolean(unique);
        }
        if let Some(limit) = params.get("charLengthLimit").and_then(php::numeric) {
            if (1.0..=HIGHEST_LIMIT as f64).contains(&limit) {
                self.limit = Some(limit as u64);
            } else {
                problems.add("charLengthLimit", format!("This value should be between 1 and {HIGHEST_LIMIT}."));
            }
        }
        problems
    }
}

/// The name under which the API has a field's object.
fn stored_object(path: &str) -> Option<&'static str> {
    match path {
        "contact" => Some("lead"),
        "company" => Some("company"),
        _ => None,
    }
}

/// `GET /api/fields/{object}`.
pub(crate) async fn list(
    State(mautic): State<MauticSimulator>,
    PathParts(path): PathParts<String>,
    query: Query,
) -> Answer {
    let Some(object) = stored_object(&path) else { return Answer::not_found() };
    mautic.read(|store| {
        let wanted = query.text("search").to_lowercase();
        let mut fields: Vec<_> = store.fields.iter().filter(|(_, field)| field.object == object).collect();
        fields.retain(|(_, field)| field.alias.contains(&wanted) || field.label.to_lowercase().contains(&wanted));
        let total = fields.len();
        let page = fields.into_iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, field)| (id.to_string(), field.view(id, store.version))).collect();
        Answer::ok(json!({"total": total, "fields": php::map_or_empty_list(views)}))
    })
}

/// How many rows a list shows: 30 unless told, all for 0.
pub(crate) fn page_size(query: &Query) -> usize {
    match query.number("limit") {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None => 30,
    }
}

/// `POST /api/fields/{object}/new`.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts(path): PathParts<String>,
    payload: Payload,
) -> Answer {
    let Some(object) = stored_object(&path) else { return Answer::not_found() };
    let params = payload.params();
    mautic.write(|store| match read_field(store, object, &params, &actor) {
        Ok(field) => {
            let id = add_field(store, field);
            store.audit(&actor, "field", id, "create", &Details::default());
            let view = store.fields.get(id).map(|field| field.view(id, store.version));
            Answer::created(format!("/api/fields/{path}/{id}"), json!({"field": view}))
        }
        Err(problems) => problems.answer(),
    })
}

/// `GET /api/fields/{object}/{id}`.
pub(crate) async fn get_one(
    State(mautic): State<MauticSimulator>,
    PathParts((path, id)): PathParts<(String, u64)>,
) -> Answer {
    mautic.read(|store| match field_at(store, &path, id) {
        Some(field) => Answer::ok(json!({"field": field.view(id, store.version)})),
        None => Answer::not_found(),
    })
}

fn field_at<'a>(store: &'a Store, path: &str, id: u64) -> Option<&'a Field> {
    store.fields.get(id).filter(|field| stored_object(path) == Some(field.object.as_str()))
}

/// `PATCH` and `PUT /api/fields/{object}/{id}/edit` (recording `227` of 7.0.0).
pub(crate) async fn edit(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts((path, id)): PathParts<(String, u64)>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    mautic.write(|store| {
        let Some(mut field) = field_at(store, &path, id).cloned() else { return Answer::not_found() };
        let problems = field.take(&params);
        if !problems.is_empty() {
            return problems.answer();
        }
        let now = store.now();
        match &mut field.by {
            Some(by) => by.touch(&actor, now),
            None => field.changed.get_or_insert_with(|| Authorship::nobody(now, store.version)).touch(&actor, now),
        }
        // An edit moves the field down by a place (recording `227` of 7.0.0).
        field.order += 1;
        let view = field.view(id, store.version);
        store.fields.put(id, field);
        Answer::ok(json!({"field": view}))
    })
}

/// `DELETE /api/fields/{object}/{id}/delete`: the field, and what contacts have in it.
pub(crate) async fn remove(
    State(mautic): State<MauticSimulator>,
    PathParts((path, id)): PathParts<(String, u64)>,
) -> Answer {
    mautic.write(|store| {
        let Some(field) = field_at(store, &path, id).cloned() else { return Answer::not_found() };
        store.fields.remove(id);
        let holders: Vec<u64> =
            store.contacts().filter(|(_, row)| row.values.contains_key(&field.alias)).map(|(id, _)| id).collect();
        for contact in holders {
            store.edit_contact(contact, |contact| {
                contact.values.remove(&field.alias);
            });
        }
        let mut view = field.view(id, store.version);
        view["id"] = Value::Null;
        Answer::ok(json!({"field": view}))
    })
}

fn read_field(store: &Store, object: &str, params: &Map<String, Value>, actor: &Actor) -> Result<Field, Problems> {
    let text = |key: &str| params.get(key).map(php::text).filter(|text| !text.is_empty());
    let mut problems = Problems::default();
    let label = text("label").unwrap_or_default();
    if label.is_empty() {
        problems.add("label", "A label is required.");
    }
    let kind = text("type").unwrap_or_else(|| "text".into());
    if !KINDS.contains(&kind.as_str()) {
        problems.add("type", "This value is not valid.");
    }
    let alias = aliases::alias_of(&text("alias").unwrap_or_else(|| label.clone()), '_');
    if let Some(refusal) = aliases::refusal(store, &alias) {
        problems.add("alias", refusal);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut field = Field {
        by: Some(store.authorship(actor)),
        label,
        alias,
        group: text("group").unwrap_or_else(|| "core".into()),
        object: object.to_owned(),
        fixed: false,
        default: text("defaultValue"),
        properties: params.get("properties").map(texts_inside).unwrap_or_default(),
        column: store.fields.next_id(),
        order: store.fields.iter().filter(|(_, field)| !field.fixed && field.by.is_some()).count() as u64 + 1,
        limit: usual_limit(&kind),
        unique: false,
        changed: None,
        kind,
    };
    let problems = field.take(params);
    if problems.is_empty() { Ok(field) } else { Err(problems) }
}

/// A new field takes its place before those that Mautic came with.
fn add_field(store: &mut Store, field: Field) -> u64 {
    let installed: Vec<u64> = store.fields.iter().filter(|(_, field)| field.by.is_none()).map(|(id, _)| id).collect();
    for id in installed {
        if let Some(other) = store.fields.edit(id) {
            other.order += 1;
        }
    }
    store.fields.add(field)
}

/// Properties go through a form: what was a number comes back as text, nothing at all as no properties.
fn texts_inside(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.is_empty() => Value::Null,
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Object(map) => map.iter().map(|(key, item)| (key.clone(), texts_inside(item))).collect(),
        Value::Array(items) => items.iter().map(texts_inside).collect(),
        Value::Number(number) => Value::String(number.to_string()),
        other => other.clone(),
    }
}
