//! Lists that lifecycle events decided, brought to the tenant's other integrations: those that did not work at the events.
//!
//! Which integration lacks what is remembered with the person's events; an outbox entry of the integration, stored in the
//! transaction that begins the event, says that there is something to do. Who dies on the way leaves the entry.

mod visit;

use std::collections::BTreeMap;

use crate::domain::identity::RecordKey;
use crate::domain::link::RemoteId;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::{Job, MembershipChange, MembershipList, ParkedJob, Task};
use crate::policy;
use crate::ports::Attempt;
use crate::ports::lists::OpenLists;
use crate::sync::services::Desk;
use crate::sync::together::side_by_side;

use super::target::Target;
use super::work::goes_on_later;
use visit::{Found, Visit, Wish, by_record, merged, waiting, wishes};

/// How many entries are looked at together.
const AT_ONCE: usize = 100;
/// How often what is remembered of a person is read again because others wrote it.
const TRIES: u32 = 5;
/// What a person can do about lists that can't be set.
const ADVICE: &str = "Make the list in this integration's platform, or name it there as the rules do, then replay. A campaign that \
                      not every integration has is `optional` in the rules.";

/// What became of the entries that were looked at together.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// How many there were.
    pub(crate) entries: usize,
    /// How many lists were set.
    pub(crate) set: u64,
    /// Whether others are left, due or not.
    pub(crate) waiting: bool,
    /// Whether it is worth looking again in seconds: people were looked for once whose contacts may come at any moment, or somebody
    /// makes a segment just now.
    pub(crate) soon: bool,
    /// What keeps all of them from being done just now.
    pub(crate) stopped: Option<Failure>,
}

