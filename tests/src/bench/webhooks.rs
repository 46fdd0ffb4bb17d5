//! How long a delivery keeps Mautic waiting, how many are taken in a second, what they cost, and when their effect shows.

use futures::{StreamExt, TryStreamExt};

use super::{Figure, Measured, milliseconds, quantile, system, timed};
use crate::client::Caller;
use crate::deliveries::{Delivery, address, made_up};
use crate::system::System;

/// Deliveries of each measurement.
const DELIVERIES: usize = 600;
/// People that they are about.
const PEOPLE: usize = 100;
/// Opt-outs whose effect is waited for.
const OPT_OUTS: u64 = 20;

/// Measures one sender at a time, ten and fifty.
///
/// # Errors
/// When a delivery is not taken.
pub async fn run() -> Measured {
    let mut figures = Vec::new();
    for at_once in [1, 10, 50] {
        let system = system().await;
        figures.extend(intake(&system, at_once).await?);
    }
    figures.push(effect(&system().await).await?);
    Ok(figures)
}

async fn intake(system: &System, at_once: usize) -> Measured {
    let deliveries = made_up(DELIVERIES, PEOPLE);
    let entries: usize = (0..DELIVERIES).map(|number| number % 3 + 1).sum();
    let (reads, writes) = (system.table.meter().reads(), system.table.meter().writes());
    let (times, whole) = timed(all(&system.caller, &deliveries, at_once)).await;
    let times = times?;
    let each = |after: u64, before: u64| (after - before) as f64 / entries as f64;
    Ok(vec![
        Figure::new(format!("webhook_p50_c{at_once}"), quantile(&times, 0.5), "ms"),
        Figure::new(format!("webhook_p99_c{at_once}"), quantile(&times, 0.99), "ms"),
        Figure::new(format!("webhook_rate_c{at_once}"), times.len() as f64 / whole.as_secs_f64(), "per_s"),
        Figure::new(format!("table_reads_per_entry_c{at_once}"), each(system.table.meter().reads(), reads), "reads"),
        Figure::new(
            format!("table_writes_per_entry_c{at_once}"),
            each(system.table.meter().writes(), writes),
            "writes",
        ),
    ])
}

/// Delivers all; gives how many milliseconds each took.
async fn all(caller: &Caller, deliveries: &[Delivery], at_once: usize) -> Result<Vec<f64>, String> {
    let calls = futures::stream::iter(deliveries).map(|delivery| async move {
        let (answer, time) = timed(caller.deliver(delivery)).await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        if answer.status == 200 { Ok(milliseconds(time)) } else { Err(format!("{} {}", answer.status, answer.body)) }
    });
    calls.buffer_unordered(at_once).try_collect().await
}

/// From the sending of an opt-out to the moment at which it stands in the ledger.
async fn effect(system: &System) -> Result<Figure, String> {
    let mut times = Vec::new();
    for person in 1..=OPT_OUTS {
        let delivery = Delivery::opt_out(person);
        let (shown, time) = timed(async {
            system.deliver(&delivery).await?;
            while system.consent(&address(person)).await?.is_none() {
                tokio::task::yield_now().await;
            }
            Ok::<(), String>(())
        })
        .await;
        shown?;
        times.push(milliseconds(time));
    }
    Ok(Figure::new("webhook_to_effect_p50", quantile(&times, 0.5), "ms"))
}
