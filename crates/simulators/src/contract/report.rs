//! What a replay found.

use std::{fmt, io, path::PathBuf};

use crate::mautic::StartError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The recordings cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The folder of the recordings.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A recording is not what one looks like.
    #[error("{name} is no recording: {source}")]
    Malformed {
        /// The recording.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The simulator cannot be made.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The receiver of webhooks cannot listen.
    #[error("no receiver for webhooks: {0}")]
    Receiver(#[source] io::Error),
}

/// Whether one recording agrees, and what differs where it does not.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The name of the recording's file, without its ending.
    pub recording: String,
    /// What differs, each with its place; empty when the recording agrees.
    pub differences: Vec<String>,
}

/// The outcome of a replay.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The folder of the recordings.
    pub folder: String,
    /// One verdict a recording, in order.
    pub verdicts: Vec<Verdict>,
    /// One verdict a recorded webhook, in order.
    pub webhooks: Vec<Verdict>,
    /// What was done in the place of exchanges that were not recorded: before which recording, and why.
    pub gaps: Vec<(String, String)>,
    /// What cannot be reproduced, and why.
    pub irreproducible: Vec<(String, String)>,
}

impl Report {
    /// How many recordings agree.
    pub fn agree(&self) -> usize {
        agreeing(&self.verdicts)
    }

    /// How many recorded webhooks have the shape of one that was delivered.
    pub fn webhooks_agree(&self) -> usize {
        agreeing(&self.webhooks)
    }

    /// How many recordings were replayed.
    pub fn total(&self) -> usize {
        self.verdicts.len()
    }
}

fn agreeing(verdicts: &[Verdict]) -> usize {
    verdicts.iter().filter(|verdict| verdict.differences.is_empty()).count()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} of {} agree", self.folder, self.agree(), self.total())?;
        writeln!(f, "  its webhooks: {} of {} agree", self.webhooks_agree(), self.webhooks.len())?;
        for verdict in self.verdicts.iter().chain(&self.webhooks).filter(|verdict| !verdict.differences.is_empty()) {
            writeln!(f, "  {} differs:", verdict.recording)?;
            for difference in &verdict.differences {
                writeln!(f, "    {difference}")?;
            }
        }
        for (recording, reason) in &self.gaps {
            writeln!(f, "  gap before {recording}: {reason}")?;
        }
        for (recording, reason) in &self.irreproducible {
            writeln!(f, "  not reproduced: {recording}: {reason}")?;
        }
        Ok(())
    }
}
