//! `tandem dev`: every function at its template path in one process, over the embedded table and the local queue.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Args;
use serde_json::json;
use tandem_app::config::{Config, Environment};
use tandem_app::http;
use tandem_app::local_table::{LocalAccess, LocalTable};
use tandem_app::private_files;
use tandem_app::queue::local::LocalQueue;
use tandem_app::queue::local_worker::{JOBS_AT_ONCE, LocalWorker};
use tandem_app::server::{self, Patience};
use tandem_app::system::SystemClock;
use tandem_app::wiring::Foundation;
use tandem_simulators::{MauticOptions, MauticSimulator, MauticVersion, RunningMautic};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connect::{self, Connected, connect_mautic};
use crate::control::Control;
use crate::demo_campaigns;
use crate::failure::CommandError;
use crate::installation::{DataDir, Running, SIMULATED_CLIENT, simulated};
use crate::lock::FolderLock;
use crate::output::Output;
use crate::schedule;

/// How long a caller may take to say what it wants.
const PATIENCE: Patience = Patience { header: Duration::from_secs(60), body: Duration::from_secs(30) };

/// Options of `tandem dev`.
#[derive(Args, Clone, Debug)]
pub struct DevOptions {
    /// The port to serve on; 0 takes a free one.
    #[arg(long, default_value_t = 9000)]
    pub port: u16,
    /// Start a simulated Mautic too, and work with it.
    #[arg(long)]
    pub simulate: bool,
    /// The version of the simulated Mautic: 5.1 or 7.0.
    #[arg(long, default_value_t, value_name = "VERSION")]
    pub simulate_version: MauticVersion,
    /// Leave the schedules out: the webhook is not watched, gaps are not looked for.
    #[arg(long)]
    pub no_schedule: bool,
}

/// A local installation that serves.
pub struct Server {
    /// Where, and where the simulated Mautic is.
    pub running: Running,
    /// The API key that callers use.
    pub api_key: String,
    /// Its parts, the settings among them.
    pub foundation: Foundation,
    /// What the simulated Mautic was given; `None` when there is none.
    pub connected: Option<Connected>,
    _table: Option<LocalTable>,
    _simulator: Option<RunningMautic>,
    _control: Control,
    _lock: FolderLock,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    data: DataDir,
}

/// Serves until it is interrupted.
pub async fn dev(
    options: &DevOptions,
    data_dir: &Path,
    environment: Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let server = Server::start(options, data_dir, environment).await?;
    announce(&server, output);
    interrupted().await;
    server.stop().await;
    Ok(())
}

/// Prints where it serves and how to call it.
pub fn announce(server: &Server, output: &Output) {
    let Running { url, simulator, .. } = &server.running;
    let mautic = match (simulator, &server.foundation.config.mautic) {
        (Some(simulator), _) => format!("simulated at {simulator}"),
        (None, Some(settings)) => settings.address("").to_string(),
        (None, None) => "not configured: demo mode, nothing is sent".to_owned(),
    };
    let text = format!(
        "Tandem serves at {url}\n  health   {url}/health\n  Mautic   {mautic}\n  API key  {key}\n\n  Try it:\n  curl -s {url}/mautic-sync -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n    -d '{{\"action\":\"upsert_contact\",\"payload\":{{\"id\":\"42\",\"contact\":{{\"email\":\"jane@example.com\",\"first_name\":\"Jane\"}}}}}}'",
        key = server.api_key,
    );
    output.result(&json!({"url": url, "simulator": simulator, "apiKey": server.api_key}), text);
}

/// Waits for Ctrl-C, or for the word of a process manager.
pub async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

impl Server {
    /// Starts table, queue, worker, simulator and server.
    pub async fn start(
        options: &DevOptions,
        data_dir: &Path,
        mut environment: Environment,
    ) -> Result<Self, CommandError> {
        let data = DataDir::open(data_dir)?;
        let lock = data.lock_as_server().await?;
        let listener = listen(options.port).await?;
        let url = format!("http://127.0.0.1:{}", listener.local_addr().map_err(no_port(options.port))?.port());
        let simulator = if options.simulate { Some(simulator(&data, options.simulate_version).await?) } else { None };
        if let Some(simulator) = &simulator {
            simulated(&mut environment, simulator.base_url());
            // Only a Mautic on this machine can call this server.
            environment.set("TANDEM_WEBHOOK_URL", format!("{url}/mautic-webhook"));
        }
        data.complete(&mut environment)?;
        let config = Config::read(&environment)?;
        let api_key = config.api_key.as_ref().map(|key| key.0.clone()).unwrap_or_default();
        let embedded = embedded_table(&environment, &data).await?;
        let (table, access) = match &embedded {
            Ok(embedded) => (embedded.table().clone(), embedded.access().clone()),
            Err(access) => (LocalTable::attach(access), access.clone()),
        };
        let queue = LocalQueue::open(&data.queue(), Arc::new(SystemClock))?;
        let foundation = Foundation::open(config, table, Arc::new(queue.clone())).await?.with_rules_in_use().await?;
        environment.warn_of_unknown_names();
        let connected = match &simulator {
            Some(simulator) => Some(connect_simulated(&foundation, &simulator.base_url()).await?),
            None => None,
        };
        let control = Control::serve(&data.control(), &environment)?;
        let running = Running {
            url,
            table: access,
            simulator: simulator.as_ref().map(|simulator| simulator.base_url()),
            control: control.path().to_owned(),
            pid: std::process::id(),
        };
        let (stop, stopped) = watch::channel(false);
        let tasks = start_tasks(&foundation, queue, listener, options, &stopped)?;
        write_running(&data, &running)?;
        Ok(Self {
            running,
            api_key,
            foundation,
            connected,
            _table: embedded.ok(),
            _simulator: simulator,
            _control: control,
            _lock: lock,
            stop,
            tasks,
            data,
        })
    }

