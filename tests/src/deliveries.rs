//! Webhook deliveries: those that were recorded, and ones in their likeness.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::paths;

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
