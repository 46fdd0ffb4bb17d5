//! The table inside this process, for `tandem dev` and tests: an engine that speaks DynamoDB's protocol on a loopback
//! port, so that the code that runs is the code that is deployed.

use std::path::Path;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use dynoxide::{Database, server};
use tandem_core::error::{Failure, FailureKind, Result};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::store::table::{client, create_table};
use crate::store::{Meter, Table};

/// The name of the table in the engine.
const NAME: &str = "tandem";

/// How often expired items are deleted; DynamoDB itself takes longer.
const SWEEP: Duration = Duration::from_secs(60);

/// A running engine with the table in it. It stops when this is dropped.
pub struct LocalTable {
    endpoint: String,
    table: Table,
    meter: Meter,
    tasks: [JoinHandle<()>; 2],
}

impl LocalTable {
    /// A table that is gone with the process.
    ///
    /// # Errors
    /// `Misconfigured` when the engine can't be started.
    pub async fn in_memory() -> Result<Self> {
        Self::start(Database::memory().map_err(|_| unusable("the embedded table can't be opened in memory"))?).await
    }

    /// A table in a file, which is made when it is not there. What it acknowledged survives a killed process.
    ///
    /// # Errors
    /// `Misconfigured` when the file can't be used or the engine can't be started.
    pub async fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let database = Database::new(&name.to_string());
        Self::start(database.map_err(|e| unusable(format!("the embedded table can't be opened at {name}: {e}")))?).await
    }

    async fn start(database: Database) -> Result<Self> {
        // Otherwise the engine forces every write to the disk, at five times the cost. As it is, an acknowledged write
        // survives the process, if not a power cut.
        database.disable_bulk_loading().map_err(|_| unusable("the embedded table does not take its settings"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_port)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(no_port)?);
        let tasks = [tokio::spawn(server::serve_on(listener, database.clone())), tokio::spawn(sweep_expired(database))];
        let meter = Meter::default();
        let table = Table::new(client(&loopback(&endpoint), Some(meter.clone())), NAME);
        let local = Self { endpoint, table, meter, tasks };
        create_table(&local.table).await?;
        Ok(local)
    }

    /// The table of an engine that runs in another process of this machine.
    #[must_use]
    pub fn attach(endpoint: &str) -> Table {
        Table::new(client(&loopback(endpoint), None), NAME)
    }

    /// Where the engine listens: a value for `AWS_ENDPOINT_URL_DYNAMODB`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Counts the calls that are made through [`LocalTable::table`].
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Drop for LocalTable {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The engine takes any credentials.
fn loopback(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local table");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

async fn sweep_expired(database: Database) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let database = database.clone();
        // What one sweep leaves, the next one finds.
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            tracing::warn!(%error, "expired items were not deleted");
        }
    }
}

fn no_port(error: std::io::Error) -> Failure {
    unusable(format!("the embedded table gets no loopback port: {error}"))
}

fn unusable(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Misconfigured, message)
}
