//! Who uses a data folder: one server at a time, or commands, which may be several.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use crate::failure::CommandError;

/// How long a server waits for commands that are about to end.
const PATIENCE: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// The right to use a data folder. The system takes it back when the process ends, however it ends.
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// The right of a server, which nobody shares.
    ///
    /// # Errors
    /// Who has the folder, when somebody has it.
    pub async fn of_server(path: &Path, folder: &Path) -> Result<Self, CommandError> {
        let mut file = opened(path)?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < PATIENCE => tokio::time::sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => return Err(in_use(&mut file, folder)),
                Err(TryLockError::Error(error)) => return Err(CommandError::file(path)(error)),
            }
        }
        sign(&mut file).map_err(CommandError::file(path))?;
        Ok(Self { _file: file })
    }

    /// The right of a command, which others share; `None` while a server has the folder.
    ///
    /// # Errors
    /// When the file can't be used.
    pub fn of_command(path: &Path) -> Result<Option<Self>, CommandError> {
        let file = opened(path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(CommandError::file(path)(error)),
        }
    }
}

fn opened(path: &Path) -> Result<File, CommandError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(CommandError::file(path))
}

/// Says whose lock it is, for the message to others.
fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn in_use(file: &mut File, folder: &Path) -> CommandError {
    let mut pid = String::new();
    // Without a number it is a command that has the folder, or a server that is just starting.
    let by = match file.read_to_string(&mut pid) {
        Ok(_) if !pid.trim().is_empty() => format!("process {}", pid.trim()),
        _ => "another process".to_owned(),
    };
    CommandError::Undone(format!(
        "{} is in use by {by}: stop it, or choose another folder with --data-dir",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
    use super::*;

    #[tokio::test]
    async fn a_server_shares_with_nobody_and_commands_share_with_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let commands = [FolderLock::of_command(&path).unwrap(), FolderLock::of_command(&path).unwrap()];
        assert!(commands.iter().all(Option::is_some));
        assert!(FolderLock::of_server(&path, folder.path()).await.is_err());
        drop(commands);
        let server = FolderLock::of_server(&path, folder.path()).await.unwrap();
        assert!(FolderLock::of_command(&path).unwrap().is_none());
        let told = FolderLock::of_server(&path, folder.path()).await.err().unwrap().to_string();
        assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
        drop(server);
        assert!(FolderLock::of_command(&path).unwrap().is_some());
    }
}
