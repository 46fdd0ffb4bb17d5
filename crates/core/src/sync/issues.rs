//! What needs a person, folded by cause: a thousand jobs that fail for one reason are one issue. Worked out of what is stored
//! anyway; nothing is counted twice, and nothing can be forgotten to be counted.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::scope::{IntegrationId, Scope, TenantId};
use crate::error::{FailureKind, Result};
use crate::jobs::message::ParkedJob;
use crate::jobs::replay::each_parked;
use crate::policy;
use crate::ports::runs::{RunEnd, RunLog, TakeState};

use super::services::Services;

/// How many of an integration's last runs are looked at.
const RUNS: usize = 10;
/// The codes of values that a person has to see to, as runs count them.
const OF_A_PERSON: &[&str] = &["missing_on_platform", "refused_by_platform"];

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueKind {
    /// Jobs that could not be done.
    ParkedJobs,
    /// The takes from the source halt: too much would be lost.
    HaltedRun,
    /// The last run failed.
    FailedRun,
    /// The platform lacks a field that a rule writes to.
    MissingField,
    /// The platform does not take values of a field.
    RefusedField,
}

/// Something that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// Names the cause: the same today and tomorrow.
    pub id: String,
    /// What kind of thing it is.
    pub kind: IssueKind,
    /// Whose it is; `None` for what concerns all integrations.
    pub integration: Option<IntegrationId>,
    /// What is wrong. No personal data.
    pub message: String,
    /// What a person can do about it.
    pub advice: String,
    /// How many jobs, rows or runs.
    pub count: u64,
    /// When it was seen first, of what is still stored.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// One of them: the id of a job or of a run.
    pub example: String,
}

/// A cause, and what tells it from others.
struct Cause<'a> {
    kind: IssueKind,
    integration: Option<&'a IntegrationId>,
    detail: Vec<String>,
}

impl Cause<'_> {
    /// 128 bits of SHA-256, in hex.
    fn id(&self) -> String {
        let integration = self.integration.map(ToString::to_string).unwrap_or_default();
        let text = format!("{:?}\0{integration}\0{}", self.kind, self.detail.join("\0"));
        hex::encode(&Sha256::digest(text.as_bytes())[..16])
    }
}

/// The id of the issue that a parked job is one of.
#[must_use]
pub fn issue_of(job: &ParkedJob) -> String {
    cause_of(job).id()
}

/// Jobs of one kind that failed in one way are of one cause. What is set up wrongly is told by the sentence: it names what.
fn cause_of(parked: &ParkedJob) -> Cause<'_> {
    let reason = &parked.reason;
    let mut detail = vec![parked.job.task.word().to_owned(), format!("{:?}", reason.kind)];
    detail.extend(reason.fields.iter().map(|issue| format!("{}:{:?}", issue.field, issue.code)));
    if reason.kind == FailureKind::Misconfigured {
        detail.push(reason.message.clone());
    }
    Cause { kind: IssueKind::ParkedJobs, integration: Some(&parked.job.scope.integration), detail }
}

impl Services {
    /// What needs a person, the last seen first: of all parked jobs, the tenant's take, and each integration's last ten runs. A read a megabyte of jobs and of logs, and two more for each integration.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn issues(&self, tenant: &TenantId, integrations: &[IntegrationId]) -> Result<Vec<Issue>> {
        let mut of_jobs = OfJobs::default();
        let see = |job: ParkedJob| {
            of_jobs.add(&job);
            ControlFlow::Continue(())
        };
        each_parked(&*self.parked, tenant, see).await?;
        let mut found = of_jobs.found();
        found.extend(of_take(&self.runs.take_state(tenant).await?));
        for integration in integrations {
            let scope = Scope { tenant: tenant.clone(), integration: integration.clone() };
            found.extend(of_runs(integration, &self.runs.runs(&scope, None, RUNS).await?));
        }
        found.sort_by(|one, other| (other.last_seen, &one.id).cmp(&(one.last_seen, &other.id)));
        Ok(found)
    }
}

/// The issues that parked jobs are, one after the other: there may be more jobs than memory holds.
#[derive(Default)]
struct OfJobs(BTreeMap<String, Issue>);

