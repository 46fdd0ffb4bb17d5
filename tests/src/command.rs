//! The `tandem` command as a person runs it.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::paths;

/// What a command printed, and whether it did what was asked.
#[derive(Clone, Debug)]
pub struct Printed {
    /// Whether it ended with 0.
    pub success: bool,
    /// Its exit status, unless a signal ended it.
    pub status: Option<i32>,
    /// Its results.
    pub out: String,
    /// Its complaints.
    pub err: String,
}

impl Printed {
    /// What it printed with `--json`.
    ///
    /// # Panics
    /// When that is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Runs `tandem` to its end, with these variables and no others.
///
/// # Panics
/// When it can't be started.
pub async fn tandem(data_dir: &Path, environment: &[(String, String)], arguments: &[&str]) -> Printed {
    let ended = command(data_dir, environment, arguments).output().await.expect("tandem can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Printed {
        success: ended.status.success(),
        status: ended.status.code(),
        out: text(&ended.stdout),
        err: text(&ended.stderr),
    }
}

/// Starts a `tandem` that goes on until it is dropped.
///
/// # Panics
/// When it can't be started.
pub fn serving(data_dir: &Path, environment: &[(String, String)], arguments: &[&str]) -> Child {
    let mut command = command(data_dir, environment, arguments);
    command.stdout(Stdio::null()).spawn().expect("tandem can be started")
}

fn command(data_dir: &Path, environment: &[(String, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(paths::program("tandem"));
    command.env_clear().envs(environment.iter().cloned()).arg("--data-dir").arg(data_dir).args(arguments);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}
