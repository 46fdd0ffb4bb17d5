//! `unchanged`: a run without changes calls nobody and reads what does not grow with the rows; a few changed rows cost one
//! write call and what they themselves need.

use std::sync::Arc;

use serde_json::json;
use tandem_app::system::SystemClock;
use tandem_core::ports::Clock;
use tandem_core::ports::runs::RunLog;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;

use super::import::{desk_over, system};
use super::{Proof, Size};
use crate::customers;
use crate::list_source::{ListSource, source_row};
use crate::system::System;

/// How many rows change.
const CHANGED: usize = 200;
/// What a run may read of the table when nothing changed, in calls: its state, and the marks.
const READS: u64 = 8;

/// What a run cost.
struct Cost {
    log: RunLog,
    calls: u64,
    writes_there: u64,
    reads: u64,
    writes: u64,
    asked: u64,
}

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let rows = match size {
        Size::Small => customers::sample(500),
        Size::Full => customers::all(),
    };
    let system = system(Arc::new(SystemClock)).await;
    let source = ListSource::of(rows.iter().map(source_row));
    let desk = desk_over(&system, &source);
    cost_of_run(&system, &desk, &source).await?;
    let idle = cost_of_run(&system, &desk, &source).await?;
    if idle.calls > 0 || idle.reads > READS || idle.log.rows > 0 {
        return Err(format!(
            "a run without changes made {} Mautic calls, {} table reads, and read {} rows",
            idle.calls, idle.reads, idle.log.rows
        ));
    }
    let changed = changed_rows(&rows, CHANGED);
    let expected = changed.len() as u64;
    source.put(changed);
    let busy = cost_of_run(&system, &desk, &source).await?;
    if busy.writes_there != 1 || busy.log.updated != expected {
        return Err(format!(
            "{expected} changed rows took {} write calls and changed {} contacts",
            busy.writes_there, busy.log.updated
        ));
    }
    Ok(format!(
        "{} rows, nothing changed: 0 Mautic calls, {} table reads, {} writes, {} source call; {expected} rows changed: {} \
         Mautic calls, 1 of them a write, {} table reads, {} writes, {} source calls",
        rows.len(),
        idle.reads,
        idle.writes,
        idle.asked,
        busy.calls,
        busy.reads,
        busy.writes,
        busy.asked
    ))
}

async fn cost_of_run(system: &System, desk: &Desk, source: &ListSource) -> Result<Cost, String> {
    let writes_there = |system: &System| {
        ["PATCH /api/contacts/batch/edit", "PUT /api/contacts/batch/edit"]
            .map(|route| system.calls_of(route))
            .iter()
            .sum()
    };
    let (meter, calls, there, asked): (_, _, u64, _) =
        (system.table.meter().clone(), system.calls(), writes_there(system), source.calls());
    let (reads, writes) = (meter.reads(), meter.writes());
    let ran = desk.sync(SyncOptions::default()).await.map_err(|failure| failure.to_string())?;
    if let Some(stopped) = ran.stopped {
        return Err(format!("the run stopped: {stopped:?}"));
    }
    Ok(Cost {
        log: ran.log,
        calls: system.calls() - calls,
        writes_there: writes_there(system) - there,
        reads: meter.reads() - reads,
        writes: meter.writes() - writes,
        asked: source.calls() - asked,
    })
}

/// So many customers with another first name. None shares its address: or another row's values would change with the name.
pub(crate) fn changed_rows(rows: &[customers::Row], count: usize) -> Vec<SourceRow> {
    let newest = customers::newest_by_address(rows);
    let shared = customers::shared_addresses(rows);
    let alone = newest.iter().filter(|(address, _)| !shared.contains(*address));
    let changed = |(_, row): (&String, &&customers::Row)| {
        let mut row = source_row(row);
        row.updated_at = Some(SystemClock.now());
        row.fields.insert("first_name".to_owned(), json!("Renamed"));
        row
    };
    alone.map(changed).take(count).collect()
}
