//! `memory`: the function as it is deployed imports many customers in little memory, from the application's rows in the
//! table.

use serde_json::json;
use tandem_app::store::RecordsTable;
use tandem_app::system::SystemClock;
use tandem_core::domain::scope::Scope;
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

async fn import(program: &std::path::Path, count: usize) -> Proof {
    let (system, sqs) = (system(std::sync::Arc::new(SystemClock)).await, SqsStub::start().await);
    let expected = fill(&system, count).await?;
    let process = FunctionProcess::start(program, &environment(&system, &sqs)).await;
    process.cold_init().await;
    let begun = tandem_core::ports::Clock::now(&SystemClock);
    process.invoke(&json!({})).await.map_err(|error| error.to_string())?;
    let took = tandem_core::ports::Clock::now(&SystemClock).duration_since(begun);
    let peak = process.memory_kib("VmHWM").unwrap_or(u64::MAX);
    let busy = process.processor_time().unwrap_or_default();
    let there = system.mautic.stats().contacts;
    if there != expected {
        return Err(format!("of {expected} customers, {there} are there"));
    }
    if peak > MOST {
        return Err(format!("{count} rows took {peak} KiB"));
    }
    Ok(format!(
        "{count} rows: {} MiB at most, {:.1} s of which the function itself {:.1} s of processor time",
        peak / 1024,
        took.as_secs_f64(),
        busy.as_secs_f64()
    ))
}

/// Puts so many customers into the table; gives how many contacts they are.
async fn fill(system: &System, count: usize) -> Result<usize, String> {
    let customers = customers::all();
    let records = RecordsTable::new(system.table.table().clone(), std::sync::Arc::new(SystemClock));
    let mut addresses = std::collections::BTreeSet::new();
    let numbered = (0..count).map(|number| (number / customers.len(), &customers[number % customers.len()]));
    let rows: Vec<SourceRow> = numbered.map(|(round, row)| in_round(round, row)).collect();
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
