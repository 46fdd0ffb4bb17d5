//! `import`: all customers into an empty Mautic within a hundred calls, every one right, and within a budget that is too
//! small for it, without ever waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tandem_app::system::SystemClock;
use tandem_core::ports::Clock;
use tandem_core::ports::runs::RunLog;
use tandem_core::sync::run::{Stopped, SyncOptions};
use tandem_core::sync::services::Desk;
use tandem_simulators::MauticVersion;

use super::{Proof, Size};
use crate::customers::{self, Row};
use crate::list_source::{ListSource, source_row};
use crate::system::{Options, System};
use crate::version;

/// The hourly limit of calls, and what an import of everything may take.
const LIMIT: u64 = 100;
/// What the first look after it may take.
const MOST_CALLS_OF_A_LOOK: u64 = 2;
/// A limit that is too small for it.
const SMALL_LIMIT: u64 = 40;

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let rows = match size {
        Size::Small => customers::sample(500),
        Size::Full => customers::all(),
    };
    let whole = within_the_limit(&rows).await?;
    let slow = match version::current() {
        MauticVersion::V5_1 => within_a_smaller_limit(&rows, size.pick(8, SMALL_LIMIT as usize) as u64).await?,
        MauticVersion::V7_0 => "no smaller budget: this Mautic limits no calls".to_owned(),
    };
    Ok(format!("{whole}; {slow}"))
}

async fn within_the_limit(rows: &[Row]) -> Proof {
    let system = system(Arc::new(SystemClock)).await;
    let desk = desk_with(&system, rows);
    system.mautic.set_rate_limit(Some(LIMIT));
    let before = system.mautic.stats().api_calls;
    let begun = SystemClock.now();
    let ran = desk.sync(SyncOptions::default()).await.map_err(|failure| failure.to_string())?;
    let took = SystemClock.now().duration_since(begun);
    if let Some(stopped) = ran.stopped {
        return Err(format!("the run stopped: {stopped:?}"));
    }
    let calls = system.mautic.stats().api_calls - before;
    if calls > LIMIT {
        return Err(format!("{calls} calls were made"));
    }
    let verdict = judge(&system, rows, &ran.log)?;
    let (reads, writes) = (system.table.meter().reads(), system.table.meter().writes());
    system.mautic.set_rate_limit(None);
    let look = first_look(&desk).await?;
    Ok(format!(
        "{verdict}; {calls} Mautic calls, {reads} table reads, {writes} table writes, {:.1} s; {look}",
        took.as_secs_f64()
    ))
}

/// The first look for what marketing changed finds nothing of what Tandem wrote itself, and reads none of it back.
async fn first_look(desk: &Desk) -> Proof {
    let before = desk.integration.bulk.usage();
    let look = SyncOptions { pull: true, ..SyncOptions::default() };
    let ran = desk.sync(look).await.map_err(|failure| failure.to_string())?;
    let after = desk.integration.bulk.usage();
    let (calls, bytes) = (after.calls - before.calls, after.bytes - before.bytes);
    if let Some(stopped) = ran.stopped {
        return Err(format!("the first look stopped: {stopped:?}"));
    }
    if ran.log.pulled > 0 || ran.log.conflicts > 0 {
        return Err(format!("the first look took {} contacts for changed", ran.log.pulled + ran.log.conflicts));
    }
    if calls > MOST_CALLS_OF_A_LOOK {
        return Err(format!("the first look made {calls} calls for {} KB", bytes / 1000));
    }
    Ok(format!("the first look: {calls} calls, {} KB", bytes.div_ceil(1000)))
}

