//! Contacts that may be there already: looked up by their addresses before another create; and those that are to go.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::link::{LinkState, RemoteId};
use crate::domain::platform::RemoteContact;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind, Result};
use crate::mapping::is_same;
use crate::policy;
use crate::ports::bulk::LOOK_UP;
use crate::sync::change::ContactChange;
use crate::sync::decision::{self, Follow, Owners, Seeker};
use crate::sync::operations;
use crate::sync::push::For;

use super::held::Held;
use super::{Ended, Item, Queues, Writer};

impl Writer<'_> {
    /// The contacts may have been made: those that the platform finds were. Of the others nobody knows as long as the call
    /// may still be under way: their leases stay.
    pub(super) async fn resolve_lost_reply(
        &mut self,
        queues: &mut Queues,
        held: Vec<Held>,
        failure: Failure,
        began_at: Timestamp,
    ) -> Result<()> {
        let mut unknown = Vec::new();
        let mut left: VecDeque<Held> = held.into();
        let mut silent = false;
        while !left.is_empty() {
            let some = first_of(&mut left, LOOK_UP);
            let emails: Vec<_> = some.iter().filter_map(|held| held.item.draft.record.email.clone()).collect();
            let found = if silent { Ok(Vec::new()) } else { self.desk.integration.bulk.find_many(&emails).await };
            silent |= found.is_err();
            let found = found.unwrap_or_default();
            let owners = self.desk.owners_of(found.iter().map(|one| &one.id)).await?;
            let (made, not_found): (Vec<Held>, Vec<Held>) =
                some.into_iter().partition(|held| is_shown(&held.item, &found));
            self.release(made.iter()).await?;
            for held in made {
                self.follow(queues, Item { maybe_made: true, ..held.given_back() }, &found, &owners).await?;
            }
            unknown.extend(not_found);
        }
        let held = |held: Held| Ended::Held(held.item.mark, held.lease.until, Some(failure.clone()));
        self.ended.extend(unknown.into_iter().map(held));
        self.after_batch_failure(queues, failure, began_at)
    }

    /// Looks contacts up by their addresses, before another create.
    pub(super) async fn look_up(&mut self, queues: &mut Queues) -> Result<()> {
        let items = first_of(&mut queues.look_up, LOOK_UP);
        let emails: Vec<_> = items.iter().filter_map(|item| item.draft.record.email.clone()).collect();
        let began_at = self.now();
        let found = match self.desk.integration.bulk.find_many(&emails).await {
            Ok(found) => found,
            Err(failure) => {
                queues.look_up.extend(items);
                return self.after_batch_failure(queues, failure, began_at);
            }
        };
        let owners = self.desk.owners_of(found.iter().map(|one| &one.id)).await?;
        for item in items {
            self.follow(queues, item, &found, &owners).await?;
        }
        Ok(())
    }

    /// Does what follows from whom the platform shows with the contact's address.
    async fn follow(
        &mut self,
        queues: &mut Queues,
        mut item: Item,
        found: &[RemoteContact],
        owners: &Owners,
    ) -> Result<()> {
        let Some(email) = item.draft.record.email.clone() else {
            self.ended.push(Ended::Settled(item.mark, None));
            return Ok(());
        };
        let choices = self.desk.integration.situations();
        let maybe_made = item.maybe_made || item.in_doubt;
        let (key, is_taken) = (item.draft.key.clone(), item.is_taken);
        let seeker = Seeker { key: &key, email: &email, known: item.draft.known(), is_taken, maybe_made };
        let (situation, follow) = decision::after_look_up(&seeker, found, owners, &choices);
        item.draft.turn_out_as(situation, &choices);
        match follow {
            Follow::Make => queues.create.push_back(Item { maybe_made: false, ..item }),
            Follow::Change(contact) => Self::found_there(queues, item, contact),
            Follow::WithoutAddress => Self::without_address(queues, item),
            // Few contacts, and calls of their own: the write of a single contact knows how.
            Follow::Wait | Follow::Several(_) => self.alone(queues, item).await?,
            Follow::Stop => self.given_up(item, decision::stopped(situation)).await?,
            Follow::Again => Self::once_more(queues, item),
        }
        Ok(())
    }

    /// The address is another contact's: the rest is written.
    fn without_address(queues: &mut Queues, mut item: Item) {
        item.refused.push(decision::EMAIL.to_owned());
        Self::once_more(queues, item);
    }

    fn once_more(queues: &mut Queues, mut item: Item) {
        item.is_taken = false;
        match (item.draft.remote_id().is_some(), item.needs_rewrite()) {
            (true, true) => queues.rewrite.push_back(item),
            (true, false) => queues.update.push_back(item),
            (false, _) => queues.create.push_back(item),
        }
    }

    /// A contact that can't be written: its link says why. The others of the batch go on.
    async fn given_up(&mut self, item: Item, failure: Failure) -> Result<()> {
        let mut link = item.draft.link.clone();
        // What was found was made by others, and is not to be taken for a contact of this record's next time.
        link.unmade |= failure.situation == Some(Situation::Found);
        link.state = LinkState::Error;
        link.error = Some(failure.message.clone());
        let revision = link.revision;
        link.revision += 1;
        let (contacts, scope) = (&self.desk.services.contacts, &self.desk.integration.scope);
        contacts.relink(scope, &item.draft.key, &link, revision, self.now()).await?;
        self.ended.push(Ended::Failed(Box::new(item), failure));
        Ok(())
    }

    /// Writes the contact by itself. What comes of it is seen when its record is planned once more.
    async fn alone(&mut self, queues: &mut Queues, item: Item) -> Result<()> {
        let (change, began_at) = (ContactChange::refresh(item.draft.key.clone()), self.now());
        match self.desk.push(&change, &self.id, For::Job).await {
            Ok(_) => self.place_all(vec![item.mark], true, queues).await,
            Err(failure) if failure.kind == FailureKind::Conflict => {
                self.ended.push(Ended::Held(item.mark, failure.retry_at.unwrap_or_else(|| self.now()), Some(failure)));
                Ok(())
            }
            Err(failure) if policy::is_refusal(failure.kind) => self.refused_alone(item, failure).await,
            Err(failure) => {
                let mark = item.mark;
                let until = failure.retry_at.unwrap_or_else(|| self.now());
                self.ended.push(Ended::Held(mark, until, Some(failure.clone())));
                self.after_batch_failure(queues, failure, began_at)
            }
        }
    }

    /// The link says by now which contact is the record's, for the lists that it can be put into all the same.
    async fn refused_alone(&mut self, mut item: Item, failure: Failure) -> Result<()> {
        let (contacts, scope) = (&self.desk.services.contacts, &self.desk.integration.scope);
        if let Some(link) = contacts.load(scope, &item.draft.key).await?.link {
            item.draft.link = link;
        }
        self.ended.push(Ended::Failed(Box::new(item), failure));
        Ok(())
    }

    /// The contact is there already: what it holds is the base of what is still to be written.
    fn found_there(queues: &mut Queues, mut item: Item, contact: &RemoteContact) {
        item.is_taken = false;
        item.draft.link.remote_id = Some(contact.id.clone());
        item.looked = true;
        let shown = |name: &str, value: &Value| is_same(value, contact.fields.get(name));
        item.draft.set = item.draft.wanted.clone();
        item.draft.set.retain(|name, value| name.starts_with('@') || !shown(name, value));
        item.draft.clear.retain(|name| contact.fields.get(name).is_some_and(|value| !value.is_null()));
        if item.needs_rewrite() { queues.rewrite.push_back(item) } else { queues.update.push_back(item) }
    }

    /// Deletes contacts whose records are gone, and all that is kept of them.
    pub(super) async fn delete_batch(&mut self, queues: &mut Queues) -> Result<()> {
        let items = first_of(&mut queues.delete, queues.pace.size());
        let ids: Vec<RemoteId> = items.iter().filter_map(|item| item.draft.remote_id().cloned()).collect();
        let about = items.iter().filter(|item| item.draft.remote_id().is_some()).map(Item::about).collect();
        let began_at = self.now();
        let deleted = operations::about(about, self.desk.integration.bulk.delete_many(&ids));
        if !ids.is_empty()
            && let Err(failure) = deleted.await
        {
            queues.delete.extend(items);
            return self.after_batch_failure(queues, failure, began_at);
        }
        let (services, scope) = (&self.desk.services, &self.desk.integration.scope);
        for item in &items {
            let draft = &item.draft;
            if self.desk.is_linked_elsewhere(&draft.key).await? {
                // The record stays for the others, whose own rules say what becomes of their contacts.
                services.bulk.unlink(scope, &draft.key).await?;
                continue;
            }
            let emails = draft.record.email.iter().map(|email| email.identity());
            let identities: Vec<_> = emails.chain(draft.record.external_id.iter().map(|id| id.identity())).collect();
            let remote: Vec<RemoteId> = draft.link.remote_id.iter().chain(&draft.link.aliases).cloned().collect();
            services.contacts.erase(scope, &draft.key, &identities, &remote).await?;
        }
        self.ended.extend(items.into_iter().map(|item| Ended::Deleted(item.mark)));
        Ok(())
    }
}

/// Takes so many from the front of a queue.
fn first_of<T>(queue: &mut VecDeque<T>, count: usize) -> Vec<T> {
    queue.drain(..count.min(queue.len())).collect()
}

/// Whether somebody has the item's address.
fn is_shown(item: &Item, found: &[RemoteContact]) -> bool {
    let email = item.draft.record.email.as_ref();
    email.is_some_and(|email| found.iter().any(|contact| decision::has_address(contact, email)))
}
