//! What lifecycle events cost: calls of Mautic and of the table, and time, for each kind.

use serde_json::{Value, json};

use super::{Figure, Measured, milliseconds, quantile, system, timed};
use crate::system::System;

/// Users of each measurement.
const USERS: usize = 50;

/// Measures the kinds of events one after the other, each event waited for and alone.
///
/// # Errors
/// When an event is not completed.
pub async fn run() -> Measured {
    let system = system().await;
    system.make_campaigns().await;
    // Fetches the token and the lists, which later events need not.
    apply(&system, "first", USERS, "user_signup", json!({})).await?;
    apply(&system, "first", USERS, "plan_change", json!({"new_tier": "enterprise"})).await?;
    apply(&system, "first", USERS, "subscription_cancelled", json!({})).await?;
    let mut figures = accepted(&system).await?;
    for (kind, name, properties) in [
        ("signup", "user_signup", json!({})),
        ("upgrade", "plan_change", json!({"old_tier": "free", "new_tier": "pro"})),
        ("login", "user_login", json!({})),
        ("login_within_the_hour", "user_login", json!({})),
        ("payment", "payment_succeeded", json!({"amount": 12.5})),
        ("cancellation", "subscription_cancelled", json!({})),
    ] {
        figures.extend(measure(&system, kind, name, properties).await?);
    }
    Ok(figures)
}

async fn measure(system: &System, kind: &str, name: &str, properties: Value) -> Measured {
    let before = counts(system);
    let mut times = Vec::with_capacity(USERS);
    for user in 0..USERS {
        let (applied, took) = timed(apply(system, kind, user, name, properties.clone())).await;
        applied?;
        times.push(milliseconds(took));
    }
    let each = |after: u64, before: u64| (after - before) as f64 / USERS as f64;
    let after = counts(system);
    Ok(vec![
        Figure::new(format!("mautic_calls_per_event_{kind}"), each(after[0], before[0]), "calls"),
        Figure::new(format!("table_reads_per_event_{kind}"), each(after[1], before[1]), "reads"),
        Figure::new(format!("table_writes_per_event_{kind}"), each(after[2], before[2]), "writes"),
        Figure::new(format!("event_{kind}_p50"), quantile(&times, 0.5), "ms"),
        Figure::new(format!("event_{kind}_p99"), quantile(&times, 0.99), "ms"),
    ])
}

/// How long a caller waits who does not wait for the effects.
async fn accepted(system: &System) -> Measured {
    let mut times = Vec::with_capacity(USERS);
    for user in 0..USERS {
        let (answer, took) = timed(system.send_events("", &event("accepted", user, "user_login", json!({})))).await;
        let answer = answer?;
        if answer.status != 202 {
            return Err(format!("an event was not accepted: {} {}", answer.status, answer.body));
        }
        times.push(milliseconds(took));
    }
    Ok(vec![
        Figure::new("event_accepted_p50", quantile(&times, 0.5), "ms"),
        Figure::new("event_accepted_p99", quantile(&times, 0.99), "ms"),
    ])
}

async fn apply(system: &System, kind: &str, user: usize, name: &str, properties: Value) -> Result<(), String> {
    let answer = system.send_events("?wait=true", &event(kind, user, name, properties)).await?;
    if answer.status == 200 {
        Ok(())
    } else {
        Err(format!("{name} was not completed: {} {}", answer.status, answer.body))
    }
}

fn event(kind: &str, user: usize, name: &str, properties: Value) -> Value {
    let person = json!({"id": format!("u{user}"), "email": format!("event{user}@example.com")});
    json!({"id": format!("{kind}-{name}-{user}"), "name": name, "user": person, "properties": properties})
}

fn counts(system: &System) -> [u64; 3] {
    let meter = system.table.meter();
    [system.mautic.stats().api_calls, meter.reads(), meter.writes()]
}
