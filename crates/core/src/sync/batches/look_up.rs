//! Contacts that may be there already: looked up by their addresses before another create; and those that are to go.

use std::collections::VecDeque;

use serde_json::Value;

use crate::domain::link::RemoteId;
use crate::domain::platform::RemoteContact;
use crate::error::{Failure, Result};
use crate::mapping::is_same;
use crate::ports::bulk::LOOK_UP;

use super::held::Held;
use super::{Ended, Item, Queues, Sender};

impl Sender<'_> {
    /// The contacts may have been made: those that the platform finds were. Of the others nobody knows as long as the call
    /// may still be under way: their leases stay.
    pub(super) async fn resolve_lost_reply(
        &mut self,
        queues: &mut Queues,
        held: Vec<Held>,
        failure: Failure,
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
            let (made, not_found): (Vec<Held>, Vec<Held>) =
                some.into_iter().partition(|held| contact_of(&held.item, &found).is_some());
            self.release(made.iter()).await?;
            for held in made {
                self.found_there(queues, Item { maybe_made: true, ..held.given_back() }, &found);
            }
            unknown.extend(not_found);
        }
        let held = |held: Held| Ended::Held(held.item.mark, held.lease.until);
        self.ended.extend(unknown.into_iter().map(held));
        self.after_batch_failure(queues, failure)
    }

    /// Looks contacts up by their addresses, before another create.
    pub(super) async fn look_up(&mut self, queues: &mut Queues) -> Result<()> {
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
    pub(super) async fn delete_batch(&mut self, queues: &mut Queues) -> Result<()> {
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
        self.ended.extend(items.into_iter().map(|item| Ended::Deleted(item.mark)));
        Ok(())
    }
}

/// Takes so many from the front of a queue.
pub(super) fn first_of<T>(queue: &mut VecDeque<T>, count: usize) -> Vec<T> {
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
