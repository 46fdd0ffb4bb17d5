//! Recorded deliveries, and what is told of them in a few words.

pub mod damage;
pub mod expected;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tandem_connectors::mautic::webhook::MauticDeliveries;
use tandem_core::domain::engagement::EngagementEvent;
use tandem_core::error::Result;
use tandem_core::webhook::entry::{Deliveries, Entry, EntryKind, Told};

pub fn try_split(body: &[u8]) -> Result<Vec<Told>> {
    MauticDeliveries.split(body)
}

pub fn split(body: &Value) -> Vec<Told> {
    try_split(body.to_string().as_bytes()).unwrap()
}

/// The bodies by the names of their files.
pub fn recorded() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/mautic-5.1.0-webhooks");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|file| (file.file_stem().unwrap().to_string_lossy().into_owned(), body_of(file))).collect()
}

fn body_of(file: &Path) -> Value {
    let recording: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    serde_json::from_str(recording["raw_body"].as_str().unwrap()).unwrap()
}

/// An entry in words: its name, the contact, the address, and what is told.
pub fn described(entry: &Entry) -> String {
    let contact = entry.contact.as_ref().map_or("-", |contact| contact.0.as_str());
    let email = entry.email.as_ref().map_or("-", |email| email.as_str());
    let mut words = format!("{} {contact} {email} {}", entry.name, kind(&entry.kind));
    if entry.echo {
        words.push_str(" echo");
    }
    words
}

fn kind(kind: &EntryKind) -> String {
    match kind {
        EntryKind::Engagement(event) => engagement(event),
        EntryKind::Saved { fields, .. } => format!("Saved {}", fields.keys().cloned().collect::<Vec<_>>().join(",")),
        EntryKind::Points { points } => format!("Points {points}"),
        EntryKind::Segment { alias, member } => format!("Segment {alias} {member}"),
        EntryKind::Company { name, member } => format!("Company {name} {member}"),
        EntryKind::Gone => "Gone".to_owned(),
        EntryKind::Noted => "Noted".to_owned(),
    }
}

fn engagement(event: &EngagementEvent) -> String {
    assert_eq!(event.source, "", "the intake says where an event came from");
    let mut words = format!("{:?} {}", event.kind, event.natural_id);
    let details = [
        ("email", &event.email),
        ("campaign", &event.campaign),
        ("subject", &event.subject),
        ("url", &event.url),
        ("agent", &event.agent),
    ];
    for (name, value) in details {
        if let Some(value) = value {
            write!(words, " {name}={value}").unwrap();
        }
    }
    words
}
