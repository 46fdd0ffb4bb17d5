//! A few things from their leases to their commits.

use std::collections::BTreeMap;

use futures::FutureExt;

use crate::domain::link::{Lease, Link, LinkState, RemoteId};
use crate::domain::platform::RemoteContact;
use crate::domain::situation::Situation;
use crate::error::{Effect, Failure, FailureKind, Result};
use crate::mapping::{Response, is_same};
use crate::policy;
use crate::ports::bulk::Taken;
use crate::ports::objects::{ObjectOutcomes, ObjectWrite, RemoteObject};
use crate::ports::{Attempt, Commit};
use crate::sync::decision::{self, Next, Sent};
use crate::sync::left_out;
use crate::sync::operations::{self, About};
use crate::sync::plan;
use crate::sync::services::Desk;

use super::found::{self, Follow, Owners};
use super::{Became, Item, ObjectSender, nameless};

/// A record whose lease is ours, with what is to be done about it.
struct Held {
    item: Item,
    link: Link,
    lease: Lease,
    plan: Plan,
    tries: u8,
}

/// What is to be done.
enum Plan {
    /// It is to be made.
    Create,
    /// This one is to be changed.
    Update(RemoteId),
    /// Nothing: it is known what became of it.
    Refused(Failure),
}

impl ObjectSender<'_> {
    /// Writes records of different names.
    pub(super) async fn write(&mut self, items: Vec<Item>) -> Result<()> {
        // What fails here has had no effect on any of them.
        self.desk.integration.platform.ready().await?;
        let mut held = self.take_leases(items).await?;
        if let Err(failure) = self.look_up(&mut held).await {
            self.release(&held).await?;
            return Err(failure);
        }
        let mut stop = None;
        for _ in 0..policy::BATCH_FAILURES {
            if held.is_empty() {
                break;
            }
            let outcomes = self.call(&held).await;
            held = self.apply(held, outcomes, &mut stop).await?;
        }
        stop.map_or(Ok(()), Err)
    }

    async fn take_leases(&mut self, items: Vec<Item>) -> Result<Vec<Held>> {
        let Desk { services, integration } = self.desk;
        let now = self.desk.now();
        let lease = Lease { owner: services.entropy.id(), until: policy::after(now, policy::BULK_LEASE) };
        let taken: Vec<Taken> = items.iter().map(|item| taken(item, &lease, now)).collect();
        let attempts = services.bulk.take_many(&integration.scope, &taken, now).await?;
        let mut held = Vec::new();
        for ((item, taken), attempt) in items.into_iter().zip(taken).zip(attempts) {
            match attempt {
                Attempt::Done => {
                    let plan = item.draft.remote_id().cloned().map_or(Plan::Create, Plan::Update);
                    held.push(Held { item, link: taken.link, lease: taken.lease, plan, tries: 0 });
                }
                Attempt::Contended => self.ended.push((item.mark, Became::Held(now))),
            }
        }
        Ok(held)
    }

    /// Sees what is there by the names of those that have nothing on the platform.
    async fn look_up(&mut self, held: &mut [Held]) -> Result<()> {
        let objects = &self.desk.integration.objects;
        let mut by_object: BTreeMap<String, Vec<&mut Held>> = BTreeMap::new();
        for one in held.iter_mut().filter(|one| matches!(one.plan, Plan::Create)) {
            let Some(object) = self.object_of(&one.item.draft) else { continue };
            by_object.entry(object.to_owned()).or_default().push(one);
        }
        for (object, seekers) in by_object {
            let Some(known_by) = objects.known_by(&object) else {
                let failure = Failure::new(FailureKind::Misconfigured, "the platform has no such object");
                seekers.into_iter().for_each(|one| one.plan = Plan::Refused(failure.clone()));
                continue;
            };
            let names: Vec<String> = seekers.iter().filter_map(|one| one.item.name.clone()).collect();
            let shown = if names.is_empty() { Vec::new() } else { objects.find_objects(&object, &names).await? };
            let owners = self.owners(shown.iter().map(|one| &one.id)).await?;
            for one in seekers {
                one.follow(&shown, &owners, known_by, self.desk);
            }
        }
        Ok(())
    }

    /// The records that things belong to.
    async fn owners<'i>(&self, ids: impl Iterator<Item = &'i RemoteId>) -> Result<Owners> {
        let ids: Vec<RemoteId> = ids.cloned().collect();
        if ids.is_empty() {
            return Ok(Owners::new());
        }
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let pointed = bulk.by_remote_ids(scope, &ids).await?;
        let pointed: Vec<_> = ids.into_iter().zip(pointed).filter_map(|(id, key)| Some((id, key?))).collect();
        let keys: Vec<_> = pointed.iter().map(|(_, key)| key.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        // A pointer may be older than the link: of a thing that was deleted there.
        let has_it = |(id, stored): (&RemoteId, &crate::ports::Stored)| {
            stored.link.as_ref().and_then(|link| link.remote_id.as_ref()) == Some(id)
        };
        let owned = pointed.into_iter().zip(&stored).filter(|((id, _), stored)| has_it((id, stored)));
        Ok(owned.map(|(pointed, _)| pointed).collect())
    }

    /// Makes the calls: what is to be made, then what is to be changed. Results in the order of what is held.
    async fn call(&self, held: &[Held]) -> Vec<Result<RemoteObject>> {
        let objects = &self.desk.integration.objects;
        let mut outcomes: BTreeMap<usize, Result<RemoteObject>> = BTreeMap::new();
        let mut creates: BTreeMap<&str, Vec<(usize, ObjectWrite)>> = BTreeMap::new();
        let mut updates: Vec<(usize, (RemoteId, ObjectWrite))> = Vec::new();
        for (place, one) in held.iter().enumerate() {
            match &one.plan {
                Plan::Refused(failure) => drop(outcomes.insert(place, Err(failure.clone()))),
                Plan::Create => {
                    let object = self.object_of(&one.item.draft).unwrap_or_default();
                    creates.entry(object).or_default().push((place, one.write()));
                }
                Plan::Update(id) => match one.write() {
                    // It was found with all that the record wants.
                    nothing if nothing == ObjectWrite::default() => {
                        let found = RemoteObject { id: id.clone(), fields: BTreeMap::new() };
                        outcomes.insert(place, Ok(found));
                    }
                    write => updates.push((place, (id.clone(), write))),
                },
            }
        }
        let records =
            |places: &[usize]| places.iter().filter_map(|place| held.get(*place)).map(|one| one.about()).collect();
        for (object, creates) in creates {
            let (places, writes): (Vec<usize>, Vec<ObjectWrite>) = creates.into_iter().unzip();
            let call = objects.create_objects(object, &writes);
            let answered = operations::about(records(&places), call.boxed()).await;
            outcomes.extend(in_place(places, answered));
        }
        if !updates.is_empty() {
            let (places, writes): (Vec<usize>, Vec<(RemoteId, ObjectWrite)>) = updates.into_iter().unzip();
            let answered = operations::about(records(&places), objects.update_objects(&writes).boxed()).await;
            outcomes.extend(in_place(places, answered));
        }
        outcomes.into_values().collect()
    }

    /// Sorts what is held by the results; gives those that are to be sent once more, without what was refused.
    async fn apply(
        &mut self,
        held: Vec<Held>,
        outcomes: Vec<Result<RemoteObject>>,
        stop: &mut Option<Failure>,
    ) -> Result<Vec<Held>> {
        let (mut done, mut again, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (mut one, outcome) in held.into_iter().zip(outcomes) {
            match outcome {
                Ok(written) => {
                    self.failures = 0;
                    done.push((one, written));
                }
                Err(failure) => match one.after(&failure, self.desk) {
                    Next::LeaveOut(names) => {
                        one.item.refused.extend(names);
                        again.push(one);
                    }
                    Next::FindAgain => ends.push((one.lost(self.desk.now()), one.item.mark, Became::Lost)),
                    Next::LookUp | Next::GiveUp => {
                        if self.stops(&one, &failure) {
                            stop.get_or_insert_with(|| failure.clone());
                        }
                        if let Some((commit, became)) = one.failed(&failure) {
                            ends.push((commit, one.item.mark.clone(), became(one.item, failure)));
                        } else {
                            // A create may be under way: nobody begins another one before the lease has ended.
                            self.ended.push((one.item.mark, Became::Unclear(failure, one.lease.until)));
                        }
                    }
                },
            }
        }
        self.conclude(done).await?;
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let commits: Vec<Commit> = ends.iter().map(|(commit, ..)| commit.clone()).collect();
        bulk.commit_many(scope, &commits).await?;
        self.ended.extend(ends.into_iter().map(|(_, mark, became)| (mark, became)));
        Ok(again)
    }

    /// Whether a failure keeps the others from being sent for now, too: the next call would meet it as well. One record that the
    /// platform answers with an error holds up nobody, several in a row do.
    fn stops(&mut self, one: &Held, failure: &Failure) -> bool {
        if !policy::may_be_done_later(failure.kind) || matches!(one.plan, Plan::Refused(_)) {
            return false;
        }
        self.failures += 1;
        !policy::may_pass_soon(failure.kind) || self.failures >= policy::BATCH_FAILURES
    }

    /// Ends the writes that succeeded, and tells those who name the records.
    async fn conclude(&mut self, done: Vec<(Held, RemoteObject)>) -> Result<()> {
        let owners = self.owners(done.iter().map(|(_, written)| &written.id)).await?;
        let (mut commits, mut wrote) = (Vec::new(), Vec::new());
        for (held, written) in done {
            let is_anothers = owners.get(&written.id).is_some_and(|owner| *owner != held.item.draft.key);
            if is_anothers {
                // A create that the platform answered with what was there by the name.
                let failure = found::anothers(&held.path(self.desk));
                commits.push(held.refused(&failure));
                wrote.push((held.item, None, Some(failure)));
                continue;
            }
            let created = matches!(held.plan, Plan::Create);
            let commit = held.written(&written, self.desk);
            let link = Link { revision: commit.link.revision, ..commit.link.clone() };
            commits.push(commit);
            wrote.push((held.item, Some((link, created)), None));
        }
        let (bulk, scope, now) = (&self.desk.services.bulk, &self.desk.integration.scope, self.desk.now());
        let attempts = bulk.commit_many(scope, &commits).await?;
        for ((mut item, written, failure), attempt) in wrote.into_iter().zip(attempts) {
            let became = match (attempt, written, failure) {
                (Attempt::Contended, ..) => Became::Held(now),
                (Attempt::Done, Some((link, created)), _) => {
                    item.draft.link = link;
                    self.tell_relatives(&item.draft).await?;
                    Became::Written { draft: Box::new(item.draft), created }
                }
                (Attempt::Done, None, Some(failure)) => Became::Failed(Box::new(item.draft), failure),
                (Attempt::Done, None, None) => Became::Settled,
            };
            self.ended.push((item.mark, became));
        }
        Ok(())
    }

    /// Ends leases as if nothing had been begun.
    async fn release(&mut self, held: &[Held]) -> Result<()> {
        let commits: Vec<Commit> = held.iter().map(|one| one.commit(one.item.draft.link.clone())).collect();
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await.map(drop)
    }
}

/// The results of a call in the places of what it was made for.
fn in_place(places: Vec<usize>, answered: Result<ObjectOutcomes>) -> Vec<(usize, Result<RemoteObject>)> {
    match answered {
        Ok(outcomes) => places.into_iter().zip(outcomes).collect(),
        Err(failure) => places.into_iter().map(|place| (place, Err(failure.clone()))).collect(),
    }
}

/// What follows for a mark, made from the item and its failure.
type Ending = fn(Item, Failure) -> Became;

impl Held {
    fn follow(&mut self, shown: &[RemoteObject], owners: &Owners, known_by: &str, desk: &Desk) {
        let path = self.path(desk);
        let Some(name) = &self.item.name else {
            self.plan = Plan::Refused(nameless(&path));
            return;
        };
        match found::after_look_up(&self.item.draft.key, name, shown, owners, (known_by, &path)) {
            Follow::Make => {}
            Follow::Refuse(failure) => self.plan = Plan::Refused(failure),
            Follow::Adopt(_) if self.may_not_adopt(desk) => self.plan = Plan::Refused(found::undecided(&path)),
            Follow::Adopt(there) => {
                // What it holds is the base of what is still to be written.
                let draft = &mut self.item.draft;
                draft.set = draft.wanted.clone();
                draft.set.retain(|field, value| !is_same(value, there.fields.get(field)));
                draft.clear.retain(|field| there.fields.get(field).is_some_and(|value| !value.is_null()));
                self.plan = Plan::Update(there.id.clone());
            }
        }
    }

    /// Whether a person decides about what is found.
    fn may_not_adopt(&self, desk: &Desk) -> bool {
        let choices = desk.rulebook_of(self.item.draft.key.kind(), None).situations;
        choices.response(Situation::Found, false) == Response::Issue
    }

    /// What callers call the name.
    fn path(&self, desk: &Desk) -> String {
        let object = desk.integration.rules.object_of(self.item.draft.key.kind());
        let known_by = object.and_then(|object| desk.integration.objects.known_by(&object.object));
        object.zip(known_by).map_or_else(|| "name".to_owned(), |(object, field)| object.rules.path_of_remote(field))
    }

    /// For whom a call is made, and why.
    fn about(&self) -> About {
        let situation = match self.plan {
            Plan::Create => Situation::Absent,
            Plan::Update(_) if self.item.draft.remote_id().is_none() => Situation::Found,
            Plan::Update(_) | Plan::Refused(_) => self.item.draft.situation,
        };
        About::new(&self.item.draft.key, situation)
    }

    fn write(&self) -> ObjectWrite {
        let draft = &self.item.draft;
        let (mut fields, clear) = match self.plan {
            Plan::Create | Plan::Refused(_) => (draft.wanted.clone(), Vec::new()),
            Plan::Update(_) => (draft.set.clone(), draft.clear.clone()),
        };
        fields.retain(|name, _| !self.item.refused.contains(name) && !name.starts_with('@'));
        ObjectWrite { fields, clear }
    }

    /// What follows from a write that failed. A thing can't do without its name.
    fn after(&mut self, failure: &Failure, desk: &Desk) -> Next {
        if matches!(self.plan, Plan::Refused(_)) {
            return Next::GiveUp;
        }
        self.tries = self.tries.saturating_add(1);
        let draft = &self.item.draft;
        let known = matches!(self.plan, Plan::Update(_));
        let sent = Sent { known, wanted: &draft.wanted, refused: &self.item.refused, tries: self.tries };
        let object = desk.integration.rules.object_of(draft.key.kind());
        let known_by = object.and_then(|object| desk.integration.objects.known_by(&object.object));
        match decision::after_failure(failure, &sent) {
            Next::LeaveOut(names) if known_by.is_some_and(|field| names.iter().any(|name| name == field)) => {
                Next::GiveUp
            }
            next => next,
        }
    }

    /// The commit of a write that succeeded.
    fn written(&self, written: &RemoteObject, desk: &Desk) -> Commit {
        let (draft, now) = (&self.item.draft, desk.now());
        let mut link = draft.link.clone();
        let is_new = link.remote_id.as_ref() != Some(&written.id);
        link.follow_merge(written.id.clone());
        let shown = RemoteContact {
            id: written.id.clone(),
            email: None,
            fields: written.fields.clone(),
            tags: Vec::new(),
            do_not_contact: Vec::new(),
            points: 0,
            stage: None,
        };
        let kind = draft.key.kind();
        if let Some(object) = desk.integration.rules.object_of(kind) {
            let left_out = left_out::of_write(draft, &self.item.refused, &shown, &object.rules, now);
            plan::note_written(&mut link, draft, &self.item.refused, left_out, &shown);
        }
        link.updated_at = now;
        Commit { point: is_new.then(|| written.id.clone()).into_iter().collect(), ..self.commit(link) }
    }

    /// The commit after the platform said that the thing is gone: what was known of it counts no more.
    fn lost(&self, now: jiff::Timestamp) -> Commit {
        let mut link = self.item.draft.link.clone();
        link.lose_contact();
        link.missing_since = Some(now);
        link.state = LinkState::Pending;
        self.commit(link)
    }

    /// The commit of a refused write.
    fn refused(&self, failure: &Failure) -> Commit {
        let link =
            Link { state: LinkState::Error, error: Some(failure.message.clone()), ..self.item.draft.link.clone() };
        self.commit(link)
    }

    /// How a write ends that failed; `None` where the lease has to stay.
    fn failed(&self, failure: &Failure) -> Option<(Commit, Ending)> {
        let passes = policy::may_be_done_later(failure.kind);
        let failed: Ending = |item, failure| Became::Failed(Box::new(item.draft), failure);
        match (failure.effect, &self.plan) {
            (Effect::Unknown, Plan::Create) => None,
            (Effect::Unknown, Plan::Update(_)) => {
                // It may be sent again; what stands there is not relied on until then.
                let link = Link { state: LinkState::Pending, ..self.item.draft.link.clone() };
                Some((self.commit(link), failed))
            }
            (Effect::Unknown | Effect::None, _) if passes => {
                Some((self.commit(self.item.draft.link.clone()), |item, failure| {
                    Became::Held(failure.retry_at.unwrap_or(item.mark.due_at))
                }))
            }
            (Effect::Unknown | Effect::None, _) => Some((self.refused(failure), failed)),
        }
    }

    /// The commit that ends the lease and leaves this link behind.
    fn commit(&self, link: Link) -> Commit {
        Commit {
            key: self.item.draft.key.clone(),
            link: Link { revision: self.link.revision + 1, ..link },
            owner: self.lease.owner.clone(),
            release: Vec::new(),
            point: Vec::new(),
            consent: None,
        }
    }
}

/// The start of an item's write.
fn taken(item: &Item, lease: &Lease, now: jiff::Timestamp) -> Taken {
    let mut link = item.draft.link.clone();
    link.revision += 1;
    link.state = LinkState::Pending;
    link.updated_at = now;
    Taken { key: item.draft.key.clone(), link, lease: lease.clone() }
}
