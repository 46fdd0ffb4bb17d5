//! One batch call: leases are taken, the call is made, each entry's result is committed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::issue::IssueCode;
use crate::domain::link::{Link, LinkState, RemoteId};
use crate::domain::platform::{ContactWrite, DoNotContact};
use crate::error::{Effect, Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::policy;
use crate::ports::bulk::{Outcomes, Rewrite, Taken};
use crate::ports::{Attempt, Commit};
use crate::sync::left_out::{self, Refusals};
use crate::sync::plan;
use crate::sync::services::Desk;

use super::held::{Done, Held, taken};
use super::look_up::first_of;
use super::send::{Item, Queues};
use super::{Run, Step};

/// What is to be called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Update,
    Rewrite,
}

impl Run<'_> {
    pub(super) async fn create_batch(&mut self, queues: &mut Queues) -> Step<()> {
        self.batch(queues, Kind::Create).await
    }

    pub(super) async fn update_batch(&mut self, queues: &mut Queues) -> Step<()> {
        self.batch(queues, Kind::Update).await
    }

    pub(super) async fn rewrite_batch(&mut self, queues: &mut Queues) -> Step<()> {
        self.batch(queues, Kind::Rewrite).await
    }

    async fn batch(&mut self, queues: &mut Queues, kind: Kind) -> Step<()> {
        let size = queues.pace.size();
        let items = first_of(queue(queues, kind), size);
        let items = if kind == Kind::Create { items } else { self.looked_at(queues, kind, items).await? };
        if items.is_empty() {
            return Ok(());
        }
        self.desk.integration.platform.ready().await?;
        let held = self.take_leases(items).await?;
        if held.is_empty() {
            return Ok(());
        }
        let begun = self.now();
        let called = self.call(kind, &held).await;
        let took = Duration::try_from(self.now().duration_since(begun)).unwrap_or_default();
        match called {
            Ok(outcomes) => {
                queues.failures = 0;
                queues.pace.took(held.len(), took);
                self.apply(queues, kind, held, outcomes).await
            }
            Err(failure) => self.batch_failed(queues, kind, held, failure).await,
        }
    }

    /// Those of the contacts whose state on the platform is known. The others are looked at, planned anew with what marketing
    /// changed meanwhile, and come back by their queues.
    async fn looked_at(&mut self, queues: &mut Queues, kind: Kind, items: Vec<Item>) -> Step<Vec<Item>> {
        let (known, unknown): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| item.looked);
        if unknown.is_empty() {
            return Ok(known);
        }
        let ids: Vec<RemoteId> = unknown.iter().filter_map(|item| item.draft.remote_id().cloned()).collect();
        match self.desk.look_before(&ids, &self.log.id).await {
            Ok(counts) => {
                self.note_pulled(&counts);
                let marks = unknown.into_iter().map(|item| item.mark).collect();
                self.place_all(marks, true, queues).await?;
            }
            Err(failure) => {
                queue(queues, kind).extend(unknown);
                self.after_batch_failure(queues, failure)?;
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
        let (mut held, mut put_off) = (Vec::new(), Vec::new());
        for ((item, taken), attempt) in items.into_iter().zip(taken).zip(attempts) {
            match attempt {
                Attempt::Done => held.push(Held { item, link: taken.link, lease: taken.lease }),
                Attempt::Contended => put_off.push(self.held(item.mark, now)),
            }
        }
        self.desk.services.bulk.mark_many(&self.desk.integration.scope, &put_off).await?;
        Ok(held)
    }

    async fn call(&self, kind: Kind, held: &[Held]) -> Result<Outcomes> {
        let platform = &self.desk.integration.bulk;
        let mut writes = Vec::new();
        for held in held {
            writes.push((held, self.write_of(kind, held).await?));
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

    async fn write_of(&self, kind: Kind, held: &Held) -> Result<ContactWrite> {
        let draft = &held.item.draft;
        let (mut values, base) = match kind {
            Kind::Create => (draft.wanted.clone(), Default::default()),
            Kind::Update | Kind::Rewrite => (draft.set.clone(), draft.link.snapshot.clone()),
        };
        values.retain(|name, _| !held.item.refused.contains(name));
        let mut write = plan::contact_write(&values, &base);
        if kind != Kind::Create {
            // The contact may have an entry already, whose reason must stay: mail is forbidden once the answer shows none.
            write.forbid_mail = None;
        }
        if let Some(name) = write.stage.take() {
            let Desk { integration, .. } = self.desk;
            write.stage = integration.reference.stage_id(&name, self.now(), &*integration.platform).await?;
        }
        Ok(write)
    }

    /// Sorts the entries of a batch by their results.
    async fn apply(&mut self, queues: &mut Queues, kind: Kind, held: Vec<Held>, outcomes: Outcomes) -> Step<()> {
        let (mut done, mut back, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (mut held, outcome) in held.into_iter().zip(outcomes) {
            match outcome {
                Ok(written) => {
                    let created = written.created && kind == Kind::Create || held.item.maybe_made;
                    done.push(Done { held, contact: written.contact, created });
                }
                Err(failure) if kind == Kind::Create && failure.kind == FailureKind::Conflict => {
                    back.push((held, Next::LookUp));
                }
                Err(failure) if held.item.leaves_out(&failure) => back.push((held, Next::Again)),
                Err(failure) if kind != Kind::Create && failure.kind == FailureKind::NotFound => {
                    back.push((held, Next::Alone));
                }
                Err(failure) => failed.push((held, failure)),
            }
        }
        let forbidden = self.forbid_mail(&mut done).await;
        self.commit(queues, done).await?;
        self.hand_back(queues, kind, back).await?;
        self.refuse(failed).await?;
        forbidden
    }

    /// Forbids mail to those who opted out and whose contact does not show it yet. One call for all of them.
    async fn forbid_mail(&mut self, done: &mut [Done]) -> Step<()> {
        let open: Vec<usize> = (0..done.len()).filter(|index| done[*index].may_be_mailed_wrongly()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let write = ContactWrite { forbid_mail: Some(DoNotContact::own_opt_out()), ..ContactWrite::default() };
        let writes: Vec<_> = open.iter().map(|index| (done[*index].contact.id.clone(), write.clone())).collect();
        let outcomes = self.desk.integration.bulk.update_many(&writes).await;
        let (outcomes, stopped) = match outcomes {
            Ok(outcomes) => (outcomes, Ok(())),
            Err(failure) => (Vec::new(), Err(failure.into())),
        };
        let forbidden: Vec<usize> =
            open.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(index, _)| *index).collect();
        for index in open.into_iter().filter(|index| !forbidden.contains(index)) {
            // Committed without it, the next plan finds that mail is still to be forbidden.
            done[index].held.item.refused.push(plan::MAIL.to_owned());
        }
        stopped
    }

    /// Ends the writes that succeeded.
    async fn commit(&mut self, queues: &mut Queues, mut done: Vec<Done>) -> Step<()> {
        let now = self.now();
        let left_out: Vec<Refusals> = done.iter_mut().map(|done| self.tell_left_out(done, now)).collect();
        let commits: Vec<Commit> =
            done.iter().zip(left_out).map(|(done, left_out)| done.commit(left_out, now)).collect();
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let attempts = bulk.commit_many(scope, &commits).await?;
        let (mut finished, mut synced, mut joining) = (Vec::new(), Vec::new(), Vec::new());
        for (done, attempt) in done.iter().zip(attempts) {
            if attempt == Attempt::Contended {
                continue;
            }
            if done.created {
                self.log.created += 1
            } else {
                self.log.updated += 1
            }
            synced.push((&done.held.item.draft, &done.contact.id));
            if done.leaves_something() {
                continue;
            }
            match done.joining() {
                Some(open) => joining.push(open),
                None => finished.push(done.held.item.mark.clone()),
            }
        }
        // Before anything takes the marks away: a source that can't be told now is told by the next run.
        self.report_synced(&synced).await?;
        queues.joining.extend(joining);
        self.desk.services.bulk.unmark_many(&self.desk.integration.scope, &finished).await?;
        Ok(())
    }

    /// Tells, in the log and with the contact's issues, what the platform did not take of it.
    fn tell_left_out(&mut self, done: &mut Done, now: Timestamp) -> Refusals {
        let rules = Arc::clone(&self.desk.integration.rules);
        let left_out = done.left_out(&rules, now);
        let draft = &mut done.held.item.draft;
        for (name, refusal) in left_out.iter().filter(|(name, _)| !draft.refused.contains_key(*name)) {
            if refusal.code == IssueCode::MissingOnPlatform {
                self.desk.integration.reference.doubt_catalog(now);
            }
            let issue = left_out::issue(name, refusal, &rules);
            self.note_left_out(draft.record.external_id.as_ref().map_or("", |id| id.as_str()), &issue);
            draft.issues.push(issue);
        }
        left_out
    }

    /// Gives leases back, and the contacts to where they go next.
    async fn hand_back(&mut self, queues: &mut Queues, kind: Kind, back: Vec<(Held, Next)>) -> Step<()> {
        let commit = |(held, next): &(Held, Next)| match next {
            Next::Again => held.unmade(),
            Next::LookUp | Next::Alone => held.released(held.item.draft.link.clone()),
        };
        let commits: Vec<Commit> = back.iter().map(commit).collect();
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await?;
        let mut alone = Vec::new();
        for (held, next) in back {
            let item = held.given_back();
            match next {
                Next::LookUp => queues.look_up.push_back(item),
                Next::Again => queue(queues, kind).push_back(item),
                Next::Alone => alone.push(item),
            }
        }
        for item in alone {
            // Merged or deleted there: the write of a single contact finds out.
            let task = Task::PushContact { record: item.draft.key.clone() };
            self.desk.defer(task, &self.log.id, Duration::ZERO).await?;
            let mark = self.held(item.mark, policy::after(self.now(), ALONE));
            self.desk.services.bulk.mark_many(&self.desk.integration.scope, &[mark]).await?;
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
            link.state = if failure.effect == Effect::None { LinkState::Error } else { LinkState::Pending };
            link.error = Some(failure.message.clone());
            held.released(link)
        };
        let commits: Vec<Commit> = failed.iter().map(commit).collect();
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await?;
        self.put_off(failed.into_iter().map(|(held, failure)| (held.item, failure)).collect()).await
    }

    /// The whole call failed. What it may have done all the same is found out before anything is done again.
    async fn batch_failed(&mut self, queues: &mut Queues, kind: Kind, held: Vec<Held>, failure: Failure) -> Step<()> {
        tracing::info!(kind = ?failure.kind, contacts = held.len(), "a batch failed: {failure}");
        queues.pace.halve();
        match (failure.effect, kind) {
            (Effect::None, _) if held.len() > 1 && policy::is_refusal(failure.kind) => {
                // One of them spoils the call: smaller calls find out which.
                self.hand_back(queues, kind, held.into_iter().map(|held| (held, Next::Again)).collect()).await
            }
            (Effect::None, _) if policy::is_refusal(failure.kind) => {
                self.refuse(held.into_iter().map(|held| (held, failure.clone())).collect()).await.map_err(Into::into)
            }
            (Effect::None, _) => {
                self.release_unmade(&held).await?;
                let items = held.into_iter().map(Held::given_back);
                queue(queues, kind).extend(items);
                self.after_batch_failure(queues, failure)
            }
            (Effect::Unknown, Kind::Create) => self.resolve_lost_reply(queues, held, failure).await,
            (Effect::Unknown, Kind::Update | Kind::Rewrite) => {
                // What was sent may be sent again; the snapshot is not relied on until then.
                let commit =
                    |held: &Held| held.released(Link { state: LinkState::Pending, ..held.item.draft.link.clone() });
                let commits: Vec<Commit> = held.iter().map(commit).collect();
                self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await?;
                let items = held.into_iter().map(|held| (held.item, failure.clone())).collect();
                self.put_off(items).await?;
                self.after_batch_failure(queues, failure)
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
    /// A job writes it alone.
    Alone,
}

/// How long a job has for a contact that it writes alone.
const ALONE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

fn queue(queues: &mut Queues, kind: Kind) -> &mut VecDeque<Item> {
    match kind {
        Kind::Create => &mut queues.create,
        Kind::Update => &mut queues.update,
        Kind::Rewrite => &mut queues.rewrite,
    }
}
