//! `tenants`: many tenants with an integration each and nothing to do: what a tick of the schedule reads, how long it takes, and
//! what it costs.

use std::net::Ipv4Addr;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use tandem_app::admin::integrations::{Integrations, NewIntegration};
use tandem_app::desks::Desks;
use tandem_app::stored_desks::StoredDesks;
use tandem_connectors::registry::{Credentials, IntegrationSettings, Options as Settings, Platform};
use tandem_core::domain::scope::Scope;
use tandem_simulators::{MauticOptions, MauticSimulator};

use super::{Proof, Size};
use crate::system::{Options, System};
use crate::tenants::label;

/// What a million of units cost in us-east-1, in dollars: reads and writes on demand.
const READ_UNITS: f64 = 0.125;
const WRITE_UNITS: f64 = 0.625;
/// What a tick may cost, in dollars.
const DEAREST: f64 = 0.001;
/// How long it may take.
const LONGEST_SECONDS: f64 = 10.0;

/// How many are looked after at once.
const AT_ONCE: usize = 8;

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let told = |failure: tandem_core::error::Failure| failure.to_string();
    let count = size.pick(10, 100);
    let system = System::with(Options::default().without_worker()).await;
    let mautic = MauticSimulator::start(MauticOptions::default(), (Ipv4Addr::LOCALHOST, 0).into()).await;
    let mautic = mautic.map_err(|error| error.to_string())?;
    let integrations = Integrations::new(&system.foundation);
    for number in 0..count {
        let tenant = system.tenant(&format!("tenant-{number}")).await;
        let credentials =
            Credentials::ClientCredentials { client_id: "1_demo".to_owned(), client_secret: "demo-secret".to_owned() };
        let settings = IntegrationSettings {
            platform: Platform::Mautic,
            base_url: mautic.base_url(),
            options: Settings::default(),
        };
        let new = NewIntegration { name: label("Mautic"), settings, credentials, webhook_secret: None };
        let made = integrations.create(&tenant, new, false, &system.actor()).await;
        made.map_err(|refused| format!("{refused:?}"))?;
    }
    let desks = StoredDesks::new(&system.foundation, false).map_err(told)?;
    // The first run of each enrols nobody and looks at everything; the second finds nothing to do.
    tick(&desks).await?;
    let meter = system.table.meter();
    let before = (meter.reads(), meter.writes(), meter.read_units(), meter.write_units());
    let (calls, began) = (mautic.stats().api_calls, Instant::now());
    let ran = tick(&desks).await?;
    let seconds = began.elapsed().as_secs_f64();
    let (reads, writes) = (meter.reads() - before.0, meter.writes() - before.1);
    let units = (meter.read_units() - before.2, meter.write_units() - before.3);
    let price = (units.0 as f64 * READ_UNITS + units.1 as f64 * WRITE_UNITS) / 1_000_000.0;
    let calls = mautic.stats().api_calls - calls;
    let line = format!(
        "{ran} integrations of {count} tenants, nothing to do: {reads} reads, {writes} writes, {} + {} units, {price:.6} dollars, \
         {:.0} ms, {calls} platform calls",
        units.0,
        units.1,
        seconds * 1_000.0
    );
    if ran != count + 1 || calls > 0 || price > DEAREST || seconds > LONGEST_SECONDS {
        return Err(line);
    }
    Ok(line)
}

/// What the schedule does, some at a time as jobs are; how many integrations were looked after.
async fn tick(desks: &StoredDesks) -> Result<usize, String> {
    let scopes: Vec<Scope> = desks.all().await.map_err(|failure| failure.to_string())?;
    let looks = futures::stream::iter(&scopes).map(async |scope| {
        let desk =
            desks.of(scope).await.map_err(|failure| failure.to_string())?.ok_or("an integration is not there")?;
        desk.sync_on_schedule(None, "tick").await.map(drop).map_err(|failure| failure.to_string())
    });
    looks.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(scopes.len())
}
