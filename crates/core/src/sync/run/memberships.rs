//! Segments: made when they are missing, members added many at a time, and taken out one by one, because there is no other
//! call for it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::domain::association::Association;
use crate::domain::link::{Link, RemoteId};
use crate::error::{FailureKind, Result};
use crate::jobs::message::ListKind;
use crate::jobs::message::{MembershipList, Task};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::bulk::{BATCH, Mark};
use crate::sync::batches::{Joining, Pace};
use crate::sync::lists::named;

use super::{Run, Step};

/// What was done, by segment: its members and those who left, and contacts that the platform does not know.
#[derive(Default)]
struct Done {
    added: BTreeMap<String, HashSet<RemoteId>>,
    removed: BTreeMap<String, HashSet<RemoteId>>,
    unknown: HashSet<RemoteId>,
}

/// The rule's field, in failures.
const SEGMENTS: &str = "customer_segments";
/// How often, and how long, a run waits for another function to have made a segment: as long as a call may take.
const LOOKS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(500);

/// How many members the first call adds, and how many any call adds at most.
const PACE: Pace = Pace::new(1_000, 50_000);

impl Run<'_> {
    /// Sets the memberships of all who wait; what was set until something failed is kept.
    pub(super) async fn settle_memberships(&mut self, joining: &mut Vec<Joining>) -> Step<()> {
        if joining.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(joining);
        let mut done = Done::default();
        let set = self.set_memberships(&waiting, &mut done).await;
        self.note_memberships(&waiting, &done).await?;
        self.save().await?;
        set
    }

    async fn set_memberships(&mut self, waiting: &[Joining], done: &mut Done) -> Step<()> {
        // What marketing made or deleted since the last look counts.
        self.desk.integration.reference.forget_lists(ListKind::Segment);
        let mut by_segment: BTreeMap<&str, Vec<RemoteId>> = BTreeMap::new();
        for one in waiting {
            for name in &one.add {
                by_segment.entry(name).or_default().push(one.contact.clone());
            }
        }
        // The smallest first: its answer tells how many members a call may carry.
        let mut adds: Vec<(&str, Vec<RemoteId>)> = by_segment.into_iter().collect();
        adds.sort_by_key(|(_, contacts)| contacts.len());
        let mut pace = PACE;
        for (name, contacts) in adds {
            let segment = self.segment(name).await?;
            self.add_members(name, &segment, &contacts, &mut pace, done).await?;
            self.log.segments += 1;
        }
        for one in waiting {
            self.remove_member(one, done).await?;
        }
        Ok(())
    }

    /// The number of the segment of this name; it is made when there is none.
    async fn segment(&self, name: &str) -> Step<String> {
        let mut looks = 0;
        loop {
            match self.desk.segment_named(name, SEGMENTS).await {
                // Another function makes it, and has it made by now or gives up.
                Err(failure) if failure.kind == FailureKind::Conflict && looks < LOOKS => {
                    looks += 1;
                    self.desk.services.sleep.sleep(PAUSE).await;
                }
                // A rule's names can't be told apart by number: the one in use that is oldest is meant.
                Err(failure) if failure.kind == FailureKind::Invalid => {
                    return self.oldest(name).await?.ok_or_else(|| failure.into());
                }
                found => return Ok(found?.id().to_owned()),
            }
        }
    }

    /// Of several segments of one name the oldest that is in use.
    async fn oldest(&self, name: &str) -> Result<Option<String>> {
        let lists = self.desk.segments().await?;
        let found = named(&lists, name).into_iter();
        let oldest = found.min_by_key(|list| (!list.published, list.id.parse::<u64>().unwrap_or(u64::MAX)));
        Ok(oldest.map(|list| list.id.clone()))
    }

    async fn add_members(
        &mut self,
        name: &str,
        segment: &str,
        contacts: &[RemoteId],
        pace: &mut Pace,
        done: &mut Done,
    ) -> Step<()> {
        let mut left = contacts;
        let mut failures = 0;
        while !left.is_empty() {
            self.in_time()?;
            let (some, rest) = left.split_at(pace.size().min(left.len()));
            let begun = self.now();
            match self.desk.integration.bulk.add_to_segment(segment, some).await {
                Ok(known) => {
                    let took = Duration::try_from(self.now().duration_since(begun)).unwrap_or_default();
                    pace.took(some.len(), took);
                    self.log.memberships += done.added(name, some, &known);
                    left = rest;
                }
                // Adding twice is adding once: it is tried again with less.
                Err(failure) => {
                    pace.halve();
                    failures += 1;
                    if !policy::may_pass_soon(failure.kind) || failures >= policy::BATCH_FAILURES {
                        return Err(failure.into());
                    }
                }
            }
        }
        Ok(())
    }

    async fn remove_member(&mut self, one: &Joining, done: &mut Done) -> Step<()> {
        for name in &one.remove {
            self.in_time()?;
            // A segment that is not there any more has no members.
            if let Some(id) = self.oldest(name).await? {
                let list = MembershipList::Segment(id);
                match self.desk.integration.platform.set_membership(&one.contact, &list, false).await {
                    Ok(()) => self.log.memberships += 1,
                    Err(failure) if failure.kind == FailureKind::NotFound => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
            done.removed.entry(name.clone()).or_default().insert(one.contact.clone());
        }
        Ok(())
    }

    /// Notes memberships on the links, and takes the marks away of contacts that have all of theirs.
    async fn note_memberships(&mut self, waiting: &[Joining], done: &Done) -> Result<()> {
        for some in waiting.chunks(BATCH) {
            self.note_some(some, done).await?;
        }
        for contact in &done.unknown {
            // The platform does not know the number: it was merged or deleted there.
            let task = Task::CheckGone { contact: contact.clone() };
            self.desk.defer(task, &self.log.id, Duration::ZERO).await?;
        }
        Ok(())
    }

    async fn note_some(&mut self, some: &[Joining], done: &Done) -> Result<()> {
        let some: Vec<&Joining> = some.iter().filter(|one| done.concerns(&one.contact)).collect();
        let keys: Vec<_> = some.iter().map(|one| one.mark.record.clone()).collect();
        let (bulk, scope, now) = (&self.desk.services.bulk, &self.desk.integration.scope, self.now());
        let stored = bulk.load_many(scope, &keys).await?;
        let linked = some.iter().zip(stored).filter_map(|(one, stored)| Some((*one, stored.link?)));
        let (ones, links): (Vec<&Joining>, Vec<_>) =
            linked.map(|(one, link)| (one, (one.mark.record.clone(), done.noted(&one.contact, link)))).unzip();
        let attempts = bulk.relink_many(scope, &links, now).await?;
        let finished = ones.iter().zip(attempts).filter(|(one, attempt)| *attempt == Attempt::Done && done.is_all(one));
        let marks: Vec<Mark> = finished.map(|(one, _)| one.mark.clone()).collect();
        bulk.unmark_many(scope, &marks).await
    }
}

impl Done {
    /// Notes an answer; gives how many became members.
    fn added(&mut self, name: &str, contacts: &[RemoteId], known: &[bool]) -> u64 {
        let members = self.added.entry(name.to_owned()).or_default();
        let mut count = 0;
        for (contact, known) in contacts.iter().zip(known) {
            if *known {
                members.insert(contact.clone());
                count += 1;
            } else {
                self.unknown.insert(contact.clone());
            }
        }
        count
    }

    fn concerns(&self, contact: &RemoteId) -> bool {
        self.added.values().chain(self.removed.values()).any(|contacts| contacts.contains(contact))
    }

    fn is_all(&self, one: &Joining) -> bool {
        let has = |done: &BTreeMap<String, HashSet<RemoteId>>, names: &[String]| {
            names.iter().all(|name| done.get(name).is_some_and(|contacts| contacts.contains(&one.contact)))
        };
        has(&self.added, &one.add) && has(&self.removed, &one.remove)
    }

    fn noted(&self, contact: &RemoteId, mut link: Link) -> Link {
        for (name, _) in self.added.iter().filter(|(_, contacts)| contacts.contains(contact)) {
            link.associations.insert(Association::Segment(name.clone()));
        }
        for (name, _) in self.removed.iter().filter(|(_, contacts)| contacts.contains(contact)) {
            link.associations.remove(&Association::Segment(name.clone()));
        }
        link.revision += 1;
        link
    }
}
