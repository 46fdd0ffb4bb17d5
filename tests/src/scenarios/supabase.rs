//! `supabase`: the import from a real PostgREST and a real PostgreSQL that are killed on the way, what is written back to
//! them, and what people do with their mail afterwards.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tandem_app::store::RunTable;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::runs::{RunLog, RunStore};
use tandem_core::sync::run::{Ran, Stopped, SyncOptions};
use tandem_core::sync::services::Desk;

use super::import::judge;
use super::{Proof, Size};
use crate::customers::{self, Row};
use crate::paths;
use crate::supabase::{SqlRow, Supabase};
use crate::system::{Options, System};
use crate::version;

/// How often the run is begun again after the last outage, at most.
const TRIES: usize = 40;
/// How many people do each thing with their mail.
const READERS: usize = 3;
/// What they do, what is then told of it (who clicks has opened), and the state of a lead's address.
const DEEDS: &[(&str, &str, &str)] = &[
    ("open", "open", "active"),
    ("click", "click,open", "active"),
    ("bounce", "bounce", "bounced"),
    ("unsubscribe", "unsubscribe", "unsubscribed"),
];

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let rows = match size {
        Size::Small => customers::sample(500),
        Size::Full => customers::all(),
    };
    // The harness panics when it can't start the servers. Without them nothing is proved.
    let started = tokio::spawn(Supabase::start()).await;
    let mut project = started.map_err(|_| "PostgreSQL and PostgREST can't be started".to_owned())?;
    load(&project, size, rows.len()).await?;
    // Small pages make a small import one of many calls.
    project.restart_postgrest_with_max_rows(size.pick(20, 1000) as u32).await;
    let mut system = system_over(&project).await;
    let desk = Arc::new(system.desk());
    let stopped = under_fire(&mut project, &desk, size).await?;
    let tries = until_finished(&desk).await?;
    let log = only_log(&system).await?;
    let verdict = judge(&system, &rows, &log)?;
    let statuses = judge_statuses(&project, &system, &rows).await?;
    judge_log(&project, &log, &rows).await?;
    let calls = system.calls();
    nothing_is_left(&desk, &system, calls).await?;
    let told = judge_engagement(&project, &mut system, &rows).await?;
    Ok(format!(
        "{verdict}; servers killed during {} runs, of which {} failed, finished by try {tries} after them; {statuses}; \
         {told}; a further run made no Mautic call",
        stopped.outages, stopped.failed
    ))
}

async fn load(project: &Supabase, size: Size, expected: usize) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(told)?;
    let file = match size {
        Size::Small => paths::data("customers-500.csv"),
        Size::Full => unpacked(folder.path().join("customers.csv"))?,
    };
    let loaded = project.load_customers(&file, usize::MAX).await;
    if loaded == expected { Ok(()) } else { Err(format!("{loaded} customers were loaded, and there are {expected}")) }
}

fn unpacked(file: PathBuf) -> Result<PathBuf, String> {
    let packed = std::fs::File::open(paths::data("customers.csv.gz")).map_err(told)?;
    let mut plain = std::fs::File::create(&file).map_err(told)?;
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut plain).map_err(told)?;
    Ok(file)
}

async fn system_over(project: &Supabase) -> System {
    let mautic = version::mautic().race_window(Duration::ZERO).latency(Duration::from_millis(20));
    let options = Options { mautic, ..Options::default() }
        .with("SUPABASE_URL", &project.url())
        .with("SUPABASE_SERVICE_ROLE_KEY", &project.service_key());
    System::with(options.without_worker()).await
}

/// What runs went through.
struct Fire {
    outages: usize,
    failed: usize,
}

