//! One batch call: leases are taken, the call is made, each entry's result is committed.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use crate::domain::link::{Lease, Link, LinkState, RemoteId};
use crate::domain::platform::{ContactWrite, DoNotContact, DoNotContactReason, RemoteContact};
use crate::error::{Effect, Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::mapping::is_same;
use crate::policy;
use crate::ports::bulk::{LOOK_UP, Mark, Outcomes, Rewrite, Taken};
use crate::ports::{Attempt, Commit};
use crate::sync::plan;
use crate::sync::services::Desk;
use crate::sync::settle;

use super::memberships::Joining;
use super::send::{Item, Queues};
use super::{Run, Step};

/// A contact whose lease is ours.
pub(super) struct Held {
    item: Item,
    link: Link,
    lease: Lease,
}

/// A contact that was written.
struct Done {
    held: Held,
    contact: RemoteContact,
    created: bool,
}

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
    async fn commit(&mut self, queues: &mut Queues, done: Vec<Done>) -> Step<()> {
        let now = self.now();
        let commits: Vec<Commit> = done.iter().map(|done| done.commit(now)).collect();
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let attempts = bulk.commit_many(scope, &commits).await?;
        let (mut finished, mut synced) = (Vec::new(), Vec::new());
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
                Some(joining) => queues.joining.push(joining),
                None => finished.push(done.held.item.mark.clone()),
            }
        }
        self.report_synced(&synced).await?;
        self.desk.services.bulk.unmark_many(&self.desk.integration.scope, &finished).await?;
        Ok(())
    }

    /// Gives leases back, and the contacts to where they go next.
    async fn hand_back(&mut self, queues: &mut Queues, kind: Kind, back: Vec<(Held, Next)>) -> Step<()> {
        self.release(back.iter().map(|(held, _)| held)).await?;
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
    async fn release(&self, held: impl Iterator<Item = &Held>) -> Result<()> {
        let commits: Vec<Commit> = held.map(|held| held.released(held.item.draft.link.clone())).collect();
        self.desk.services.bulk.commit_many(&self.desk.integration.scope, &commits).await.map(drop)
    }

    /// Entries that the platform refused: their links say why.
    async fn refuse(&mut self, failed: Vec<(Held, Failure)>) -> Result<()> {
        let commit = |(held, failure): &(Held, Failure)| {
            let mut link = held.item.draft.link.clone();
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
                self.release(held.iter()).await?;
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

    /// The contacts may have been made: those that the platform finds were. Of the others nobody knows as long as the call
    /// may still be under way: their leases stay.
    async fn resolve_lost_reply(&mut self, queues: &mut Queues, held: Vec<Held>, failure: Failure) -> Step<()> {
        let mut unknown = Vec::new();
        let mut left: VecDeque<Held> = held.into();
        let mut silent = false;
        while !left.is_empty() {
            let some = first_of(&mut left, LOOK_UP);
            let emails: Vec<_> = some.iter().filter_map(|held| held.item.draft.record.email.clone()).collect();
            let found = if silent { Ok(Vec::new()) } else { self.desk.integration.bulk.find_many(&emails).await };
            silent |= found.is_err();
            let found = found.unwrap_or_default();
            let (made, not_found): (Vec<Held>, Vec<Held>) =
                some.into_iter().partition(|held| contact_of(&held.item, &found).is_some());
            self.release(made.iter()).await?;
            for held in made {
                self.found_there(queues, Item { maybe_made: true, ..held.given_back() }, &found);
            }
            unknown.extend(not_found);
        }
        let put_off: Vec<Mark> = unknown.into_iter().map(|held| self.held(held.item.mark, held.lease.until)).collect();
        self.desk.services.bulk.mark_many(&self.desk.integration.scope, &put_off).await?;
        self.after_batch_failure(queues, failure)
    }

    /// Looks contacts up by their addresses, before another create.
    pub(super) async fn look_up(&mut self, queues: &mut Queues) -> Step<()> {
        let items = first_of(&mut queues.look_up, LOOK_UP);
        let emails: Vec<_> = items.iter().filter_map(|item| item.draft.record.email.clone()).collect();
        let found = match self.desk.integration.bulk.find_many(&emails).await {
            Ok(found) => found,
            Err(failure) => {
                queues.look_up.extend(items);
                return self.after_batch_failure(queues, failure);
            }
        };
        for item in items {
            if contact_of(&item, &found).is_some() {
                self.found_there(queues, item, &found);
            } else {
                queues.create.push_back(Item { maybe_made: false, ..item });
            }
        }
        Ok(())
    }

    /// The contact is there already: what it holds is the base of what is still to be written.
    fn found_there(&self, queues: &mut Queues, mut item: Item, found: &[RemoteContact]) {
        let Some(contact) = contact_of(&item, found) else { return };
        item.draft.link.remote_id = Some(contact.id.clone());
        item.looked = true;
        let shown = |name: &str, value: &Value| is_same(value, contact.fields.get(name));
        item.draft.set = item.draft.wanted.clone();
        item.draft.set.retain(|name, value| name.starts_with('@') || !shown(name, value));
        item.draft.clear.retain(|name| contact.fields.get(name).is_some_and(|value| !value.is_null()));
        if item.needs_rewrite() { queues.rewrite.push_back(item) } else { queues.update.push_back(item) }
    }

    /// Deletes contacts whose records are gone, and all that is kept of them.
    pub(super) async fn delete_batch(&mut self, queues: &mut Queues) -> Step<()> {
        let items = first_of(&mut queues.delete, queues.pace.size());
        let ids: Vec<RemoteId> = items.iter().filter_map(|item| item.draft.remote_id().cloned()).collect();
        if let Err(failure) = self.desk.integration.bulk.delete_many(&ids).await {
            queues.delete.extend(items);
            return self.after_batch_failure(queues, failure);
        }
        let (services, scope) = (&self.desk.services, &self.desk.integration.scope);
        for item in &items {
            let draft = &item.draft;
            let emails = draft.record.email.iter().map(|email| email.identity());
            let identities: Vec<_> = emails.chain(draft.record.external_id.iter().map(|id| id.identity())).collect();
            let remote: Vec<RemoteId> = draft.link.remote_id.iter().chain(&draft.link.aliases).cloned().collect();
            services.contacts.erase(scope, &draft.key, &identities, &remote).await?;
        }
        let marks: Vec<Mark> = items.into_iter().map(|item| item.mark).collect();
        services.bulk.unmark_many(scope, &marks).await?;
        Ok(())
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

impl Held {
    fn remote_id(&self) -> Option<RemoteId> {
        self.item.draft.remote_id().cloned()
    }

    /// The commit that only ends the lease, and leaves this link behind.
    fn released(&self, link: Link) -> Commit {
        let link = Link { revision: self.link.revision + 1, updated_at: self.link.updated_at, ..link };
        Commit {
            key: self.item.draft.key.clone(),
            link,
            owner: self.lease.owner.clone(),
            release: Vec::new(),
            point: Vec::new(),
            consent: None,
        }
    }

    /// The item after its lease was given back: the link went on by two revisions.
    fn given_back(mut self) -> Item {
        self.item.draft.link.revision = self.link.revision + 1;
        self.item.draft.link_known = true;
        self.item
    }
}

impl Done {
    /// The person opted out, and the platform would mail all the same.
    fn may_be_mailed_wrongly(&self) -> bool {
        self.held.item.draft.consent.opted_out() && self.contact.mail_forbidden().is_none()
    }

    /// An opt-out that the platform knows and Tandem does not. A bounce is no word of the person.
    fn unknown_opt_out(&self) -> Option<&DoNotContact> {
        let entry = self.contact.mail_forbidden()?;
        (entry.reason != DoNotContactReason::Bounced && !self.held.item.draft.consent.opted_out()).then_some(entry)
    }

    /// Whether the contact is to be planned once more: an opt-out was learnt, or mail could not be forbidden.
    fn leaves_something(&self) -> bool {
        self.unknown_opt_out().is_some() || self.held.item.refused.iter().any(|name| name == plan::MAIL)
    }

    fn joining(&self) -> Option<Joining> {
        let (add, remove) = self.held.item.draft.segment_changes();
        let joining = Joining { mark: self.held.item.mark.clone(), contact: self.contact.id.clone(), add, remove };
        (!joining.add.is_empty() || !joining.remove.is_empty()).then_some(joining)
    }

    fn commit(&self, now: jiff::Timestamp) -> Commit {
        let (draft, refused) = (&self.held.item.draft, &self.held.item.refused);
        let mut link = draft.link.clone();
        let known = self.held.item.pointed == Some(self.contact.id.clone());
        link.follow_merge(self.contact.id.clone());
        plan::note_written(&mut link, draft, refused, &self.contact);
        link.updated_at = now;
        let mut consent = None;
        if let Some(entry) = self.unknown_opt_out() {
            let mut ledger = draft.consent.clone();
            settle::learn(&mut ledger, entry, now);
            consent = draft.record.email.as_ref().map(|email| (email.identity(), ledger));
            plan::note_forbidden(&mut link.snapshot);
        }
        let point = if known { Vec::new() } else { vec![self.contact.id.clone()] };
        Commit { point, consent, ..self.held.released(link) }
    }
}

impl Item {
    /// Leaves out the fields that the platform refused; false when that was no use, or the address itself is refused.
    fn leaves_out(&mut self, failure: &Failure) -> bool {
        let named = failure.fields.iter().map(|issue| issue.field.clone());
        let news: Vec<String> = named
            .filter(|name| name != "email" && self.draft.wanted.contains_key(name) && !self.refused.contains(name))
            .collect();
        let some = !news.is_empty() && policy::is_refusal(failure.kind);
        if some {
            self.refused.extend(news);
        }
        some
    }
}

fn taken(item: &Item, owner: &str, until: jiff::Timestamp, now: jiff::Timestamp) -> Taken {
    let mut link = item.draft.link.clone();
    link.revision += 1;
    link.state = LinkState::Pending;
    link.updated_at = now;
    Taken { key: item.draft.key.clone(), link, lease: Lease { owner: owner.to_owned(), until } }
}

fn queue(queues: &mut Queues, kind: Kind) -> &mut VecDeque<Item> {
    match kind {
        Kind::Create => &mut queues.create,
        Kind::Update => &mut queues.update,
        Kind::Rewrite => &mut queues.rewrite,
    }
}

fn first_of<T>(queue: &mut VecDeque<T>, count: usize) -> Vec<T> {
    queue.drain(..count.min(queue.len())).collect()
}

/// The contact with the item's address; of several, the oldest.
fn contact_of<'a>(item: &Item, found: &'a [RemoteContact]) -> Option<&'a RemoteContact> {
    let email = item.draft.record.email.as_ref()?;
    let has = |contact: &&RemoteContact| {
        contact.email.as_deref().is_some_and(|address| address.eq_ignore_ascii_case(email.as_str()))
    };
    found.iter().filter(has).min_by_key(|contact| (contact.id.0.len(), contact.id.0.clone()))
}
