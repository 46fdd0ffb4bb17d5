//! How long an upsert takes its caller, and how many are done in a second, with a Mautic that answers at once.

use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::{Figure, Measured, milliseconds, payload, quantile, system, timed, upsert};
use crate::client::Caller;

/// Contacts of each measurement.
const CONTACTS: usize = 400;

/// Measures one caller at a time, and eight.
///
/// # Errors
/// When an upsert does not end as it should.
pub async fn run() -> Measured {
    let mut figures = Vec::new();
    for at_once in [1, 8] {
        let system = system().await;
        // Fetches the token and the list of fields, which later calls need not.
        upsert(&system.caller, payload("first@example.com", "First"), "created").await?;
        for (action, name) in [("created", "Jane"), ("updated", "Joan"), ("unchanged", "Joan")] {
            figures.extend(measure(&system.caller, action, name, at_once).await?);
        }
    }
    Ok(figures)
}

async fn measure(caller: &Caller, action: &'static str, first_name: &str, at_once: usize) -> Measured {
    let payloads = (0..CONTACTS).map(|number| payload(&format!("bench{number}@example.com"), first_name));
    let (times, whole) = timed(all(caller, payloads, action, at_once)).await;
    let times = times?;
    Ok(vec![
        Figure::new(format!("upsert_p50_{action}_c{at_once}"), quantile(&times, 0.5), "ms"),
        Figure::new(format!("upsert_p99_{action}_c{at_once}"), quantile(&times, 0.99), "ms"),
        Figure::new(format!("upsert_rate_{action}_c{at_once}"), times.len() as f64 / whole.as_secs_f64(), "per_s"),
    ])
}

/// Makes the calls; gives how many milliseconds each took.
async fn all(
    caller: &Caller,
    payloads: impl Iterator<Item = Value>,
    action: &'static str,
    at_once: usize,
) -> Result<Vec<f64>, String> {
    let calls = futures::stream::iter(payloads).map(|payload| async move {
        let (done, time) = timed(upsert(caller, payload, action)).await;
        done.map(|()| milliseconds(time))
    });
    calls.buffer_unordered(at_once).try_collect().await
}
