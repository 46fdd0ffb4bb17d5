//! A queue for one process: a SQLite file instead of SQS, with the same promises. A message that was sent is delivered at
//! least once, is hidden while it is worked on, and comes back when its worker died.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::jobs::message::Job;
use tandem_core::ports::{Clock, JobQueue, QueueDepth};
use tokio::sync::Notify;

use crate::store::failure::storage;

/// `visible_at` is in milliseconds. Ids are never used again, so that a late receipt can't hit another message.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        body TEXT NOT NULL,
        visible_at INTEGER NOT NULL,
        receives INTEGER NOT NULL DEFAULT 0,
        in_flight INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (visible_at);
    CREATE TABLE IF NOT EXISTS buried (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
";

/// A queue in a file or in memory. Clones are the same queue.
#[derive(Clone)]
pub struct LocalQueue {
    connection: Arc<Mutex<Connection>>,
    clock: Arc<dyn Clock>,
    sent: Arc<Notify>,
}

/// A message that is hidden from other receivers until its visibility time ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// What was sent.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    id: i64,
}

/// How many messages there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages to be received, now or after their delay.
    pub waiting: u64,
    /// Messages that are hidden because somebody works on them.
    pub in_flight: u64,
    /// Messages that were no jobs.
    pub buried: u64,
}

impl LocalQueue {
    /// A queue that is gone with the process.
    ///
    /// # Errors
    /// `Misconfigured` when SQLite can't be used.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self> {
        Self::over(Connection::open_in_memory(), clock)
    }

    /// A queue in a file, which is made when it is not there, for its owner alone.
    ///
    /// # Errors
    /// `Misconfigured` when the file can't be used.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        crate::private_files::make(path).map_err(|error| {
            Failure::new(FailureKind::Misconfigured, format!("the local queue can't be opened: {error}"))
        })?;
        Self::over(Connection::open(path), clock)
    }

    fn over(opened: rusqlite::Result<Connection>, clock: Arc<dyn Clock>) -> Result<Self> {
        let connection = opened.and_then(prepared).map_err(|error| {
            Failure::new(FailureKind::Misconfigured, format!("the local queue can't be opened: {error}"))
        })?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), clock, sent: Arc::default() })
    }

    /// Takes at most `most` messages and hides them for `visibility`.
    ///
    /// # Errors
    /// `Storage` when the file fails; so do all methods below.
    pub async fn receive(&self, most: usize, visibility: Duration) -> Result<Vec<Received>> {
        let (now, most) = (self.now(), i64::try_from(most).unwrap_or(i64::MAX));
        self.blocking(move |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE messages SET visible_at = ?1, receives = receives + 1, in_flight = 1
                 WHERE id IN (SELECT id FROM messages WHERE visible_at <= ?2 ORDER BY visible_at, id LIMIT ?3)
                 RETURNING id, body, receives",
            )?;
            statement.query_map(params![later(now, visibility), now, most], received)?.collect()
        })
        .await
    }

    /// Forgets a message that is finished with. Does nothing when it was received again since.
    pub async fn delete(&self, message: &Received) -> Result<()> {
        let (id, receives) = message.receipt();
        self.blocking(move |connection| {
            connection.execute("DELETE FROM messages WHERE id = ?1 AND receives = ?2", params![id, receives])
        })
        .await
        .map(drop)
    }

    /// Hides a message for this time from now on. Does nothing when it was received again since.
    pub async fn postpone(&self, message: &Received, delay: Duration) -> Result<()> {
        let ((id, receives), visible_at) = (message.receipt(), later(self.now(), delay));
        self.blocking(move |connection| {
            let change = "UPDATE messages SET visible_at = ?3, in_flight = 0 WHERE id = ?1 AND receives = ?2";
            connection.execute(change, params![id, receives, visible_at])
        })
        .await
        .map(drop)
    }

    /// Puts a message that is no job aside, for a person to look at.
    pub async fn bury(&self, message: &Received) -> Result<()> {
        let (id, receives) = message.receipt();
        self.blocking(move |connection| {
            let transaction = connection.transaction()?;
            let of_message = "FROM messages WHERE id = ?1 AND receives = ?2";
            transaction
                .execute(&format!("INSERT INTO buried (body) SELECT body {of_message}"), params![id, receives])?;
            transaction.execute(&format!("DELETE {of_message}"), params![id, receives])?;
            transaction.commit()
        })
        .await
    }

    /// Makes messages visible again that a dead process was working on. Only for the one process that receives.
    pub async fn recover(&self) -> Result<()> {
        let now = self.now();
        self.blocking(move |connection| {
            connection.execute("UPDATE messages SET visible_at = ?1, in_flight = 0 WHERE in_flight = 1", params![now])
        })
        .await
        .map(drop)
    }

    /// How many messages there are.
    pub async fn counts(&self) -> Result<Counts> {
        let now = self.now();
        self.blocking(move |connection| {
            connection.query_row(
                "SELECT count(*) FILTER (WHERE NOT (in_flight AND visible_at > ?1)),
                        count(*) FILTER (WHERE in_flight AND visible_at > ?1),
                        (SELECT count(*) FROM buried)
                 FROM messages",
                params![now],
                |row| Ok(Counts { waiting: row.get(0)?, in_flight: row.get(1)?, buried: row.get(2)? }),
            )
        })
        .await
    }

    /// When the oldest job was queued.
    async fn oldest(&self) -> Result<Option<Timestamp>> {
        let oldest = self.blocking(|connection| {
            connection.query_row(
                "SELECT min(json_extract(body, '$.queued_at')) FROM messages WHERE json_valid(body)",
                [],
                |row| row.get::<_, Option<String>>(0),
            )
        });
        Ok(oldest.await?.and_then(|text| text.parse().ok()))
    }

    /// Returns when a message was sent since the last call.
    pub async fn sent(&self) {
        self.sent.notified().await;
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// Runs statements where they may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || work(&mut locked(&connection))).await;
        // SQLite's words name tables and files, never values: those are bound as parameters.
        done.map_err(|_| storage("the local queue was interrupted"))?
            .map_err(|error| storage(format!("the local queue failed: {error}")))
    }
}

impl Received {
    /// Tells this receive from others of the same message.
    fn receipt(&self) -> (i64, u32) {
        (self.id, self.receives)
    }
}

fn received(row: &Row<'_>) -> rusqlite::Result<Received> {
    Ok(Received { id: row.get(0)?, body: row.get(1)?, receives: row.get(2)? })
}

/// In WAL mode with `NORMAL`, a commit is with the operating system when it returns: it survives the process's death. Only
/// a power cut can take the last moments, from the embedded table beside it as well.
fn prepared(connection: Connection) -> rusqlite::Result<Connection> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// A panic while the lock was held leaves no half-done statement: SQLite rolls it back.
fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn later(now: i64, delay: Duration) -> i64 {
    now.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
}

#[async_trait]
impl JobQueue for LocalQueue {
    async fn send(&self, job: &Job, delay: Duration) -> Result<()> {
        let body = serde_json::to_string(job).map_err(|_| storage("a job could not be written as JSON"))?;
        let visible_at = later(self.now(), delay);
        self.blocking(move |connection| {
            connection.execute("INSERT INTO messages (body, visible_at) VALUES (?1, ?2)", params![body, visible_at])
        })
        .await?;
        self.sent.notify_one();
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        self.counts().await.map(drop)
    }

    async fn depth(&self) -> Result<QueueDepth> {
        let Counts { waiting, in_flight, .. } = self.counts().await?;
        Ok(QueueDepth { waiting, in_flight, oldest_queued_at: self.oldest().await? })
    }
}
