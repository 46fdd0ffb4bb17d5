//! Events of many users done together. Events of one user go one after the other, in the order in which they happened; those
//! of different users go side by side, phase by phase: their contacts in one batch, out of segments one by one (the platform
//! has no other call for it), into segments with one call each, then what is left.

use std::collections::{HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::domain::identity::{Email, ExternalId};
use crate::error::{FailureKind, Result};
use crate::policy;
use crate::sync::push::forgotten;
use crate::sync::services::Desk;
use crate::sync::together::{Together, side_by_side};

use super::admit::Begun;
use super::stored::{StepAction, StoredEvent};
use super::target::Target;
use super::work::Work;

/// How events ended, by the places that their caller knows them by.
type Results = Vec<(usize, Result<()>)>;

/// How long an event waits for another one of its user that some other worker does: the others of its group wait with it.
const PATIENCE: SignedDuration = SignedDuration::from_millis(300);

/// Events of one user, in the order in which they happened.
#[derive(Default)]
struct Chain {
    names: HashSet<String>,
    events: VecDeque<(usize, StoredEvent)>,
}

impl Desk {
    /// Does what stored events ask for, as [`Desk::apply_event`] does for one; `until` is when the time for it is over.
    pub(crate) async fn apply_events(&self, events: Vec<(usize, &str)>, until: Timestamp) -> Results {
        // Together with nobody it is done as ever.
        if let [(index, id)] = events[..] {
            return vec![(index, self.apply_event(id).await)];
        }
        let (mut results, found) = self.read_events(events).await;
        let mut chains = chained(found);
        while !chains.is_empty() {
            if policy::after(self.now(), policy::LONGEST_STEP) >= until {
                let left = chains.into_iter().flat_map(|chain| chain.events);
                results.extend(left.map(|(index, _)| (index, Err(policy::out_of_time()))));
                break;
            }
            let heads: Vec<_> = chains.iter_mut().filter_map(|chain| chain.events.pop_front()).collect();
            let places: Vec<usize> = heads.iter().map(|(index, _)| *index).collect();
            let ended = self.apply_round(heads, until).await;
            for (chain, place) in chains.iter_mut().zip(places) {
                let failure =
                    ended.iter().find(|(index, _)| *index == place).and_then(|(_, result)| result.as_ref().err());
                // While the platform or the table is away, what happened later waits for what happened before.
                if let Some(failure) = failure.filter(|failure| holds_up(failure.kind)) {
                    let behind = chain.events.drain(..);
                    results.extend(behind.map(|(index, _)| (index, Err(failure.clone()))));
                }
            }
            results.extend(ended);
            chains.retain(|chain| !chain.events.is_empty());
        }
        results
    }

    async fn read_events(&self, events: Vec<(usize, &str)>) -> (Results, Vec<(usize, StoredEvent)>) {
        let read = events.into_iter().map(|(index, id)| async move { (index, self.stored_event(id).await) });
        let (mut results, mut found) = (Vec::new(), Vec::new());
        for (index, read) in side_by_side(read.collect()).await {
            match read {
                Ok(Some(event)) => found.push((index, event)),
                Ok(None) => results.push((index, Ok(()))),
                Err(failure) => results.push((index, Err(failure))),
            }
        }
        (results, found)
    }

    /// Does events of different users.
    async fn apply_round(&self, events: Vec<(usize, StoredEvent)>, until: Timestamp) -> Results {
        let begun =
            events.into_iter().map(|(index, event)| async move { (index, self.begin_event(event, PATIENCE).await) });
        let (mut results, mut works) = (Vec::new(), Vec::new());
        for (index, begun) in side_by_side(begun.collect()).await {
            match begun {
                Ok(Begun::Working(work)) => works.push((index, *work)),
                Ok(Begun::Ended) => results.push((index, Ok(()))),
                Err(failure) => results.push((index, Err(failure))),
            }
        }
        let works = self.bring_contacts(works, until, &mut results).await;
        let works = self.lead_out(works, &mut results).await;
        let works = self.join_segments(works, &mut results).await;
        let left = works.into_iter().map(|(index, work)| async move { (index, self.work(work).await) });
        results.extend(side_by_side(left.collect()).await);
        results
    }

    /// Brings the contacts of those whose next step it is and that a batch can carry.
    async fn bring_contacts(
        &self,
        works: Vec<(usize, Work)>,
        until: Timestamp,
        results: &mut Results,
    ) -> Vec<(usize, Work)> {
        let (carried, others): (Vec<_>, Vec<_>) = works.into_iter().partition(|(_, work)| work.can_be_carried());
        let keys = carried.iter().map(|(_, work)| work.key.clone()).collect();
        let id = carried.first().map_or("", |(_, work)| work.event.correlation_id.as_str());
        let mut became = self.push_together(keys, id, until).await;
        let mut noted = Vec::new();
        for (index, mut work) in carried {
            let ended = match became.remove(&work.key) {
                Some(Together::Done(pushed)) => Some(Ok(work.brought(&pushed))),
                Some(Together::Forgotten) => Some(Err(forgotten())),
                Some(Together::Failed(failure)) => Some(Err(failure)),
                // It is written by itself in the next phase.
                Some(Together::Single) | None => None,
            };
            let step = work.next().unwrap_or_default();
            let result = match ended {
                Some(ended) => Some(self.noted(&mut work, step, ended).await),
                None => None,
            };
            noted.push((index, work, result));
        }
        self.record_all(noted, results).await.into_iter().chain(others).collect()
    }

    /// Does the steps before the first that puts a contact into a list.
    async fn lead_out(&self, works: Vec<(usize, Work)>, results: &mut Results) -> Vec<(usize, Work)> {
        let led =
            works.into_iter().map(|(index, work)| async move { (index, self.steps_while(work, leads_out).await) });
        sorted_out(side_by_side(led.collect()).await, results)
    }

    /// Records how far events are of which something was done.
    pub(super) async fn record_all(
        &self,
        noted: Vec<(usize, Work, Option<Result<()>>)>,
        results: &mut Results,
    ) -> Vec<(usize, Work)> {
        let recorded = noted.into_iter().map(|(index, work, noted)| async move {
            match noted {
                Some(noted) => (index, self.recorded(work, noted).await),
                None => (index, Ok(work)),
            }
        });
        sorted_out(side_by_side(recorded.collect()).await, results)
    }
}

impl Work {
    /// Whether the next step brings the contact, with nothing that takes a write of its own: a visitor who is to be
    /// recognised, or an opt-in that lifts what forbids mail.
    fn can_be_carried(&self) -> bool {
        let is_contact = self.next().is_some_and(|index| self.event.steps[index].action == StepAction::Contact);
        let visitor = self.event.payload.as_ref().is_some_and(|payload| payload.user.visitor.is_some());
        let opts_in = |step: &super::stored::Step| step.action == StepAction::Consent { opted_in: true };
        is_contact && !visitor && !self.event.steps.iter().any(opts_in)
    }
}

fn leads_out(action: &StepAction) -> bool {
    match action {
        StepAction::List { target: Target::Segment(_), member, .. } => !member,
        StepAction::List { .. } => false,
        StepAction::Consent { .. } | StepAction::Contact | StepAction::Erase => true,
    }
}

/// Those that go on; the others have ended.
fn sorted_out(works: Vec<(usize, Result<Work>)>, results: &mut Results) -> Vec<(usize, Work)> {
    let mut left = Vec::new();
    for (index, work) in works {
        match work {
            Ok(work) => left.push((index, work)),
            Err(failure) => results.push((index, Err(failure))),
        }
    }
    left
}

/// Whether what fails for one event of a user fails for the next one, too. A conflict does not: the next event may be the one
/// that makes the user known.
fn holds_up(kind: FailureKind) -> bool {
    kind == FailureKind::Storage || policy::may_be_done_later(kind) && kind != FailureKind::Conflict
}

/// Events by their users, as far as they say who that is.
fn chained(events: Vec<(usize, StoredEvent)>) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for (index, event) in events {
        let names = names(&event);
        let (mine, others): (Vec<Chain>, Vec<Chain>) =
            chains.into_iter().partition(|chain| !chain.names.is_disjoint(&names));
        let mut chain = Chain { names, events: VecDeque::from([(index, event)]) };
        for one in mine {
            chain.names.extend(one.names);
            chain.events.extend(one.events);
        }
        chains = others;
        chains.push(chain);
    }
    for chain in &mut chains {
        chain.events.make_contiguous().sort_by(|(_, one), (_, other)| one.by.cmp(&other.by));
    }
    chains
}

fn names(event: &StoredEvent) -> HashSet<String> {
    let known = event.subject.iter().map(|key| format!("record {}", key.as_str()));
    let user = event.payload.iter().map(|payload| &payload.user);
    let said = user.flat_map(|user| {
        let identities =
            user.external_id.iter().map(ExternalId::identity).chain(user.email.iter().map(Email::identity));
        let identities = identities.map(|identity| format!("{:?} {}", identity.kind(), identity.digest()));
        let customer = user.customer.iter().map(|customer| format!("{} {}", customer.provider, customer.id));
        identities.chain(customer)
    });
    known.chain(said).collect()
}
