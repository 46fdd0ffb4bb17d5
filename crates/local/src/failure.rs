//! Why a command did not do what was asked, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tandem_app::admin::Refused;
use tandem_app::config::ConfigProblems;
use tandem_core::domain::issue::FieldIssue;
use tandem_core::error::Failure;

/// A command's failure. Its text is for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The environment.
    #[error("{0}")]
    Config(#[from] ConfigProblems),
    /// Table, queue or platform.
    #[error("{0}")]
    Failure(#[from] Failure),
    /// A file or folder.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The port.
    #[error("port {port} can't be used: {source}. Choose another one with --port.")]
    Port {
        /// Which.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The simulator.
    #[error("the Mautic simulator can't be started: {0}")]
    Simulator(#[from] tandem_simulators::mautic::StartError),
    /// A table as text.
    #[error("a CSV file can't be read or written: {0}")]
    Csv(#[from] csv::Error),
    /// Most was done, and some of what was given could not be taken.
    #[error("{0}")]
    Rejected(String),
    /// An installation that takes no calls just now, or was not reached: it may in a moment.
    #[error("{message}")]
    Busy {
        /// What happened, and what helps.
        message: String,
        /// How long to wait, if the installation says so.
        retry_after: Option<Duration>,
    },
    /// Anything else that was asked and could not be done.
    #[error("{0}")]
    Undone(String),
}

impl CommandError {
    /// That no Mautic is configured, and what to set.
    pub fn no_mautic() -> Self {
        Self::Undone(
            "no Mautic is configured: set MAUTIC_BASE_URL with MAUTIC_CLIENT_ID and MAUTIC_CLIENT_SECRET (or MAUTIC_USERNAME \
             and MAUTIC_PASSWORD), or run `tandem dev --simulate` beside this"
                .to_owned(),
        )
    }

    /// The command's exit status: 2 when most was done, else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Rejected(_) => ExitCode::from(2),
            Self::Config(_)
            | Self::Failure(_)
            | Self::File { .. }
            | Self::Port { .. }
            | Self::Simulator(_)
            | Self::Csv(_)
            | Self::Busy { .. }
            | Self::Undone(_) => ExitCode::FAILURE,
        }
    }

    /// A failure with a file.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

impl From<Refused> for CommandError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound(what) | Refused::NameTaken(what) => Self::Undone(what.to_owned()),
            Refused::Changed => Self::Undone("somebody else changed it just now: try again".to_owned()),
            Refused::Invalid(issues) => {
                let line = |issue: &FieldIssue| format!("{}: {}", issue.field, issue.message);
                Self::Undone(issues.iter().map(line).collect::<Vec<_>>().join("; "))
            }
            Refused::NotConnected(failure) | Refused::Failed(failure) => Self::Failure(failure),
        }
    }
}
