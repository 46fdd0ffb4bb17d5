//! The benchmark: one `name=value unit` a line. Build it and the functions for release, as `make bench` does.
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

use std::process::ExitCode;

use tandem_tests::bench::{Measured, cold_init, costs, latency, process, sync, webhooks};

#[tokio::main]
async fn main() -> ExitCode {
    let cold = tell(cold_init::run().await);
    let costs = tell(costs::run().await);
    let latency = tell(latency::run().await);
    let process = tell(process::run().await);
    let webhooks = tell(webhooks::run().await);
    let sync = tell(sync::run().await);
    if cold && costs && latency && process && webhooks && sync { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
