//! Webhook deliveries: those that were recorded, and ones in their likeness.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::paths;
use crate::system::WEBHOOK_SECRET;

/// A delivery as Mautic makes it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What it is called in tests.
    pub name: String,
    /// The raw body.
    pub body: Vec<u8>,
    /// The header `Webhook-Signature`.
    pub signature: String,
}

impl Delivery {
    /// A body, signed.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn signed(name: &str, body: Vec<u8>, secret: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
        mac.update(&body);
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        Self { name: name.to_owned(), body, signature }
    }
}

impl Delivery {
    /// The opt-out of a made-up contact.
    #[must_use]
    pub fn opt_out(person: u64) -> Self {
        let dnc = json!([{"id": person, "reason": 1, "comments": "", "channel": "email"}]);
        let entry = json!({
            "contact": contact(person, dnc), "channel": "email", "old_status": "contactable",
            "new_status": "unsubscribed", "timestamp": "2026-11-20T21:28:13+00:00",
        });
        let body = json!({"mautic.lead_channel_subscription_changed": [entry]});
        Self::signed(&format!("opt-out {person}"), body.to_string().into_bytes(), WEBHOOK_SECRET)
    }
}

#[derive(Deserialize)]
struct Recording {
    headers: std::collections::BTreeMap<String, String>,
    raw_body: String,
}

/// All recorded deliveries, in their order.
///
/// # Panics
/// When the recordings are not there.
#[must_use]
pub fn recorded() -> Vec<Delivery> {
    let folder = paths::recordings().with_file_name("mautic-5.1.0-webhooks");
    let entries = std::fs::read_dir(folder).expect("the recorded webhooks are there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| recording(file)).collect()
}

fn recording(file: &std::path::Path) -> Delivery {
    let text = std::fs::read_to_string(file).expect("a recording can be read");
    let recording: Recording = serde_json::from_str(&text).expect("a recording is JSON");
    Delivery {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        body: recording.raw_body.into_bytes(),
        signature: recording.headers["Webhook-Signature"].clone(),
    }
}

/// A contact in the likeness of a recorded one.
#[must_use]
pub fn contact(id: u64, dnc: Value) -> Value {
    json!({"id": id, "points": 0, "fields": {"core": {"email": {"value": address(id)}}}, "doNotContact": dnc})
}

/// The address of a made-up contact.
#[must_use]
pub fn address(id: u64) -> String {
    format!("storm{id}@example.com")
}

/// Deliveries of one to three entries each, one a second.
#[must_use]
pub fn made_up(count: usize, contacts: usize) -> Vec<Delivery> {
    let start = Timestamp::from_second(1_790_000_000).unwrap_or_default();
    (0..count)
        .map(|number| {
            let at = start.checked_add(SignedDuration::from_secs(i64::try_from(number).unwrap_or(0))).unwrap_or(start);
            let mut body = Map::new();
            for part in 0..=number % 3 {
                let (kind, entry) = entry_of(number * 10 + part, (number * 7 + part * 13) % contacts + 1, at);
                let list = body.entry(kind).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(entry);
                }
            }
            Delivery::signed(&number.to_string(), Value::Object(body).to_string().into_bytes(), WEBHOOK_SECRET)
        })
        .collect()
}

/// One entry in the likeness of the recorded ones.
fn entry_of(id: usize, person: usize, at: Timestamp) -> (&'static str, Value) {
    let person = u64::try_from(person).unwrap_or(1);
    let lead = contact(person, json!([]));
    let opted_out = contact(person, json!([{"id": id, "reason": 1, "comments": "", "channel": "email"}]));
    let at = at.to_string();
    match id % 9 {
        0 => (
            "mautic.email_on_open",
            json!({"stat": {"id": id, "trackingHash": format!("h{id}"), "emailAddress": address(person), "lead": lead, "dateRead": at}, "timestamp": at}),
        ),
        1 | 2 => (
            "mautic.page_on_hit",
            json!({"hit": {"id": id, "dateHit": at, "lead": lead, "url": format!("https://example.com/{id}"), "source": "email", "sourceId": 1, "userAgent": "Mozilla/5.0"}, "timestamp": at}),
        ),
        3 => (
            "mautic.form_on_submit",
            json!({"submission": {"id": id, "form": {"id": 1, "name": "Newsletter"}, "lead": lead, "dateSubmitted": at}, "timestamp": at}),
        ),
        4 => (
            "mautic.lead_points_change",
            json!({"contact": lead, "points": {"old_points": 0, "new_points": id}, "timestamp": at}),
        ),
        5 => (
            "mautic.lead_list_change",
            json!({"contact": lead, "segment": {"id": 1, "alias": format!("s{}", id % 3)}, "action": if id.is_multiple_of(2) { "added" } else { "removed" }, "timestamp": at}),
        ),
        6 if person.is_multiple_of(5) => (
            "mautic.lead_channel_subscription_changed",
            json!({"contact": opted_out, "channel": "email", "old_status": "contactable", "new_status": "unsubscribed", "timestamp": at}),
        ),
        7 => (
            "mautic.lead_channel_subscription_changed",
            json!({"contact": lead, "channel": "email", "old_status": "bounced", "new_status": "contactable", "timestamp": at}),
        ),
        _ => (
            "mautic.lead_post_save_update",
            json!({"contact": {"id": person, "points": 0, "fields": {"core": {"email": {"value": address(person)}, "firstname": {"value": format!("N{id}")}}}}, "timestamp": at}),
        ),
    }
}
