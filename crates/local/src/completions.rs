//! `tandem completions`: what makes a shell complete the commands.

use clap::Args;
use clap_complete::Shell;
use serde_json::json;

use crate::command_line;
use crate::output::Output;

/// Options of `tandem completions`.
#[derive(Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

/// Runs the command.
pub fn completions(options: &Completions, output: &Output) {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command_line(), "tandem", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    output.result(&json!({"script": script}), script.trim_end());
}
