//! `tandem jobs`: what could not be done without a person.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;
use tandem_app::config::Environment;
use tandem_app::store::ParkedTable;
use tandem_core::domain::scope::TenantId;
use tandem_core::jobs::message::ParkedJob;
use tandem_core::jobs::replay::replay;
use tandem_core::ports::ParkedJobs;

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
    /// Put a job back on the queue, once its cause is gone; `all` for every one.
    Replay {
        /// The job's id, or `all`.
        id: String,
    },
}

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
            output.result(&listed, table(&listed));
        }
        Jobs::Show { id } => {
            let job = find(&parked, &tenant, id).await?;
            output.result(&job, json!(job));
        }
        Jobs::Replay { id } if id == "all" => {
            let listed = parked.list(&tenant, MOST).await?;
            for job in &listed {
                replay(queue, &parked, job).await?;
            }
            output.result(&json!({"replayed": listed.len()}), format!("{} jobs are on the queue again", listed.len()));
        }
        Jobs::Replay { id } => {
            let job = find(&parked, &tenant, id).await?;
            replay(queue, &parked, &job).await?;
            output.result(&json!({"replayed": 1}), "the job is on the queue again");
        }
    }
    Ok(())
}

async fn find(parked: &ParkedTable, tenant: &TenantId, id: &str) -> Result<ParkedJob, CommandError> {
    let found = parked.get(tenant, id).await?;
    found.ok_or_else(|| CommandError::Undone("no parked job has this id: see `tandem jobs list`".to_owned()))
}

fn table(jobs: &[ParkedJob]) -> String {
    if jobs.is_empty() {
        return "no job waits for a person".to_owned();
    }
    let line = |job: &ParkedJob| {
        format!(
            "{}  {}  after {} attempts: {}\n    {}",
            job.job.id, job.parked_at, job.attempts, job.reason, job.advice
        )
    };
    jobs.iter().map(line).collect::<Vec<_>>().join("\n")
}
