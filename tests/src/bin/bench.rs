//! The benchmark: `bench [PART…]`, one `name=value unit` a line. Build it and the functions for release, as `make bench` does.
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tandem_tests::bench::{Measured, cold_init, costs, events, latency, pace, process, sync, webhooks};

/// Measures what Tandem costs.
#[derive(Parser)]
struct Cli {
    /// What to measure; everything when nothing is named.
    parts: Vec<Part>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    ColdInit,
    Costs,
    Events,
    Latency,
    Pace,
    Process,
    Webhooks,
    Sync,
}

#[tokio::main]
async fn main() -> ExitCode {
    let named = Cli::parse().parts;
    let parts = if named.is_empty() { Part::value_variants().to_vec() } else { named };
    let mut complete = true;
    for part in parts {
        complete &= part.tell().await;
    }
    if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Part {
    async fn tell(self) -> bool {
        match self {
            Self::ColdInit => tell(cold_init::run().await),
            Self::Costs => tell(costs::run().await),
            Self::Events => tell(events::run().await),
            Self::Latency => tell(latency::run().await),
            Self::Pace => tell(pace::run().await),
            Self::Process => tell(process::run().await),
            Self::Webhooks => tell(webhooks::run().await),
            Self::Sync => tell_sizes().await,
        }
    }
}

/// The largest takes minutes: what is known by then is told before.
async fn tell_sizes() -> bool {
    let mut complete = true;
    for size in sync::SIZES {
        complete &= tell(sync::run(*size).await);
        complete &= tell(sync::function(*size).await);
    }
    complete
}

/// Prints figures as soon as they are there.
fn tell(measured: Measured) -> bool {
    match measured {
        Ok(figures) => {
            for figure in figures {
                println!("{figure}");
            }
            true
        }
        Err(why) => {
            eprintln!("bench: {why}");
            false
        }
    }
}
