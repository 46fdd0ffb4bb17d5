//! Recorded exchanges, as they lie in their files.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::report::ContractError;

/// A recorded file: one exchange, or several that were made at the same moment.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Several { exchanges: Vec<Exchange>, afterwards: Afterwards },
    One(Exchange),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) request: RecordedRequest,
    pub(crate) response: RecordedResponse,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RecordedRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RecordedResponse {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// What was found after simultaneous requests.
#[derive(Debug, Deserialize)]
pub(crate) struct Afterwards {
    pub(crate) path: String,
}

impl RecordedRequest {
    /// Whether its credentials were not kept.
    pub(crate) fn is_bare(&self) -> bool {
        self.path.starts_with("/api") && !self.headers.contains_key("Authorization")
    }
}

/// A file with its name, by which the gaps know it.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) content: Content,
}

/// A recorded webhook: its name, and the document that was delivered.
#[derive(Debug)]
pub(crate) struct RecordedWebhook {
    pub(crate) name: String,
    pub(crate) document: Value,
}

#[derive(Debug, Deserialize)]
struct WebhookFile {
    raw_body: String,
}

/// All recorded webhooks of a folder, in order; none where there is no such folder.
pub(crate) fn load_webhooks(folder: &Path) -> Result<Vec<RecordedWebhook>, ContractError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut webhooks = Vec::new();
    for (name, text) in files(folder)? {
        let malformed = |source| ContractError::Malformed { name: name.clone(), source };
        let file: WebhookFile = serde_json::from_str(&text).map_err(malformed)?;
        let document = serde_json::from_str(&file.raw_body).map_err(malformed)?;
        webhooks.push(RecordedWebhook { name, document });
    }
    Ok(webhooks)
}

/// All recordings of a folder, in order.
pub(crate) fn load(folder: &Path) -> Result<Vec<Recording>, ContractError> {
    let mut recordings = Vec::new();
    for (name, text) in files(folder)? {
        let malformed = |source| ContractError::Malformed { name: name.clone(), source };
        let content = serde_json::from_str(&text).map_err(malformed)?;
        recordings.push(Recording { name, content });
    }
    Ok(recordings)
}

/// The names, without their ending, and texts of all JSON files of a folder, sorted.
fn files(folder: &Path) -> Result<Vec<(String, String)>, ContractError> {
    let unreadable = |source| ContractError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            files.push((name, fs::read_to_string(&path).map_err(unreadable)?));
        }
    }
    files.sort();
    Ok(files)
}
