//! `tandem status`: what waits, since when, and what stands still.

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::json;
use tandem_app::api::status::{IntegrationState, Status};
use tandem_app::system::SystemClock;
use tandem_core::domain::scope::TenantId;
use tandem_core::ports::Clock;

use crate::api::{Ask, Target};
use crate::failure::CommandError;
use crate::output::Output;

/// What waits is counted up to this.
const MOST: usize = 100_000;

/// Runs the command.
pub async fn status(target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    let status: Status = api.ask_as(Ask::get(&["status"]).with("most", Some(MOST))).await?;
    let buried = api.buried().await?;
    let mut shown = json!(status);
    shown["buried"] = json!(buried);
    output.result(&shown, Told { status: &status, buried, now: SystemClock.now() }.text());
    Ok(())
}

/// What is told, and when.
struct Told<'a> {
    status: &'a Status,
    /// Messages of the local queue that were no jobs.
    buried: Option<u64>,
    now: Timestamp,
}

impl Told<'_> {
    fn text(&self) -> String {
        let Status { work, integrations } = self.status;
        let mut lines = Vec::new();
        for one in integrations {
            if integrations.len() > 1 || !matches!(one.status.as_str(), "active" | "not_configured") {
                lines.push(format!("{} ({})", one.name, one.id));
            }
            lines.extend(self.of_integration(one));
        }
        let queue = &work.queue;
        let oldest = queue.oldest_queued_at.map(|at| format!(", the oldest from {}", self.ago(at))).unwrap_or_default();
        lines.push(line("queue", format!("{} jobs wait, {} under way{oldest}", queue.waiting, queue.in_flight)));
        let advice = if work.parked == 0 { "" } else { ": `tandem issues list`" };
        lines.push(line("parked", format!("{} jobs wait for a person{advice}", work.parked)));
        lines.push(line("events", format!("{} stored and not begun", work.events)));
        if let Some(buried) = self.buried.filter(|count| *count > 0) {
            lines.push(line("buried", format!("{buried} messages were no jobs")));
        }
        lines.join("\n")
    }

    fn of_integration(&self, one: &IntegrationState) -> Vec<String> {
        let mut lines = Vec::new();
        match (one.status.as_str(), one.since) {
            ("active", _) => {}
            ("not_configured", _) => lines.push(line("Mautic", "not configured here: demo mode".to_owned())),
            (status, since) => {
                let since = since.map(|at| format!(" since {}", self.ago(at))).unwrap_or_default();
                let reason = one.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                lines.push(line(&status.to_uppercase(), format!("{}{reason}", since.trim_start())));
            }
        }
        let runs = &one.work.runs;
        let never = || "no run has finished yet".to_owned();
        lines.push(line("last success", runs.last_success.map_or_else(never, |at| self.ago(at))));
        if one.run_under_way {
            lines.push(line("run", "one is under way: `tandem runs`".to_owned()));
        }
        match (runs.halted_since, &runs.error) {
            (Some(since), why) => {
                lines.push(line("HALTED", format!("{}: {}", self.ago(since), why.as_deref().unwrap_or_default())));
            }
            (None, Some(why)) => lines.push(line("failed", why.clone())),
            (None, None) => {}
        }
        if let Some(until) = one.budget_exhausted_until {
            let until = shown(until);
            lines.push(line("budget", format!("Mautic takes no more calls until {until}: `tandem budget show`")));
        }
        if let Some(until) = one.silent_until {
            lines.push(line("silent", format!("the platform does not answer and is called again at {}", shown(until))));
        }
        if let Some(at) = runs.goes_on_at {
            lines.push(line("paused", format!("the run goes on at {}", shown(at))));
        }
        let outbox = &one.work.outbox;
        let more = if outbox.more { " or more" } else { "" };
        let since = outbox.due_since.map(|at| format!(", due since {}", self.ago(at))).unwrap_or_default();
        let told = format!("{}{more} contacts, {} due, {} failing{since}", outbox.waiting, outbox.due, outbox.failing);
        lines.push(line("outbox", told));
        lines.push(line("deliveries", format!("{} stored and not done", one.work.deliveries)));
        lines
    }

    /// A moment and how long ago it was: `2026-11-28 10:00:00 (3m ago)`.
    fn ago(&self, at: Timestamp) -> String {
        let ago = self.now.duration_since(at).max(SignedDuration::ZERO);
        let ago = ago.round(Unit::Second).unwrap_or(ago);
        format!("{} ({ago:#} ago)", shown(at))
    }
}

fn line(name: &str, told: String) -> String {
    format!("{name:<14}{told}")
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
