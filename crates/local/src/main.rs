//! The `tandem` command.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    tandem_local::run_process().await
}
