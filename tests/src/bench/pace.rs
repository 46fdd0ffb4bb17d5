//! How long an import takes beside one raw batch call after the other, on a Mautic with cores to spare and on one without.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tandem_core::sync::run::SyncOptions;

use super::{Figure, Measured, milliseconds, timed};
use crate::list_source::ListSource;
use crate::scenarios::memory;
use crate::system::{Options, System};
use crate::version;

/// How many calls the simulated Mautic works on at the same time.
const CORES: [usize; 3] = [1, 2, 4];
/// What a contact of a batch takes, so that a batch takes a second: a sixth of what a real one took on two cores.
const ENTRY: Duration = Duration::from_millis(5);
const CONTACTS: usize = 6_000;
const BATCH: usize = 200;

/// Measures both on each.
///
/// # Errors
/// When a run does not come to its end, or a call is refused.
pub async fn run() -> Measured {
    let mut figures = Vec::new();
    for cores in CORES {
        let name = |what: &str| format!("import_{CONTACTS}_on_{cores}_cores_{what}");
        figures.push(Figure::new(name("raw_batches_time"), milliseconds(raw(cores).await?), "ms"));
        let (time, at_once) = import(cores).await?;
        figures.push(Figure::new(name("time"), milliseconds(time), "ms"));
        figures.push(Figure::new(name("calls_at_once"), at_once as f64, "calls"));
    }
    Ok(figures)
}

async fn with_cores(cores: usize) -> System {
    let mautic = version::mautic().race_window(Duration::ZERO).batches(ENTRY, cores);
    System::with(Options { mautic, ..Options::default() }.without_worker().with("TANDEM_LOG", "warn")).await
}

async fn import(cores: usize) -> Result<(Duration, usize), String> {
    let system = with_cores(cores).await;
    let mut desk = system.desk();
    desk.services.source = Arc::new(ListSource::of(memory::numbered(CONTACTS)));
    let (ran, time) = timed(desk.sync(SyncOptions::default())).await;
    match ran.map_err(|failure| failure.to_string())?.stopped {
        None => Ok((time, system.mautic.stats().batches_at_once)),
        Some(stopped) => Err(format!("the import on {cores} cores stopped: {stopped:?}")),
    }
}

/// What a script does: one full batch after the other, and nothing else.
async fn raw(cores: usize) -> Result<Duration, String> {
    let system = with_cores(cores).await;
    let client = Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let url = format!("{}/api/contacts/batch/new", system.mautic.base_url());
    let send = async {
        for batch in 0..CONTACTS / BATCH {
            let contact = |number: usize| json!({"email": format!("raw{}@example.com", batch * BATCH + number)});
            let body: Vec<Value> = (0..BATCH).map(contact).collect();
            let sent = client.post(&url).basic_auth("admin", Some("demo-password")).json(&body).send().await;
            let answer = sent.and_then(reqwest::Response::error_for_status);
            answer.map_err(|error| error.without_url().to_string())?;
        }
        Ok(())
    };
    let (sent, time) = timed(send).await;
    sent.map(|()| time)
}
