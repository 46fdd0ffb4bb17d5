//! `tandem status`: what waits, since when, and what stands still.

use std::fmt::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::queue::local::Counts;
use tandem_app::system::SystemClock;
use tandem_core::ports::Clock;
use tandem_core::sync::status::Status;

use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// What waits is counted up to this.
const MOST: usize = 100_000;

/// What the command found.
struct Found {
    status: Status,
    exhausted_until: Option<Timestamp>,
    /// Messages of the local queue that were no jobs.
    buried: Option<u64>,
    mautic: bool,
    now: Timestamp,
}

/// Runs the command.
pub async fn status(data_dir: &Path, environment: &Environment, output: &Output) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let foundation = &installation.foundation;
    let desk = foundation.table_desk()?;
    let now = SystemClock.now();
    let exhausted_until = foundation.budgets().exhausted_until(&desk.integration.scope).await?;
    let buried = match &installation.local_queue {
        Some(queue) => {
            let Counts { buried, .. } = queue.counts().await?;
            Some(buried)
        }
        None => None,
    };
    let found = Found {
        status: desk.status(MOST).await?,
        exhausted_until: exhausted_until.filter(|until| *until > now),
        buried,
        mautic: foundation.config.mautic.is_some(),
        now,
    };
    let mut shown = json!(found.status);
    shown["budgetExhaustedUntil"] = json!(found.exhausted_until);
    shown["buried"] = json!(found.buried);
    output.result(&shown, found.text());
    Ok(())
}

impl Found {
    fn text(&self) -> String {
        let Status { queue, outbox, parked, deliveries, events, runs } = &self.status;
        let mut text = String::new();
        let mut line = |name: &str, told: String| {
            // Writing to a string can't fail.
            let _infallible = writeln!(text, "{name:<14}{told}");
        };
        if !self.mautic {
            line("Mautic", "not configured here: demo mode".to_owned());
        }
        line("last success", runs.last_success.map_or_else(|| "no run has finished yet".to_owned(), |at| self.ago(at)));
        if let Some(since) = runs.halted_since {
            line("HALTED", format!("{}: {}", self.ago(since), runs.error.as_deref().unwrap_or_default()));
        } else if let Some(error) = &runs.error {
            line("failed", error.clone());
        }
        if let Some(until) = self.exhausted_until {
            line("budget", format!("Mautic takes no more calls until {}: `tandem budget show`", shown(until)));
        }
        if let Some(at) = runs.goes_on_at {
            line("paused", format!("the run goes on at {}", shown(at)));
        }
        let more = if outbox.more { " or more" } else { "" };
        let since = outbox.due_since.map(|at| format!(", due since {}", self.ago(at))).unwrap_or_default();
        line(
            "outbox",
            format!("{}{more} contacts, {} due, {} failing{since}", outbox.waiting, outbox.due, outbox.failing),
        );
        let oldest = queue.oldest_queued_at.map(|at| format!(", the oldest from {}", self.ago(at))).unwrap_or_default();
        line("queue", format!("{} jobs wait, {} under way{oldest}", queue.waiting, queue.in_flight));
        line("parked", format!("{parked} jobs wait for a person{}", advice(*parked, "tandem jobs list")));
        line("deliveries", format!("{deliveries} stored and not done"));
        line("events", format!("{events} stored and not begun"));
        if let Some(buried) = self.buried.filter(|count| *count > 0) {
            line("buried", format!("{buried} messages were no jobs"));
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// A moment and how long ago it was: `2026-11-28 10:00:00 (3m ago)`.
    fn ago(&self, at: Timestamp) -> String {
        let ago = self.now.duration_since(at).max(SignedDuration::ZERO);
        let ago = ago.round(Unit::Second).unwrap_or(ago);
        format!("{} ({ago:#} ago)", shown(at))
    }
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn advice(count: u64, command: &str) -> String {
    if count == 0 { String::new() } else { format!(": `{command}`") }
}
