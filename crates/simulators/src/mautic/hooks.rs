//! Webhooks as they are set up.

use std::sync::LazyLock;

use axum::{Extension, extract::State, http};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Problems},
    auth::Actor,
    fields::page_size,
    input::{PathParts, Payload, Query},
    php,
    rows::{Hook, object},
    simulator::MauticSimulator,
    version::MauticVersion,
};

static TRIGGERS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/triggers.json")).unwrap_or_default());

impl Hook {
    fn view(&self, id: u64) -> Value {
        let mut view = self.by.head(self.published);
        view.extend(object(json!({
            "id": id,
            "name": self.name,
            "description": self.description,
            "webhookUrl": self.url,
            "secret": self.secret,
            "eventsOrderbyDir": self.order,
            "category": null,
            "triggers": self.triggers,
        })));
        Value::Object(view)
    }

    /// Takes the given parameters over; what is not given stays.
    fn take(&mut self, params: &Map<String, Value>) -> Problems {
        let text = |key: &str| params.get(key).map(php::text);
        let optional = |key: &str| text(key).map(|text| (!text.is_empty()).then_some(text));
        if let Some(name) = text("name") {
            self.name = name;
        }
        if let Some(url) = text("webhookUrl") {
            self.url = url;
        }
        if let Some(secret) = text("secret") {
            self.secret = secret;
        }
        self.description = optional("description").unwrap_or_else(|| self.description.take());
        self.order = optional("eventsOrderbyDir").unwrap_or_else(|| self.order.take());
        if let Some(published) = params.get("isPublished") {
            self.published = php::boolean(published);
        }
        if let Some(triggers) = params.get("triggers").and_then(Value::as_array) {
            // Those that are not named stay (recording `230` of 7.0.0, and 5.1.0 as well).
            for trigger in triggers.iter().map(php::text) {
                if !self.triggers.contains(&trigger) {
                    self.triggers.push(trigger);
                }
            }
        }
        self.problems()
    }

    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        if self.name.is_empty() {
            problems.add("name", "A name is required.");
        }
        if url::Url::parse(&self.url).is_err() {
            problems.add("webhookUrl", "A valid URL is required.");
        }
        if self.triggers.iter().any(|trigger| !TRIGGERS.contains_key(trigger)) {
            problems.add("events", "This value is not valid.");
        }
        problems
    }
}

/// `GET /api/hooks/triggers`.
pub(crate) async fn triggers(State(mautic): State<MauticSimulator>) -> Answer {
    Answer::ok(json!({"triggers": named_triggers(mautic.inner.options.version)}))
}

/// 7.0 has put a misspelling of 5.1 right (recording `113`).
fn named_triggers(version: MauticVersion) -> Map<String, Value> {
    let mut triggers = TRIGGERS.clone();
    if version.is_7()
        && let Some(Value::String(description)) =
            triggers.get_mut("mautic.lead_company_change").and_then(|of| of.get_mut("description"))
    {
        *description = description.replace("commpany", "company");
    }
    triggers
}

/// `GET /api/hooks`.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    mautic.read(|store| {
        let page = store.hooks.iter().skip(query.number("start").unwrap_or(0)).take(page_size(&query));
        let views: Map<_, _> = page.map(|(id, hook)| (id.to_string(), hook.view(id))).collect();
        Answer::ok(json!({"total": store.hooks.len(), "hooks": php::map_or_empty_list(views)}))
    })
}

/// `GET /api/hooks/{id}`.
pub(crate) async fn get_one(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.read(|store| {
        let hook = store.hooks.get(id);
        hook.map_or_else(Answer::not_found, |hook| Answer::ok(json!({"hook": hook.view(id)})))
    })
}

/// `POST /api/hooks/new`.
pub(crate) async fn create(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    mautic.write(|store| {
        let id = store.hooks.next_id();
        let mut hook = Hook {
            by: store.authorship(&actor),
            published: true,
            name: String::new(),
            description: None,
            url: String::new(),
            // Mautic makes one up where none is given.
            secret: super::emails::hash_of("hook", id),
            order: None,
            triggers: Vec::new(),
        };
        let problems = hook.take(&params);
        if !problems.is_empty() {
            return problems.answer();
        }
        let view = hook.view(id);
        store.hooks.add(hook);
        Answer::created(format!("/api/hooks/{id}"), json!({"hook": view}))
    })
}

/// `PATCH` and `PUT /api/hooks/{id}/edit`.
pub(crate) async fn edit(
    State(mautic): State<MauticSimulator>,
    Extension(actor): Extension<Actor>,
    PathParts(id): PathParts<u64>,
    verb: http::Method,
    payload: Payload,
) -> Answer {
    let params = payload.params();
    mautic.write(|store| {
        let now = store.now();
        let Some(mut hook) = store.hooks.get(id).cloned() else { return Answer::not_found() };
        if verb == http::Method::PUT {
            hook.triggers.clear();
        }
        let problems = hook.take(&params);
        if !problems.is_empty() {
            return problems.answer();
        }
        hook.by.touch(&actor, now);
        let view = hook.view(id);
        store.hooks.put(id, hook);
        Answer::ok(json!({"hook": view}))
    })
}

/// `DELETE /api/hooks/{id}/delete`.
pub(crate) async fn remove(State(mautic): State<MauticSimulator>, PathParts(id): PathParts<u64>) -> Answer {
    mautic.write(|store| {
        let Some(hook) = store.hooks.remove(id) else { return Answer::not_found() };
        let mut view = hook.view(id);
        view["id"] = Value::Null;
        Answer::ok(json!({"hook": view}))
    })
}
