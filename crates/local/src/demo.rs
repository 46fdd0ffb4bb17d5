//! `tandem demo` (`make run`): serves, connects, sends sample contacts the way an application would, shows what happened.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use reqwest::Client;
use serde_json::{Value, json};
use tandem_app::config::{Config, Environment};
use tandem_app::system::SystemClock;
use tandem_core::error::FailureKind;
use tandem_core::ports::Clock;
use tandem_core::sync::run::SyncOptions;
use tandem_simulators::MauticVersion;

use crate::connect::{MauticOptions, connect_mautic};
use crate::dev::{DevOptions, Server, announce, interrupted};
use crate::failure::CommandError;
use crate::output::Output;
use crate::sample;

/// Calls under way at once: as many as a small application makes.
const AT_ONCE: usize = 8;

/// Options of `tandem demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// The port to serve on; 0 takes a free one.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// A CSV file with the customers to send; without it 500 that are made up.
    #[arg(long)]
    sample: Option<PathBuf>,
    /// How many of them.
    #[arg(long, default_value_t = 500)]
    rows: usize,
    /// The version of the simulated Mautic: 5.1 or 7.0.
    #[arg(long, default_value_t, value_name = "VERSION")]
    simulate_version: MauticVersion,
    /// Stop after the summary instead of serving on.
    #[arg(long)]
    once: bool,
}

/// Runs the demo.
pub async fn demo(
    options: &DemoOptions,
    data_dir: &Path,
    environment: Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let bodies = match &options.sample {
        Some(path) => sample::read(csv::Reader::from_path(path)?, options.rows)?,
        None => sample::read(csv::Reader::from_reader(sample::BUILT_IN.as_bytes()), options.rows)?,
    };
    let simulate = Config::read(&environment)?.mautic.is_none();
    let served =
        DevOptions { port: options.port, simulate, simulate_version: options.simulate_version, no_schedule: false };
    let server = Server::start(&served, data_dir, environment).await?;
    output.note(if simulate {
        "No Mautic is configured: working with a simulated one."
    } else {
        "Working with the configured Mautic."
    });
    let (fields, segments) = match &server.connected {
        Some(connected) => connected.made(),
        None => {
            let connect = MauticOptions { create_missing: true, ..MauticOptions::default() };
            connect_mautic(&server.foundation, &connect, None).await?.made()
        }
    };
    let contacts = bodies.len();
    output.note(format!(
        "Connected; {fields} fields and {segments} segments were made there.\nSending {contacts} contacts."
    ));
    let summary = send_all(&server, bodies).await?;
    output.result(&summary.json(), summary.text());
    announce(&server, output);
    if !options.once {
        output.note("\nServing on; Ctrl-C stops.");
        interrupted().await;
    }
    server.stop().await;
    Ok(())
}

/// What became of the calls.
#[derive(Debug, Default)]
struct Summary {
    outcomes: BTreeMap<&'static str, u64>,
    rejected: BTreeMap<String, u64>,
    field_issues: BTreeMap<String, u64>,
    memberships: u64,
    mautic_calls: u64,
    duration: SignedDuration,
}

async fn send_all(server: &Server, bodies: Vec<Value>) -> Result<Summary, CommandError> {
    let client = Client::builder().timeout(Duration::from_secs(60)).build();
    let client = client.map_err(|error| CommandError::Undone(format!("no HTTP client: {error}")))?;
    let progress = progress(bodies.len());
    let (calls, begun) = (server.foundation.http.calls(), SystemClock.now());
    let mut summary = Summary::default();
    let mut answers = futures::stream::iter(bodies).map(|body| send(&client, server, body)).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        summary.count(&answer?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    summary.memberships = memberships(server).await?;
    summary.duration = SystemClock.now().duration_since(begun);
    summary.mautic_calls = server.foundation.http.calls() - calls;
    Ok(summary)
}

/// Single calls leave the segments to the sync run, which puts many contacts into one with one call.
async fn memberships(server: &Server) -> Result<u64, CommandError> {
    let Some(desk) = server.foundation.desk()? else { return Ok(0) };
    match desk.sync(SyncOptions::default()).await {
        Ok(ran) => Ok(ran.log.memberships),
        // The schedule's own run is under way, and does it.
        Err(failure) if failure.kind == FailureKind::Conflict => Ok(0),
        Err(failure) => Err(failure.into()),
    }
}

async fn send(client: &Client, server: &Server, body: Value) -> Result<Value, CommandError> {
    let url = format!("{}/mautic-sync", server.running.url);
    let answer = client.post(url).bearer_auth(&server.api_key).json(&body).send().await;
    let answer = match answer {
        Ok(answer) => answer.json().await,
        Err(error) => Err(error),
    };
    answer.map_err(|error| CommandError::Undone(format!("a call broke off: {}", error.without_url())))
}

fn progress(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {elapsed} ({per_sec})");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

impl Summary {
    fn count(&mut self, answer: &Value) {
        let data = &answer["data"];
        let outcome = match (answer["ok"].as_bool(), data["action"].as_str()) {
            (Some(true), Some("created")) => "created",
            (Some(true), Some("updated")) => "updated",
            (Some(true), Some("unchanged")) => "unchanged",
            (Some(true), _) => "queued",
            (_, _) => "rejected",
        };
        *self.outcomes.entry(outcome).or_default() += 1;
        if outcome == "rejected" {
            *self.rejected.entry(reason(&answer["error"])).or_default() += 1;
        }
        for issue in data["fieldIssues"].as_array().into_iter().flatten() {
            *self.field_issues.entry(issue_name(issue)).or_default() += 1;
        }
    }

    fn of(&self, outcome: &str) -> u64 {
        self.outcomes.get(outcome).copied().unwrap_or(0)
    }

    fn seconds(&self) -> f64 {
        self.duration.as_secs_f64()
    }

    fn json(&self) -> Value {
        json!({
            "created": self.of("created"), "updated": self.of("updated"), "unchanged": self.of("unchanged"),
            "queued": self.of("queued"), "rejected": self.rejected, "fieldIssues": self.field_issues,
            "memberships": self.memberships, "mauticCalls": self.mautic_calls, "seconds": self.seconds(),
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for outcome in ["created", "updated", "unchanged", "queued", "rejected"] {
            // Writing to a string can't fail, here and below.
            let _infallible = writeln!(text, "{outcome:<14}{}", self.of(outcome));
        }
        for (reason, count) in &self.rejected {
            let _infallible = writeln!(text, "    {count:>4}  {reason}");
        }
        if !self.field_issues.is_empty() {
            let _infallible = writeln!(text, "left out of contacts that were taken, by field");
        }
        for (issue, count) in &self.field_issues {
            let _infallible = writeln!(text, "    {count:>4}  {issue}");
        }
        let _infallible = writeln!(
            text,
            "memberships   {}\nMautic calls  {}\nseconds       {:.1}",
            self.memberships,
            self.mautic_calls,
            self.seconds()
        );
        text
    }
}

fn reason(error: &Value) -> String {
    match error["details"].as_array().and_then(|details| details.first()) {
        Some(issue) => issue_name(issue),
        None => error["code"].as_str().unwrap_or("unknown").to_owned(),
    }
}

fn issue_name(issue: &Value) -> String {
    format!("{}: {}", issue["field"].as_str().unwrap_or("?"), issue["code"].as_str().unwrap_or("?"))
}