/// Runs during each of which PostgREST or PostgreSQL is killed at a random moment, and started again soon.
async fn under_fire(project: &mut Supabase, desk: &Arc<Desk>, size: Size) -> Result<Fire, String> {
    let mut chance = StdRng::seed_from_u64(23);
    let mut fire = Fire { outages: 0, failed: 0 };
    for outage in 0..size.pick(12, 30) {
        let running = tokio::spawn(sync(Arc::clone(desk)));
        tokio::time::sleep(Duration::from_millis(chance.random_range(20..size.pick(700, 4_000) as u64))).await;
        if running.is_finished() {
            running.await.map_err(told)??;
            break;
        }
        fire.outages += 1;
        restart(project, outage, Duration::from_millis(chance.random_range(50..400))).await;
        let ran = running.await.map_err(told)??;
        fire.failed += usize::from(matches!(ran.stopped, Some(Stopped::Failed(_))));
    }
    if fire.failed == 0 { Err("no outage met a run: nothing was proved".to_owned()) } else { Ok(fire) }
}

/// One of the servers is killed, or both, and is away for a while.
async fn restart(project: &mut Supabase, outage: usize, away: Duration) {
    let (api, database) = (outage % 3 != 1, !outage.is_multiple_of(3));
    if api {
        project.kill_postgrest();
    }
    if database {
        project.kill_postgres();
    }
    tokio::time::sleep(away).await;
    if database {
        project.start_postgres().await;
    }
    if api {
        project.start_postgrest().await;
    }
}

async fn sync(desk: Arc<Desk>) -> Result<Ran, String> {
    desk.sync(SyncOptions::default()).await.map_err(told)
}

