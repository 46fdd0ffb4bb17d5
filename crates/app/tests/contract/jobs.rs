//! Which desk a job is run with.

use std::sync::Arc;

use tandem_app::desks::{FixedDesks, JobRunner};
use tandem_app::queue::worker::JobHandler;
use tandem_app::store::ParkedTable;
use tandem_core::jobs::runner::Verdict;
use tandem_core::ports::ParkedJobs;

use crate::fixture::{job, test_clock, world};

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
