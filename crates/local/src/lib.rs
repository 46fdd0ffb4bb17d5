//! The `tandem` command: every function in one process, and the operator's tools.

mod api;
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
mod issues;
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
use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use tandem_app::config::Environment;
use tandem_app::telemetry::{self, LogFormat};

use api::Target;
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
    /// The installation to work on, over HTTP; without it, the one of the data folder, or of `TANDEM_TABLE`.
    #[arg(
        id = "installation_url",
        long = "url",
        value_name = "URL",
        global = true,
        env = "TANDEM_URL",
        hide_env_values = true
    )]
    url: Option<String>,
    /// The API key for --url.
    #[arg(
        id = "api_key",
        long = "key",
        value_name = "KEY",
        global = true,
        env = "TANDEM_API_KEY",
        hide_env_values = true
    )]
    key: Option<String>,
    /// The integration that is meant, by id or name, where the tenant has several.
    #[arg(id = "of_integration", long = "integration", value_name = "INTEGRATION", global = true)]
    integration: Option<String>,
    #[command(subcommand)]
    command: Command,
}

/// People read what commands print; the embedded engine warns of every condition that does not hold, which is usual.
const LOG_LEVEL: &str = "warn,dynoxide=error,tandem_app::http=error";

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
    /// What needs a person, folded by cause.
    #[command(subcommand)]
    Issues(issues::Issues),
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

impl Command {
    /// Its name on the command line, of those that work here alone.
    const fn name(&self) -> &'static str {
        match self {
            Self::Dev(_) => "dev",
            Self::Demo(_) => "demo",
            Self::Connect(_) => "connect",
            Self::Status => "status",
            Self::Import(_) => "import",
            Self::Sync(_) => "sync",
            Self::Runs(_) => "runs",
            Self::Mappings(_) => "mappings",
            Self::Changes(_) => "changes",
            Self::Operations(_) => "operations",
            Self::Rules(_) => "rules",
            Self::Events(_) => "events",
            Self::Integrations(_) => "integrations",
            Self::Tenants(_) => "tenants",
            Self::Audit(_) => "audit",
            Self::Keys(_) => "keys",
            Self::Issues(_) => "issues",
            Self::Jobs(_) => "jobs",
            Self::Budget(_) => "budget",
            Self::Conflicts(_) => "conflicts",
            Self::Doctor(_) => "doctor",
            Self::Contact(_) => "contact",
            Self::Record(_) => "record",
            Self::Completions(_) => "completions",
        }
    }
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
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let (url, key, integration) = (given(&cli.url), given(&cli.key), given(&cli.integration));
    let target = Target {
        data_dir: &cli.data_dir,
        environment: &environment,
        url: url.as_deref(),
        key: key.as_deref(),
        integration: integration.as_deref(),
    };
    let done: LocalBoxFuture<'_, Result<(), CommandError>> = match &cli.command {
        Command::Status => status::status(&target, output).boxed_local(),
        Command::Sync(command) => sync::sync(command, &target, output).boxed_local(),
        Command::Runs(command) => runs::runs(command, &target, output).boxed_local(),
        Command::Operations(command) => operations::operations(command, &target, output).boxed_local(),
        Command::Changes(options) => changes::changes(options, &target, output).boxed_local(),
        Command::Events(command) => events::events(command, &target, output).boxed_local(),
        Command::Tenants(command) => tenants::tenants(command, &target, output).boxed_local(),
        Command::Audit(options) => audit::audit(options, &target, output).boxed_local(),
        Command::Keys(command) => keys::keys(command, &target, output).boxed_local(),
        Command::Jobs(command) => jobs::jobs(command, &target, output).boxed_local(),
        Command::Conflicts(command) => conflicts::conflicts(command, &target, output).boxed_local(),
        Command::Contact(command) => contact::contact(command, &target, output).boxed_local(),
        Command::Integrations(command) => integrations::integrations(command, &target, output).boxed_local(),
        Command::Issues(command) => issues::issues(command, &target, output).boxed_local(),
        Command::Mappings(command) => mappings::mappings(command, &target, output).boxed_local(),
        Command::Rules(command) => rules::rules(command, &target, output).boxed_local(),
        Command::Completions(options) => {
            completions::completions(options, output);
            ready(Ok(())).boxed_local()
        }
        command => run_here(command, &target, output).boxed_local(),
    };
    done.await
}

/// Commands of the installation whose table this process can open, and of no other.
async fn run_here(command: &Command, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    target.must_be_here(command.name())?;
    let (data_dir, environment) = (target.data_dir, target.environment);
    match command {
        Command::Dev(options) => dev::dev(options, data_dir, environment.clone(), output).await,
        Command::Demo(options) => demo::demo(options, data_dir, environment.clone(), output).await,
        Command::Connect(command) => connect::connect(command, data_dir, environment, output).await,
        Command::Import(options) => import::import(options, data_dir, environment, output).await,
        Command::Budget(command) => budget::budget(command, data_dir, environment, output).await,
        Command::Doctor(command) => doctor::doctor(command, data_dir, environment, output).await,
        Command::Record(command) => record::record(command, data_dir, environment, output).await,
        // Those of any installation.
        Command::Status
        | Command::Sync(_)
        | Command::Runs(_)
        | Command::Operations(_)
        | Command::Changes(_)
        | Command::Events(_)
        | Command::Tenants(_)
        | Command::Audit(_)
        | Command::Keys(_)
        | Command::Jobs(_)
        | Command::Integrations(_)
        | Command::Issues(_)
        | Command::Mappings(_)
        | Command::Rules(_)
        | Command::Conflicts(_)
        | Command::Contact(_)
        | Command::Completions(_) => Ok(()),
    }
}
