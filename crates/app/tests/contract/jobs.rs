//! Which desk a job is run with.

use std::sync::Arc;

use tandem_app::desks::{FixedDesks, JobRunner};
use tandem_app::queue::worker::JobHandler;
use tandem_app::store::ParkedTable;
use tandem_core::error::{Failure, FailureKind};
use tandem_core::jobs::message::ParkedJob;
use tandem_core::jobs::replay::{find_parked, longest_parked};
use tandem_core::jobs::runner::Verdict;
use tandem_core::ports::ParkedJobs;

use crate::fixture::{START, at, job, test_clock, world};

#[tokio::test]
async fn a_job_of_an_integration_that_is_not_there_is_parked_and_run_for_no_other() {
    let world = world().await;
    let parked = Arc::new(ParkedTable::new(world.local.table().clone()));
    let runner = JobRunner::new(Arc::new(FixedDesks::default()), parked.clone(), test_clock());
    let (one, other) = (job("1"), job("2"));
    assert_eq!(runner.handle(&one, 1).await, Verdict::Done);
    assert_eq!(runner.handle_together(&[(one.clone(), 1), (other.clone(), 3)]).await, [Verdict::Done, Verdict::Done]);
    let listed = parked.list(&one.scope.tenant, 10).await.unwrap();
    let told: Vec<_> = listed.iter().map(|job| (job.job.id.as_str(), job.attempts)).collect();
    assert_eq!(told, [("1", 1), ("2", 3)]);
    assert!(listed[0].reason.message.contains("no integration"), "{}", listed[0].reason.message);
}

#[tokio::test]
async fn parked_jobs_are_counted_up_to_a_bound_and_those_that_were_parked_longest_ago_come_first() {
    let world = world().await;
    let parked = ParkedTable::new(world.local.table().clone());
    let tenant = job("1").scope.tenant;
    assert_eq!(parked.count(&tenant, 10).await.unwrap(), 0);
    for number in 0..450_i64 {
        let (reason, advice) = (Failure::new(FailureKind::NotFound, "it is not there"), "Mend it.".to_owned());
        // The one that was queued first was parked last.
        let parked_at = at(START + 1_000 - number);
        let job = job(&format!("{number:03}"));
        parked.park(&ParkedJob { job, reason, advice, attempts: 1, parked_at }).await.unwrap();
    }
    assert_eq!((parked.count(&tenant, 10).await.unwrap(), parked.count(&tenant, 9_999).await.unwrap()), (10, 450));
    let is_even = |job: &ParkedJob| job.job.id.ends_with(['0', '2', '4', '6', '8']);
    let (some, more) = longest_parked(&parked, &tenant, is_even, 3).await.unwrap();
    let ids: Vec<&str> = some.iter().map(|job| job.job.id.as_str()).collect();
    assert_eq!((ids, more), (vec!["448", "446", "444"], true));
    let (all, more) = longest_parked(&parked, &tenant, is_even, 225).await.unwrap();
    assert_eq!((all.len(), more), (225, false));
    let found = find_parked(&parked, &tenant, |job| job.job.id == "399").await.unwrap();
    assert!(found.is_some_and(|job| job.job.id == "399"));
}
