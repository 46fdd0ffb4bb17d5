//! Where test data and built programs lie.

use std::path::{Path, PathBuf};

/// The folder of this crate, `tests/`.
fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of `tests/data`.
#[must_use]
pub fn data(name: &str) -> PathBuf {
    here().join("data").join(name)
}

/// The top of the project.
#[must_use]
pub fn project() -> PathBuf {
    here().parent().unwrap_or(here()).to_owned()
}

/// The folders of recorded exchanges with real Mautics: the copies in the project.
#[must_use]
pub fn all_recordings() -> PathBuf {
    here().join("recordings")
}

/// The recorded exchanges with a real Mautic 5.1.0.
#[must_use]
pub fn recordings() -> PathBuf {
    all_recordings().join("mautic-5.1.0")
}

/// A program of this workspace in the same profile as the running one, such as `tandem`.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let running = std::env::current_exe().unwrap_or_default();
    let folder = running.parent().unwrap_or(Path::new("."));
    // Test programs lie one folder deeper than the others.
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    profile.join(name)
}

/// A release build of a function, as `make test` makes it; `None` when there is none.
#[must_use]
pub fn release(name: &str) -> Option<PathBuf> {
    let target = program("").parent()?.to_owned();
    let path = std::env::var_os("TANDEM_RELEASE_DIR").map_or_else(|| target.join("release"), PathBuf::from).join(name);
    path.is_file().then_some(path)
}
