//! `tandem jobs`: what could not be done without a person.

use clap::{Args, Subcommand};
use serde_json::json;
use tandem_app::api::jobs::{JobView, OneJob};
use tandem_core::domain::scope::TenantId;

use crate::api::{Api, Ask, Target};
use crate::failure::CommandError;
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
pub async fn jobs(command: &Jobs, target: &Target<'_>, output: &Output) -> Result<(), CommandError> {
    let api = target.api(&TenantId::default()).await?;
    match command {
        Jobs::List => {
            let listed: Vec<JobView> = api.all_as("jobs", MOST, || Ask::get(&["jobs"])).await?;
            output.result(&listed, table(&listed));
        }
        Jobs::Show { id } => {
            let found = api.find(Ask::get(&["jobs", id])).await?.ok_or_else(unknown)?;
            let OneJob { job } = api.read(found)?;
            output.result(&job, format!("{:#}", json!(job)));
        }
        Jobs::Replay(options) => {
            let replayed = replay(&api, options).await?;
            let text = format!("{} jobs are on the queue again", replayed.len());
            output.result(&json!({"replayed": replayed}), text);
        }
    }
    Ok(())
}

async fn replay(api: &Api, options: &Replay) -> Result<Vec<String>, CommandError> {
    let ids = if options.all || options.ids == [ALL] {
        let jobs: Vec<JobView> = api.all_as("jobs", MOST, || Ask::get(&["jobs"])).await?;
        jobs.into_iter().map(|job| job.id).collect()
    } else {
        for id in &options.ids {
            api.find(Ask::get(&["jobs", id])).await?.ok_or_else(unknown)?;
        }
        options.ids.clone()
    };
    for id in &ids {
        // Somebody else may have replayed it meanwhile.
        api.find(Ask::post(&["jobs", id, "replay"], json!({}))).await?;
    }
    Ok(ids)
}

fn unknown() -> CommandError {
    CommandError::Undone("no parked job has this id: see `tandem jobs list`".to_owned())
}

fn table(jobs: &[JobView]) -> String {
    if jobs.is_empty() {
        return "no job waits for a person".to_owned();
    }
    let line = |job: &JobView| {
        format!(
            "{}  {}  {:<14}  {}  after {} attempts: {}\n    {}",
            job.id,
            job.parked_at.strftime("%Y-%m-%d %H:%M:%S"),
            job.task.replace('_', " "),
            job.person.as_deref().unwrap_or("nobody in particular"),
            job.attempts,
            job.reason.message,
            job.advice
        )
    };
    jobs.iter().map(line).collect::<Vec<_>>().join("\n")
}
