//! `kill`: the process is killed again and again and one call in ten fails, and yet nobody is doubled and nobody is missing.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_simulators::{MauticSimulator, RunningMautic};
use tokio::sync::watch;

use super::sample::{addresses, held_by, judge};
use super::target::{RealMautic, prefix, real_mautic, real_variables, send_all};
use super::{Proof, Size};
use crate::child::DevServer;
use crate::client::Answer;
use crate::customers::{self, Row};
use crate::version;

/// Calls under way at once.
const AT_ONCE: usize = 8;
/// How long queued writes may take to arrive once the faults are over.
const SETTLE: Duration = Duration::from_secs(180);

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let rows = customers::sample(size.pick(60, 500));
    let kills = size.pick(2, 20);
    match real_mautic() {
        Some(environment) => {
            let mautic = RealMautic::connect(&environment).await?;
            against_real(&mautic, &rows, kills).await
        }
        None => against_simulator(&rows, kills, size).await,
    }
}

async fn against_simulator(rows: &[Row], kills: usize, size: Size) -> Proof {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    // A weak server answers slowly, so that most kills hit a call under way.
    let options = version::mautic().latency(Duration::from_millis(30));
    let address = "127.0.0.1:0".parse().map_err(|_| "no address")?;
    let mautic = MauticSimulator::start(options, address).await.map_err(|error| error.to_string())?;
    let server = DevServer::new(folder.path(), variables(&mautic));
    connect(&server, folder.path(), &mautic).await?;
    mautic.inject_faults(faults(size));
    let calls: Vec<Value> = rows.iter().map(|row| customers::upsert(row, "")).collect();
    let (answers, killed) = send_under_fire(&server, &calls, kills).await?;
    let struck = mautic.stats().faults_injected;
    mautic.clear_faults();
    let _running = server.start().await?;
    let queued = answers.iter().filter(|answer| answer.status == 202).count();
    let begun = tokio::time::Instant::now();
    let verdict = loop {
        let verdict = judge(rows, "", &answers, &held_by(&mautic.contacts()));
        if verdict.is_ok() || begun.elapsed() > SETTLE {
            break verdict?;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let duplicates = mautic.stats().duplicates.len();
    if duplicates > 0 {
        return Err(format!("{duplicates} customers are doubled"));
    }
    Ok(format!("{killed} kills, {struck} failed calls, {queued} writes queued: {verdict}, 0 duplicates, 0 missing"))
}

async fn against_real(mautic: &RealMautic, rows: &[Row], kills: usize) -> Proof {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = DevServer::new(folder.path(), real_variables()).without_schedule();
    let prefix = prefix();
    let calls: Vec<Value> = rows.iter().map(|row| customers::upsert(row, &prefix)).collect();
    let sent = send_under_fire(&server, &calls, kills).await;
    // Contacts that a kill left in doubt are written by their jobs when their lease is over.
    let restarted = server.start().await;
    let (held, cleaned) = mautic.look_and_clean_up(restarted, folder.path(), &addresses(rows, &prefix)).await?;
    let (answers, killed) = sent?;
    let verdict = judge(rows, &prefix, &answers, &held)?;
    Ok(format!("{killed} kills against a real Mautic: {verdict}, 0 duplicates, 0 missing; {cleaned} cleaned up"))
}

fn variables(mautic: &RunningMautic) -> Vec<(String, String)> {
    let entries = [
        ("MAUTIC_BASE_URL", mautic.base_url()),
        ("MAUTIC_CLIENT_ID", "1_demo".to_owned()),
        ("MAUTIC_CLIENT_SECRET", "demo-secret".to_owned()),
    ];
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Gives the simulated Mautic the fields that it lacks.
async fn connect(server: &DevServer, folder: &std::path::Path, mautic: &RunningMautic) -> Result<(), String> {
    let _running = server.start().await?;
    let connected = tokio::process::Command::new(crate::paths::program("tandem"))
        .arg("--data-dir")
        .arg(folder)
        .args(["--json", "connect", "mautic", "--create-missing"])
        .envs(variables(mautic))
        .output()
        .await
        .map_err(|error| error.to_string())?;
    if connected.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&connected.stderr).into_owned()) }
}

/// One call in ten fails: a fiftieth each by a rate limit, an error, garbage, a time-out, a lost reply.
pub(super) fn faults(size: Size) -> Vec<FaultRule> {
    let share = 0.02;
    let mut limited = FaultRule::new(FaultKind::Status).status(429).rate(share, 1);
    limited.retry_after = Some(1);
    let mut slow = FaultRule::new(FaultKind::Delay).rate(share, 4);
    // Longer than Tandem waits: the call is done, and nobody is there to hear it.
    slow.delay_ms = Some(if size == Size::Small { 10_500 } else { 12_000 });
    vec![
        limited,
        FaultRule::new(FaultKind::Status).status(500).rate(share, 2),
        FaultRule::new(FaultKind::Garbage).rate(share, 3),
        slow,
        FaultRule::new(FaultKind::LostReply).how(LostReply::Close).rate(share, 5),
    ]
}

/// Sends all calls while the server is killed and started again; the answers, and how often it was killed.
async fn send_under_fire(server: &DevServer, calls: &[Value], kills: usize) -> Result<(Vec<Answer>, usize), String> {
    let (finished, watching) = watch::channel(false);
    let caller = server.caller();
    let sending = async {
        let answers = send_all(&caller, calls, AT_ONCE).await;
        // The killer has gone already when nobody watches.
        let _watched = finished.send(true);
        answers
    };
    let (answers, killed) = tokio::join!(sending, keep_killing(server, kills, 150..1_800, watching));
    Ok((answers?, killed?))
}

/// Kills the server at random moments; stops early when all calls are answered.
pub(super) async fn keep_killing(
    server: &DevServer,
    kills: usize,
    pause_ms: std::ops::Range<u64>,
    mut finished: watch::Receiver<bool>,
) -> Result<usize, String> {
    let mut chance = StdRng::seed_from_u64(7);
    let mut killed = 0;
    let mut running = server.start().await?;
    while killed < kills {
        let moment = Duration::from_millis(chance.random_range(pause_ms.clone()));
        if tokio::time::timeout(moment, finished.wait_for(|done| *done)).await.is_ok() {
            break;
        }
        running.kill().await.map_err(|error| error.to_string())?;
        killed += 1;
        running = server.start().await?;
    }
    // An error means that the sender is gone: all is sent.
    let _sent = finished.wait_for(|done| *done).await;
    running.kill().await.map_err(|error| error.to_string())?;
    Ok(killed)
}
