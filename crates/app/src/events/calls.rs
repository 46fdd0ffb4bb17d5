//! What the libraries of Segment and RudderStack send (`track`, `identify`, `group`, `alias`), as events of Tandem's own form.
//! Names become lower snake case: `Order Completed` is `order_completed`, and so are the names of traits and properties.

use heck::ToSnakeCase;
use serde_json::{Map, Value, json};

/// The kinds of call that say something of a person.
const TAKEN: &[&str] = &["track", "identify", "group", "alias"];
/// The kinds that tell of a look at a page or a screen. Tandem learns of pages from Mautic's own script.
const PASSED_OVER: &[&str] = &["page", "screen"];

/// Parts of an address that are traits of their own here.
const ADDRESS: &[&str] = &["street", "city", "state", "postal_code", "country"];

/// The kind of a call; `None` for an event of Tandem's own form.
fn kind_of(item: &Value) -> Option<&str> {
    let kind = item.get("type")?.as_str()?;
    let is_own = item.get("name").is_some() || item.get("user").is_some();
    (!is_own && (TAKEN.contains(&kind) || PASSED_OVER.contains(&kind))).then_some(kind)
}

/// Whether a call has nothing that Tandem takes.
#[must_use]
pub fn is_passed_over(item: &Value) -> bool {
    kind_of(item).is_some_and(|kind| PASSED_OVER.contains(&kind))
}

/// A call as an event; anything else as it is.
#[must_use]
pub fn as_event(item: Value) -> Value {
    let Some(kind) = kind_of(&item).map(str::to_owned) else { return item };
    let Value::Object(call) = item else { return item };
    let name = match call.get("event").and_then(Value::as_str) {
        Some(name) if kind == "track" => name.to_snake_case(),
        _ => kind.clone(),
    };
    let mut event = Map::new();
    event.insert("name".to_owned(), json!(name));
    event.insert("user".to_owned(), Value::Object(user(&call, &kind)));
    event.insert("properties".to_owned(), Value::Object(properties(&call, &kind)));
    for (ours, theirs) in [("id", &["messageId"][..]), ("time", &["timestamp", "originalTimestamp"])] {
        if let Some(value) = theirs.iter().find_map(|name| call.get(*name)).filter(|value| !value.is_null()) {
            event.insert(ours.to_owned(), value.clone());
        }
    }
    Value::Object(event)
}

/// The calls of a batch; each has what is said of all of them.
#[must_use]
pub fn of_batch(calls: Vec<Value>, shared: &Map<String, Value>) -> Vec<Value> {
    let with_shared = |mut call: Value| {
        if let (Some(object), Some(context)) = (call.as_object_mut(), shared.get("context")) {
            object.entry("context").or_insert_with(|| context.clone());
        }
        call
    };
    calls.into_iter().map(with_shared).collect()
}

/// Whom the call is about: the id, and the traits, which libraries send with `identify` or in the context.
fn user(call: &Map<String, Value>, kind: &str) -> Map<String, Value> {
    let mut user = Map::new();
    let of_context = call.get("context").and_then(|context| context.get("traits"));
    let own = call.get("traits").filter(|_| kind == "identify");
    for traits in [of_context, own].into_iter().flatten().filter_map(Value::as_object) {
        add_traits(&mut user, traits);
    }
    if kind == "group"
        && let Some(name) = call.get("traits").and_then(|traits| traits.get("name")).filter(|name| name.is_string())
    {
        user.insert("company".to_owned(), name.clone());
    }
    if let Some(email) = call.get("properties").and_then(|properties| properties.get("email")) {
        user.entry("email").or_insert_with(|| email.clone());
    }
    match call.get("userId").filter(|id| !id.is_null()) {
        Some(id) => {
            // Many use the address as the id.
            if let Some(address) = id.as_str().filter(|id| id.contains('@')) {
                user.entry("email").or_insert_with(|| json!(address));
            }
            user.insert("id".to_owned(), id.clone());
        }
        None => drop(user.remove("id")),
    }
    user
}

