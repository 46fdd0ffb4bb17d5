//! `memory`: the function as it is deployed imports many customers in little memory, from the application's rows in the
//! table.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tandem_app::store::RecordsTable;
use tandem_app::system::SystemClock;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::Clock;
use tandem_core::ports::source::SourceRow;

use super::import::system;
use super::{Proof, Size};
use crate::customers;
use crate::function::{FunctionProcess, environment};
use crate::list_source::source_row;
use crate::paths;
use crate::sqs_stub::SqsStub;
use crate::system::System;

/// What the function may take at most, in KiB.
const MOST: u64 = 64 * 1024;
/// How many invocations an import may take: table, Mautic and function share a machine here, and an invocation has 15 minutes.
const MOST_INVOCATIONS: u32 = 3;

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let Some(program) = paths::release("scheduled-sync") else {
        return Err("scheduled-sync is not built for release: `make test` builds it".to_owned());
    };
    let mut told = Vec::new();
    for count in match size {
        Size::Small => vec![2_000],
        Size::Full => vec![18_000, 200_000],
    } {
        told.push(import(&program, count).await?);
    }
    Ok(told.join("; "))
}

/// What an import of so many rows took, as figures of the benchmark: name, value, unit.
///
/// # Errors
/// When the function is not built, or the import is not right.
pub(crate) async fn figures(count: usize) -> Result<[(String, f64, &'static str); 3], String> {
    let program = paths::release("scheduled-sync").ok_or("scheduled-sync is not built for release")?;
    let Taken { peak, took, busy, .. } = measure(&program, count).await?;
    Ok([
        (format!("function_import_{count}_peak_memory"), peak as f64, "KiB"),
        (format!("function_import_{count}_time"), took.as_secs_f64() * 1e3, "ms"),
        (format!("function_import_{count}_processor_time"), busy.as_secs_f64() * 1e3, "ms"),
    ])
}

/// What an import took.
struct Taken {
    /// In KiB.
    peak: u64,
    took: SignedDuration,
    busy: Duration,
    /// How often the schedule came round until all were there.
    invocations: u32,
}

async fn import(program: &Path, count: usize) -> Proof {
    let Taken { peak, took, busy, invocations } = measure(program, count).await?;
    if peak > MOST {
        return Err(format!("{count} rows took {peak} KiB"));
    }
    Ok(format!(
        "{count} rows: {} MiB at most, {invocations} invocations, {:.1} s of which the function itself {:.1} s of processor time",
        peak / 1024,
        took.as_secs_f64(),
        busy.as_secs_f64()
    ))
}

async fn measure(program: &Path, count: usize) -> Result<Taken, String> {
    let (system, sqs) = (system(Arc::new(SystemClock)).await, SqsStub::start().await);
    let expected = fill(&system, count).await?;
    let process = FunctionProcess::start(program, &environment(&system, &sqs)).await;
    process.cold_init().await;
    let begun = SystemClock.now();
    let (mut invocations, mut there) = (0, 0);
    // A run that uses its time up is gone on with by the next one.
    while there < expected && invocations < MOST_INVOCATIONS {
        process.invoke(&json!({})).await.map_err(|error| error.to_string())?;
        invocations += 1;
        there = system.mautic.stats().contacts;
    }
    let took = SystemClock.now().duration_since(begun);
    let peak = process.memory_kib("VmHWM").unwrap_or(u64::MAX);
    let busy = process.processor_time().unwrap_or_default();
    if there != expected {
        return Err(format!("of {expected} customers, {there} are there after {invocations} invocations"));
    }
    Ok(Taken { peak, took, busy, invocations })
}

/// Puts so many customers into the table; gives how many contacts they are.
async fn fill(system: &System, count: usize) -> Result<usize, String> {
    let records = RecordsTable::new(system.table.table().clone(), Arc::new(SystemClock));
    let mut addresses = std::collections::BTreeSet::new();
    let rows = numbered(count);
    for row in &rows {
        let email = row.fields.get("email").and_then(|email| email.as_str()).unwrap_or_default();
        let customer = [("email".to_owned(), email.to_owned())].into();
        addresses.extend(customers::address(&customer));
    }
    for some in rows.chunks(500) {
        records.put(&Scope::default_mautic(), some).await.map_err(|failure| failure.to_string())?;
    }
    Ok(addresses.len())
}

/// So many customers: the file's, once more as somebody else when they are too few.
pub(crate) fn numbered(count: usize) -> Vec<SourceRow> {
    let customers = customers::all();
    let numbered = (0..count).map(|number| (number / customers.len(), &customers[number % customers.len()]));
    numbered.map(|(round, row)| in_round(round, row)).collect()
}

/// A customer once more, as somebody else.
fn in_round(round: usize, row: &customers::Row) -> SourceRow {
    let mut row = source_row(row);
    if round > 0 {
        row.id = format!("{}-{round}", row.id);
        let email =
            row.fields.get("email").and_then(|email| email.as_str()).map(|email| format!("r{round}{}", email.trim()));
        row.fields.insert("email".to_owned(), json!(email));
    }
    row
}
