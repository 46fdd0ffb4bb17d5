//! `hub`: three tenants, one with two Mautics, one whose records live in a database behind PostgREST, one told by events alone, are
//! edited on all sides at once while the process is killed and a Mautic is away; every side ends as the oracle says, nothing echoes,
//! no opt-out is undone, and nothing of one tenant is in another. People ([`oracle`]), and the organisations and deals that they
//! have to do with ([`firms`]).

mod database;
mod firms;
mod judge;
mod judge_firms;
mod oracle;
mod tenants;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tandem_app::desks::Desks;
use tandem_app::queue::local::LocalQueue;
use tandem_app::stored_desks::StoredDesks;
use tandem_app::system::SystemClock;
use tandem_app::wiring::Foundation;
use tandem_core::domain::scope::Scope;
use tandem_core::error::FailureKind;
use tandem_core::sync::run::{Stopped, SyncOptions};
use tandem_simulators::MauticVersion;
use tokio::process::Child;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Proof, Size};
use crate::child::DevServer;
use crate::function::aws_environment;
use crate::system::{DATA_KEY, KEY, Options, System, WEBHOOK_SECRET};
use crate::version;
use database::Database;
use oracle::{People, Way};
use tenants::{Tenant, told};

/// Deeds under way at once.
const AT_ONCE: usize = 6;
/// How long a run that paused is left alone: somebody who was killed has leases of a minute or two.
const PAUSE: Duration = Duration::from_millis(800);
/// How long all that follows from a round may take: who is killed leaves leases of a minute or two.
const SETTLE: Duration = Duration::from_secs(300);
/// The tenant with two Mautics, and which of these is away for a while.
const TWO: usize = 0;
const AWAY: usize = 1;

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let mut hub = Hub::open(size).await?;
    let plan = Plan::of(size);
    hub.begin().await?;
    let mut deeds = 0;
    for round in 0..plan.rounds {
        deeds += hub.round(round, &plan).await.map_err(|why| format!("round {round}: {why}"))?;
    }
    let sum = |count: fn(&People) -> usize| hub.tenants.iter().map(|tenant| count(&tenant.people)).sum::<usize>();
    let people = sum(|people| people.all.len());
    let (firms, deals) = (sum(|people| people.firms.all.len()), sum(|people| people.firms.deals.len()));
    let told = hub.judge_end().await?;
    let calls = hub.is_quiet().await?;
    Ok(format!(
        "{people} people, {firms} organisations and {deals} deals of 3 tenants, {deeds} deeds on all sides in {} rounds, {} kills, a Mautic away for {} rounds: every side \
         as by the oracle; {told}; three more rounds: {calls} writes",
        plan.rounds,
        plan.kills.len(),
        plan.away.len()
    ))
}

/// What happens in which round.
struct Plan {
    rounds: usize,
    kills: Vec<usize>,
    away: std::ops::Range<usize>,
}

impl Plan {
    fn of(size: Size) -> Self {
        match size {
            Size::Small => Self { rounds: 4, kills: vec![1], away: 2..3 },
            Size::Full => Self { rounds: 20, kills: vec![1, 4, 8, 15, 18], away: 9..14 },
        }
    }
}

struct Hub {
    _system: System,
    queue: LocalQueue,
    desks: StoredDesks,
    server: DevServer,
    running: Mutex<Option<Child>>,
    tenants: Vec<Tenant>,
    chance: StdRng,
    _folder: tempfile::TempDir,
}

