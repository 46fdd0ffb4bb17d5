//! The programs: npm packages in `.tools/node`, installed once by the same script that `make test` calls.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::paths;

/// Where the programs are.
pub(super) struct Programs {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
    pub postgrest: PathBuf,
}

impl Programs {
    /// The installed ones; copies in the folder `elsewhere` when another user has to run them and may not read them there.
    pub(super) fn found(elsewhere: Option<&Path>) -> Self {
        let packages = packages();
        let entries = |folder: &Path| fs::read_dir(folder).expect("the package is installed").filter_map(Result::ok);
        let mut natives = entries(&packages.join("@embedded-postgres")).map(|package| package.path().join("native"));
        let mut programs = entries(&packages).map(|package| package.path().join("postgrest"));
        let native = natives.find(|native| native.is_dir()).expect("there is a PostgreSQL for this machine");
        let postgrest = programs.find(|file| file.is_file()).expect("there is a PostgREST for this machine");
        let readable = |path: PathBuf| match elsewhere {
            Some(folder) if !is_open_to_all(&packages) => copied(&path, folder),
            Some(_) | None => path,
        };
        let (bin, postgrest) = (readable(native).join("bin"), readable(postgrest));
        Self { initdb: bin.join("initdb"), postgres: bin.join("postgres"), postgrest }
    }
}

fn copied(path: &Path, folder: &Path) -> PathBuf {
    let copied = Command::new("cp").arg("-a").arg(path).arg(folder).status();
    assert!(copied.is_ok_and(|status| status.success()), "{} can't be copied", path.display());
    folder.join(path.file_name().expect("the path ends with a name"))
}

/// Where packages are. Test programs that find none at the same time wait for the one that installs them.
fn packages() -> PathBuf {
    let project = paths::project();
    fs::create_dir_all(project.join(".tools")).expect("the project's folder can be written");
    let lock = File::create(project.join(".tools").join("node.lock")).expect("the project's folder can be written");
    lock.lock().expect("a file can be locked");
    let installed = Command::new(project.join(".ci").join("install-tools.sh")).arg("supabase").output();
    let installed = installed.expect("there is a shell");
    assert!(
        installed.status.success(),
        "PostgreSQL and PostgREST can't be installed; is npm there? {}",
        String::from_utf8_lossy(&installed.stderr)
    );
    project.join(".tools").join("node").join("node_modules")
}

/// Whether any user may read what lies at the path.
fn is_open_to_all(path: &Path) -> bool {
    path.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0))
}