impl Desk {
    /// Sets the lists of the people whose entries are due longest: one call a segment that is joined, one a list that is left and a
    /// campaign. What can't be done now is put off; what needs a person is parked, and holds up nothing else. One read without
    /// entries; with a hundred, five more and a call a person who is noted.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn bring_due_lists(&self, correlation_id: &str) -> Result<Looked> {
        let (lists, scope) = (&self.services.lists, &self.integration.scope);
        let (entries, waiting) = lists.due(scope, self.now(), AT_ONCE).await?;
        let mut looked = Looked { entries: entries.len(), waiting, ..Looked::default() };
        let (mut visits, mut next) = (Vec::new(), Vec::new());
        for (entries, found) in self.found(entries.clone()).await? {
            match found {
                Found::Work(visit) => visits.push(*visit),
                Found::Absent => {
                    looked.soon |= entries.iter().any(|entry| entry.attempts == 0);
                    next.extend(waiting_of(&entries, self));
                }
                Found::Nothing => {}
            }
        }
        let mut claimed = Vec::new();
        for visit in self.set_all(visits).await {
            looked.set += visit.set;
            claimed.extend(visit.entries.iter().filter(|entry| !entries.contains(entry)).cloned());
            next.extend(self.concluded(visit, correlation_id, &mut looked).await?);
        }
        looked.waiting |= !next.is_empty();
        // Those that are left stand before the old ones go: who dies between the two finds nothing to do for these.
        lists.put(scope, &next).await?;
        lists.remove(scope, &entries).await?;
        lists.remove(scope, &claimed).await?;
        Ok(looked)
    }

    /// Sets what a record's contact lacks, once somebody saw to what kept it from being done.
    ///
    /// # Errors
    /// What keeps it from being done.
    pub(crate) async fn bring_lists_again(&self, record: &RecordKey) -> Result<()> {
        let entry = OpenLists { attempts: 1, ..OpenLists::new(record.clone(), self.now()) };
        let absent = || Failure::new(FailureKind::Conflict, "the person is not on the platform yet");
        for (_, found) in self.found(vec![entry]).await? {
            match found {
                Found::Work(visit) => {
                    for mut visit in self.set_all(vec![*visit]).await {
                        let looks_again = self.note_brought(&visit).await?;
                        let changed =
                            looks_again.then(|| Failure::new(FailureKind::Conflict, "it was decided otherwise"));
                        self.services.lists.remove(&self.integration.scope, &visit.entries).await?;
                        visit.later.take().or(visit.refusal.take()).or(changed).map_or(Ok(()), Err)?;
                    }
                }
                Found::Absent => return Err(absent()),
                Found::Nothing => {}
            }
        }
        Ok(())
    }

    /// Has an integration that is new put these people into the segments that they are in. One read for 100 of them, and a write for
    /// 25 who are in one; nothing where the tenant has no other integration.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) async fn open_all_segments(&self, records: &[RecordKey]) -> Result<()> {
        let (services, scope, now) = (&self.services, &self.integration.scope, self.now());
        if records.is_empty() || !self.has_peers().await? {
            return Ok(());
        }
        let people: Vec<RecordKey> = records.iter().filter(|record| record.kind().is_person()).cloned().collect();
        let subjects = services.lifecycle.subjects(scope, &people).await?;
        let lack = people
            .into_iter()
            .zip(subjects)
            .filter(|(_, subject)| !wishes(subject, &scope.integration, true).is_empty());
        let entry = |record| OpenLists { all_segments: true, ..OpenLists::new(record, now) };
        let entries: Vec<OpenLists> = lack.map(|(record, _)| entry(record)).collect();
        services.lists.put(scope, &entries).await
    }

    /// What there is to do for entries, by their records. Three reads for a hundred.
    async fn found(&self, entries: Vec<OpenLists>) -> Result<Vec<(Vec<OpenLists>, Found)>> {
        let (services, scope) = (&self.services, &self.integration.scope);
        let grouped: Vec<(RecordKey, Vec<OpenLists>)> = by_record(entries).into_iter().collect();
        let keys: Vec<RecordKey> = grouped.iter().map(|(record, _)| record.clone()).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let stored = services.bulk.load_many(scope, &keys).await?;
        let subjects = services.lifecycle.subjects(scope, &keys).await?;
        let all = grouped.into_iter().zip(stored).zip(subjects);
        let found = all.map(|(((record, entries), stored), subject)| {
            let asked = merged(&entries, &record);
            let wishes = wishes(&subject, &scope.integration, asked.all_segments);
            let contact = stored.link.and_then(|link| link.remote_id);
            let found = match (stored.record, contact) {
                (None, _) => Found::Nothing,
                (Some(_), _) if wishes.is_empty() => Found::Nothing,
                (Some(_), None) => Found::Absent,
                (Some(_), Some(contact)) => {
                    let (entries, again) = (entries.clone(), asked.attempts > 0);
                    let (later, refusal, set) = (None, None, 0);
                    Found::Work(Box::new(Visit {
                        entries,
                        record,
                        subject,
                        contact,
                        wishes,
                        again,
                        later,
                        refusal,
                        set,
                    }))
                }
            };
            (entries, found)
        });
        Ok(found.collect())
    }

    /// Out of segments, into segments together, then what is left: as the steps of events that are done together.
    async fn set_all(&self, visits: Vec<Visit>) -> Vec<Visit> {
        let left = visits.into_iter().map(|visit| self.set_while(visit, |wish| !wish.member));
        let joined = self.join_all_segments(side_by_side(left.collect()).await).await;
        let rest = joined.into_iter().map(|visit| self.set_while(visit, |_| true));
        side_by_side(rest.collect()).await
    }

    /// Does the next wishes, as long as they are wanted.
    async fn set_while(&self, mut visit: Visit, wanted: fn(&Wish) -> bool) -> Visit {
        let mut from = 0;
        while let Some(place) = visit.next(from).filter(|place| visit.later.is_none() && wanted(&visit.wishes[*place]))
        {
            from = place + 1;
            let set = self.set(&mut visit, place).await;
            visit.note(place, set.map_err(|failure| self.when_it_has_settled(failure)));
        }
        visit
    }

    /// Sets one list; whether that was left to do.
    async fn set(&self, visit: &mut Visit, place: usize) -> Result<bool> {
        let (target, member) = (visit.wishes[place].target.clone(), visit.wishes[place].member);
        let Some(list) = self.list_elsewhere(&target, member).await? else { return Ok(false) };
        if member && matches!(list, MembershipList::Campaign(_)) {
            if visit.again
                && self.integration.platform.campaigns_of(&visit.contact).await?.iter().any(|id| id == list.id())
            {
                return Ok(false);
            }
            self.claim(visit).await?;
        }
        if self.wish_for(visit, place, &list).await? == Attempt::Contended {
            return Ok(false);
        }
        self.integration.platform.set_membership(&visit.contact, &list, member).await.map(|()| true)
    }

    /// Notes that it was begun with, before the first campaign is entered: who comes after a crash looks before it enters one. Two
    /// writes for each person.
    async fn claim(&self, visit: &mut Visit) -> Result<()> {
        if visit.again {
            return Ok(());
        }
        let claim = visit.entry(policy::after(self.now(), policy::LEASE));
        let (lists, scope) = (&self.services.lists, &self.integration.scope);
        lists.put(scope, std::slice::from_ref(&claim)).await?;
        lists.remove(scope, &std::mem::replace(&mut visit.entries, vec![claim])).await?;
        visit.again = true;
        Ok(())
    }

    /// Notes what is wanted of a list before it is acted on; `Contended` when somebody asked for something else since.
    async fn wish_for(&self, visit: &Visit, place: usize, list: &MembershipList) -> Result<Attempt> {
        let (contact, member, asked_at) = (visit.contact.clone(), visit.wishes[place].member, visit.asked_at(place));
        let wish = MembershipChange { contact, list: list.clone(), member, asked_at };
        self.services.contacts.note_membership_wish(&self.integration.scope, &wish).await
    }

    /// Puts the contacts of several people into segments, with one call a segment. What is left is done one by one.
    async fn join_all_segments(&self, mut visits: Vec<Visit>) -> Vec<Visit> {
        let mut by_segment: BTreeMap<Target, Vec<(usize, usize)>> = BTreeMap::new();
        for (index, visit) in visits.iter().enumerate().filter(|(_, visit)| visit.later.is_none()) {
            let joins = |wish: &Wish| !wish.ended && wish.member && matches!(wish.target, Target::Segment(_));
            for (place, wish) in visit.wishes.iter().enumerate().filter(|(_, wish)| joins(wish)) {
                by_segment.entry(wish.target.clone()).or_default().push((index, place));
            }
        }
        for (target, places) in by_segment.into_iter().filter(|(_, places)| places.len() > 1) {
            self.join_one_segment(&target, places, &mut visits).await;
        }
        visits
    }

    async fn join_one_segment(&self, target: &Target, places: Vec<(usize, usize)>, visits: &mut [Visit]) {
        // Its own call tells each what is wrong with a list that can't be had.
        let Ok(Some(MembershipList::Segment(segment))) = self.list_elsewhere(target, true).await else { return };
        let list = MembershipList::Segment(segment.clone());
        let noted = places.iter().map(|(index, place)| self.wish_for(&visits[*index], *place, &list));
        let noted = side_by_side(noted.collect()).await;
        let mut joining = Vec::new();
        for ((index, place), noted) in places.into_iter().zip(noted) {
            match noted {
                Ok(Attempt::Done) => joining.push((index, place)),
                Ok(Attempt::Contended) => visits[index].note(place, Ok(false)),
                Err(failure) => visits[index].note(place, Err(failure)),
            }
        }
        let contacts: Vec<RemoteId> = joining.iter().map(|(index, _)| visits[*index].contact.clone()).collect();
        if contacts.is_empty() {
            return;
        }
        for ((index, place), joined) in joining.into_iter().zip(self.join_segment(&segment, &contacts).await) {
            match joined {
                Ok(true) => visits[index].note(place, Ok(true)),
                Ok(false) => {}
                Err(failure) => visits[index].note(place, Err(self.when_it_has_settled(failure))),
            }
        }
    }

    /// Notes and parks what became of a person's lists; gives the entry that is left.
    async fn concluded(&self, visit: Visit, correlation_id: &str, looked: &mut Looked) -> Result<Option<OpenLists>> {
        let looks_again = self.note_brought(&visit).await?;
        if let Some(refusal) = &visit.refusal {
            self.park_lists(&visit.record, refusal, correlation_id).await?;
        }
        if let Some(failure) = &visit.later {
            let attempts = merged(&visit.entries, &visit.record).attempts + 1;
            let due_at = policy::contact_due(failure, attempts, self.now(), self.services.entropy.unit());
            match failure.kind {
                // Somebody makes the segment just now.
                FailureKind::Conflict => looked.soon = true,
                _ => drop(looked.stopped.get_or_insert_with(|| failure.clone())),
            }
            return Ok(Some(visit.entry(due_at)));
        }
        Ok(looks_again.then(|| visit.entry(self.now())))
    }

    /// Has it remembered which lists the integration has by now; whether one was decided otherwise while it was set.
    async fn note_brought(&self, visit: &Visit) -> Result<bool> {
        let (lifecycle, scope) = (&self.services.lifecycle, &self.integration.scope);
        let mut before = visit.subject.clone();
        for _ in 0..TRIES {
            let mut after = before.clone();
            let looks_again = visit.noted_on(&mut after, &scope.integration);
            if after == before {
                return Ok(looks_again);
            }
            after.version += 1;
            if lifecycle.revise(scope, &visit.record, &after).await? == Attempt::Done {
                return Ok(looks_again);
            }
            (before, _) = lifecycle.subject(scope, &visit.record).await?;
        }
        // What was set is set once more: that changes nothing.
        Ok(true)
    }

    /// Parks the job that sets a person's lists once somebody has seen to it: one, however often that is found out.
    async fn park_lists(&self, record: &RecordKey, reason: &Failure, correlation_id: &str) -> Result<()> {
        let (scope, now) = (self.integration.scope.clone(), self.now());
        let job = Job {
            id: format!("lists-{}-{}", scope.integration, record.as_str()),
            scope,
            correlation_id: correlation_id.to_owned(),
            queued_at: now,
            task: Task::BringLists { record: record.clone() },
        };
        let advice = ADVICE.to_owned();
        let parked = ParkedJob { job, reason: reason.clone(), advice, attempts: 1, parked_at: now };
        self.services.parked.park(&parked).await
    }
}

impl Visit {
    /// Notes how a wish ended, and whether the list was set for it.
    fn note(&mut self, place: usize, set: Result<bool>) {
        match set {
            Ok(set) => {
                self.wishes[place].ended = true;
                self.set += u64::from(set);
            }
            Err(failure) if goes_on_later(failure.kind) => self.later = Some(failure),
            Err(failure) => drop(self.refusal.get_or_insert(failure)),
        }
    }
}

fn waiting_of(entries: &[OpenLists], desk: &Desk) -> Option<OpenLists> {
    waiting(entries, &entries.first()?.record, desk.now())
}
