//! Comparing an answer with the recorded one.

use std::collections::HashMap;

use axum::http::HeaderMap;
use serde_json::Value;

use super::recording::RecordedResponse;
use crate::mautic::MauticVersion;

/// Times of change: they are other times than the recorded ones, and are compared by how they stand to each other.
const MODIFIED: &str = "dateModified";

/// Keys, alone or with the one above, whose values are times, hashes, texts about the server, or numbers of rows that
/// belong to nobody else. Their kinds are compared all the same.
const VOLATILE: [&str; 29] = [
    "access_token",
    "browser_languages",
    "cachedHtml",
    "dateAdded",
    "dateIdentified",
    "dateSent",
    "date_added",
    "date_hit",
    "date_sent",
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

/// What the answers so far said of when things were changed.
///
/// A replay makes time pass between its calls; the recorded calls were often made within one second. So a recorded change of
/// a time must be one here, too, and where a version freezes its times, what did not change there must not change here.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    version: MauticVersion,
    seen: HashMap<(String, u64), (String, String)>,
}

impl Changes {
    pub(crate) fn of(version: MauticVersion) -> Self {
        Self { version, seen: HashMap::new() }
    }

    /// Everything in which times of change behave otherwise than in the recording, in a document and all that is in it.
    pub(crate) fn differences(&mut self, recorded: &Value, given: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.look(recorded, given, "", &mut found);
        found
    }

    fn look(&mut self, recorded: &Value, given: &Value, place: &str, found: &mut Vec<String>) {
        match (recorded, given) {
            (Value::Object(of_recorded), Value::Object(of_given)) => {
                self.look_at_times(recorded, given, place, found);
                for (key, value) in of_recorded {
                    if let Some(given) = of_given.get(key) {
                        self.look(value, given, &format!("{place}.{key}"), found);
                    }
                }
            }
            (Value::Array(recorded), Value::Array(given)) => {
                for (index, (recorded, given)) in recorded.iter().zip(given).enumerate() {
                    self.look(recorded, given, &format!("{place}[{index}]"), found);
                }
            }
            _ => {}
        }
    }

    fn look_at_times(&mut self, recorded: &Value, given: &Value, place: &str, found: &mut Vec<String>) {
        let (Some(then), Some(now)) = (recorded[MODIFIED].as_str(), given[MODIFIED].as_str()) else { return };
        let frozen = self.version == MauticVersion::V7_0;
        if let (Some(added_then), Some(added_now)) = (recorded["dateAdded"].as_str(), given["dateAdded"].as_str()) {
            let (moved_then, moved_now) = (then > added_then, now > added_now);
            if (moved_then && !moved_now) || (frozen && moved_now && !moved_then) {
                found.push(format!("{place}.{MODIFIED}: {now} of {added_now} instead of {then} of {added_then}"));
            }
        }
        let Some(id) = recorded["id"].as_u64() else { return };
        let kind = kind_of_entity(recorded);
        if let Some((last_then, last_now)) = self.seen.insert((kind, id), (then.to_owned(), now.to_owned())) {
            let (moved_then, moved_now) = (then > last_then.as_str(), now > last_now.as_str());
            if (moved_then && !moved_now) || (frozen && moved_now && !moved_then) {
                found.push(format!("{place}.{MODIFIED}: from {last_now} to {now} instead of {last_then} to {then}"));
            }
        }
    }
}

/// What an entity is, by keys that no other kind has.
fn kind_of_entity(entity: &Value) -> String {
    let telling = [
        "points",
        "webhookUrl",
        "publicName",
        "charLengthLimit",
        "customHtml",
        "cachedHtml",
        "canvasSettings",
        "weight",
    ];
    telling.into_iter().find(|key| entity.get(key).is_some()).unwrap_or_default().to_owned()
}

/// Details of the audit log without the times in them.
fn timeless(text: &str) -> String {
    let part = |part: &str| {
        let is_time =
            part.len() >= 10 && part.as_bytes()[4] == b'-' && part.as_bytes()[..4].iter().all(u8::is_ascii_digit);
        if is_time { "<time>".to_owned() } else { part.to_owned() }
    };
    text.split('"').map(part).collect::<Vec<_>>().join("\"")
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
pub(crate) fn differences(recorded: &RecordedResponse, answered: &Answered, with_headers: bool) -> Vec<String> {
    let mut found = Vec::new();
    if recorded.status != answered.status {
        let body = String::from_utf8_lossy(&answered.body);
        let body: String = body.chars().take(200).collect();
        found.push(format!("status {} instead of {}: {body}", answered.status, recorded.status));
        return found;
    }
    if with_headers {
        compare_headers(recorded, &answered.headers, &mut found);
    }
    match (&recorded.body, serde_json::from_slice::<Value>(&answered.body)) {
        (Value::String(text), _) if answered.body.is_empty() != text.is_empty() => {
            found.push(format!("{} bytes instead of {}", answered.body.len(), text.len()));
        }
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
        (Value::String(old), Value::String(new)) if place.ends_with(".details") && timeless(old) == timeless(new) => {}
        _ if recorded != given && !is_volatile(place) && !place.ends_with(MODIFIED) => {
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
