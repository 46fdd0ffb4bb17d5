//! The function as it is deployed, called through the Runtime API: how long an upsert takes, how much memory it needs.

use serde_json::{Value, json};

use super::{Figure, Measured, built, milliseconds, payload, quantile, system, timed};
use crate::function::{FunctionProcess, environment};
use crate::paths;
use crate::sqs_stub::SqsStub;
use crate::system::KEY;

/// Upserts, one after the other, as an instance of a function gets them.
const UPSERTS: usize = 500;

/// Measures new contacts.
///
/// # Errors
/// When the function is not built, or an upsert does not end as it should.
pub async fn run() -> Measured {
    let program = built("mautic-sync")?;
    let (system, sqs) = (system().await, SqsStub::start().await);
    let process = FunctionProcess::start(&program, &environment(&system, &sqs)).await;
    process.cold_init().await;
    let mut times = Vec::new();
    for number in 0..UPSERTS {
        let event = event(&format!("process{number}@example.com"))?;
        let (answer, time) = timed(process.invoke(&event)).await;
        check(&answer.map_err(|error| error.to_string())?)?;
        times.push(milliseconds(time));
    }
    let peak = process.memory_kib("VmHWM").unwrap_or(0);
    Ok(vec![
        Figure::new("function_first_upsert", times[0], "ms"),
        Figure::new("function_upsert_p50_created", quantile(&times, 0.5), "ms"),
        Figure::new("function_upsert_p99_created", quantile(&times, 0.99), "ms"),
        Figure::new(format!("function_peak_memory_after_{UPSERTS}"), peak as f64, "KiB"),
    ])
}

/// API Gateway's document of an upsert.
fn event(address: &str) -> Result<Value, String> {
    let path = paths::project().join("events/mautic-sync/upsert_contact.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut event: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    event["headers"]["authorization"] = json!(format!("Bearer {KEY}"));
    event["body"] = json!(json!({"action": "upsert_contact", "payload": payload(address, "Jane")}).to_string());
    Ok(event)
}

fn check(answer: &Value) -> Result<(), String> {
    if answer["statusCode"] == 200 { Ok(()) } else { Err(format!("an upsert was answered with {answer}")) }
}
