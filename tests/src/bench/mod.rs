//! What Tandem costs: time, memory, calls of Mautic and of the table. Measured and told, never judged.

pub mod cold_init;
pub mod costs;
pub mod events;
pub mod latency;
pub mod pace;
pub mod process;
pub mod sync;
pub mod webhooks;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Caller;
use crate::paths;
use crate::system::{Options, System};
use crate::version;

/// A figure: its name, its value, its unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

impl Figure {
    fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Counts and bytes are told as they are, measurements to the hundredth.
        let digits = if self.value.fract() == 0.0 { 0 } else { 2 };
        write!(f, "{}={:.digits$} {}", self.name, self.value, self.unit)
    }
}

/// Figures, or why there are none.
pub type Measured = Result<Vec<Figure>, String>;

/// A system whose Mautic answers at once: what is measured is Tandem.
async fn system() -> System {
    let mautic = version::mautic().race_window(Duration::ZERO).latency(Duration::ZERO);
    System::with(Options { mautic, ..Options::default() }.without_worker().with("TANDEM_LOG", "warn")).await
}

/// A release build beside this program.
fn built(name: &str) -> Result<PathBuf, String> {
    let path = paths::program(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} is missing: build it for release", path.display())) }
}

/// The contact of the documentation's example, with another address and first name.
fn payload(address: &str, first_name: &str) -> Value {
    json!({
        "id": address,
        "crm_status": "qualified",
        "consent": {"marketing_opt_in": true},
        "ml": {"score": 85},
        "contact": {"email": address, "first_name": first_name, "last_name": "Doe", "phone": "+61400000000", "company": "ACME Corp"},
        "fields": {"total_orders": 3, "customer_segment": "regular"},
        "utm": {"source": "google", "medium": "cpc", "campaign": "summer-2024"},
    })
}

/// The same contact, with a number that Mautic's own upsert drops.
fn payload_with_zero(address: &str) -> Value {
    let mut payload = payload(address, "Jane");
    payload["fields"]["total_orders"] = json!(0);
    payload
}

/// Upserts a contact, which has to end in this action.
async fn upsert(caller: &Caller, payload: Value, action: &str) -> Result<(), String> {
    let answer = caller.upsert(payload).await.map_err(|error| error.without_url().to_string())?;
    let done = answer.data()["action"].as_str();
    if done == Some(action) { Ok(()) } else { Err(format!("instead of {action}: {} {}", answer.status, answer.body)) }
}

/// The smallest value that a share of the values, from 0 to 1, does not exceed.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a short list's length")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// How long something takes.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "durations are what is measured")]
    let begun = Instant::now();
    let result = work.await;
    (result, begun.elapsed())
}
