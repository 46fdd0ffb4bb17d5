//! A timeline as people read it.

use serde_json::{Value, json};
use tandem_core::sync::timeline::{Happened, What};

/// A line for each thing that happened.
pub fn text(entries: &[Happened]) -> String {
    if entries.is_empty() {
        return "nothing is known to have happened".to_owned();
    }
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(entry: &Happened) -> String {
    let at = entry.at.strftime("%Y-%m-%d %H:%M:%S");
    let by = entry.integration.as_ref().map(|by| format!("  {by}")).unwrap_or_default();
    let (kind, what) = match &entry.what {
        What::Event { id, name, status } => ("event", format!("{name} ({}) {id}", word(status))),
        What::Operation(done) => {
            let id = done.remote_id.as_ref().map_or("?", |id| id.0.as_str());
            let (operation, status) = (word(&done.operation), word(&done.status));
            ("operation", format!("{operation} {status}  {} {id}  {}", done.object, done.fields.join(" ")))
        }
        What::Engagement(did) => {
            let about = did.subject.as_deref().or(did.url.as_deref()).unwrap_or_default();
            ("engagement", format!("{}  {about}", word(&did.kind)))
        }
        What::Consent(said) => ("consent", said.to_string()),
    };
    format!("{at}  {kind:<10}{by}  {}", what.trim_end())
}

/// The word that the JSON output has for it.
fn word(value: &impl serde::Serialize) -> String {
    match json!(value) {
        Value::String(word) => word,
        _ => String::new(),
    }
}
