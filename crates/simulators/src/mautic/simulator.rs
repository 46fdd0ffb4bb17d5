//! The simulator itself: state, options and switches behind one shared handle.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::Router;

use super::{
    ceiling::Ceiling,
    control::CallCounts,
    cores::Cores,
    faults::Faults,
    journal::Journal,
    options::{MauticOptions, WebhookMode},
    ratelimit::RateLimit,
    router,
    server::{self, RunningMautic},
    store::{Seen, Store},
    table::Journaled,
};

/// Why a simulator could not be made or started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be read or written.
    #[error("the journal cannot be used: {0}")]
    Journal(#[source] io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Where it was to listen.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There is no HTTP client for the webhooks.
    #[error("no HTTP client for webhooks: {0}")]
    Client(#[from] reqwest::Error),
}

/// A simulated Mautic. Cloning it gives another handle to the same one.
#[derive(Debug, Clone)]
pub struct MauticSimulator {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: MauticOptions,
    pub(crate) faults: Faults,
    pub(crate) limit: RateLimit,
    pub(crate) ceiling: Ceiling,
    pub(crate) cores: Cores,
    pub(crate) counts: CallCounts,
    pub(crate) http: reqwest::Client,
    switches: Mutex<Switches>,
    database: Mutex<Database>,
}

/// What a control call can change while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Switches {
    pub(crate) api: bool,
    pub(crate) basic: bool,
    pub(crate) database: bool,
    /// Hosts to which webhooks may go although they are private ones.
    pub(crate) private_hosts: Vec<String>,
    /// How far the clock of the webhook queue is ahead.
    pub(crate) queue_ahead: jiff::SignedDuration,
    pub(crate) base_url: String,
    pub(crate) webhooks: WebhookMode,
}

#[derive(Debug)]
struct Database {
    store: Store,
    journal: Option<Journal>,
}

impl MauticSimulator {
    /// Makes a simulator, with the state that its journal holds if it has one.
    pub fn new(options: MauticOptions) -> Result<Self, StartError> {
        let database = Database::open(&options).map_err(StartError::Journal)?;
        let switches = Switches {
            api: options.api_enabled,
            basic: options.basic_enabled,
            database: true,
            private_hosts: options.private_hosts.clone(),
            queue_ahead: jiff::SignedDuration::ZERO,
            webhooks: options.webhooks,
            base_url: options.base_url.clone().unwrap_or_else(|| "http://127.0.0.1:8080".into()),
        };
        let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(15)).build()?;
        Ok(Self {
            inner: Arc::new(Inner {
                faults: Faults::default(),
                limit: RateLimit::new(options.rate_limit),
                ceiling: Ceiling::new(options.calls_a_second),
                cores: Cores::new(options.cores),
                counts: CallCounts::default(),
                http,
                switches: Mutex::new(switches),
                database: Mutex::new(database),
                options,
            }),
        })
    }

    /// Makes a simulator and serves it on an address; port 0 takes a free one.
    pub async fn start(options: MauticOptions, addr: SocketAddr) -> Result<RunningMautic, StartError> {
        server::start(Self::new(options)?, addr).await
    }

    /// Everything it answers, to be driven without a socket.
    pub fn router(&self) -> Router {
        router::build(self.clone())
    }

    /// The address that it believes to have.
    pub fn base_url(&self) -> String {
        self.switches().base_url
    }

    pub(crate) fn switches(&self) -> Switches {
        lock(&self.inner.switches).clone()
    }

    pub(crate) fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut lock(&self.inner.switches));
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&Store) -> R) -> R {
        look(&lock(&self.inner.database).store)
    }

    /// Changes the state. When this returns, the change is with the operating system, where there is a journal.
    pub(crate) fn write<R>(&self, change: impl FnOnce(&mut Store) -> R) -> R {
        let mut database = lock(&self.inner.database);
        database.store.stop_clock();
        let result = change(&mut database.store);
        database.store.start_clock();
        database.commit();
        result
    }

    /// Changes the state as a call that began when this was there: tags and companies that other calls made since, it does not
    /// find, and makes them once more.
    pub(crate) fn write_as_of<R>(&self, seen: &Seen, change: impl FnOnce(&mut Store) -> R) -> R {
        self.write(|store| {
            store.look_as_of(seen);
            let result = change(store);
            store.look_as_of_now();
            result
        })
    }

    /// Changes the state so much that the journal is better written anew.
    pub(crate) fn rewrite(&self, change: impl FnOnce(&mut Store)) {
        let mut database = lock(&self.inner.database);
        change(&mut database.store);
        database.compact();
    }
}

impl Database {
    fn open(options: &MauticOptions) -> io::Result<Self> {
        let mut store = Store::fresh(options.version);
        let Some(path) = &options.journal else { return Ok(Self { store, journal: None }) };
        let mut journal = Journal::open(path, |line| store.restore(line))?;
        store.rebuild();
        if options.webhooks == WebhookMode::Immediate {
            // What was on its way when the process ended is lost, as it is with PHP.
            store.queue.clear();
        }
        journal.compact(&store.all_lines())?;
        // All of it has just been written.
        store.forget_changes();
        Ok(Self { store, journal: Some(journal) })
    }

    fn compact(&mut self) {
        self.store.forget_changes();
        let Some(journal) = &mut self.journal else { return };
        if let Err(error) = journal.compact(&self.store.all_lines()) {
            tracing::error!(%error, "the journal could not be written; this state will not survive a restart");
        }
    }

    fn commit(&mut self) {
        let Some(journal) = &mut self.journal else {
            self.store.forget_changes();
            return;
        };
        if let Err(error) = journal.append(&self.store.take_changes()) {
            tracing::error!(%error, "the journal could not be written; this state will not survive a restart");
        }
    }
}

/// A poisoned lock only means that another request failed; its state is still that of a database.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