async fn until_finished(desk: &Arc<Desk>) -> Result<usize, String> {
    for attempt in 1..=TRIES {
        match sync(Arc::clone(desk)).await?.stopped {
            None => return Ok(attempt),
            Some(Stopped::Halted(why)) => return Err(format!("the run halted: {why}")),
            Some(Stopped::Asked) => return Err("nobody asks it to stop".to_owned()),
            Some(Stopped::Paused(_) | Stopped::Failed(_)) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
    Err("the import never came to its end".to_owned())
}

/// The log of the import: what failed goes on under it.
async fn only_log(system: &System) -> Result<RunLog, String> {
    let runs = RunTable::new(system.table.table().clone());
    let logs = runs.runs(&Scope::default_mautic(), None, 200).await.map_err(told)?;
    logs.into_iter().max_by_key(|log| log.rows).ok_or_else(|| "no run was logged".to_owned())
}

/// Every customer whose row a contact holds has a status that names the contact; every rejected one has a reason.
async fn judge_statuses(project: &Supabase, system: &System, rows: &[Row]) -> Proof {
    let text = "select customer_id, mautic_contact_id, coalesce(sync_hash, '') <> '' and last_synced_at is not null, \
                coalesce(sync_error, '') from mautic_sync_status";
    let held: BTreeMap<String, SqlRow> =
        project.sql(text).await.into_iter().filter_map(|row| Some((row.first()?.clone()?, row))).collect();
    let contacts: BTreeMap<String, String> =
        system.mautic.contacts().into_iter().filter_map(contact_by_address).collect();
    let (mut wrong, mut synced, mut rejected) = (Vec::new(), 0, 0);
    for (address, row) in customers::newest_by_address(rows) {
        let wanted = [Some(row["id"].clone()), contacts.get(&address).cloned(), Some("t".to_owned())];
        synced += 1;
        // Beside the contact stands which values were left out of it, and why.
        let is_right = held.get(&row["id"]).is_some_and(|status| {
            let left_out = status.last().and_then(Option::as_deref).unwrap_or_default();
            status.starts_with(&wanted) && (left_out.is_empty() || left_out.starts_with("contact."))
        });
        if !is_right {
            wrong.push("a customer's status is not that of its contact");
        }
    }
    for row in rows.iter().filter(|row| !customers::is_valid(row)) {
        rejected += 1;
        let reason = held.get(&row["id"]).and_then(|status| status.get(3)?.as_deref());
        if reason.is_none_or(str::is_empty) {
            wrong.push("a rejected customer has no reason");
        }
    }
    match wrong.first() {
        None => Ok(format!("{synced} statuses name their contacts and {rejected} a reason")),
        Some(first) => Err(format!("{} of {} statuses are wrong, the first: {first}", wrong.len(), synced + rejected)),
    }
}

fn contact_by_address(contact: tandem_simulators::mautic::ContactDump) -> Option<(String, String)> {
    Some((contact.email?.to_lowercase(), contact.id.to_string()))
}

/// The import is one row of the log, with its counts; every contact was made once.
async fn judge_log(project: &Supabase, log: &RunLog, rows: &[Row]) -> Result<(), String> {
    let customers = customers::newest_by_address(rows).len() as u64;
    if log.created != customers || log.failed > 0 {
        return Err(format!(
            "the log tells of {} contacts made and {} failed, of {customers}",
            log.created, log.failed
        ));
    }
    let text = "select id, contacts_synced, contacts_failed, segments_synced, run_finished_at is not null, \
                error_details ->> 'rejected' from mautic_sync_logs";
    let wanted = [log.id.clone(), (log.created + log.updated).to_string(), "0".to_owned(), log.segments.to_string()];
    let rest = ["t".to_owned(), log.rejected.to_string()];
    let wanted: SqlRow = wanted.into_iter().chain(rest).map(Some).collect();
    let found = project.sql(text).await;
    if found == [wanted.clone()] { Ok(()) } else { Err(format!("the log of runs is {found:?} and not {wanted:?}")) }
}

async fn nothing_is_left(desk: &Arc<Desk>, system: &System, calls: u64) -> Result<(), String> {
    let ran = sync(Arc::clone(desk)).await?;
    let log = &ran.log;
    if ran.stopped.is_some() || log.created + log.updated + log.failed > 0 || system.calls() > calls {
        return Err(format!("a further run made {} Mautic calls and changed contacts", system.calls() - calls));
    }
    Ok(())
}

/// Some people open, click, bounce and unsubscribe; Mautic tells Tandem, and Tandem the shop.
async fn judge_engagement(project: &Supabase, system: &mut System, rows: &[Row]) -> Proof {
    let readers = readers(rows);
    if readers.len() < READERS * DEEDS.len() {
        return Err("too few customers want mail".to_owned());
    }
    let leads: Vec<String> =
        readers.iter().map(|(_, address)| format!("('{}')", address.replace('\'', "''"))).collect();
    project.sql(&format!("insert into leads (email) values {}", leads.join(", "))).await;
    system.start_worker();
    system.guard().await;
    for ((_, address), (deed, ..)) in readers.iter().zip(DEEDS.iter().cycle()) {
        system.engage(deed, json!({"address": address})).await;
    }
    system.finish().await;
    for ((id, address), (deed, event, status)) in readers.iter().zip(DEEDS.iter().cycle()) {
        let found = feedback_of(project, id, address).await;
        let (opted_in, bounces) = (*deed != "unsubscribe", if *deed == "bounce" { "1 true" } else { "0 false" });
        let wanted = format!("{event} {opted_in} {bounces} {status}");
        if found != wanted {
            return Err(format!("after {deed} the shop knows \"{found}\", not \"{wanted}\""));
        }
    }
    let events = project.value("select count(*) from customer_email_engagement").await;
    Ok(format!("{} people's mail told back in {events} events", readers.len()))
}

/// Customers alone with their address who want mail: id and address.
fn readers(rows: &[Row]) -> Vec<(String, String)> {
    let shared = customers::shared_addresses(rows);
    let newest = customers::newest_by_address(rows);
    let willing =
        newest.into_iter().filter(|(address, row)| row["marketing_opt_in"] == "true" && !shared.contains(address));
    willing.take(READERS * DEEDS.len()).map(|(address, row)| (row["id"].clone(), address)).collect()
}

/// Kinds of events, whether mail is wanted, bounces, whether the address is bad, the lead's state.
async fn feedback_of(project: &Supabase, id: &str, address: &str) -> String {
    let address = address.replace('\'', "''");
    let text = format!(
        "select concat_ws(' ',
            (select string_agg(distinct event_type, ',') from customer_email_engagement where customer_id = '{id}'),
            (select marketing_opt_in::text from customer_profiles where id = '{id}'),
            (select max(coalesce(bounce_count, 0))::text || ' ' || bool_or(is_invalid)::text from customer_emails
                where customer_id = '{id}'),
            (select email_status from leads where email = '{address}'))"
    );
    project.value(&text).await
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
