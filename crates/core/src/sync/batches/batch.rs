//! One batch call: leases are taken, the call is made, each entry's result is committed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::issue::IssueCode;
use crate::domain::link::{LinkState, RemoteId};
use crate::domain::platform::ContactWrite;
use crate::domain::situation::{Match, Shown};
use crate::error::{Effect, Failure, Result};
use crate::mapping::situations::WhenFound;
use crate::policy;
use crate::ports::bulk::{Outcomes, Rewrite, Taken};
use crate::ports::{Attempt, Commit};
use crate::sync::decision;
use crate::sync::left_out::{self, Refusals};
use crate::sync::plan;
use crate::sync::services::Desk;

use super::calls::Landed;
use super::held::{Done, Held, taken};
use super::{Ended, Item, Queues, Writer};

/// What is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Update,
    Rewrite,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Create, Self::Update, Self::Rewrite];
}

impl Writer<'_> {
    /// Takes a batch from its queue, and the leases of its contacts. `None` when none is left: they are to be planned anew, or
    /// somebody else has them by now.
    pub(super) async fn take_batch(&mut self, queues: &mut Queues, kind: Kind) -> Result<Option<Vec<Held>>> {
        let items = queues.take(self.desk, kind);
        let items = if kind == Kind::Create { items } else { self.looked_at(queues, kind, items).await? };
        if items.is_empty() {
            return Ok(None);
        }
        self.desk.integration.platform.ready().await?;
        let held = self.take_leases(items).await?;
        queues.claims.take(self.desk, kind, held.iter().map(|held| &held.item));
        Ok(Some(held).filter(|held| !held.is_empty()))
    }

    /// Settles a call that ended.
    pub(super) async fn settle(&mut self, queues: &mut Queues, landed: Landed) -> Result<()> {
        let Landed { kind, held, called, began_at, took, beside } = landed;
        let written =
            |index: usize| called.as_ref().is_ok_and(|outcomes| outcomes.get(index).is_some_and(Result::is_ok));
        let items = held.iter().enumerate().map(|(index, held)| (&held.item, written(index)));
        queues.claims.give_back(self.desk, kind, items);
        match called {
            Ok(outcomes) => {
                queues.failures = 0;
                queues.pace.took(held.len(), took);
                queues.width.took(kind as usize, held.len(), took, beside);
                self.apply(queues, kind, held, outcomes).await
            }
            Err(failure) => self.batch_failed(queues, kind, held, (failure, began_at)).await,
        }
    }

    /// Those of the contacts whose state on the platform is known. The others are looked at, planned anew with what marketing
    /// changed meanwhile, and come back by their queues.
    async fn looked_at(&mut self, queues: &mut Queues, kind: Kind, items: Vec<Item>) -> Result<Vec<Item>> {
        let (known, unknown): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| item.looked);
        if unknown.is_empty() {
            return Ok(known);
        }
        let ids: Vec<RemoteId> = unknown.iter().filter_map(|item| item.draft.remote_id().cloned()).collect();
        let began_at = self.now();
        match self.desk.look_before(&ids, &self.id).await {
            Ok(counts) => {
                self.pulled.changed += counts.changed;
                self.pulled.contested += counts.contested;
                let marks = unknown.into_iter().map(|item| item.mark).collect();
                self.place_all(marks, true, queues).await?;
            }
            Err(failure) => {
                queues.of_mut(kind).extend(unknown);
                self.after_batch_failure(queues, failure, began_at)?;
            }
        }
        Ok(known)
    }

    /// Takes the leases of a batch's contacts; those that somebody else has by now are put off.
    async fn take_leases(&mut self, items: Vec<Item>) -> Result<Vec<Held>> {
        let now = self.now();
        let until = policy::after(now, policy::BULK_LEASE);
        let owner = self.desk.services.entropy.id();
        let taken: Vec<Taken> = items.iter().map(|item| taken(item, &owner, until, now)).collect();
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let attempts = bulk.take_many(scope, &taken, now).await?;
        let mut held = Vec::new();
        for ((item, taken), attempt) in items.into_iter().zip(taken).zip(attempts) {
            match attempt {
                Attempt::Done => held.push(Held { item, link: taken.link, lease: taken.lease }),
                Attempt::Contended => self.ended.push(Ended::Held(item.mark, now, None)),
            }
        }
        Ok(held)
    }

    /// Sorts the entries of a batch by their results.
    async fn apply(&mut self, queues: &mut Queues, kind: Kind, held: Vec<Held>, outcomes: Outcomes) -> Result<()> {
        let (mut done, mut back, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (mut held, outcome) in held.into_iter().zip(outcomes) {
            match outcome {
                Ok(written) => {
                    let created = written.created && kind == Kind::Create || held.item.maybe_made;
                    done.push(Done {
                        held,
                        contact: written.contact,
                        created,
                        opt_in: None,
                        left_out: Vec::new(),
                        told: Vec::new(),
                    });
                }
                // What keeps one from being written keeps no other.
                Err(failure) => match held.item.after(&failure, kind != Kind::Create) {
                    decision::Next::LookUp => {
                        held.item.is_taken = true;
                        back.push((held, Next::LookUp));
                    }
                    decision::Next::LeaveOut(names) => {
                        held.item.refused.extend(names);
                        back.push((held, Next::Again));
                    }
                    decision::Next::FindAgain => back.push((held, Next::Alone)),
                    decision::Next::GiveUp => failed.push((held, decision::unclear(failure))),
                },
            }
        }
        let mut done = self.owned(queues, done).await?;
        let forbidden = self.forbid_mail(&mut done).await;
        self.commit(done).await?;
        self.hand_back(queues, kind, back).await?;
        self.refuse(failed).await?;
        forbidden
    }

    /// Of the contacts that were written those that are their records' own. Another record's is sent again as that one says, and
    /// the record that was written on it gets a contact of its own.
    async fn owned(&mut self, queues: &mut Queues, done: Vec<Done>) -> Result<Vec<Done>> {
        let doubtful: Vec<&RemoteId> = done.iter().filter(|one| one.is_in_doubt()).map(|one| &one.contact.id).collect();
        let owners = self.desk.owners_of(doubtful.into_iter()).await?;
        let mut own = Vec::new();
        let choices = self.desk.integration.situations();
        for mut one in done {
            let other = owners.get(&one.contact.id).filter(|owner| owner.key != one.held.item.draft.key);
            if one.is_in_doubt() {
                let shown = Match { id: &one.contact.id, anothers: other.is_some() };
                one.held.item.draft.turn_out(Shown::Object(shown), &choices);
            }
            match other {
                None => own.push(one),
                Some(owner) => {
                    self.desk.send_again(&owner.key, &self.id).await?;
                    self.disown(queues, one.held).await?;
                }
            }
        }
        Ok(own)
    }

    /// The record has no contact any more: it is looked up by its address.
    async fn disown(&mut self, queues: &mut Queues, mut held: Held) -> Result<()> {
        held.item.disown(&self.desk.integration.situations());
        self.release(std::iter::once(&held)).await?;
        queues.look_up.push_back(held.given_back());
        Ok(())
    }

    /// Ends the writes that succeeded.
    async fn commit(&mut self, mut done: Vec<Done>) -> Result<()> {
        let now = self.now();
        let left_out: Vec<Refusals> = done.iter_mut().map(|done| self.left_out(done, now)).collect();
        let commits: Vec<Commit> =
            done.iter().zip(left_out).map(|(done, left_out)| done.commit(left_out, now)).collect();
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let attempts = bulk.commit_many(scope, &commits).await?;
        for (done, attempt) in done.into_iter().zip(attempts) {
            self.ended.push(match attempt {
                Attempt::Done => done.ended(),
                // Our lease ran out under us, and another writer is at work.
                Attempt::Contended => Ended::Held(done.held.item.mark, now, None),
            });
        }
        Ok(())
    }

    /// What the platform did not take of a contact; what was not known becomes an issue of it.
    fn left_out(&self, done: &mut Done, now: Timestamp) -> Refusals {
        let Desk { integration, .. } = self.desk;
        let left_out = done.left_out(&integration.rules, now);
        for (name, refusal) in left_out.iter().filter(|(name, _)| !done.held.item.draft.refused.contains_key(*name)) {
            if refusal.code == IssueCode::MissingOnPlatform {
                integration.reference.doubt_catalog(now);
            }
            done.left_out.push(left_out::issue(name, refusal, &integration.rules));
        }
        left_out
    }

    /// Gives leases back, and the contacts to where they go next.
    async fn hand_back(&mut self, queues: &mut Queues, kind: Kind, back: Vec<(Held, Next)>) -> Result<()> {
        // Where a person decides what becomes of a contact that is found, the next writer must know that it is not the record's own.
        let leaves_found = self.desk.integration.situations().found == WhenFound::Issue;
        let commit = |(held, next): &(Held, Next)| match next {
            Next::Again => held.unmade(),
            Next::LookUp if leaves_found && !held.item.in_doubt => held.unmade(),
            Next::LookUp | Next::Alone => held.released(held.item.draft.link.clone()),
        };
        let commits: Vec<Commit> = back.iter().map(commit).collect();
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await?;
        for (held, next) in back {
            let item = held.given_back();
            match next {
                Next::LookUp => queues.look_up.push_back(item),
                Next::Again => queues.of_mut(kind).push_back(item),
                // Merged or deleted there: the write of a single contact finds out.
                Next::Alone => self.ended.push(Ended::Astray(item.mark)),
            }
        }
        Ok(())
    }

    /// Ends leases as if nothing had been begun.
    pub(super) async fn release(&self, held: impl Iterator<Item = &Held>) -> Result<()> {
        let commits: Vec<Commit> = held.map(|held| held.released(held.item.draft.link.clone())).collect();
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await.map(drop)
    }

    /// The same after a call that is known to have done nothing.
    async fn release_unmade(&self, held: &[Held]) -> Result<()> {
        let commits: Vec<Commit> = held.iter().map(Held::unmade).collect();
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await.map(drop)
    }

    /// Entries that the platform refused: their links say why.
    async fn refuse(&mut self, failed: Vec<(Held, Failure)>) -> Result<()> {
        let commit = |(held, failure): &(Held, Failure)| {
            let mut link = held.item.draft.link.clone();
            link.unmade = failure.effect == Effect::None && link.remote_id.is_none();
            (link.state, link.sending) = match failure.effect {
                Effect::None => (LinkState::Error, BTreeMap::new()),
                Effect::Unknown => (LinkState::Pending, held.link.sending.clone()),
            };
            link.error = Some(failure.message.clone());
            held.released(link)
        };
        let commits: Vec<Commit> = failed.iter().map(commit).collect();
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await?;
        self.failed(failed);
        Ok(())
    }

    fn failed(&mut self, failed: Vec<(Held, Failure)>) {
        self.ended.extend(failed.into_iter().map(|(held, failure)| Ended::Failed(Box::new(held.item), failure)));
    }

    /// The whole call failed. What it may have done all the same is found out before anything is done again.
    async fn batch_failed(
        &mut self,
        queues: &mut Queues,
        kind: Kind,
        held: Vec<Held>,
        (failure, began_at): (Failure, Timestamp),
    ) -> Result<()> {
        tracing::info!(kind = ?failure.kind, contacts = held.len(), "a batch failed: {failure}");
        queues.pace.halve();
        queues.width.halve();
        match (failure.effect, kind) {
            (Effect::None, _) if held.len() > 1 && policy::is_refusal(failure.kind) => {
                // One of them spoils the call: smaller calls find out which.
                self.hand_back(queues, kind, held.into_iter().map(|held| (held, Next::Again)).collect()).await
            }
            (Effect::None, _) if policy::is_refusal(failure.kind) => {
                self.refuse(held.into_iter().map(|held| (held, failure.clone())).collect()).await
            }
            (Effect::None, _) => {
                self.release_unmade(&held).await?;
                let items = held.into_iter().map(Held::given_back);
                queues.of_mut(kind).extend(items);
                self.after_batch_failure(queues, failure, began_at)
            }
            (Effect::Unknown, Kind::Create) => self.resolve_lost_reply(queues, held, failure, began_at).await,
            (Effect::Unknown, Kind::Update | Kind::Rewrite) => {
                let commits: Vec<Commit> = held.iter().map(Held::in_doubt).collect();
                self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await?;
                self.failed(held.into_iter().map(|held| (held, failure.clone())).collect());
                self.after_batch_failure(queues, failure, began_at)
            }
        }
    }
}

