//! Many contacts put into segments, with one call a segment.

use std::collections::BTreeMap;

use crate::domain::link::RemoteId;
use crate::error::{Failure, Result};
use crate::jobs::message::MembershipList;
use crate::ports::Attempt;
use crate::sync::services::Desk;
use crate::sync::together::side_by_side;

use super::event::Moment;
use super::stored::{StepAction, StepStatus};
use super::target::Target;
use super::work::{Ended, Work, missing, no_contact, outdated};

/// A step that puts a contact into a segment: whose it is, and which one.
type Place = (usize, usize);

/// How steps ended; those that have to be done by themselves are not among them.
type Joined = BTreeMap<Place, Result<Ended>>;

impl Desk {
    /// Does the next steps of events, as far as they put contacts into segments.
    pub(super) async fn join_segments(
        &self,
        mut works: Vec<(usize, Work)>,
        results: &mut Vec<(usize, Result<()>)>,
    ) -> Vec<(usize, Work)> {
        let mut joined = Joined::new();
        let mut by_segment: BTreeMap<Target, Vec<Place>> = BTreeMap::new();
        for (at, (_, work)) in works.iter().enumerate() {
            for (step, target, by) in work.joining_next() {
                match self.in_lease(work) {
                    Err(failure) => drop(joined.insert((at, step), Err(failure))),
                    Ok(()) => match work.spared(target, true, by) {
                        Some(ended) => drop(joined.insert((at, step), Ok(ended))),
                        None => by_segment.entry(target.clone()).or_default().push((at, step)),
                    },
                }
            }
        }
        for (target, places) in by_segment.into_iter().filter(|(_, places)| places.len() > 1) {
            self.join(&target, places, &works, &mut joined).await;
        }
        let mut ended: BTreeMap<usize, Vec<(usize, Result<Ended>)>> = BTreeMap::new();
        for ((at, step), one) in joined {
            ended.entry(at).or_default().push((step, one));
        }
        let noted = works.drain(..).enumerate().map(|(at, (index, mut work))| {
            let noted = ended.remove(&at).map(|steps| work.note_apart(steps));
            (index, work, noted)
        });
        let noted = noted.collect();
        self.record_all(noted, results).await
    }

    /// Puts the contacts of steps into one segment.
    async fn join(&self, target: &Target, places: Vec<Place>, works: &[(usize, Work)], joined: &mut Joined) {
        let list = match self.list_of(target).await {
            Ok(Some(list)) => list,
            Ok(None) => return joined.extend(places.into_iter().map(|place| (place, Ok(missing(target))))),
            Err(failure) => return joined.extend(places.into_iter().map(|place| (place, Err(failure.clone())))),
        };
        let MembershipList::Segment(segment) = &list else { return };
        let wished = places.into_iter().map(|place| {
            let (work, list) = (&works[place.0].1, &list);
            async move { (place, self.wished(work, list).await) }
        });
        let mut going = Vec::new();
        for (place, wished) in side_by_side(wished.collect()).await {
            match wished {
                Ok(Some(contact)) => going.push((place, contact)),
                Ok(None) => drop(joined.insert(place, Ok(outdated()))),
                Err(failure) => drop(joined.insert(place, Err(failure))),
            }
        }
        let contacts: Vec<RemoteId> = going.iter().map(|(_, contact)| contact.clone()).collect();
        for ((place, _), known) in going.into_iter().zip(self.join_segment(segment, &contacts).await) {
            match known {
                Ok(true) => drop(joined.insert(place, Ok((StepStatus::Done, None)))),
                // Its own call tells what is wrong with it.
                Ok(false) => {}
                Err(failure) => drop(joined.insert(place, Err(self.when_it_has_settled(failure)))),
            }
        }
    }

    /// The contact to put into a list, once that is noted; `None` when somebody asked for something else since.
    async fn wished(&self, work: &Work, list: &MembershipList) -> Result<Option<RemoteId>, Failure> {
        let contact = work.event.contact.clone().ok_or_else(no_contact)?;
        let noted = self.wish(work, &contact, list, true).await?;
        Ok((noted == Attempt::Done).then_some(contact))
    }
}

impl Work {
    /// The steps that come next and put the contact into segments.
    fn joining_next(&self) -> impl Iterator<Item = (usize, &Target, &Moment)> {
        let first = self.next().unwrap_or(self.event.steps.len());
        let next = self.event.steps.iter().enumerate().skip(first).filter(|(_, step)| step.is_open());
        next.map_while(|(index, step)| match &step.action {
            StepAction::List { target: target @ Target::Segment(_), member: true, by } => Some((index, target, by)),
            _ => None,
        })
    }
}
