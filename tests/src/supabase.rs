//! A real PostgreSQL with a real PostgREST before it: the data API of a Supabase project, with Supabase's roles, a shop's
//! tables under row-level security, and what `docs/supabase.sql` makes. Nothing of it outlives the process that started it.

mod cluster;
mod keys;
mod process;
mod tools;

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use futures::SinkExt;
use tokio_postgres::SimpleQueryMessage;

use crate::paths;
use cluster::Cluster;
use keys::Keys;

/// The columns of a row as text; `None` for null.
pub type SqlRow = Vec<Option<String>>;

/// How long a server may take until it answers. PostgREST waits ever longer between its attempts to reach PostgreSQL.
const READY: Duration = Duration::from_secs(60);

/// A running project.
pub struct Supabase {
    cluster: Cluster,
    keys: Keys,
    max_rows: u32,
}

impl Supabase {
    /// A project with the shop's tables, empty, and Tandem's. Installs PostgreSQL and PostgREST first if they are not there.
    ///
    /// # Panics
    /// When it can't be started: npm is missing, or the machine does not let it run.
    pub async fn start() -> Self {
        let mut project = Self { cluster: Cluster::new(), keys: Keys::random(), max_rows: 1000 };
        project.cluster.start_postgres();
        project.until_postgres_answers().await;
        project.run_file(&paths::data("supabase-shop.sql")).await;
        project.run_file(&paths::project().join("docs").join("supabase.sql")).await;
        project.start_postgrest().await;
        project
    }

    /// The address of PostgREST, without `/rest/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.url()
    }

    /// The key that passes row-level security by.
    #[must_use]
    pub fn service_key(&self) -> String {
        self.keys.of_role("service_role")
    }

    /// The key that browsers have.
    #[must_use]
    pub fn anon_key(&self) -> String {
        self.keys.of_role("anon")
    }

    /// A key that another project gave out.
    #[must_use]
    pub fn foreign_key(&self) -> String {
        Keys::random().of_role("service_role")
    }

    /// Runs SQL as the owner of the database; gives the rows of all statements.
    ///
    /// # Panics
    /// When PostgreSQL refuses it, with its words.
    pub async fn sql(&self, text: &str) -> Vec<SqlRow> {
        let (client, connection) = self.connection().await.expect("PostgreSQL takes connections");
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        drop(client);
        connection.await.expect("the connection ends").expect("the connection ends well");
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()).collect()
    }

    /// The only value of the only row.
    ///
    /// # Panics
    /// When there is no row, or its value is null.
    pub async fn value(&self, text: &str) -> String {
        self.sql(text).await.into_iter().flatten().next().flatten().unwrap_or_else(|| panic!("{text}: no value"))
    }

    /// Puts at most `limit` customers of a CSV file into `customer_profiles`, and their addresses into `customer_emails`.
    /// The file's header names the columns. Gives their number.
    ///
    /// # Panics
    /// When the file can't be read or does not fit.
    pub async fn load_customers(&self, file: &Path, limit: usize) -> usize {
        let mut reader = csv::Reader::from_path(file).expect("the file is there");
        let columns = reader.headers().expect("the file has a header").iter().collect::<Vec<_>>().join(",");
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut count = 0;
        for record in reader.records().take(limit) {
            writer.write_record(&record.expect("the file is CSV")).expect("memory takes it");
            count += 1;
        }
        let text = writer.into_inner().expect("memory takes it");
        self.copy(&format!("copy customer_profiles ({columns}) from stdin with (format csv)"), text).await;
        self.sql(
            "insert into customer_emails (customer_id, email) select id, email from customer_profiles as profile
             where email is not null and not exists (select from customer_emails where customer_id = profile.id)",
        )
        .await;
        count
    }

    /// Stops PostgreSQL and starts it again over the same data; waits until PostgREST reaches it.
    pub async fn restart_postgres(&mut self) {
        self.stop_postgres();
        self.start_postgres().await;
    }

    /// Stops PostgreSQL.
    pub fn stop_postgres(&mut self) {
        self.cluster.stop_postgres();
    }

    /// Kills PostgreSQL (kill -9).
    pub fn kill_postgres(&mut self) {
        self.cluster.kill_postgres();
    }

    /// Starts PostgreSQL after it was stopped or killed; waits until PostgREST reaches it, if that runs.
    ///
    /// # Panics
    /// When one of them does not get ready within a minute.
    pub async fn start_postgres(&mut self) {
        self.cluster.start_postgres();
        self.until_postgres_answers().await;
        if self.cluster.runs_postgrest() {
            self.until_postgrest_answers().await;
        }
    }

    /// Stops PostgREST and starts it again. It knows tables and columns anew then.
    pub async fn restart_postgrest(&mut self) {
        self.stop_postgrest();
        self.start_postgrest().await;
    }

    /// As [`Supabase::restart_postgrest`], with another largest number of rows of an answer; Supabase's default is 1000.
    pub async fn restart_postgrest_with_max_rows(&mut self, rows: u32) {
        self.max_rows = rows;
        self.restart_postgrest().await;
    }

    /// Stops PostgREST.
    pub fn stop_postgrest(&mut self) {
        self.cluster.stop_postgrest();
    }

    /// Kills PostgREST (kill -9).
    pub fn kill_postgrest(&mut self) {
        self.cluster.kill_postgrest();
    }

    /// Starts PostgREST after it was stopped or killed.
    ///
    /// # Panics
    /// When it does not get ready within a minute.
    pub async fn start_postgrest(&mut self) {
        self.cluster.start_postgrest(self.keys.secret(), self.max_rows);
        self.until_postgrest_answers().await;
    }

    async fn run_file(&self, file: &Path) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.sql(&text).await;
    }

    async fn copy(&self, statement: &str, text: Vec<u8>) {
        let (client, connection) = self.connection().await.expect("PostgreSQL takes connections");
        let connection = tokio::spawn(connection);
        let sink = client.copy_in::<_, Cursor<Vec<u8>>>(statement).await.expect("the columns are there");
        let mut sink = std::pin::pin!(sink);
        sink.send(Cursor::new(text)).await.expect("PostgreSQL reads on");
        sink.finish().await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        drop(client);
        connection.await.expect("the connection ends").expect("the connection ends well");
    }

    async fn connection(
        &self,
    ) -> Result<
        (tokio_postgres::Client, tokio_postgres::Connection<tokio_postgres::Socket, tokio_postgres::tls::NoTlsStream>),
        tokio_postgres::Error,
    > {
        tokio_postgres::connect(&self.cluster.database("postgres"), tokio_postgres::NoTls).await
    }

    async fn until_postgres_answers(&self) {
        let answers = async {
            while self.connection().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ready = tokio::time::timeout(READY, answers).await;
        assert!(ready.is_ok(), "PostgreSQL does not answer:\n{}", self.cluster.log());
    }

    async fn until_postgrest_answers(&self) {
        let client = reqwest::Client::new();
        let address = format!("{}/mautic_sync_logs?limit=0", self.url());
        let answers = async {
            loop {
                let answer = client.get(&address).bearer_auth(self.service_key()).send().await;
                if answer.is_ok_and(|answer| !answer.status().is_server_error()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ready = tokio::time::timeout(READY, answers).await;
        assert!(ready.is_ok(), "PostgREST does not answer:\n{}", self.cluster.log());
    }
}

impl std::fmt::Debug for Supabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supabase").field("url", &self.url()).finish_non_exhaustive()
    }
}
