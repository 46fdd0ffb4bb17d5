//! Custom fields: how they are listed, made, and described beside values.

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Problems},
    auth::Actor,
    input::{PathParts, Payload, Query},
    php,
    rows::{Authorship, Field, object},
    simulator::MauticSimulator,
    store::Store,
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

    fn view(&self, id: u64) -> Value {
        let mut view = match &self.by {
            Some(by) => by.head(true),
            // What Mautic installed itself has no author.
            None => object(json!({
                "isPublished": true, "dateAdded": null, "dateModified": null, "createdBy": null,
                "createdByUser": null, "modifiedBy": null, "modifiedByUser": null,
            })),
        };
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
            "isShortVisible": !self.fixed || matches!(self.alias.as_str(), "firstname" | "lastname" | "email"),
            "isUniqueIdentifier": self.alias == "email",
            "isPubliclyUpdatable": self.alias == "email",
            "properties": properties,
        })));
        Value::Object(view)
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
        let views: Map<_, _> = page.map(|(id, field)| (id.to_string(), field.view(id))).collect();
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
    Extension(Actor(actor)): Extension<Actor>,
    PathParts(path): PathParts<String>,
    payload: Payload,
) -> Answer {
    let Some(object) = stored_object(&path) else { return Answer::not_found() };
    let params = payload.params();
    mautic.write(|store| match read_field(store, object, &params, &actor) {
        Ok(field) => {
            let id = add_field(store, field);
            let view = store.fields.get(id).map(|field| field.view(id));
            Answer::created(format!("/api/fields/{path}/{id}"), json!({"field": view}))
        }
        Err(problems) => problems.answer(),
    })
}

fn read_field(store: &Store, object: &str, params: &Map<String, Value>, actor: &str) -> Result<Field, Problems> {
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
    let alias = alias_of(&text("alias").unwrap_or_else(|| label.clone()), '_');
    if store.fields.find(|field| field.alias == alias).is_some() {
        let message = "Another field is already using this alias. Please choose another or leave blank to have it \
                       autogenerated.";
        problems.add("alias", message);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Field {
        by: Some(Authorship::new(actor, store.now())),
        label,
        alias,
        kind,
        group: text("group").unwrap_or_else(|| "core".into()),
        object: object.to_owned(),
        fixed: false,
        default: text("defaultValue"),
        properties: params.get("properties").map(texts_inside).unwrap_or_default(),
        column: store.fields.next_id(),
        order: store.fields.iter().filter(|(_, field)| !field.fixed && field.by.is_some()).count() as u64 + 1,
    })
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

/// A name as an alias: lower case, everything else than letters and digits one separator.
pub(crate) fn alias_of(name: &str, separator: char) -> String {
    let mut alias = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            alias.push(c);
        } else if !alias.is_empty() && !alias.ends_with(separator) {
            alias.push(separator);
        }
    }
    alias.trim_end_matches(separator).to_owned()
}
