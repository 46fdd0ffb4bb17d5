//! What a running `tandem dev` tells the commands beside it: its configuration. They get it by a socket that only the owner
//! of the data folder may open, so that no secret is written to a file.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tandem_app::config::Environment;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use crate::failure::CommandError;

/// A path to a socket can't be longer than this, in bytes; it is 104 on some systems.
const LONGEST: usize = 100;
/// How long a command waits for the server.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than a configuration is no configuration, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The server's side. The socket is gone when it is dropped.
pub struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Control {
    /// Serves the settings of `environment` at `path`, or in the folder for temporary files when that path is too long.
    ///
    /// # Errors
    /// When there can be no socket.
    pub fn serve(path: &Path, environment: &Environment) -> Result<Self, CommandError> {
        let path = short(path);
        // What a server left that was killed; who has the folder's lock is alone.
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!(%error, "there was no socket before");
        }
        let listener = UnixListener::bind(&path).map_err(CommandError::file(&path))?;
        let only_mine = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, only_mine).map_err(CommandError::file(&path))?;
        let settings = json!(environment.settings()).to_string();
        let task = tokio::spawn(answer(listener, settings));
        Ok(Self { path, task })
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket could not be removed");
        }
    }
}

async fn answer(listener: UnixListener, settings: String) {
    loop {
        match listener.accept().await {
            Ok((mut caller, _)) => {
                if let Err(error) = caller.write_all(settings.as_bytes()).await {
                    tracing::debug!(%error, "a command went away before it had the configuration");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "commands beside this server do not get its configuration");
                return;
            }
        }
    }
}

/// Sets what the server is configured with, in place of what this process says.
///
/// # Errors
/// When the server does not answer.
pub fn take_over(socket: &Path, environment: &mut Environment) -> Result<(), CommandError> {
    let mut connection = Connection::connect(socket).map_err(CommandError::file(socket))?;
    connection.set_read_timeout(Some(PATIENCE)).map_err(CommandError::file(socket))?;
    let mut text = String::new();
    connection.by_ref().take(LARGEST).read_to_string(&mut text).map_err(CommandError::file(socket))?;
    let settings: Vec<(String, String)> = serde_json::from_str(&text)
        .map_err(|_| CommandError::Undone("the running server does not tell its configuration".to_owned()))?;
    environment.take_over(settings);
    Ok(())
}

fn short(path: &Path) -> PathBuf {
    if path.as_os_str().len() <= LONGEST {
        return path.to_owned();
    }
    std::env::temp_dir().join(format!("tandem-{}.socket", std::process::id()))
}
