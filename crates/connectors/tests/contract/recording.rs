//! Reads recordings.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One recorded exchange.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The file's name without `.json`.
    pub name: String,
    pub method: String,
    /// Path and query.
    pub target: String,
    pub sent: Value,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub answered: Value,
}

impl Recording {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The number in the path, such as the contact's.
    pub fn number(&self, index: usize) -> String {
        let mut numbers = self.path().split('/').filter(|part| part.parse::<u64>().is_ok());
        numbers.nth(index).unwrap().to_owned()
    }
}

/// All recordings of Mautic in a folder, by name. Of several exchanges the refusal counts.
pub fn all(folder: &Path) -> Vec<Recording> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Recording {
    let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut several = document["exchanges"].as_array().into_iter().flatten();
    let refusal = several.find(|exchange| exchange["response"]["status"].as_u64().is_some_and(|status| status >= 400));
    let exchange = refusal.unwrap_or(&document);
    let (request, response) = (&exchange["request"], &exchange["response"]);
    let headers = response["headers"].as_object().cloned().unwrap_or_default();
    Recording {
        name: file.file_stem().unwrap().to_string_lossy().into_owned(),
        method: request["method"].as_str().unwrap().to_owned(),
        target: request["path"].as_str().unwrap().to_owned(),
        sent: request["body"].clone(),
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        headers: headers.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect(),
        answered: response["body"].clone(),
    }
}
