//! Files and folders of a local installation, which hold personal data and secrets: for their owner alone.

use std::fs::{DirBuilder, OpenOptions, Permissions, set_permissions};
use std::io::{Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes an empty file unless it is there, and closes it to others.
///
/// # Errors
/// Those of the file system.
pub fn make(path: &Path) -> Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    // It may be older than this rule.
    set_permissions(path, Permissions::from_mode(0o600))
}

/// Puts `text` in the place of whatever the file held; who reads it meanwhile sees the one or the other.
///
/// # Errors
/// Those of the file system.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    make(&fresh)?;
    OpenOptions::new().write(true).truncate(true).open(&fresh)?.write_all(text.as_bytes())?;
    std::fs::rename(fresh, path)
}

/// Makes a folder, and those above it, unless they are there, and closes it to others.
///
/// # Errors
/// Those of the file system.
pub fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    set_permissions(path, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_and_what_was_there_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/data");
        std::fs::create_dir_all(&data).unwrap();
        set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        make_folder(&data).unwrap();
        let (old, new) = (data.join("old"), data.join("new"));
        std::fs::write(&old, "kept").unwrap();
        set_permissions(&old, Permissions::from_mode(0o644)).unwrap();
        make(&old).unwrap();
        replace(&new, "one").unwrap();
        replace(&new, "two").unwrap();
        assert_eq!([mode(&data), mode(&old), mode(&new)], [0o700, 0o600, 0o600]);
        assert_eq!(
            (std::fs::read_to_string(old).unwrap(), std::fs::read_to_string(new).unwrap()),
            ("kept".into(), "two".into())
        );
    }
}