impl OfJobs {
    fn add(&mut self, parked: &ParkedJob) {
        let cause = cause_of(parked);
        let id = cause.id();
        let issue = self.0.entry(id.clone()).or_insert_with(|| Issue {
            id,
            kind: IssueKind::ParkedJobs,
            integration: cause.integration.cloned(),
            message: parked.reason.message.clone(),
            advice: parked.advice.clone(),
            count: 0,
            first_seen: parked.parked_at,
            last_seen: parked.parked_at,
            example: parked.job.id.clone(),
        });
        issue.count += 1;
        issue.first_seen = issue.first_seen.min(parked.parked_at);
        issue.last_seen = issue.last_seen.max(parked.parked_at);
    }

    fn found(self) -> Vec<Issue> {
        self.0.into_values().collect()
    }
}

fn of_take(take: &TakeState) -> Option<Issue> {
    let since = take.halted_since?;
    let cause = Cause { kind: IssueKind::HaltedRun, integration: None, detail: Vec::new() };
    Some(Issue {
        id: cause.id(),
        kind: cause.kind,
        integration: None,
        message: take.halted_for.clone().unwrap_or_else(|| "the runs halt".to_owned()),
        advice: "See what a dry run would do. If it is meant, start a run that accepts losses.".to_owned(),
        count: 1,
        first_seen: since,
        last_seen: since,
        example: String::new(),
    })
}

/// What the last run says counts; runs before it tell since when.
fn of_runs(integration: &IntegrationId, runs: &[RunLog]) -> Vec<Issue> {
    let looked: Vec<&RunLog> = runs.iter().filter(|run| run.plan.is_none() && run.end != RunEnd::Queued).collect();
    let Some(last) = looked.first() else { return Vec::new() };
    let since = |held: &dyn Fn(&RunLog) -> bool| {
        let held = looked.iter().take_while(|run| held(run)).last();
        held.map_or(last.started_at, |run| run.started_at)
    };
    let mut found = Vec::new();
    if let (RunEnd::Failed, Some(why)) = (last.end, &last.error) {
        let cause = Cause { kind: IssueKind::FailedRun, integration: Some(integration), detail: vec![why.clone()] };
        let first_seen = since(&|run| run.error.as_ref() == Some(why));
        let advice = policy::advice(FailureKind::Unavailable);
        found.push(issue(&cause, why.clone(), advice, 1, (first_seen, last)));
    }
    // Not every run reads every row: the newest one that tells of the field counts.
    let mut seen: BTreeMap<&str, (&RunLog, u64)> = BTreeMap::new();
    for run in &looked {
        for (name, count) in run.issues.iter().filter(|(name, _)| is_of_a_person(name)) {
            seen.entry(name).or_insert((run, *count));
        }
    }
    for (name, (run, count)) in seen {
        let (field, code) = name.split_once(": ").unwrap_or((name, ""));
        let kind = if code == "missing_on_platform" { IssueKind::MissingField } else { IssueKind::RefusedField };
        let (message, advice) = match kind {
            IssueKind::MissingField => (
                format!("the platform has no field for {field}"),
                "Have `tandem connect mautic --create-missing` make it, or take the rule out of the mapping set.",
            ),
            _ => (
                format!("the platform does not take values of {field}"),
                "Look at the rows of the run, and mend the values or the field.",
            ),
        };
        let cause = Cause { kind, integration: Some(integration), detail: vec![name.to_owned()] };
        let told: Vec<&&RunLog> = looked.iter().filter(|run| run.issues.contains_key(name)).collect();
        let first_seen = told.last().map_or(run.started_at, |run| run.started_at);
        found.push(issue(&cause, message, advice, count, (first_seen, run)));
    }
    found
}

fn is_of_a_person(name: &str) -> bool {
    name.split_once(": ").is_some_and(|(_, code)| OF_A_PERSON.contains(&code))
}

