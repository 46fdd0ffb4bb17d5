//! What a sync run costs: first import, nothing changed, one row in a hundred changed.

use std::collections::BTreeMap;

use tandem_core::sync::run::SyncOptions;
use tandem_core::sync::services::Desk;

use super::{Figure, Measured, milliseconds, system, timed};
use crate::customers;
use crate::list_source::ListSource;
use crate::scenarios::memory;
use crate::scenarios::unchanged::changed_rows;
use crate::system::System;

/// How many rows there are, in each size.
pub const SIZES: &[usize] = &[1_000, 18_000, 200_000];
/// Dollars for a million write request units, on demand in us-east-1.
const WRITES: f64 = 0.625;
/// Dollars for a million read request units.
const READS: f64 = 0.125;
/// Dollars for a second of a function with 256 MB on arm64, and for a million calls of one.
const SECOND: f64 = 0.000_013_333_4 / 4.0;
const INVOCATIONS: f64 = 0.20;

/// Measures a first import of so many rows, a run after it without changes, and one after a hundredth changed.
///
/// # Errors
/// When a run does not come to its end.
pub async fn run(size: usize) -> Measured {
    let system = system().await;
    let source = ListSource::of(memory::numbered(size));
    let mut desk = system.desk();
    desk.services.source = std::sync::Arc::new(source.clone());
    let mut figures = cost(&system, &desk, &source, &format!("first_import_{size}")).await?;
    figures.extend(cost(&system, &desk, &source, &format!("unchanged_{size}")).await?);
    let all = customers::all();
    source.put(changed_rows(&all[..size.min(all.len())], size / 100));
    figures.extend(cost(&system, &desk, &source, &format!("one_percent_{size}")).await?);
    Ok(figures)
}

/// Measures the first import by the function as it is deployed: its memory and time.
///
/// # Errors
/// When the function is not built, or the import is not right.
pub async fn function(size: usize) -> Measured {
    let figures = memory::figures(size).await?;
    Ok(figures.into_iter().map(|(name, value, unit)| Figure::new(name, value, unit)).collect())
}

async fn cost(system: &System, desk: &Desk, source: &ListSource, name: &str) -> Measured {
    let meter = system.table.meter().clone();
    let counts = || {
        BTreeMap::from([
            ("table_reads", meter.reads()),
            ("table_writes", meter.writes()),
            ("read_units", meter.read_units()),
            ("write_units", meter.write_units()),
            ("source_calls", source.calls()),
        ])
    };
    let (before, items_before) = (counts(), meter.write_units_by_item());
    let (ran, time) = timed(desk.sync(SyncOptions::default())).await;
    let ran = ran.map_err(|failure| failure.to_string())?;
    if let Some(stopped) = ran.stopped {
        return Err(format!("{name} stopped: {stopped:?}"));
    }
    let spent: BTreeMap<_, _> = counts().into_iter().map(|(count, now)| (count, now - before[count])).collect();
    let mut figures = vec![
        Figure::new(format!("sync_{name}_mautic_calls"), ran.log.calls as f64, "calls"),
        Figure::new(format!("sync_{name}_bytes"), ran.log.bytes as f64, "bytes"),
        Figure::new(format!("sync_{name}_time"), milliseconds(time), "ms"),
    ];
    figures.extend(spent.iter().map(|(count, spent)| Figure::new(format!("sync_{name}_{count}"), *spent as f64, "")));
    if ran.log.created > 0 {
        let items = meter.write_units_by_item().into_iter();
        figures.extend(items.filter_map(|(item, units)| {
            let each = (units - items_before.get(&item).copied().unwrap_or_default()) as f64 / ran.log.created as f64;
            (each > 0.0).then(|| Figure::new(format!("sync_{name}_write_units_of_{item}_each"), each, ""))
        }));
    }
    let price = spent["write_units"] as f64 * WRITES / 1e6
        + spent["read_units"] as f64 * READS / 1e6
        + time.as_secs_f64() * SECOND
        + INVOCATIONS / 1e6;
    figures.push(Figure::new(format!("sync_{name}_price"), price * 1e6, "millionths of a dollar"));
    Ok(figures)
}
