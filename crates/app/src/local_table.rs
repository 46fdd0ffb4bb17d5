//! The table inside this process, for `tandem dev` and tests: an engine that speaks DynamoDB's protocol on a loopback
//! port, so that the code that runs is the code that is deployed.

mod endpoint;
mod engine;

use std::path::Path;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use dynoxide::Database;
use serde::{Deserialize, Serialize};
use tandem_core::error::{Failure, FailureKind, Result};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::store::failure::storage;
use crate::store::table::{client, create_table};
use crate::store::{Meter, Table};

/// The name of the table in the engine.
const NAME: &str = "tandem";

/// How often expired items are deleted; DynamoDB itself takes longer.
const SWEEP: Duration = Duration::from_secs(60);

/// Where an engine listens, and what a caller has to show there. Whoever has both can read and write the whole table.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalAccess {
    /// A value for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub endpoint: String,
    /// A value for `AWS_ACCESS_KEY_ID`: random, and another one for every start.
    pub access_key_id: String,
}

/// The credential is secret.
impl std::fmt::Debug for LocalAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalAccess").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A running engine with the table in it. It stops when this is dropped.
pub struct LocalTable {
    database: Database,
    access: LocalAccess,
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

    /// A table in a file, which is made when it is not there, for its owner alone. What it acknowledged survives a killed
    /// process.
    ///
    /// # Errors
    /// `Misconfigured` when the file can't be used or the engine can't be started.
    pub async fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let unopened =
            |e: &dyn std::fmt::Display| unusable(format!("the embedded table can't be opened at {name}: {e}"));
        crate::private_files::make(path).map_err(|e| unopened(&e))?;
        let database = Database::new(&name.to_string());
        Self::start(database.map_err(|e| unopened(&e))?).await
    }

    async fn start(database: Database) -> Result<Self> {
        // Otherwise the engine forces every write to the disk, at five times the cost. As it is, an acknowledged write
        // survives the process, if not a power cut.
        database.disable_bulk_loading().map_err(|_| unusable("the embedded table does not take its settings"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let access = LocalAccess { endpoint: format!("http://{address}"), access_key_id: random_key_id() };
        let guard = endpoint::Guard::new(address, &access.access_key_id);
        let tasks = [
            tokio::spawn(endpoint::serve(listener, guard, database.clone())),
            tokio::spawn(sweep_expired(database.clone())),
        ];
        let meter = Meter::default();
        let table = Table::new(client(&loopback(&access), Some(meter.clone())), NAME);
        let local = Self { database, access, table, meter, tasks };
        create_table(&local.table).await?;
        Ok(local)
    }

    /// The table of an engine that runs in another process of this machine.
    #[must_use]
    pub fn attach(access: &LocalAccess) -> Table {
        Table::new(client(&loopback(access), None), NAME)
    }

    /// Where the engine listens, and its credential.
    #[must_use]
    pub fn access(&self) -> &LocalAccess {
        &self.access
    }

    /// Where the engine listens: a value for `AWS_ENDPOINT_URL_DYNAMODB`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// The keys of all items, partition and sort key: the engine of this process can be asked for what DynamoDB itself is never
    /// asked for.
    ///
    /// # Errors
    /// `Storage` when the engine does not answer.
    pub fn keys(&self) -> Result<Vec<(String, String)>> {
        engine::keys(&self.database, NAME).map_err(|_| storage("the embedded table could not be listed"))
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

/// 128 random bits in the letters that such ids consist of.
#[allow(
    clippy::disallowed_methods,
    reason = "a credential is drawn from the machine's own random source, once a start"
)]
fn random_key_id() -> String {
    hex::encode_upper(rand::random::<[u8; 16]>())
}

/// The engine checks the id alone: on the loopback interface a signature would prove no more.
fn loopback(access: &LocalAccess) -> SdkConfig {
    let credentials = Credentials::new(&access.access_key_id, "local", None, None, "local table");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(&access.endpoint)
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