fn add_traits(user: &mut Map<String, Value>, traits: &Map<String, Value>) {
    for (name, value) in traits {
        match (name.to_snake_case().as_str(), value) {
            ("address", Value::Object(address)) => {
                let parts = address.iter().map(|(part, value)| (part.to_snake_case(), value));
                user.extend(
                    parts
                        .filter(|(part, _)| ADDRESS.contains(&part.as_str()))
                        .map(|(part, value)| (part, value.clone())),
                );
            }
            ("company", Value::Object(company)) => {
                user.extend(company.get("name").map(|name| ("company".to_owned(), name.clone())));
            }
            // Of one trait under two spellings, the one that is written as here stands.
            (own, _) if own != name && traits.contains_key(own) => {}
            (own, value) => drop(user.insert(own.to_owned(), value.clone())),
        }
    }
}

fn properties(call: &Map<String, Value>, kind: &str) -> Map<String, Value> {
    let said = if kind == "group" { call.get("traits") } else { call.get("properties") };
    let said = said.and_then(Value::as_object).into_iter().flatten();
    let mut properties: Map<String, Value> =
        said.map(|(name, value)| (name.to_snake_case(), value.clone())).filter(|(name, _)| !name.is_empty()).collect();
    for (ours, theirs) in [("group_id", "groupId"), ("previous_id", "previousId")] {
        if let Some(id) = call.get(theirs).filter(|id| !id.is_null()) {
            properties.insert(ours.to_owned(), id.clone());
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_call_is_an_event_with_names_in_snake_case() {
        let event = as_event(json!({
            "type": "track", "event": "Order Completed", "userId": 42, "messageId": "m-1",
            "timestamp": "2026-11-28T10:00:00Z", "properties": {"orderTotal": 12.5, "New Tier": "pro"},
            "context": {"traits": {"email": "jane@example.com", "firstName": "Jane"}, "library": {"name": "x"}},
        }));
        let meant = json!({
            "name": "order_completed", "id": "m-1", "time": "2026-11-28T10:00:00Z",
            "user": {"id": 42, "email": "jane@example.com", "first_name": "Jane"},
            "properties": {"order_total": 12.5, "new_tier": "pro"},
        });
        assert_eq!(event, meant);
    }

    #[test]
    fn an_identify_call_says_its_traits_of_the_user() {
        let event = as_event(json!({
            "type": "identify", "userId": "42", "traits": {
                "email": "jane@example.com", "lastName": "Doe", "address": {"city": "Perth", "postalCode": "6000", "geo": 1},
                "company": {"name": "Acme", "id": 7},
            },
        }));
        let meant = json!({
            "id": "42", "email": "jane@example.com", "last_name": "Doe", "city": "Perth", "postal_code": "6000",
            "company": "Acme",
        });
        assert_eq!((&event["name"], &event["user"]), (&json!("identify"), &meant));
    }

    #[test]
    fn group_and_alias_say_to_what_they_lead() {
        let group = as_event(json!({
            "type": "group", "userId": "jane@example.com", "groupId": "g1", "traits": {"name": "Acme", "Plan Name": "pro"},
        }));
        assert_eq!(group["properties"], json!({"group_id": "g1", "name": "Acme", "plan_name": "pro"}));
        assert_eq!(group["user"], json!({"id": "jane@example.com", "email": "jane@example.com", "company": "Acme"}));
        let alias = as_event(json!({"type": "alias", "userId": "42", "previousId": "anon-7"}));
        assert_eq!((&alias["name"], &alias["properties"]), (&json!("alias"), &json!({"previous_id": "anon-7"})));
    }

    #[test]
    fn events_of_tandems_own_form_stay_as_they_are() {
        for own in [
            json!({"name": "user_login", "user": {"id": 1}, "type": "track"}),
            json!({"event": "user_login", "user": {"id": 1}}),
            json!({"type": "other", "userId": 1}),
            json!("track"),
        ] {
            assert_eq!(as_event(own.clone()), own);
        }
        assert!(is_passed_over(&json!({"type": "page", "anonymousId": "a"})));
        assert!(!is_passed_over(&json!({"type": "track", "event": "x"})));
    }
}