/// Where a contact goes that was not written.
enum Next {
    /// Into its batch again, without the fields that were refused.
    Again,
    /// It has to be looked up.
    LookUp,
    /// It has to be written by itself.
    Alone,
}

/// Makes a batch call.
pub(super) async fn call(desk: &Desk, kind: Kind, held: &[Held]) -> Result<Outcomes> {
    let platform = &desk.integration.bulk;
    let mut writes = Vec::new();
    for held in held {
        writes.push((held, write_of(desk, kind, held).await?));
    }
    match kind {
        Kind::Create => platform.create_many(&writes.into_iter().map(|(_, write)| write).collect::<Vec<_>>()).await,
        Kind::Update => {
            let known = |(held, write): (&Held, ContactWrite)| Some((held.remote_id()?, write));
            platform.update_many(&writes.into_iter().filter_map(known).collect::<Vec<_>>()).await
        }
        Kind::Rewrite => {
            let rewrite = |(held, write): (&Held, ContactWrite)| {
                Some(Rewrite { id: held.remote_id()?, write, clear: held.item.draft.clear.clone() })
            };
            platform.rewrite_many(&writes.into_iter().filter_map(rewrite).collect::<Vec<_>>()).await
        }
    }
}

async fn write_of(desk: &Desk, kind: Kind, held: &Held) -> Result<ContactWrite> {
    let draft = &held.item.draft;
    let base = match kind {
        Kind::Create => BTreeMap::new(),
        Kind::Update | Kind::Rewrite => draft.link.snapshot.clone(),
    };
    let mut values = values(kind, &held.item).clone();
    values.retain(|name, _| !held.item.refused.contains(name));
    let mut write = plan::contact_write(&values, &base, &draft.consent);
    if kind != Kind::Create {
        // The contact may have an entry already, whose reason must stay: mail is forbidden once the answer shows none.
        write.forbid_mail = None;
    }
    if let Some(name) = write.stage.take() {
        let integration = &desk.integration;
        write.stage = integration.reference.stage_id(&name, desk.now(), &*integration.platform).await?;
    }
    Ok(write)
}

/// What a call of this kind sends of a contact, but for what was refused.
pub(super) const fn values(kind: Kind, item: &Item) -> &BTreeMap<String, Value> {
    match kind {
        Kind::Create => &item.draft.wanted,
        Kind::Update | Kind::Rewrite => &item.draft.set,
    }
}
