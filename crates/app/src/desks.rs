//! Whose work is done with which connection: a job carries its scope, and is run for that integration and no other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::jobs::message::{Job, ParkedJob};
use tandem_core::jobs::runner::Verdict;
use tandem_core::ports::integrations::Peers;
use tandem_core::ports::{Clock, ParkedJobs};
use tandem_core::sync::services::Desk;
use tracing::Instrument;

use crate::queue::worker::JobHandler;
use crate::rules_in_use::RulesInUse;

/// When a job comes back whose integration could not be looked up, or that could not be parked.
const LATER: Duration = Duration::from_secs(60);
/// How long a job waits for an integration that is paused: the queue forgets it after 14 days.
const LONGEST_ON_THE_QUEUE: SignedDuration = SignedDuration::from_hours(10 * 24);

/// The desks of all integrations.
#[async_trait]
pub trait Desks: Send + Sync {
    /// The desk of an integration; `None` when there is none of this name.
    ///
    /// # Errors
    /// As the settings can't be read or used; that of one integration is no failure of another.
    async fn of(&self, scope: &Scope) -> Result<Option<Desk>>;

    /// The integrations that are in use, of all tenants: for the schedule.
    ///
    /// # Errors
    /// As the settings can't be read.
    async fn all(&self) -> Result<Vec<Scope>>;
}

/// Desks that are known when the process starts.
#[derive(Default)]
pub struct FixedDesks(HashMap<Scope, Desk>);

impl FixedDesks {
    /// These desks, each under its own scope.
    #[must_use]
    pub fn new(desks: impl IntoIterator<Item = Desk>) -> Self {
        Self(desks.into_iter().map(|desk| (desk.integration.scope.clone(), desk)).collect())
    }
}

#[async_trait]
impl Desks for FixedDesks {
    async fn of(&self, scope: &Scope) -> Result<Option<Desk>> {
        Ok(self.0.get(scope).cloned())
    }

    async fn all(&self) -> Result<Vec<Scope>> {
        Ok(self.0.keys().cloned().collect())
    }
}

/// Desks of a process that lives longer than a set of rules does.
pub struct CurrentDesks<D> {
    desks: D,
    rules: RulesInUse,
}

impl<D: Desks> CurrentDesks<D> {
    /// These desks, each with the rules that its integration works by just now.
    #[must_use]
    pub fn new(desks: D, rules: RulesInUse) -> Self {
        Self { desks, rules }
    }
}

#[async_trait]
impl<D: Desks> Desks for CurrentDesks<D> {
    async fn of(&self, scope: &Scope) -> Result<Option<Desk>> {
        match self.desks.of(scope).await? {
            Some(desk) => self.rules.at(desk).await.map(Some),
            None => Ok(None),
        }
    }

    async fn all(&self) -> Result<Vec<Scope>> {
        self.desks.all().await
    }
}

/// Integrations that are known when the process starts.
#[derive(Default)]
pub struct FixedPeers(HashMap<TenantId, Arc<[IntegrationId]>>);

impl FixedPeers {
    /// These integrations, each of its tenant.
    #[must_use]
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut by_tenant: HashMap<TenantId, Vec<IntegrationId>> = HashMap::new();
        for Scope { tenant, integration } in scopes {
            by_tenant.entry(tenant).or_default().push(integration);
        }
        Self(by_tenant.into_iter().map(|(tenant, integrations)| (tenant, integrations.into())).collect())
    }
}

#[async_trait]
impl Peers for FixedPeers {
    async fn of(&self, tenant: &TenantId) -> Result<Arc<[IntegrationId]>> {
        Ok(self.0.get(tenant).cloned().unwrap_or_default())
    }
}

/// Runs each job with the desk of its integration.
pub struct JobRunner {
    desks: Arc<dyn Desks>,
    parked: Arc<dyn ParkedJobs>,
    clock: Arc<dyn Clock>,
}

impl JobRunner {
    /// A runner over these desks; jobs of integrations that are not among them are parked.
    #[must_use]
    pub fn new(desks: Arc<dyn Desks>, parked: Arc<dyn ParkedJobs>, clock: Arc<dyn Clock>) -> Self {
        Self { desks, parked, clock }
    }

