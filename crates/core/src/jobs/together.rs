//! Jobs of one integration that wait at the same time are done together: one batch call for their contacts, one call a
//! segment, and single calls only for what has no other. Each ends by itself: what fails for one fails for no other.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::{join, join_all};
use jiff::Timestamp;
use tracing::Instrument;

use crate::domain::identity::RecordKey;
use crate::domain::link::RemoteId;
use crate::error::Result;
use crate::policy;
use crate::ports::bulk::BATCH;
use crate::sync::services::Desk;
use crate::sync::together::{Together, side_by_side};

use super::message::{Job, MembershipChange, Task};
use super::runner::Verdict;

/// How jobs ended, by their places among those that were given.
type Results = Vec<(usize, Result<()>)>;

impl Desk {
    /// Runs jobs, each for the time that is given with it (from 1); gives their verdicts in the same order. Never fails:
    /// what can't be done is retried or parked, each by itself.
    pub async fn run_together(&self, jobs: &[(Job, u32)]) -> Vec<Verdict> {
        tracing::info!(jobs = jobs.len(), "jobs are done together");
        let first = jobs.first().map_or("", |(job, _)| job.correlation_id.as_str());
        let together = self.services.recorder().during(first, None, self.perform_together(jobs).boxed()).await;
        let mut done: BTreeMap<usize, Result<()>> = together.into_iter().collect();
        let verdicts = jobs.iter().enumerate().map(|(index, (job, attempt))| {
            let done = done.remove(&index).unwrap_or_else(|| Err(policy::out_of_time()));
            let span = tracing::info_span!("job", correlation_id = %job.correlation_id);
            self.judge(job, *attempt, done).instrument(span)
        });
        join_all(verdicts.collect::<Vec<_>>()).await
    }

    async fn perform_together(&self, jobs: &[(Job, u32)]) -> Results {
        let until = policy::after(self.now(), policy::RUN_SLICE);
        let (mut pushes, mut events, mut wishes, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut foreign, mut newcomers) = (Vec::new(), Vec::new());
        for (index, (job, _)) in jobs.iter().enumerate() {
            if let Err(failure) = self.is_ours(job) {
                foreign.push((index, Err(failure)));
                continue;
            }
            match &job.task {
                Task::PushContact { record } => pushes.push((index, job, record.clone())),
                Task::ApplyEvent { event } => events.push((index, event.as_str())),
                Task::SetMembership(wish) => wishes.push((index, wish)),
                Task::TakeNewcomer { contact } => newcomers.push((index, job, contact.clone())),
                _ => others.push((index, job)),
            }
        }
        // One kind after the other: an event may be about a contact that is pushed.
        let grouped = async {
            let mut results = self.push_all(pushes, until).await;
            results.extend(self.apply_events(events, until).await);
            results.extend(self.carry_out_all(wishes).await);
            results.extend(self.take_all_newcomers(newcomers).await);
            results
        };
        let others = others.into_iter().map(|(index, job)| async move { (index, self.perform(job).await) });
        let (mut results, others) = join(grouped, side_by_side(others.collect())).await;
        results.extend(others);
        results.extend(foreign);
        results
    }

    async fn push_all(&self, pushes: Vec<(usize, &Job, RecordKey)>, until: Timestamp) -> Results {
        let keys = pushes.iter().map(|(_, _, key)| key.clone()).collect();
        let id = pushes.first().map_or("", |(_, job, _)| job.correlation_id.as_str());
        let became = self.push_together(keys, id, until).await;
        let (mut results, mut single) = (Vec::new(), BTreeMap::new());
        for (index, job, key) in pushes {
            match became.get(&key) {
                Some(Together::Done(_) | Together::Forgotten) => results.push((index, Ok(()))),
                Some(Together::Failed(failure)) => results.push((index, Err(failure.clone()))),
                Some(Together::Single) | None => single.entry(key).or_insert_with(Vec::new).push((index, job)),
            }
        }
        let single = single.into_iter().map(|(key, jobs)| async move {
            let mut results = Vec::new();
            // Those about one record go one after the other: they would only wait for each other.
            for (index, job) in jobs {
                results.push((index, self.push_again(&key, None, job).await));
            }
            results
        });
        results.extend(side_by_side(single.collect()).await.into_iter().flatten());
        results
    }

    /// One call for all of them; what fails for one is found out by itself.
    async fn take_all_newcomers(&self, newcomers: Vec<(usize, &Job, RemoteId)>) -> Results {
        let mut results = Vec::new();
        for some in newcomers.chunks(BATCH) {
            let contacts: Vec<RemoteId> = some.iter().map(|(_, _, contact)| contact.clone()).collect();
            let id = some.first().map_or("", |(_, job, _)| job.correlation_id.as_str());
            let arrived = self.look_at_newcomers(&contacts, id).await;
            for (index, _, contact) in some {
                results.push((*index, arrived.as_ref().map_err(Clone::clone).and_then(|one| one.settled(contact))));
            }
        }
        results
    }

    async fn carry_out_all(&self, wishes: Vec<(usize, &MembershipChange)>) -> Results {
        let (places, wishes): (Vec<usize>, Vec<&MembershipChange>) = wishes.into_iter().unzip();
        places.into_iter().zip(self.carry_out_wishes(&wishes).await).collect()
    }
}
