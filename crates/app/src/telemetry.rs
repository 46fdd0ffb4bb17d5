//! Logs as JSON lines on Lambda and as text on a terminal; metrics in CloudWatch's embedded format. No personal data in either.

use std::io::Write;

use serde_json::json;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Environment;

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// Starts logging to standard error. `TANDEM_LOG` sets the level, by module if need be; `usual` where it is not set.
pub fn start_logging(environment: &Environment, format: LogFormat, usual: &str) {
    let level = environment.get(&["TANDEM_LOG", "RUST_LOG"]).unwrap_or(usual);
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(level)).with_writer(std::io::stderr).with_target(false);
    // A second start in one process (tests) keeps the first one's settings.
    let _already_started = match format {
        LogFormat::Json => builder.json().flatten_event(true).finish().with(discretion()).try_init(),
        LogFormat::Text => builder.compact().finish().with(discretion()).try_init(),
    };
}

/// What is logged at a level such as `trace` or `info,tandem_core=debug`.
#[must_use]
pub fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Leaves out what libraries say below `info`, whatever level is set: they log whole requests, with the personal data in
/// them. Tandem's own lines hold none at any level.
#[must_use]
pub fn discretion() -> FilterFn {
    filter_fn(|metadata: &Metadata<'_>| metadata.target().starts_with("tandem") || *metadata.level() <= Level::INFO)
}

/// Counts of one finished request.
#[derive(Clone, Copy, Debug)]
pub struct RequestMetric<'a> {
    /// The action or route.
    pub operation: &'a str,
    /// HTTP status.
    pub status: u16,
    /// From the first byte in to the last byte out, in milliseconds.
    pub duration_ms: u64,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// Writes a metric as a line of CloudWatch's embedded metric format.
pub fn emit(metric: RequestMetric<'_>, out: &mut impl Write) -> std::io::Result<()> {
    let line = json!({
        "_aws": {
            "Timestamp": metric.at_ms,
            "CloudWatchMetrics": [{
                "Namespace": "Tandem",
                "Dimensions": [["operation"]],
                "Metrics": [
                    {"Name": "duration", "Unit": "Milliseconds"},
                    {"Name": "failed", "Unit": "Count"},
                ],
            }],
        },
        "operation": metric.operation,
        "status": metric.status,
        "duration": metric.duration_ms,
        "failed": u8::from(metric.status >= 500),
    });
    writeln!(out, "{line}")
}
