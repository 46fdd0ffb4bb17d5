//! The installation that a command works on: a deployed one, the running `tandem dev`, or the data of a stopped one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_app::config::{Config, Environment};
use tandem_app::local_table::{LocalAccess, LocalTable};
use tandem_app::private_files;
use tandem_app::queue::local::LocalQueue;
use tandem_app::queue::sqs::{self, SqsQueue};
use tandem_app::store::{Act, Table, table};
use tandem_app::system::{SystemClock, SystemEntropy, new_key};
use tandem_app::wiring::Foundation;
use tandem_core::error::{Failure, FailureKind};
use tandem_core::ports::{Clock, Entropy};
use tandem_core::sync::services::Desk;

use crate::control;
use crate::failure::CommandError;
use crate::lock::FolderLock;

/// The files of a local installation.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes the folder when it is not there, for its owner alone: what is in it is personal.
    pub fn open(path: &Path) -> Result<Self, CommandError> {
        private_files::make_folder(path).map_err(CommandError::file(path))?;
        Ok(Self(path.to_owned()))
    }

    /// The embedded table.
    pub fn table(&self) -> PathBuf {
        self.0.join("table.db")
    }

    /// The local queue.
    pub fn queue(&self) -> PathBuf {
        self.0.join("queue.db")
    }

    /// The simulated Mautic's state.
    pub fn simulator(&self) -> PathBuf {
        self.0.join("mautic-simulator.journal")
    }

    /// Sets what the environment leaves open: the API key, the webhook's secret and the key that seals credentials, made the first
    /// time and kept; and that a platform on this machine may be called.
    pub fn complete(&self, environment: &mut Environment) -> Result<(), CommandError> {
        for (variable, file) in MADE {
            if environment.get(&[variable]).is_none() {
                environment.set(variable, self.secret(file)?);
            }
        }
        if environment.get(&["TANDEM_ALLOW_PRIVATE_TARGETS"]).is_none() {
            environment.set("TANDEM_ALLOW_PRIVATE_TARGETS", "true".to_owned());
        }
        Ok(())
    }

    fn secret(&self, file: &str) -> Result<String, CommandError> {
        let path = self.0.join(file);
        if let Ok(secret) = std::fs::read_to_string(&path) {
            return Ok(secret.trim().to_owned());
        }
        let secret = new_key();
        private_files::replace(&path, &format!("{}\n", secret.reveal())).map_err(CommandError::file(&path))?;
        Ok(secret.reveal().to_owned())
    }

    /// Where the running `tandem dev` is.
    pub fn running(&self) -> PathBuf {
        self.0.join("running.json")
    }

    /// The socket by which it tells its configuration.
    pub fn control(&self) -> PathBuf {
        self.0.join("control.socket")
    }

    /// The right of a server to the folder, which nobody shares.
    pub async fn lock_as_server(&self) -> Result<FolderLock, CommandError> {
        FolderLock::of_server(&self.0.join("lock"), &self.0).await
    }

    /// Who has the folder: this command, or a server that runs. One that is just starting is waited for.
    async fn held(&self) -> Result<Held, CommandError> {
        for _ in 0..STARTING {
            if let Some(lock) = FolderLock::of_command(&self.0.join("lock"))? {
                return Ok(Held::ByThis(lock));
            }
            if let Some(running) = Running::find(self).await {
                return Ok(Held::ByServer(running));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(CommandError::Undone(format!(
            "{} is in use, and no server answers: stop what uses it, or choose another folder with --data-dir",
            self.0.display()
        )))
    }
}

/// What is made the first time, and in which file it is kept.
const MADE: [(&str, &str); 3] =
    [("TANDEM_API_KEY", "api-key"), ("MAUTIC_WEBHOOK_SECRET", "webhook-secret"), ("TANDEM_DATA_KEY", "data-key")];

/// Who has a data folder.
enum Held {
    ByThis(FolderLock),
    ByServer(Running),
}

/// How often a server is looked for that is just starting, and the pause between.
const STARTING: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What a running `tandem dev` says of itself, for other commands of the same user: with it the table can be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Running {
    /// Where it serves.
    pub url: String,
    /// Its embedded table.
    pub table: LocalAccess,
    /// The simulated Mautic, when there is one.
    pub simulator: Option<String>,
    /// The socket by which it tells its configuration.
    pub control: PathBuf,
    /// Its process.
    pub pid: u32,
}

impl Running {
    /// What the folder's `tandem dev` says of itself, if its table answers.
    async fn find(data: &DataDir) -> Option<Self> {
        let text = std::fs::read_to_string(data.running()).ok()?;
        let running: Self = serde_json::from_str(&text).ok()?;
        let address = running.table.endpoint.strip_prefix("http://")?.to_owned();
        tokio::net::TcpStream::connect(address).await.ok().map(|_| running)
    }
}

/// An open installation.
pub struct Installation {
    /// Its parts.
    pub foundation: Foundation,
    /// The queue of a local one; a deployed one has SQS.
    pub local_queue: Option<LocalQueue>,
    /// The secret that Mautic's deliveries are signed with.
    pub webhook_secret: Option<String>,
    _embedded: Option<(LocalTable, FolderLock)>,
}

impl Installation {
    /// Opens the deployed installation that `TANDEM_TABLE` names, else the local one. Beside a running server its
    /// configuration counts, and not that of this process.
    pub async fn open(data_dir: &Path, environment: &Environment) -> Result<Self, CommandError> {
        Self::open_with(data_dir, environment, &[]).await
    }

    /// The same with settings that go before all others.
    pub async fn open_with(
        data_dir: &Path,
        environment: &Environment,
        settings: &[(&str, &str)],
    ) -> Result<Self, CommandError> {
        let mut environment = environment.clone();
        let set = |environment: &mut Environment| {
            settings.iter().for_each(|(name, value)| environment.set(name, (*value).to_owned()));
        };
        if environment.get(&["TANDEM_TABLE"]).is_some() {
            set(&mut environment);
            return Self::deployed(&environment).await;
        }
        let data = DataDir::open(data_dir)?;
        let held = data.held().await?;
        if let Held::ByServer(running) = &held {
            control::take_over(&running.control, &mut environment)?;
        }
        set(&mut environment);
        data.complete(&mut environment)?;
        let config = Config::read(&environment)?;
        let queue = LocalQueue::open(&data.queue(), Arc::new(SystemClock))?;
        let (table, embedded) = match held {
            Held::ByServer(running) => (LocalTable::attach(&running.table), None),
            Held::ByThis(lock) => {
                let embedded = LocalTable::open(&data.table()).await?;
                (embedded.table().clone(), Some((embedded, lock)))
            }
        };
        let webhook_secret = webhook_secret(&environment);
        let foundation = Foundation::open(config, table, Arc::new(queue.clone())).await?.with_rules_in_use().await?;
        environment.warn_of_unknown_names();
        Ok(Self { foundation, local_queue: Some(queue), webhook_secret, _embedded: embedded })
    }

    /// The desk of the default integration, for what needs Mautic.
    pub fn desk(&self) -> Result<Desk, CommandError> {
        self.foundation.desk()?.ok_or_else(CommandError::no_mautic)
    }

    async fn deployed(environment: &Environment) -> Result<Self, CommandError> {
        let config = Config::read(environment)?;
        let shared = aws_config::load_from_env().await;
        let url = config.queue_url.clone();
        let url = url.ok_or_else(|| {
            Failure::new(FailureKind::Misconfigured, "TANDEM_QUEUE_URL is missing beside TANDEM_TABLE")
        })?;
        let queue = Arc::new(SqsQueue::new(sqs::client(&shared), &url));
        let table = Table::new(table::client(&shared, None), &config.table);
        let webhook_secret = webhook_secret(environment);
        let foundation = Foundation::open(config, table, queue).await?.with_rules_in_use().await?;
        environment.warn_of_unknown_names();
        Ok(Self { foundation, local_queue: None, webhook_secret, _embedded: None })
    }
}

/// Who works at this command now, for audit entries.
pub fn at_the_command() -> Act {
    let id = SystemEntropy.id();
    Act { by: "tandem".to_owned(), at: SystemClock.now(), id: id.clone(), correlation_id: id }
}

fn webhook_secret(environment: &Environment) -> Option<String> {
    environment.get(&["MAUTIC_WEBHOOK_SECRET"]).map(str::to_owned)
}

/// Points an environment that configures no Mautic at the simulated one.
pub fn simulated(environment: &mut Environment, base_url: String) {
    environment.set("MAUTIC_BASE_URL", base_url);
    environment.set("MAUTIC_CLIENT_ID", SIMULATED_CLIENT.0.to_owned());
    environment.set("MAUTIC_CLIENT_SECRET", SIMULATED_CLIENT.1.to_owned());
}

/// The credentials that the simulator accepts.
pub const SIMULATED_CLIENT: (&str, &str) = ("1_demo", "demo-secret");
