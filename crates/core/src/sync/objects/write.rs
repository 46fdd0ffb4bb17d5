//! A few things from their leases to their commits.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use crate::domain::identity::RecordKey;
use crate::domain::link::{Lease, Link, LinkState, RemoteId};
use crate::domain::platform::RemoteContact;
use crate::domain::situation::Situation;
use crate::error::{Effect, Failure, Result};
use crate::mapping::RuleSet;
use crate::policy;
use crate::ports::bulk::Taken;
use crate::ports::objects::{ObjectOutcomes, ObjectWrite, RemoteObject};
use crate::ports::{Attempt, Commit};
use crate::sync::decision::{self, Next, Sent};
use crate::sync::left_out;
use crate::sync::operations::{self, About};
use crate::sync::plan;
use crate::sync::pull::pulling;
use crate::sync::services::Desk;

use super::found::{self, Owner};
use super::seek::{Plan, Sought};
use super::{Became, Item, ObjectSender};

/// A record whose lease is ours, with what is to be done about it.
struct Held {
    item: Item,
    link: Link,
    lease: Lease,
    plan: Plan,
    tries: u8,
}

impl ObjectSender<'_> {
    /// Writes records of different names.
    pub(super) async fn write(&mut self, sought: Vec<Sought>) -> Result<()> {
        let sought = self.restore_overwritten(sought).await?;
        let mut held = self.take_leases(sought).await?;
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

    /// What earlier creates may have overwritten is sent once more before the records themselves are; those whose turn it is not
    /// yet are held.
    async fn restore_overwritten(&mut self, sought: Vec<Sought>) -> Result<Vec<Sought>> {
        let owner = |one: &Sought| one.overwritten.as_ref().map(|owner| owner.key.clone());
        let contended = self.restore(sought.iter().filter_map(owner).collect()).await?;
        let now = self.desk.now();
        let mut rest = Vec::new();
        for mut one in sought {
            match owner(&one) {
                Some(owner) if contended.contains(&owner) => self.ended.push((one.item.mark, Became::Held(now))),
                Some(_) => {
                    one.item.draft.link.tried = None;
                    rest.push(one);
                }
                None => rest.push(one),
            }
        }
        Ok(rest)
    }

    async fn take_leases(&mut self, sought: Vec<Sought>) -> Result<Vec<Held>> {
        let Desk { services, integration } = self.desk;
        let now = self.desk.now();
        let lease = Lease { owner: services.entropy.id(), until: policy::after(now, policy::BULK_LEASE) };
        let taken: Vec<Taken> = sought.iter().map(|one| taken(one, &lease, now)).collect();
        let attempts = services.bulk.take_many(&integration.scope, &taken, now).await?;
        let mut held = Vec::new();
        for ((Sought { item, plan, .. }, taken), attempt) in sought.into_iter().zip(taken).zip(attempts) {
            match attempt {
                Attempt::Done => held.push(Held { item, link: taken.link, lease: taken.lease, plan, tries: 0 }),
                Attempt::Contended => self.ended.push((item.mark, Became::Held(now))),
            }
        }
        Ok(held)
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
        let away = self.away(&outcomes).await;
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
                            let mark = one.item.mark.clone();
                            let is_to_blame = away.is_none() || !policy::may_be_done_later(failure.kind);
                            let became =
                                if is_to_blame { became(one.item, failure) } else { Became::Held(mark.due_at) };
                            ends.push((commit, mark, became));
                        } else {
                            self.in_doubt = Some(true);
                            // A create may be under way: nobody begins another one before the lease has ended.
                            self.ended.push((one.item.mark, Became::Unclear(failure, one.lease.until)));
                        }
                    }
                },
            }
        }
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let commits: Vec<Commit> = ends.iter().map(|(commit, ..)| commit.clone()).collect();
        bulk.commit_many(scope, &commits).await?;
        self.ended.extend(ends.into_iter().map(|(_, mark, became)| (mark, became)));
        *stop = stop.take().or(away);
        self.conclude(done).await?;
        Ok(again)
    }

    /// What keeps the platform from answering anybody, where something failed in a way that may pass: then no record is to blame, and
    /// none is put off for longer each time. One call, if any.
    pub(super) async fn away(&self, outcomes: &[Result<RemoteObject>]) -> Option<Failure> {
        let passes = |failure: &Failure| policy::may_be_done_later(failure.kind);
        outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).find(|failure| passes(failure))?;
        let object = self.catalogs.keys().next()?;
        self.desk.integration.objects.object_fields(object).await.err().filter(passes)
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

    /// Ends the writes that succeeded. What the platform answered with is compared with what other records have before anything
    /// more is written: a create may have hit one of theirs.
    async fn conclude(&mut self, done: Vec<(Held, RemoteObject)>) -> Result<()> {
        let mut owners = self.owners(done.iter().map(|(_, written)| &written.id)).await?;
        let (mut own, mut anothers) = (Vec::new(), Vec::new());
        for (held, written) in done {
            let draft = &held.item.draft;
            // Of two that were made in one call, the first has it.
            let mine = Owner { key: draft.key.clone(), named: Self::named(draft) };
            let owner = owners.entry(written.id.clone()).or_insert(mine).clone();
            if owner.key == draft.key { own.push((held, written)) } else { anothers.push((held, written, owner)) }
        }
        self.keep(own).await?;
        self.refuse_collided(anothers).await
    }

    /// Commits what was written, and tells those who name the records.
    async fn keep(&mut self, own: Vec<(Held, RemoteObject)>) -> Result<()> {
        let commits: Vec<Commit> = own.iter().map(|(held, written)| held.written(written, self.desk)).collect();
        let (bulk, scope, now) = (&self.desk.services.bulk, &self.desk.integration.scope, self.desk.now());
        let attempts = bulk.commit_many(scope, &commits).await?;
        for (((held, _), commit), attempt) in own.into_iter().zip(commits).zip(attempts) {
            let created = matches!(held.plan, Plan::Create);
            let Item { mark, mut draft, .. } = held.item;
            let became = match attempt {
                Attempt::Contended => Became::Held(now),
                Attempt::Done => {
                    draft.link = commit.link;
                    self.tell_relatives(&draft).await?;
                    Became::Written { draft: Box::new(draft), created }
                }
            };
            self.ended.push((mark, became));
        }
        Ok(())
    }

    /// Records whose create was answered with another record's thing: that one gets its own values back, and these are told.
    async fn refuse_collided(&mut self, anothers: Vec<(Held, RemoteObject, Owner)>) -> Result<()> {
        let keys: BTreeSet<RecordKey> = anothers.iter().map(|(_, _, owner)| owner.key.clone()).collect();
        let contended = self.restore(keys).await?;
        let (mut commits, mut became) = (Vec::new(), Vec::new());
        for (held, written, owner) in anothers {
            if contended.contains(&owner.key) {
                // What it was sent as stays noted, so that the next look-up finds the collision once more.
                let link = Link { tried: held.link.tried.clone(), ..held.item.draft.link.clone() };
                commits.push(held.commit(Link { state: LinkState::Pending, ..link }));
                became.push((held.item.mark, Became::Held(self.desk.now())));
                continue;
            }
            let path = self.name_of(&held.item.draft);
            let failure = found::anothers(&path, &Self::named(&held.item.draft), &owner, &written.id);
            commits.push(held.refused(&failure));
            became.push((held.item.mark, Became::Failed(Box::new(held.item.draft), failure)));
        }
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await?;
        self.ended.extend(became);
        Ok(())
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
        let mut link = Link { tried: None, ..draft.link.clone() };
        let was_overwritten = link.overwritten;
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
            if was_overwritten {
                agree_on_rest(&mut link, &shown, &object.rules);
            }
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
        self.commit(Link { state: LinkState::Error, error: Some(failure.message.clone()), ..self.unsent() })
    }

    /// The link of a write that had no effect. A create that is known to have made nothing is not looked for.
    fn unsent(&self) -> Link {
        let mut link = self.item.draft.link.clone();
        if matches!(self.plan, Plan::Create) {
            link.tried = None;
        }
        link
    }

    /// How a write ends that failed; `None` where the lease has to stay.
    fn failed(&self, failure: &Failure) -> Option<(Commit, Ending)> {
        let passes = policy::may_be_done_later(failure.kind);
        let failed: Ending = |item, failure| Became::Failed(Box::new(item.draft), failure);
        match (failure.effect, &self.plan) {
            (Effect::Unknown, Plan::Create) => None,
            (Effect::Unknown, Plan::Update(_)) => {
                // It may be sent again; what stands there is not relied on until then.
                let sending = self.link.sending.clone();
                let link = Link { state: LinkState::Pending, sending, ..self.item.draft.link.clone() };
                Some((self.commit(link), failed))
            }
            (Effect::None, Plan::Create | Plan::Update(_)) if passes => {
                Some((self.commit(self.unsent()), |item, failure| {
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

/// What another record's create left in a thing, and this record says nothing of, is nobody's edit: it stays as it is.
fn agree_on_rest(link: &mut Link, shown: &RemoteContact, rules: &RuleSet) {
    for name in pulling(rules).filter(|rule| rule.pushes()).filter_map(|rule| rule.remote.as_ref()) {
        if let Some(value) = shown.fields.get(name) {
            link.snapshot.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// The start of a record's write. Of a create, the name is noted before it is sent: its answer may be lost.
fn taken(one: &Sought, lease: &Lease, now: jiff::Timestamp) -> Taken {
    let draft = &one.item.draft;
    let mut link = draft.link.clone();
    link.revision += 1;
    link.state = LinkState::Pending;
    link.updated_at = now;
    link.sending = draft.sending();
    if matches!(one.plan, Plan::Create) {
        link.tried = one.item.name.clone();
    }
    Taken { key: draft.key.clone(), link, lease: lease.clone() }
}
