//! The file that outlives the process.
//!
//! One JSON document a line: a row as it is now, or null for a row that is gone. A line is handed to the operating
//! system before the answer that depends on it goes out, so a killed process loses nothing that it answered. A torn last
//! line was never answered and is skipped.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde_json::Value;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Reads what an earlier process left, then opens the file for more.
    pub(crate) fn open(path: &Path, mut restore: impl FnMut(&Value)) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if let Ok(old) = File::open(path) {
            for line in BufReader::new(old).split(b'\n') {
                if let Ok(line) = serde_json::from_slice(&line?) {
                    restore(&line);
                }
            }
        }
        let file = append_to(path)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends lines in one write.
    pub(crate) fn append(&mut self, lines: &[Value]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.file.write_all(&encode(lines))
    }

    /// Replaces the file by one that holds only what counts now. A crash leaves the old file or the new one.
    pub(crate) fn compact(&mut self, lines: &[Value]) -> io::Result<()> {
        let fresh = self.path.with_extension("compact");
        let mut file = append_to(&fresh)?;
        // A process that died in the middle of this leaves its own.
        file.set_len(0)?;
        file.write_all(&encode(lines))?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.file = file;
        Ok(())
    }
}

/// Opens a file for more, and closes it to others: what it holds are people, if made-up ones.
fn append_to(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // It may be older than this rule.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn encode(lines: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(line.to_string().as_bytes());
        bytes.push(b'\n');
    }
    bytes
}
