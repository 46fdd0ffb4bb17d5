//! The proof suite: `prove NAME…` or `prove all`, `--small` for the size of `make test`.
#![allow(clippy::print_stdout, reason = "its lines are what it is for")]

use std::process::ExitCode;

use clap::Parser;
use tandem_simulators::MauticVersion;
use tandem_tests::scenarios::{self, NAMES, Size};
use tandem_tests::version;

/// Runs scenarios that show Tandem's promises; each closes with one line.
#[derive(Parser)]
struct Cli {
    /// Run at the small size.
    #[arg(long)]
    small: bool,
    /// Against a simulated Mautic of this version: 5.1 or 7.0.
    #[arg(long, default_value_t)]
    mautic: MauticVersion,
    /// The scenarios, or `all`.
    #[arg(required = true)]
    names: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    version::choose(cli.mautic);
    let size = if cli.small { Size::Small } else { Size::Full };
    let all = cli.names.iter().any(|name| name == "all");
    let names: Vec<&str> = if all { NAMES.to_vec() } else { cli.names.iter().map(String::as_str).collect() };
    let mut failed = false;
    for name in names {
        match scenarios::run(name, size).await {
            Ok(figures) => println!("{name}: ok {figures}"),
            Err(why) => {
                failed = true;
                println!("{name}: FAILED {why}");
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
