//! The `tandem` command: every function in one process, and the operator's tools.

mod about;
mod audit;
mod budget;
mod changes;
mod completions;
mod conflicts;
mod connect;
mod contact;
mod control;
mod demo;
mod demo_campaigns;
mod dev;
mod doctor;
mod events;
mod failure;
mod import;
mod installation;
mod integrations;
mod jobs;
mod keys;
mod lock;
mod mappings;
mod operations;
mod output;
mod record;
mod rules;
mod runs;
mod sample;
mod schedule;
mod status;
mod sync;
mod tenants;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tandem_app::config::Environment;
use tandem_app::telemetry::{self, LogFormat};

use failure::CommandError;
use output::Output;

/// Keeps an application's people in step with Mautic.
#[derive(Parser)]
#[command(name = "tandem", version, about, max_term_width = 100)]
struct Cli {
    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    /// Where the local installation keeps its data.
    #[arg(long, global = true, default_value = ".tandem", env = "TANDEM_DATA_DIR")]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

/// People read what commands print; the embedded engine warns of every condition that does not hold, which is usual.
const LOG_LEVEL: &str = "warn,dynoxide=error";

#[derive(Subcommand)]
enum Command {
    /// Serve every function in this process, with its own table, queue and worker.
    Dev(dev::DevOptions),
    /// Serve, connect, send sample contacts, and show what happened (`make run`).
    Demo(demo::DemoOptions),
    /// Check a platform and make what it lacks.
    #[command(subcommand)]
    Connect(connect::Connect),
    /// What waits, since when, and what stands still.
    Status,
    /// Put the records of a CSV file into Tandem's own table, for applications without a database that Tandem can read.
    Import(import::ImportOptions),
    /// Bring what changed at the source to the platform.
    Sync(sync::Sync),
    /// The log of sync runs.
    Runs(runs::Runs),
    /// Which of the application's fields goes to which field of the platform.
    #[command(subcommand)]
    Mappings(mappings::MappingsCommand),
    /// What came from the platform, for applications without a database that Tandem can write to.
    Changes(changes::Changes),
    /// The log of what was written to the platform.
    #[command(subcommand)]
    Operations(operations::Operations),
    /// What follows from lifecycle events.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Lifecycle events and how far their effects have come.
    #[command(subcommand)]
    Events(events::Events),
    /// The platforms that a tenant's records are kept in step with.
    #[command(subcommand)]
    Integrations(integrations::IntegrationsCommand),
    /// Who owns records, integrations and keys.
    #[command(subcommand)]
    Tenants(tenants::Tenants),
    /// Who changed tenants, keys and settings, and when.
    Audit(audit::Audit),
    /// API keys of callers.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Jobs that wait for a person.
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    /// The platform's budget of calls.
    #[command(subcommand)]
    Budget(budget::Budget),
    /// Fields that both sides changed and that a person has to decide.
    #[command(subcommand)]
    Conflicts(conflicts::Conflicts),
    /// Look for what is wrong in Mautic and only a person can put right.
    #[command(subcommand)]
    Doctor(doctor::Doctor),
    /// One person's data.
    #[command(subcommand)]
    Contact(contact::Contact),
    /// One record of any kind.
    #[command(subcommand)]
    Record(record::RecordCommand),
    /// Print what makes a shell complete these commands.
    Completions(completions::Completions),
}

/// The command line as it is understood, for those who hold documents against it.
#[must_use]
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Does what the arguments of this process say.
pub async fn run_process() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    match started(cli, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            error.exit_code()
        }
    }
}

async fn started(cli: Cli, output: &Output) -> Result<(), CommandError> {
    let environment = Environment::of_process()?;
    telemetry::start_logging(&environment, LogFormat::Text, LOG_LEVEL);
    run(cli, environment, output).await
}

async fn run(cli: Cli, environment: Environment, output: &Output) -> Result<(), CommandError> {
    let data_dir = &cli.data_dir;
    match cli.command {
        Command::Dev(options) => dev::dev(&options, data_dir, environment, output).await,
        Command::Demo(options) => demo::demo(&options, data_dir, environment, output).await,
        Command::Connect(command) => connect::connect(&command, data_dir, &environment, output).await,
        Command::Status => status::status(data_dir, &environment, output).await,
        Command::Import(options) => import::import(&options, data_dir, &environment, output).await,
        Command::Sync(command) => sync::sync(&command, data_dir, &environment, output).await,
        Command::Runs(command) => runs::runs(&command, data_dir, &environment, output).await,
        Command::Mappings(command) => mappings::mappings(&command, data_dir, &environment, output).await,
        Command::Changes(options) => changes::changes(&options, data_dir, &environment, output).await,
        Command::Operations(command) => operations::operations(&command, data_dir, &environment, output).await,
        Command::Rules(command) => rules::rules(&command, data_dir, environment, output).await,
        Command::Events(command) => events::events(&command, data_dir, &environment, output).await,
        Command::Integrations(command) => integrations::integrations(&command, data_dir, &environment, output).await,
        Command::Tenants(command) => tenants::tenants(&command, data_dir, &environment, output).await,
        Command::Audit(options) => audit::audit(&options, data_dir, &environment, output).await,
        Command::Keys(command) => keys::keys(&command, data_dir, &environment, output).await,
        Command::Jobs(command) => jobs::jobs(&command, data_dir, &environment, output).await,
        Command::Budget(command) => budget::budget(&command, data_dir, &environment, output).await,
        Command::Conflicts(command) => conflicts::conflicts(&command, data_dir, &environment, output).await,
        Command::Doctor(command) => doctor::doctor(&command, data_dir, &environment, output).await,
        Command::Contact(command) => contact::contact(&command, data_dir, &environment, output).await,
        Command::Record(command) => record::record(&command, data_dir, &environment, output).await,
        Command::Completions(options) => {
            completions::completions(&options, output);
            Ok(())
        }
    }
}