impl Hub {
    async fn open(size: Size) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(told)?;
        // The environment makes the tenant whose records live in a database.
        let database = Database::open().await?;
        let mut own = database.environment();
        own.push(("TANDEM_NEWCOMERS".to_owned(), "all".to_owned()));
        let options = Options { environment: own.clone(), ..Options::default() };
        let system = System::with(options.without_worker()).await;
        let server = DevServer::new(folder.path(), environment(&system).into_iter().chain(own).collect());
        let queue = LocalQueue::open(&folder.path().join("queue.db"), Arc::new(SystemClock)).map_err(told)?;
        let foundation = Foundation { queue: Arc::new(queue.clone()), ..system.foundation.clone() };
        let url = server.url();
        let tenant = |people, versions| Tenant::open(&system, &foundation, &url, people, versions);
        let agency =
            People::new("agency.example", Way::Rows, 2, size.pick(30, 300), (size.pick(8, 40), size.pick(10, 80)));
        let shop = People::new("shop.example", Way::Views, 1, size.pick(12, 150), (size.pick(5, 20), size.pick(6, 40)));
        let club = People::new("club.example", Way::Events, 1, size.pick(8, 50), (0, 0));
        let tenants = vec![
            tenant(agency, &BOTH).await?,
            Tenant::of_environment(&system, &url, shop, database)?,
            tenant(club, &[version::current()]).await?,
        ];
        let desks = StoredDesks::new(&foundation, false).map_err(told)?;
        let chance = StdRng::seed_from_u64(29);
        let server = server.with("TANDEM_WEBHOOK_URL", &format!("{url}/mautic-webhook"));
        Ok(Self { _system: system, queue, desks, server, running: Mutex::default(), tenants, chance, _folder: folder })
    }

    /// The first run of each integration finds nobody, and its webhook is made.
    async fn begin(&mut self) -> Result<(), String> {
        *self.running.lock().await = Some(self.server.start().await?);
        self.settle(None).await?;
        for tenant in &self.tenants {
            tenant.begin().await?;
        }
        self.settle(None).await?;
        self.judge(None).await
    }

    async fn round(&mut self, round: usize, plan: &Plan) -> Result<usize, String> {
        let away = plan.away.contains(&round).then_some(AWAY);
        let office = &self.tenants[TWO].offices[AWAY].mautic;
        match away {
            Some(_) => office.inject_faults(vec![away_now()]),
            None => office.clear_faults(),
        }
        let mut deeds = Vec::new();
        for (number, tenant) in self.tenants.iter_mut().enumerate() {
            let planned = tenant.people.plan(&mut self.chance, away.filter(|_| number == TWO));
            deeds.extend(planned.into_iter().map(|deed| (number, deed)));
        }
        let moment = plan.kills.contains(&round).then(|| Duration::from_millis(self.chance.random_range(200..1_500)));
        let tenants = &self.tenants;
        let doing = futures::stream::iter(&deeds)
            .map(|(number, deed)| tenants[*number].carry_out(deed, round))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>();
        tokio::try_join!(doing, self.kill_after(moment))?;
        self.settle(away).await?;
        let told: Vec<String> = deeds.iter().map(|(tenant, deed)| format!("{tenant} {deed:?}")).collect();
        self.judge(away).await.map_err(|why| format!("{why}; deeds: {}", told.join(", ")))?;
        Ok(deeds.len())
    }

    /// Kills the process at a random moment, and starts it again.
    async fn kill_after(&self, moment: Option<Duration>) -> Result<(), String> {
        let Some(moment) = moment else { return Ok(()) };
        tokio::time::sleep(moment).await;
        let mut running = self.running.lock().await;
        if let Some(mut child) = running.take() {
            child.kill().await.map_err(told)?;
        }
        *running = Some(self.server.start().await?);
        Ok(())
    }

    /// Runs of all integrations, twice: what one look brings, the next send carries on; and all jobs that follow.
    async fn settle(&self, away: Option<usize>) -> Result<(), String> {
        for _ in 0..2 {
            for (number, tenant) in self.tenants.iter().enumerate() {
                for (office, scope) in tenant.scopes.iter().enumerate() {
                    self.sync(scope, number == TWO && Some(office) == away).await?;
                }
            }
            self.drained().await?;
        }
        Ok(())
    }

    async fn sync(&self, scope: &Scope, is_away: bool) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < SETTLE {
            let desk = self.desks.of(scope).await.map_err(told)?.ok_or("an integration is missing")?;
            match desk.sync(SyncOptions { pull: true, ..SyncOptions::default() }).await {
                Err(failure) if failure.kind == FailureKind::Conflict => {}
                Err(failure) => return Err(failure.to_string()),
                Ok(ran) => match ran.stopped {
                    None => return Ok(()),
                    Some(Stopped::Failed(_)) if is_away => return Ok(()),
                    Some(Stopped::Paused(_)) => {}
                    Some(other) => return Err(format!("a run stopped: {other:?}")),
                },
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err("a run never comes to its end".to_owned())
    }

    async fn drained(&self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < SETTLE {
            let counts = self.queue.counts().await.map_err(told)?;
            if counts.waiting + counts.in_flight == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("jobs are left on the queue".to_owned())
    }

    /// Three rounds in which nobody does anything; gives how many writes they made.
    async fn is_quiet(&self) -> Result<u64, String> {
        let writes =
            || self.tenants.iter().flat_map(|tenant| &tenant.offices).map(tenants::Office::writes).sum::<u64>();
        let before = writes();
        for _ in 0..3 {
            self.settle(None).await?;
        }
        self.judge(None).await?;
        let more = writes() - before;
        if more == 0 { Ok(more) } else { Err(format!("three rounds without a deed made {more} writes")) }
    }
}

const BOTH: [MauticVersion; 2] = [MauticVersion::V5_1, MauticVersion::V7_0];

fn away_now() -> tandem_simulators::mautic::FaultRule {
    tandem_simulators::mautic::FaultRule::new(tandem_simulators::mautic::FaultKind::Status).status(503)
}

/// What the process is started with: the table of this one, and a queue of its own.
fn environment(system: &System) -> Vec<(String, String)> {
    let table = system.table.access();
    let mut environment = aws_environment(table, "http://127.0.0.1:9");
    environment.retain(|(name, _)| !name.starts_with("AWS_LAMBDA"));
    let own = [
        ("TANDEM_API_KEY", KEY.to_owned()),
        ("MAUTIC_BASE_URL", system.mautic.base_url()),
        ("MAUTIC_CLIENT_ID", "1_demo".to_owned()),
        ("MAUTIC_CLIENT_SECRET", "demo-secret".to_owned()),
        ("MAUTIC_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ("TANDEM_DATA_KEY", DATA_KEY.to_owned()),
        ("TANDEM_ALLOW_PRIVATE_TARGETS", "true".to_owned()),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    environment
}
