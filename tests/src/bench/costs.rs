//! How many calls of Mautic and of the table an upsert makes.

use serde_json::Value;

use super::{Figure, Measured, payload, payload_with_zero, system, upsert};
use crate::system::System;

/// Contacts of each measurement.
const CONTACTS: usize = 50;

/// Measures each kind of upsert, one at a time.
///
/// # Errors
/// When an upsert does not end as it should.
pub async fn run() -> Measured {
    let system = system().await;
    // Fetches the token and the list of fields, which later calls need not.
    upsert(&system.caller, payload("first@example.com", "First"), "created").await?;
    let mut figures = Vec::new();
    figures.extend(measure(&system, "created", "created", |n| payload(&address(n), "Jane")).await?);
    figures.extend(measure(&system, "updated", "updated", |n| payload(&address(n), "Joan")).await?);
    figures.extend(measure(&system, "unchanged", "unchanged", |n| payload(&address(n), "Joan")).await?);
    figures.extend(measure(&system, "number_to_zero", "updated", |n| payload_with_zero(&address(n))).await?);
    figures.extend(measure(&system, "created_with_zero", "created", |n| payload_with_zero(&zero_address(n))).await?);
    Ok(figures)
}

fn address(number: usize) -> String {
    format!("cost{number}@example.com")
}

fn zero_address(number: usize) -> String {
    format!("zero{number}@example.com")
}

async fn measure(system: &System, name: &str, action: &str, payload: impl Fn(usize) -> Value) -> Measured {
    let before = counts(system);
    for number in 0..CONTACTS {
        upsert(&system.caller, payload(number), action).await?;
    }
    let each = |after: u64, before: u64| (after - before) as f64 / CONTACTS as f64;
    let after = counts(system);
    Ok(vec![
        Figure::new(format!("mautic_calls_per_upsert_{name}"), each(after[0], before[0]), "calls"),
        Figure::new(format!("table_reads_per_upsert_{name}"), each(after[1], before[1]), "reads"),
        Figure::new(format!("table_writes_per_upsert_{name}"), each(after[2], before[2]), "writes"),
    ])
}

fn counts(system: &System) -> [u64; 3] {
    let meter = system.table.meter();
    [system.mautic.stats().api_calls, meter.reads(), meter.writes()]
}
