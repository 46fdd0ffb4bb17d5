//! The whole system in one process: simulated Mautic, embedded table, queue, worker, HTTP edge.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tandem_app::config::{Config, Environment};
use tandem_app::http;
use tandem_app::local_table::LocalTable;
use tandem_app::queue::local::LocalQueue;
use tandem_app::queue::local_worker::LocalWorker;
use tandem_app::store::{CatalogTable, Table};
use tandem_app::system::SystemClock;
use tandem_app::wiring::Foundation;
use tandem_connectors::mautic::setup;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::integrations::Peers;
use tandem_core::ports::{CatalogStore, Clock};
use tandem_core::sync::services::Desk;
use tandem_simulators::{MauticOptions, MauticSimulator, MauticVersion, RunningMautic};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::{Answer, Caller};
use crate::deliveries::Delivery;
use crate::version;

/// The secret that deliveries to test systems are signed with: the one of the recorded webhooks.
pub const WEBHOOK_SECRET: &str = "s3cret";

/// The API key of test systems.
pub const KEY: &str = "tdm_key_of_the_tests_that_nobody_else_uses";

/// What seals the credentials that test systems store.
pub const DATA_KEY: &str = "a key of the tests that seals credentials";

/// How a system is set up.
#[derive(Clone)]
pub struct Options {
    /// The simulated Mautic.
    pub mautic: MauticOptions,
    /// Further environment variables.
    pub environment: Vec<(String, String)>,
    /// Whether queued jobs are run.
    pub worker: bool,
    /// Whether Mautic gets the fields that it lacks.
    pub connect: bool,
    /// Whether no Mautic is configured.
    pub demo: bool,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Which integrations a tenant has; the one that is configured, when nobody says otherwise.
    pub peers: Option<Arc<dyn Peers>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mautic: version::mautic(),
            environment: Vec::new(),
            worker: true,
            connect: true,
            demo: false,
            clock: Arc::new(SystemClock),
            peers: None,
        }
    }
}

impl Options {
    /// With a variable more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a Mautic of this version; by default it is the one of the process.
    #[must_use]
    pub fn mautic_version(mut self, version: MauticVersion) -> Self {
        self.mautic = self.mautic.version(version);
        self
    }

    /// With a Mautic that delivers no webhooks to this machine, as 7.0 does none to a private address unless told so.
    #[must_use]
    pub fn without_private_webhooks(mut self) -> Self {
        self.mautic = self.mautic.allowed_private_addresses(&[]);
        self
    }

    /// Without a worker: what is queued stays there.
    #[must_use]
    pub fn without_worker(mut self) -> Self {
        self.worker = false;
        self
    }

    /// With a Mautic that lacks the fields that Tandem writes.
    #[must_use]
    pub fn without_fields(mut self) -> Self {
        self.connect = false;
        self
    }

    /// In demo mode.
    #[must_use]
    pub fn demo(mut self) -> Self {
        (self.demo, self.connect, self.worker) = (true, false, false);
        self
    }
}

/// A running system. It stops when it is dropped.
pub struct System {
    /// The simulated Mautic.
    pub mautic: RunningMautic,
    /// The table's engine.
    pub table: Arc<LocalTable>,
    /// The queue.
    pub queue: LocalQueue,
    /// The parts of the first instance.
    pub foundation: Foundation,
    /// A caller of the first instance.
    pub caller: Caller,
    config: Config,
    scope: Scope,
    peers: Option<Arc<dyn Peers>>,
    clock: Arc<dyn Clock>,
    queue_time: QueueClock,
    tasks: Vec<JoinHandle<()>>,
}

impl System {
    /// Starts a system with the usual settings.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// Starts a system.
    ///
    /// # Panics
    /// When it can't be started: then no test of it means anything.
    pub async fn with(options: Options) -> Self {
        let table = Arc::new(LocalTable::in_memory().await.expect("the embedded table starts"));
        let queue_time = QueueClock { ahead: Arc::default(), base: Arc::clone(&options.clock) };
        let queue = LocalQueue::in_memory(Arc::new(queue_time.clone())).expect("the queue starts");
        Self::over(options, Scope::default_mautic(), table, queue, queue_time).await
    }

    /// Another integration of the tenant, with a Mautic of its own, over the same table and queue.
    ///
    /// # Panics
    /// As [`System::with`].
    pub async fn beside(&self, integration: &str, options: Options) -> Self {
        let integration = integration.to_owned().try_into().expect("a name");
        let scope = Scope { integration, ..self.scope.clone() };
        Self::over(options, scope, Arc::clone(&self.table), self.queue.clone(), self.queue_time.clone()).await
    }

    async fn over(
        options: Options,
        scope: Scope,
        table: Arc<LocalTable>,
        queue: LocalQueue,
        queue_time: QueueClock,
    ) -> Self {
        let mautic = MauticSimulator::start(options.mautic, loopback()).await.expect("the simulator starts");
        let mut variables = vec![
            ("TANDEM_API_KEY".to_owned(), KEY.to_owned()),
            ("MAUTIC_WEBHOOK_SECRET".to_owned(), WEBHOOK_SECRET.to_owned()),
            ("TANDEM_DATA_KEY".to_owned(), DATA_KEY.to_owned()),
            ("TANDEM_ALLOW_PRIVATE_TARGETS".to_owned(), "true".to_owned()),
        ];
        if !options.demo {
            variables.extend(credentials(&mautic));
        }
        // A blank one takes the usual one away.
        let is_usual = |(name, _): &(String, String)| !options.environment.iter().any(|(given, _)| given == name);
        variables.retain(is_usual);
        variables.extend(options.environment);
        let environment: Environment = variables.into_iter().collect();
        let config = Config::read(&environment).expect("the configuration is sound");
        let (clock, peers) = (options.clock, options.peers);
        let foundation = foundation(&config, &table, &queue, &clock, &scope, peers.as_ref());
        let (caller, server) = serve(&foundation).await;
        let tasks = vec![server];
        let mut system =
            Self { mautic, table, queue, foundation, caller, config, scope, peers, clock, queue_time, tasks };
        if options.connect {
            system.connect().await;
        }
        if options.worker {
            system.start_worker();
        }
        system
    }

