//! Forms.

use axum::{Extension, extract::State};
use serde_json::{Map, Value, json};

use super::{
    aliases::alias_of,
    answer::Answer,
    auth::Actor,
    fields::page_size,
    input::{PathParts, Payload, Query},
    php,
    rows::{Form, object},
    simulator::MauticSimulator,
    store::Store,
    version::MauticVersion,
};

impl Form {
    fn view(&self, id: u64, base: &str, version: MauticVersion) -> Value {
        let mut view = self.by.head(self.published);
        view.extend(object(json!({
            "id": id,
            "name": self.name,
            "alias": self.alias,
            "category": null,
            "description": self.description,
            "cachedHtml": self.html(id, base),
            "publishUp": null,
            "publishDown": null,
            "fields": self.fields,
            "actions": self.actions,
            "template": null,
            "inKioskMode": false,
            "renderStyle": false,
            "formType": self.kind,
            "postAction": self.post_action,
            "postActionProperty": null,
            "noIndex": null,
            "formAttributes": null,
            "language": null,
        })));
        version.add_projects(&mut view);
        Value::Object(view)
    }

    /// How a submission names its form.
    pub(crate) fn brief(&self, id: u64) -> Value {
        json!({"id": id, "name": self.name, "alias": self.alias, "category": null})
    }

    fn html(&self, id: u64, base: &str) -> String {
        let inputs: String = self
            .fields
            .iter()
            .map(|field| format!("<input name=\"mauticform[{}]\">", php::text(&field["alias"])))
            .collect();
        format!("<form method=\"post\" action=\"{base}/form/submit?formId={id}\">{inputs}</form>")
    }
}

/// `GET /api/forms`.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    let base = mautic.base_url();
    mautic.read(|store| {
        let page = store.forms.iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, form)| (id.to_string(), form.view(id, &base, store.version))).collect();
        Answer::ok(json!({"total": store.forms.len().to_string(), "forms": php::map_or_empty_list(views)}))
    })
}

/// `POST /api/forms/new`.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    let base = mautic.base_url();
    let name = params.get("name").map(php::text).unwrap_or_default();
    if name.is_empty() {
        return Answer::error(400, "name: A name is required.", json!({"name": ["A name is required."]}));
    }
    mautic.write(|store| {
        let form = read_form(store, name, &params, &actor);
        let id = store.forms.next_id();
        let view = form.view(id, &base, store.version);
        store.forms.add(form);
        Answer::created(format!("/api/forms/{id}"), json!({"form": view}))
    })
}

/// `DELETE /api/forms/{id}/delete`. Not recorded; it answers as the deletions of other things do.
pub(crate) async fn remove(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    let base = mautic.base_url();
    mautic.write(|store| {
        let Some(form) = store.forms.remove(id) else { return Answer::not_found() };
        let mut view = form.view(id, &base, store.version);
        view["id"] = Value::Null;
        Answer::ok(json!({"form": view}))
    })
}

fn read_form(store: &Store, name: String, params: &Map<String, Value>, actor: &Actor) -> Form {
    let text = |key: &str| params.get(key).map(php::text).filter(|text| !text.is_empty());
    let mut by = store.authorship(actor);
    // Its HTML is made after it is saved, which saves it again.
    by.touch(actor, store.now());
    let used: usize = store.forms.iter().map(|(_, form)| form.fields.len()).sum();
    let fields = params.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
    Form {
        by,
        published: params.get("isPublished").is_none_or(php::boolean),
        alias: alias_of(&name, '_'),
        name,
        description: text("description"),
        kind: text("formType").unwrap_or_else(|| "standalone".into()),
        post_action: text("postAction").unwrap_or_else(|| "return".into()),
        fields: fields
            .iter()
            .enumerate()
            .map(|(place, field)| field_view(store.version, field, used + place + 1))
            .collect(),
        actions: params.get("actions").cloned().unwrap_or_else(|| json!([])),
    }
}

fn field_view(version: MauticVersion, field: &Value, id: usize) -> Value {
    let or_null = |key: &str| field.get(key).cloned().unwrap_or_default();
    let mut view = object(json!({
        "id": id,
        "label": or_null("label"),
        "showLabel": true,
        "alias": or_null("alias"),
        "type": or_null("type"),
        "defaultValue": or_null("defaultValue"),
        "isRequired": field.get("isRequired").is_some_and(php::boolean),
        "validationMessage": null,
        "helpMessage": null,
        "order": or_null("order"),
        "properties": [],
        "validation": [],
        "parent": null,
        "conditions": [],
        "labelAttributes": null,
        "inputAttributes": null,
        "containerAttributes": null,
        "leadField": or_null("leadField"),
        "saveResult": true,
        "isAutoFill": false,
        "mappedObject": or_null("mappedObject"),
        "mappedField": or_null("mappedField"),
    }));
    if version.is_7() {
        view.insert("isReadOnly".into(), json!(false));
        view.insert("fieldWidth".into(), json!("100%"));
    }
    Value::Object(view)
}
