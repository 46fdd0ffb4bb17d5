//! The two servers: PostgreSQL over a folder of its own, and PostgREST before it.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::Process;
use super::tools::Programs;

/// PostgreSQL refuses to run as root: then this user runs it, `nobody` of most systems.
const NOBODY: u32 = 65534;

pub(super) struct Cluster {
    // The order of the fields is that in which they end.
    postgrest: Option<Process>,
    postgres: Option<Process>,
    folder: TempDir,
    programs: Programs,
    as_nobody: bool,
    database_port: u16,
    api_port: u16,
}

impl Cluster {
    /// An empty database that is not started yet.
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("tandem-supabase-").tempdir().expect("a folder can be made");
        let as_nobody = std::fs::metadata(folder.path()).is_ok_and(|made| made.uid() == 0);
        if as_nobody {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give folders away");
        }
        let cluster = Self {
            postgrest: None,
            postgres: None,
            programs: Programs::found(as_nobody.then_some(folder.path())),
            as_nobody,
            database_port: free_port(),
            api_port: free_port(),
            folder,
        };
        let mut initdb = cluster.command(&cluster.programs.initdb);
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--pgdata"]);
        let made = initdb.arg(cluster.data()).output().expect("initdb can be started");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        cluster
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    /// Where the database is for a user of it.
    pub(super) fn database(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.database_port)
    }

    pub(super) fn start_postgres(&mut self) {
        let program = &self.programs.postgres;
        let port = self.database_port.to_string();
        let mut words = vec![program.display().to_string(), "-D".to_owned(), self.data().display().to_string()];
        words.extend(["-p".to_owned(), port]);
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=16MB"];
        words.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
        self.postgres = Some(Process::start(self.command(Path::new("/bin/sh")), "QUIT", &self.log_file(), &words));
    }

    pub(super) fn start_postgrest(&mut self, secret: &str, max_rows: u32) {
        let mut shell = self.command(Path::new("/bin/sh"));
        shell
            .env("PGRST_DB_URI", self.database("authenticator"))
            .env("PGRST_DB_SCHEMAS", "public")
            .env("PGRST_DB_ANON_ROLE", "anon")
            .env("PGRST_DB_MAX_ROWS", max_rows.to_string())
            .env("PGRST_JWT_SECRET", secret)
            .env("PGRST_SERVER_HOST", "127.0.0.1")
            .env("PGRST_SERVER_PORT", self.api_port.to_string())
            .env("PGRST_LOG_LEVEL", "error");
        let words = [self.programs.postgrest.display().to_string()];
        self.postgrest = Some(Process::start(shell, "TERM", &self.log_file(), &words));
    }

    pub(super) fn runs_postgrest(&self) -> bool {
        self.postgrest.is_some()
    }

    pub(super) fn stop_postgres(&mut self) {
        self.postgres = None;
    }

    pub(super) fn kill_postgres(&mut self) {
        if let Some(process) = self.postgres.take() {
            process.kill();
        }
    }

    pub(super) fn stop_postgrest(&mut self) {
        self.postgrest = None;
    }

    pub(super) fn kill_postgrest(&mut self) {
        if let Some(process) = self.postgrest.take() {
            process.kill();
        }
    }

    /// What the servers said.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program that runs in the cluster's folder, with no environment of this process, as a user that PostgreSQL takes.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C");
        if self.as_nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    probe.local_addr().expect("it has an address").port()
}
