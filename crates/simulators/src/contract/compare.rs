//! Comparing an answer with the recorded one.

use axum::http::HeaderMap;
use serde_json::Value;

use super::recording::RecordedResponse;

/// Keys, alone or with the one above, whose values are times, hashes, texts about the server, or numbers of rows that
/// belong to nobody else. Their kinds are compared all the same.
const VOLATILE: [&str; 31] = [
    "access_token",
    "browser_languages",
    "cachedHtml",
    "dateAdded",
    "dateIdentified",
    "dateModified",
    "dateSent",
    "date_added",
    "date_hit",
    "date_sent",
    "details",
    "device_id",
    "eventId",
    "href",
    "idHash",
    "ip_id",
    "ipAddresses.id",
    "lastActive",
    "last_active",
    "last_active.normalizedValue",
    "last_active.value",
    "log.id",
    "query",
    "runtime",
    "sid",
    "stat.id",
    "timestamp",
    "tracking_hash",
    "tracking_id",
    "url_title",
    "user_agent",
];

/// Headers that are compared whole, and those of which only the presence counts.
const EXACT_HEADERS: [&str; 4] = ["Mautic-Version", "Location", "X-RateLimit-Limit", "X-RateLimit-Remaining"];
const PRESENT_HEADERS: [&str; 2] = ["X-RateLimit-Reset", "Retry-After"];

/// An answer of the simulator.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Everything in which the shape of a document differs from the recorded one, whatever its values are.
pub(crate) fn shape_differences(recorded: &Value, given: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(&blanked(recorded), &blanked(given), "", &mut found);
    found
}

/// A document with every value replaced by the plainest one of its kind.
fn blanked(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, item)| (key.clone(), blanked(item))).collect(),
        Value::Array(items) => items.iter().map(blanked).collect(),
        Value::String(_) => Value::String(String::new()),
        Value::Number(number) if number.is_f64() => Value::from(0.0),
        Value::Number(_) => Value::from(0),
        Value::Bool(_) => Value::Bool(false),
        Value::Null => Value::Null,
    }
}

/// Everything in which an answer differs from the recorded one.
pub(crate) fn differences(recorded: &RecordedResponse, answered: &Answered) -> Vec<String> {
    let mut found = Vec::new();
    if recorded.status != answered.status {
        let body = String::from_utf8_lossy(&answered.body);
        let body: String = body.chars().take(200).collect();
        found.push(format!("status {} instead of {}: {body}", answered.status, recorded.status));
        return found;
    }
    compare_headers(recorded, &answered.headers, &mut found);
    match (&recorded.body, serde_json::from_slice::<Value>(&answered.body)) {
        (Value::String(_), _) if answered.body.is_empty() => found.push("an empty body".into()),
        // A page, a script or a picture is only expected to be one.
        (Value::String(_), _) => {}
        (recorded, Ok(body)) => compare(recorded, &body, "", &mut found),
        (_, Err(error)) => found.push(format!("no JSON: {error}")),
    }
    found
}

fn compare_headers(recorded: &RecordedResponse, answered: &HeaderMap, found: &mut Vec<String>) {
    let given = |name: &str| answered.get(name).and_then(|value| value.to_str().ok());
    let wanted = |name: &str| recorded.headers.get(name).map(String::as_str);
    for name in EXACT_HEADERS.into_iter().chain(["Content-Type"]) {
        if wanted(name) != given(name) {
            found.push(format!("header {name}: {:?} instead of {:?}", given(name), wanted(name)));
        }
    }
    for name in PRESENT_HEADERS {
        if wanted(name).is_some() != given(name).is_some() {
            found.push(format!("header {name}: {:?} instead of {:?}", given(name), wanted(name)));
        }
    }
    let cookie = wanted("Set-Cookie").and_then(|cookie| cookie.split('=').next());
    let cookies = answered.get_all("Set-Cookie");
    if let Some(name) = cookie
        && !cookies.iter().any(|given| given.as_bytes().starts_with(name.as_bytes()))
    {
        found.push(format!("no cookie {name}"));
    }
}

fn compare(recorded: &Value, given: &Value, place: &str, found: &mut Vec<String>) {
    match (recorded, given) {
        (Value::Object(recorded), Value::Object(given)) => {
            for key in given.keys().filter(|key| !recorded.contains_key(*key)) {
                found.push(format!("{place}.{key} is too much"));
            }
            for (key, value) in recorded {
                match given.get(key) {
                    Some(given) => compare(value, given, &format!("{place}.{key}"), found),
                    None => found.push(format!("{place}.{key} is missing")),
                }
            }
        }
        (Value::Array(recorded), Value::Array(given)) => compare_lists(recorded, given, place, found),
        _ if kind(recorded) != kind(given) => {
            found.push(format!("{place}: {given} instead of {recorded}"));
        }
        _ if recorded != given && !is_volatile(place) => {
            found.push(format!("{place}: {given} instead of {recorded}"));
        }
        _ => {}
    }
}

fn compare_lists(recorded: &[Value], given: &[Value], place: &str, found: &mut Vec<String>) {
    if recorded.len() != given.len() {
        found.push(format!("{place} has {} items instead of {}", given.len(), recorded.len()));
        return;
    }
    let (mut recorded, mut given) = (recorded.to_vec(), given.to_vec());
    if place.ends_with(".events") {
        // Events of the same second come in any order.
        recorded.sort_by_key(event_key);
        given.sort_by_key(event_key);
    }
    for (index, (recorded, given)) in recorded.iter().zip(&given).enumerate() {
        compare(recorded, given, &format!("{place}[{index}]"), found);
    }
}

fn event_key(event: &Value) -> String {
    let label = event["eventLabel"].get("label").unwrap_or(&event["eventLabel"]);
    format!("{} {label}", event["event"])
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Whether the value at a place cannot be the same: by its key, or by its key and the one above.
fn is_volatile(place: &str) -> bool {
    let plain: String = place.chars().filter(|c| !matches!(c, '[' | ']') && !c.is_ascii_digit()).collect();
    let mut keys = plain.rsplit('.').filter(|key| !key.is_empty());
    let (last, above) = (keys.next().unwrap_or_default(), keys.next().unwrap_or_default());
    VOLATILE.contains(&last) || VOLATILE.contains(&format!("{above}.{last}").as_str())
}