    /// The desk of a job's integration, or what becomes of the job without one.
    async fn desk_for(&self, job: &Job, attempt: u32) -> std::result::Result<Desk, Verdict> {
        match self.desks.of(&job.scope).await {
            Ok(Some(desk)) => Ok(desk),
            // Once the integration is there again, its run does it.
            Ok(None) | Err(_) if job.task.is_done_by_runs() => Err(Verdict::Done),
            Ok(None) => Err(self.park_unknown(job, attempt).await),
            Err(failure) => {
                tracing::warn!(job = %job.id, kind = ?failure.kind, "the job's integration can't be had: {failure}");
                Err(self.wait_for(job, failure, attempt).await)
            }
        }
    }

    /// A job whose integration is paused, or can't be had just now, comes back; before its queue forgets it, it is parked.
    async fn wait_for(&self, job: &Job, failure: Failure, attempts: u32) -> Verdict {
        let now = self.clock.now();
        if now.duration_since(job.queued_at) > LONGEST_ON_THE_QUEUE {
            let advice = "Resume the tenant or the integration, or mend its settings, then replay.";
            return self.park(job, failure, advice, attempts).await;
        }
        let told = failure.retry_at.and_then(|moment| Duration::try_from(moment.duration_since(now)).ok());
        Verdict::RetryIn(told.unwrap_or(LATER))
    }

    async fn park_unknown(&self, job: &Job, attempts: u32) -> Verdict {
        let Scope { tenant, integration } = &job.scope;
        tracing::warn!(job = %job.id, %tenant, %integration, "a job is parked: there is no such integration");
        let reason = Failure::new(FailureKind::NotFound, format!("the tenant has no integration \"{integration}\""));
        let advice = "Set the integration up again and replay the job, or leave it: nothing is done for another one.";
        self.park(job, reason, advice, attempts).await
    }

    async fn park(&self, job: &Job, reason: Failure, advice: &str, attempts: u32) -> Verdict {
        let (job_itself, advice, parked_at) = (job.clone(), advice.to_owned(), self.clock.now());
        let parked = ParkedJob { job: job_itself, reason, advice, attempts, parked_at };
        match self.parked.park(&parked).await {
            Ok(()) => Verdict::Done,
            Err(failure) => {
                tracing::error!(kind = ?failure.kind, job = %job.id, "a job could not be parked: {failure}");
                Verdict::RetryIn(LATER)
            }
        }
    }
}

#[async_trait]
impl JobHandler for JobRunner {
    async fn handle(&self, job: &Job, attempt: u32) -> Verdict {
        match self.desk_for(job, attempt).await {
            Ok(desk) => desk.handle(job, attempt).await,
            Err(verdict) => verdict,
        }
    }

    async fn handle_together(&self, jobs: &[(Job, u32)]) -> Vec<Verdict> {
        let mut by_scope: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, (job, _)) in jobs.iter().enumerate() {
            by_scope.entry(format!("{}#{}", job.scope.tenant, job.scope.integration)).or_default().push(index);
        }
        let mut verdicts = vec![Verdict::Done; jobs.len()];
        for places in by_scope.into_values() {
            let some: Vec<(Job, u32)> = places.iter().map(|place| jobs[*place].clone()).collect();
            let decided = self.handle_for_one(&some).await;
            places.into_iter().zip(decided).for_each(|(place, verdict)| verdicts[place] = verdict);
        }
        verdicts
    }
}

impl JobRunner {
    /// Runs jobs of one integration.
    async fn handle_for_one(&self, jobs: &[(Job, u32)]) -> Vec<Verdict> {
        let Some((first, attempt)) = jobs.first() else { return Vec::new() };
        match self.desk_for(first, *attempt).await {
            Ok(desk) => desk.handle_together(jobs).await,
            Err(first) => {
                let mut verdicts = vec![first];
                for (job, attempt) in &jobs[1..] {
                    verdicts.push(self.handle(job, *attempt).await);
                }
                verdicts
            }
        }
    }
}

#[async_trait]
impl JobHandler for Desk {
    async fn handle(&self, job: &Job, attempt: u32) -> Verdict {
        let span = tracing::info_span!("job", correlation_id = %job.correlation_id);
        self.run(job, attempt).instrument(span).await
    }

    async fn handle_together(&self, jobs: &[(Job, u32)]) -> Vec<Verdict> {
        self.run_together(jobs).await
    }
}
