//! `import-faults`: an import that is killed again and again, begun twice at once, over a Mautic that fails one call in ten
//! and takes its token back on the way, ends as a clean one.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tandem_app::store::{RecordsTable, RunTable};
use tandem_app::system::SystemClock;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::runs::RunStore;
use tokio::process::{Child, Command};

use super::import::judge;
use super::kill::faults;
use super::{Proof, Size};
use crate::customers::{self, Row};
use crate::function::environment;
use crate::list_source::source_row;
use crate::paths;
use crate::sqs_stub::SqsStub;
use crate::system::{Options, System};
use crate::version;

/// How often the command is started after the last kill, at most.
const TRIES: usize = 60;

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let rows = match size {
        Size::Small => customers::sample(300),
        Size::Full => customers::all(),
    };
    let mautic = version::mautic().latency(Duration::from_millis(30));
    let system = System::with(Options { mautic, ..Options::default() }.without_worker()).await;
    let sqs = SqsStub::start().await;
    fill(&system, &rows).await?;
    system.mautic.inject_faults(faults(size));
    let sync = SyncCommand { environment: environment(&system, &sqs), folder: tempfile::tempdir().map_err(told)? };
    let kills = size.pick(3, 20);
    let killed = under_fire(&sync, &system, kills).await?;
    let tries = until_finished(&sync).await?;
    system.mautic.clear_faults();
    let runs = RunTable::new(system.table.table().clone());
    let logs = runs.runs(&Scope::default_mautic(), None, 200).await.map_err(told)?;
    let mut main = logs.iter().max_by_key(|log| (log.rejected, log.rows)).ok_or("no run was logged")?.clone();
    // What is wrong with a row is told by the run that took it, which may not be the one that took the others.
    main.issues.extend(logs.iter().flat_map(|log| log.issues.clone()));
    let verdict = judge(&system, &rows, &main)?;
    let failed = system.mautic.stats().faults_injected;
    Ok(format!("{verdict}; {killed} kills, {failed} failed calls, finished by try {tries} after them"))
}

/// `tandem sync` as a process of its own, against the table of this one.
struct SyncCommand {
    environment: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl SyncCommand {
    fn start(&self) -> Result<Child, String> {
        Command::new(paths::program("tandem"))
            .arg("--data-dir")
            .arg(self.folder.path())
            .arg("sync")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("tandem sync can't be started: {error}"))
    }
}

/// Two at once, of which one is killed at a random moment; half-way, the token is taken back.
async fn under_fire(sync: &SyncCommand, system: &System, kills: usize) -> Result<usize, String> {
    let mut chance = StdRng::seed_from_u64(11);
    for kill in 0..kills {
        let (mut one, mut other) = (sync.start()?, sync.start()?);
        let moment = Duration::from_millis(chance.random_range(300..4_000));
        tokio::time::sleep(moment).await;
        if kill == kills / 2 {
            system.mautic.revoke_tokens();
        }
        one.kill().await.map_err(told)?;
        other.kill().await.map_err(told)?;
    }
    Ok(kills * 2)
}

async fn until_finished(sync: &SyncCommand) -> Result<usize, String> {
    for attempt in 1..=TRIES {
        let status = sync.start()?.wait().await.map_err(told)?;
        if status.success() {
            return Ok(attempt);
        }
    }
    Err("the import never came to its end".to_owned())
}

async fn fill(system: &System, rows: &[Row]) -> Result<(), String> {
    let records = RecordsTable::new(system.table.table().clone(), Arc::new(SystemClock));
    let rows: Vec<_> = rows.iter().map(source_row).collect();
    for some in rows.chunks(500) {
        records.put(&Scope::default_mautic(), some).await.map_err(told)?;
    }
    Ok(())
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