    /// Lets running requests and jobs end, and stops.
    pub async fn stop(self) {
        // The receivers live in the tasks; if none is left, all have stopped already.
        let _all_stopped = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the server broke");
            }
        }
        if let Err(error) = remove_running(&self.data) {
            tracing::debug!(%error, "the note on the running server could not be removed");
        }
    }
}

/// A simulated Mautic is given all that a first contact and a first event need.
async fn connect_simulated(foundation: &Foundation, simulator: &str) -> Result<Connected, CommandError> {
    if let Some(mautic) = foundation.mautic()? {
        demo_campaigns::make_missing(&foundation.lifecycle, &mautic, simulator).await?;
    }
    let all = connect::MauticOptions { create_missing: true, ..connect::MauticOptions::default() };
    connect_mautic(foundation, &all, None).await
}

fn start_tasks(
    foundation: &Foundation,
    queue: LocalQueue,
    listener: TcpListener,
    options: &DevOptions,
    stopped: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, CommandError> {
    let state = foundation.app_state(false)?;
    let mut tasks = Vec::new();
    // Whoever works in the background can wait for Mautic longer than a caller can.
    let patient = foundation.desks()?;
    let worker = LocalWorker::new(queue, Arc::new(foundation.job_runner(Arc::clone(&patient))), JOBS_AT_ONCE);
    tasks.push(tokio::spawn(work(worker, stopped.clone())));
    if !options.no_schedule {
        tasks.push(tokio::spawn(schedule::run(patient, until(stopped.clone()))));
    }
    tasks.push(tokio::spawn(serve(listener, http::all(state), stopped.clone())));
    Ok(tasks)
}

async fn work(worker: LocalWorker, stopped: watch::Receiver<bool>) {
    if let Err(failure) = worker.run(until(stopped)).await {
        tracing::error!("no jobs are run: {failure}");
    }
}

async fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    server::serve(listener, router, PATIENCE, until(stopped)).await;
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the server.
    let _gone = stopped.wait_for(|stop| *stop).await;
}

/// The embedded table, or the way to the engine that the environment names in its place.
async fn embedded_table(
    environment: &Environment,
    data: &DataDir,
) -> Result<Result<LocalTable, LocalAccess>, CommandError> {
    match environment.get(&["AWS_ENDPOINT_URL_DYNAMODB"]) {
        Some(endpoint) => {
            let access_key_id = environment.get(&["AWS_ACCESS_KEY_ID"]).unwrap_or("local").to_owned();
            Ok(Err(LocalAccess { endpoint: endpoint.to_owned(), access_key_id }))
        }
        None => Ok(Ok(LocalTable::open(&data.table()).await?)),
    }
}

async fn simulator(data: &DataDir, version: MauticVersion) -> Result<RunningMautic, CommandError> {
    // Its webhooks come to this machine, which 7.0 only allows when it is told so.
    let options = MauticOptions::default()
        .version(version)
        .allowed_private_addresses(&["127.0.0.1", "localhost"])
        .client(SIMULATED_CLIENT.0, SIMULATED_CLIENT.1)
        .journal(data.simulator());
    Ok(MauticSimulator::start(options, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?)
}

async fn listen(port: u16) -> Result<TcpListener, CommandError> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(no_port(port))
}

fn no_port(port: u16) -> impl FnOnce(std::io::Error) -> CommandError {
    move |source| CommandError::Port { port, source }
}

fn write_running(data: &DataDir, running: &Running) -> Result<(), CommandError> {
    let path = data.running();
    private_files::replace(&path, &json!(running).to_string()).map_err(CommandError::file(&path))
}

/// Removes the note if it is this process's: somebody may have put the folder of another server in this one's place.
fn remove_running(data: &DataDir) -> std::io::Result<()> {
    let text = std::fs::read_to_string(data.running())?;
    let is_mine = serde_json::from_str::<Running>(&text).is_ok_and(|running| running.pid == std::process::id());
    if is_mine { std::fs::remove_file(data.running()) } else { Ok(()) }
}
