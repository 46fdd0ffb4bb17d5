//! `tandem dev` as a process of its own, to be killed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::client::Caller;
use crate::paths;
use crate::system::KEY;

/// How a `tandem dev` is started, again and again over the same data.
#[derive(Clone, Debug)]
pub struct DevServer {
    data_dir: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
    scheduled: bool,
}

impl DevServer {
    /// A server over `data_dir` on a port that is free now, with these environment variables and no other setting.
    ///
    /// # Panics
    /// When the machine has no free port.
    #[must_use]
    pub fn new(data_dir: &Path, environment: Vec<(String, String)>) -> Self {
        let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = probe.local_addr().expect("an address").port();
        Self { data_dir: data_dir.to_owned(), port, environment, scheduled: true }
    }

    /// The same without its schedule: it does what it is called for and what it queued, and no run makes lists in Mautic.
    #[must_use]
    pub fn without_schedule(mut self) -> Self {
        self.scheduled = false;
        self
    }

    /// The same with a variable more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A caller of the server.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::new(&self.url(), KEY)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// What went wrong, as a sentence.
    pub async fn start(&self) -> Result<Child, String> {
        let program = paths::program("tandem");
        let child = Command::new(&program)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .args(["dev", "--port", &self.port.to_string()])
            .args((!self.scheduled).then_some("--no-schedule"))
            .env("TANDEM_API_KEY", KEY)
            .env("TANDEM_LOG", "error")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} can't be started: {error}", program.display()))?;
        if self.caller().until_ready().await { Ok(child) } else { Err("tandem dev did not get ready".to_owned()) }
    }
}
