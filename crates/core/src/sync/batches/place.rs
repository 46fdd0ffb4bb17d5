//! Records planned by their state of now, and put where they belong.

use crate::domain::consent::ConsentLedger;
use crate::domain::identity::Email;
use crate::domain::situation::Situation;
use crate::error::Result;
use crate::mapping::Response;
use crate::ports::Stored;
use crate::ports::bulk::Mark;
use crate::sync::change::ContactChange;
use crate::sync::plan::{self, Draft, Found};
use crate::sync::push;
use crate::sync::services::Desk;

use super::{Ended, Item, Queues, Writer};

impl Writer<'_> {
    /// Plans records and puts each where it belongs. `looked` says that what the platform holds of them was looked at.
    ///
    /// # Errors
    /// `Storage`; nothing was placed then.
    pub(super) async fn place_all(&mut self, marks: Vec<Mark>, looked: bool, queues: &mut Queues) -> Result<()> {
        if marks.is_empty() {
            return Ok(());
        }
        for (mark, draft) in self.desk.plan_anew(marks, &self.id).await? {
            match draft {
                Some(draft) if self.is_to_be_unlinked(&draft) => {
                    self.desk.unlink(&draft.key).await?;
                    self.ended.push(Ended::Settled(mark, None));
                }
                Some(draft) => self.place(mark, draft, looked, queues),
                None => self.ended.push(Ended::Forgotten(mark)),
            }
        }
        Ok(())
    }

    fn place(&mut self, mark: Mark, draft: Draft, looked: bool, queues: &mut Queues) {
        let now = self.now();
        if let Some(until) = draft.lease.as_ref().filter(|lease| lease.is_held(now)).map(|lease| lease.until) {
            return self.ended.push(Ended::Held(mark, until, None));
        }
        if draft.follows == Response::Delete {
            return queues.delete.push_back(Item::new(mark, draft, looked));
        }
        if draft.platform_is_settled() {
            return self.ended.push(Ended::Settled(mark, Some(Box::new(draft))));
        }
        if draft.may_allow_mail() || draft.enrol.is_some() {
            // There is no batch call for these.
            return self.ended.push(Ended::Single(mark));
        }
        // What another record's write left there is nothing to take back.
        let needs_no_look = draft.link.overwritten || !self.looks_before && !draft.link.needs_look();
        let item = Item::new(mark, draft, looked || needs_no_look);
        match (item.draft.remote_id().is_some(), item.needs_rewrite()) {
            (true, true) => queues.rewrite.push_back(item),
            (true, false) => queues.update.push_back(item),
            (false, _) if item.may_be_there() => queues.look_up.push_back(item),
            (false, _) if item.draft.record.email.is_some() => queues.create.push_back(item),
            // A contact needs an address: the record was refused when it was taken.
            (false, _) => self.ended.push(Ended::Settled(item.mark, None)),
        }
    }

    /// Whoever writes the contact just now does so first.
    fn is_to_be_unlinked(&self, draft: &Draft) -> bool {
        draft.is_to_be_unlinked() && !draft.lease.as_ref().is_some_and(|lease| lease.is_held(self.now()))
    }
}

impl Item {
    /// Whether a contact of the record's may be there, though the link names none.
    fn may_be_there(&self) -> bool {
        self.draft.may_have_been_created() || self.draft.situation == Situation::Missing
    }
}

impl Desk {
    /// Plans marked records by their state of now; `None` for one that was deleted.
    pub(in crate::sync) async fn plan_marked(&self, marks: Vec<Mark>) -> Result<Vec<(Mark, Option<Draft>)>> {
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let keys: Vec<_> = marks.iter().map(|mark| mark.record.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let email = |stored: &Stored| stored.record.as_ref()?.email.as_ref().map(Email::identity);
        let identities: Vec<_> = stored.iter().map(|stored| (None, email(stored))).collect();
        let resolved = bulk.resolve_many(scope, &identities).await?;
        let catalog = self.catalog().await;
        let plan = |((mark, stored), consent): ((Mark, Stored), ConsentLedger)| {
            let draft = stored.record.is_some().then(|| {
                let key = mark.record.clone();
                let book = self.rulebook_of(key.kind(), catalog.as_deref());
                let change = ContactChange::refresh(key.clone());
                let found = Found::known(key, stored, consent);
                plan::plan(&change, found, &book, self.now())
            });
            (mark, draft)
        };
        let consents = resolved.into_iter().map(|resolved| resolved.consent);
        Ok(marks.into_iter().zip(stored).zip(consents).map(plan).collect())
    }

    /// Plans marked records after giving those an address that wait for one which came free.
    async fn plan_anew(&self, marks: Vec<Mark>, id: &str) -> Result<Vec<(Mark, Option<Draft>)>> {
        let planned = self.plan_marked(marks).await?;
        let awaits = |draft: &Option<Draft>| draft.as_ref().is_some_and(|draft| draft.record.awaited.is_some());
        let (waiting, mut ready): (Vec<_>, Vec<_>) = planned.into_iter().partition(|(_, draft)| awaits(draft));
        let mut marks = Vec::new();
        for (mark, _) in waiting {
            marks.push(self.take_awaited(mark, id).await?);
        }
        if !marks.is_empty() {
            ready.extend(self.plan_marked(marks).await?);
        }
        Ok(ready)
    }

    /// Gives a record the address that it waits for, if nobody else has it any more. It is stored before it is sent.
    async fn take_awaited(&self, mark: Mark, id: &str) -> Result<Mark> {
        let (contacts, scope, key) = (&self.services.contacts, &self.integration.scope, mark.record.clone());
        let mut stored = contacts.load(scope, &key).await?;
        if let Some(wanted) = stored.record.as_ref().and_then(|record| record.awaited.clone())
            && self.exchange(&key, &wanted, id).await?
        {
            stored = contacts.load(scope, &key).await?;
        }
        let Some(record) = &stored.record else { return Ok(mark) };
        let mut version = record.version;
        if let Some(email) = self.awaited_now(&key, record).await? {
            let found = self.found_with(&key, stored.clone(), email).await?;
            let draft = self.draft_of(&ContactChange::refresh(key), found, self.catalog().await.as_deref());
            let saved = (push::save_of(&draft), true);
            self.services.bulk.save_many(scope, &[saved], self.now()).await?;
            version = draft.record.version;
        }
        Ok(Mark { version, ..mark })
    }
}