/// The run pauses at the limit, and goes on in the next hour of a clock of its own.
async fn within_a_smaller_limit(rows: &[Row], limit: u64) -> Proof {
    let clock = Arc::new(MovedClock::default());
    let system = system(Arc::clone(&clock) as Arc<dyn Clock>).await;
    let desk = desk_with(&system, rows);
    system.mautic.set_rate_limit(Some(limit));
    let mut hours = 0;
    let log = loop {
        let ran = desk.sync(SyncOptions::default()).await.map_err(|failure| failure.to_string())?;
        match ran.stopped {
            None => break ran.log,
            Some(Stopped::Paused(until)) => {
                let wait = until.duration_since(clock.now()).max(SignedDuration::ZERO) + SignedDuration::from_secs(2);
                clock.advance(wait);
                system.mautic.advance_rate_limit(Duration::try_from(wait).unwrap_or_default());
                hours += 1;
            }
            Some(other) => return Err(format!("the run stopped: {other:?}")),
        }
        if hours > 50 {
            return Err(format!("the run never came to its end; calls: {:?}", system.mautic.stats().calls));
        }
    };
    let verdict = judge(&system, rows, &log)?;
    Ok(format!("with {limit} calls an hour in {} parts: {verdict}", hours + 1))
}

/// Compares all rows with what Mautic holds.
pub(super) fn judge(system: &System, rows: &[Row], log: &RunLog) -> Proof {
    let held = super::sample::held_by(&system.mautic.contacts());
    let newest = customers::newest_by_address(rows);
    let reported: Vec<String> = log.issues.keys().cloned().collect();
    let mut wrong = Vec::new();
    for (address, row) in &newest {
        match held.get(address).map(Vec::as_slice).unwrap_or_default() {
            // Of rows that share an address, the newest stands whole, what it leaves blank included.
            [contact] => wrong.extend(customers::differences(row, "", contact, &reported, false)),
            [] => wrong.push("a customer is missing".to_owned()),
            many => wrong.push(format!("a customer is there {} times", many.len())),
        }
    }
    let rejected = rows.iter().filter(|row| !customers::is_valid(row)).count();
    if log.rejected != rejected as u64 || log.problems.len() < rejected.min(500) {
        wrong.push(format!("{} rows were reported as no contacts, and {rejected} are none", log.rejected));
    }
    wrong.extend(wrong_segments(system, &newest));
    match wrong.first() {
        None => {
            Ok(format!("{} rows: {} customers right field by field, {rejected} reported", rows.len(), newest.len()))
        }
        Some(first) => Err(format!("{} things are wrong, the first: {first}", wrong.len())),
    }
}

/// The segments that the customers should be in, compared with those they are in.
fn wrong_segments(system: &System, newest: &BTreeMap<String, &Row>) -> Vec<String> {
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    for row in newest.values() {
        let names = row["customer_segments"].trim_matches(|c| "{}".contains(c)).split(',');
        for name in names.filter(|name| !name.is_empty()) {
            *expected.entry(name).or_default() += 1;
        }
    }
    let held: usize = system.mautic.contacts().iter().map(|contact| contact.segments.len()).sum();
    let wanted: usize = expected.values().sum();
    (held != wanted).then(|| format!("{held} memberships are set, and {wanted} should be")).into_iter().collect()
}

/// A system whose Mautic answers at once, and that runs no jobs.
pub(super) async fn system(clock: Arc<dyn Clock>) -> System {
    let mautic = version::mautic().race_window(Duration::ZERO).latency(Duration::ZERO);
    System::with(Options { mautic, clock, ..Options::default() }.without_worker()).await
}

fn desk_with(system: &System, rows: &[Row]) -> Desk {
    desk_over(system, &ListSource::of(rows.iter().map(source_row)))
}

/// A desk whose rows are those of the source.
pub(super) fn desk_over(system: &System, source: &ListSource) -> Desk {
    let mut desk = system.desk();
    desk.services.source = Arc::new(source.clone());
    desk
}

/// The machine's clock, moved ahead.
#[derive(Default)]
struct MovedClock {
    ahead: AtomicI64,
}

impl MovedClock {
    fn advance(&self, by: SignedDuration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        SystemClock.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }
}