fn issue(
    cause: &Cause<'_>,
    message: String,
    advice: &str,
    count: u64,
    (first_seen, last): (Timestamp, &RunLog),
) -> Issue {
    Issue {
        id: cause.id(),
        kind: cause.kind,
        integration: cause.integration.cloned(),
        message,
        advice: advice.to_owned(),
        count,
        first_seen,
        last_seen: last.finished_at.unwrap_or(last.started_at),
        example: last.id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::RecordKey;
    use crate::error::Failure;
    use crate::jobs::message::{Job, Task};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn parked(id: &str, kind: FailureKind, message: &str, second: i64) -> ParkedJob {
        let job = Job {
            id: id.to_owned(),
            scope: Scope::default_mautic(),
            correlation_id: "c".to_owned(),
            queued_at: at(0),
            task: Task::PushContact { record: RecordKey::from_stored(format!("x{id}")) },
        };
        let (advice, attempts) = ("Mend it.".to_owned(), 1);
        ParkedJob { job, reason: Failure::new(kind, message), advice, attempts, parked_at: at(second) }
    }

    fn run(second: i64, end: RunEnd, issues: &[(&str, u64)]) -> RunLog {
        let issues = issues.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let error = (end == RunEnd::Failed).then(|| "it is away".to_owned());
        RunLog { id: format!("r{second}"), started_at: at(second), end, issues, error, ..RunLog::default() }
    }

    fn of_jobs(jobs: &[ParkedJob]) -> Vec<Issue> {
        let mut found = OfJobs::default();
        jobs.iter().for_each(|job| found.add(job));
        found.found()
    }

    #[test]
    fn jobs_of_one_cause_are_one_issue_with_their_number_and_times() {
        let jobs = [
            parked("1", FailureKind::Refused, "contact 7 was refused", 5),
            parked("2", FailureKind::Refused, "contact 8 was refused", 9),
            parked("3", FailureKind::NotFound, "it is not there", 7),
        ];
        let found = of_jobs(&jobs);
        assert_eq!(found.len(), 2);
        let refused = found.iter().find(|issue| issue.count == 2).unwrap();
        assert_eq!((refused.first_seen, refused.last_seen, refused.example.as_str()), (at(5), at(9), "1"));
        assert_eq!((refused.id.as_str(), refused.id.len()), (issue_of(&jobs[1]).as_str(), 32));
    }

    #[test]
    fn what_is_set_up_wrongly_is_told_apart_by_what_it_is() {
        let jobs = ["price a", "price b"].map(|what| parked(what, FailureKind::Misconfigured, what, 1));
        assert_eq!(of_jobs(&jobs).len(), 2);
    }

    #[test]
    fn a_field_that_is_missing_is_an_issue_since_the_first_run_that_told_of_it() {
        let name = "app_tier: missing_on_platform";
        let runs = [
            run(30, RunEnd::Finished, &[]),
            run(20, RunEnd::Finished, &[(name, 4), ("contact.mobile: invalid", 1)]),
            run(10, RunEnd::Failed, &[(name, 9)]),
        ];
        let found = of_runs(&IntegrationId::mautic(), &runs);
        assert_eq!(found.len(), 1, "values that the row's owner has to mend are the run's to tell: {found:?}");
        assert_eq!((found[0].kind, found[0].count, found[0].first_seen), (IssueKind::MissingField, 4, at(10)));
    }

    #[test]
    fn a_failed_run_is_an_issue_until_the_next_one_goes_well() {
        let failed = [run(20, RunEnd::Failed, &[]), run(10, RunEnd::Failed, &[])];
        let found = of_runs(&IntegrationId::mautic(), &failed);
        assert_eq!((found[0].kind, found[0].first_seen), (IssueKind::FailedRun, at(10)));
        let well = [run(30, RunEnd::Finished, &[]), run(20, RunEnd::Failed, &[])];
        assert_eq!(of_runs(&IntegrationId::mautic(), &well), []);
    }

    #[test]
    fn a_halt_is_an_issue_whichever_run_met_it() {
        let take = TakeState { halted_since: Some(at(3)), ..TakeState::default() };
        assert_eq!(of_take(&take).map(|issue| (issue.kind, issue.first_seen)), Some((IssueKind::HaltedRun, at(3))));
        assert_eq!(of_take(&TakeState::default()), None);
    }
}