    /// Gives Mautic the fields that it lacks, and tells the functions.
    async fn connect(&self) {
        let mautic = self.foundation.mautic().expect("sound settings").expect("a configured Mautic");
        let rules = &self.foundation.rules;
        let mut report = setup::examine(&mautic, rules, None).await.expect("Mautic can be examined");
        let made = setup::create_missing(&mautic, rules, &mut report.fields).await;
        let catalog = setup::catalog(&mautic, None, &made).await.expect("fields can be listed");
        let catalogs = CatalogTable::new(self.foundation.table.clone());
        catalogs.save(&self.scope, &catalog).await.expect("the table takes the fields");
    }

    /// Starts the worker of the queue.
    pub fn start_worker(&mut self) {
        self.start_workers(1, 4);
    }

    /// Starts workers of the queue, as Lambda starts several; each does so many jobs at once, and knows nothing of the others.
    pub fn start_workers(&mut self, workers: usize, jobs_at_once: usize) {
        for _ in 0..workers {
            let worker = LocalWorker::new(self.queue.clone(), Arc::new(self.desk()), jobs_at_once);
            self.tasks.push(tokio::spawn(async move {
                worker.run(std::future::pending()).await.expect("the queue can be used");
            }));
        }
    }

    /// Another instance of the functions over the same table and queue, as Lambda starts one when calls come in parallel.
    pub async fn another_instance(&mut self) -> Caller {
        let (caller, server) = serve(&self.another_foundation()).await;
        self.tasks.push(server);
        caller
    }

    fn another_foundation(&self) -> Foundation {
        foundation(&self.config, &self.table, &self.queue, &self.clock, &self.scope, self.peers.as_ref())
    }

    /// An instance that has read nothing yet, for as long as the test runs.
    pub async fn passing_instance(&self) -> Caller {
        serve(&self.another_foundation()).await.0
    }

    /// A desk of the first instance.
    ///
    /// # Panics
    /// When the settings are not sound, which [`System::with`] has found out.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.foundation.desk().expect("sound settings").expect("a configured Mautic")
    }

    /// A desk of a process of its own that reaches the table through `table`.
    ///
    /// # Panics
    /// As [`System::desk`].
    #[must_use]
    pub fn desk_through(&self, table: Table) -> Desk {
        let made = Foundation::new(self.config.clone(), table, Arc::new(self.queue.clone()));
        let made = made.and_then(|made| made.with_clock(Arc::clone(&self.clock))).expect("the field rules are sound");
        made.desk().expect("sound settings").expect("a configured Mautic")
    }

    /// Where the first instance serves.
    #[must_use]
    pub fn url(&self) -> &str {
        self.caller.url()
    }

    /// Delivers a webhook as Mautic does.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<Answer, String> {
        self.caller.deliver(delivery).await.map_err(|error| error.without_url().to_string())
    }

    /// Lets the delays of queued jobs pass, as far as they are a minute at most.
    pub fn skip_a_minute(&self) {
        self.queue_time.ahead.fetch_add(60, Ordering::Relaxed);
    }

    /// Waits until no job is left; false when some are still there after `patience`.
    pub async fn drained(&self, patience: Duration) -> bool {
        let waiting = async {
            loop {
                let counts = self.queue.counts().await.expect("the queue can be counted");
                if counts.waiting + counts.in_flight == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }
}

/// The queue's time, which can be ahead of the system's: so no test waits for a delay.
#[derive(Clone)]
struct QueueClock {
    ahead: Arc<AtomicI64>,
    base: Arc<dyn Clock>,
}

impl Clock for QueueClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        self.base.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn credentials(mautic: &RunningMautic) -> [(String, String); 3] {
    [
        ("MAUTIC_BASE_URL".to_owned(), mautic.base_url()),
        ("MAUTIC_CLIENT_ID".to_owned(), "1_demo".to_owned()),
        ("MAUTIC_CLIENT_SECRET".to_owned(), "demo-secret".to_owned()),
    ]
}

fn foundation(
    config: &Config,
    table: &LocalTable,
    queue: &LocalQueue,
    clock: &Arc<dyn Clock>,
    scope: &Scope,
    peers: Option<&Arc<dyn Peers>>,
) -> Foundation {
    let foundation = Foundation::new(config.clone(), table.table().clone(), Arc::new(queue.clone()));
    let foundation = foundation.and_then(|made| made.with_clock(Arc::clone(clock))).expect("the field rules are sound");
    let peers = peers.cloned().unwrap_or_else(|| Arc::clone(&foundation.peers));
    Foundation { scope: scope.clone(), peers, ..foundation }
}

async fn serve(foundation: &Foundation) -> (Caller, JoinHandle<()>) {
    let router = http::all(foundation.app_state(false).expect("sound settings"));
    let listener = TcpListener::bind(loopback()).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the server runs") });
    (Caller::new(&url, KEY), server)
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}
