//! `tandem jobs`: what could not be done without a person.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tandem_app::config::Environment;
use tandem_app::store::ParkedTable;
use tandem_core::domain::scope::TenantId;
use tandem_core::jobs::message::ParkedJob;
use tandem_core::jobs::replay::replay;
use tandem_core::ports::ParkedJobs;

use crate::about;
use crate::failure::CommandError;
use crate::installation::Installation;
use crate::output::Output;

/// The most jobs that a list shows, or that are replayed at once.
const MOST: usize = 1_000;

/// What to do with parked jobs.
#[derive(Subcommand)]
pub enum Jobs {
    /// List parked jobs with their reasons.
    List,
    /// Show one.
    Show {
        /// The job's id.
        id: String,
    },
    /// Put jobs back on the queue, once their cause is gone.
    Replay(Replay),
}

/// Options of `tandem jobs replay`.
#[derive(Args)]
pub struct Replay {
    /// The jobs' ids; `all` for every parked one.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// Every parked one, the oldest 1,000.
    #[arg(long)]
    all: bool,
}

/// What stands for all of them, where ids are given.
pub const ALL: &str = "all";

/// Runs the command.
pub async fn jobs(
    command: &Jobs,
    data_dir: &Path,
    environment: &Environment,
    output: &Output,
) -> Result<(), CommandError> {
    let installation = Installation::open(data_dir, environment).await?;
    let queue = &*installation.foundation.queue;
    let parked = ParkedTable::new(installation.foundation.table.clone());
    let tenant = TenantId::default();
    match command {
        Jobs::List => {
            let listed = parked.list(&tenant, MOST).await?;
            let desk = installation.foundation.table_desk()?;
            let people = about::people_of(&desk, &listed).await?;
            let shown: Vec<Value> = listed.iter().zip(&people).map(|(job, person)| shown(job, person)).collect();
            output.result(&shown, table(&listed, &people));
        }
        Jobs::Show { id } => {
            let job = find(&parked, &tenant, id).await?;
            output.result(&job, json!(job));
        }
        Jobs::Replay(options) => {
            let jobs = chosen(options, &parked, &tenant).await?;
            for job in &jobs {
                replay(queue, &parked, job).await?;
            }
            let ids: Vec<&str> = jobs.iter().map(|job| job.job.id.as_str()).collect();
            output.result(&json!({"replayed": ids}), format!("{} jobs are on the queue again", jobs.len()));
        }
    }
    Ok(())
}

async fn chosen(options: &Replay, parked: &ParkedTable, tenant: &TenantId) -> Result<Vec<ParkedJob>, CommandError> {
    if options.all || options.ids == [ALL] {
        return Ok(parked.list(tenant, MOST).await?);
    }
    let mut jobs = Vec::new();
    for id in &options.ids {
        jobs.push(find(parked, tenant, id).await?);
    }
    Ok(jobs)
}

fn shown(job: &ParkedJob, person: &Option<String>) -> Value {
    let mut shown = json!(job);
    shown["person"] = json!(person);
    shown
}

async fn find(parked: &ParkedTable, tenant: &TenantId, id: &str) -> Result<ParkedJob, CommandError> {
    let found = parked.get(tenant, id).await?;
    found.ok_or_else(|| CommandError::Undone("no parked job has this id: see `tandem jobs list`".to_owned()))
}

fn table(jobs: &[ParkedJob], people: &[Option<String>]) -> String {
    if jobs.is_empty() {
        return "no job waits for a person".to_owned();
    }
    let line = |(job, person): (&ParkedJob, &Option<String>)| {
        format!(
            "{}  {}  {:<14}  {}  after {} attempts: {}\n    {}",
            job.job.id,
            job.parked_at.strftime("%Y-%m-%d %H:%M:%S"),
            about::kind(&job.job.task),
            person.as_deref().unwrap_or("nobody in particular"),
            job.attempts,
            job.reason,
            job.advice
        )
    };
    jobs.iter().zip(people).map(line).collect::<Vec<_>>().join("\n")
}
