//! Records that are no people, brought to the platform's objects: organisations to companies. Planned as a contact is
//! ([`super::plan`]), written a few at a time from lease to commit ([`mod@write`]), after a look-up by name: where a platform makes
//! no difference between two things of one name, the first record has it, and the second is told.

mod collision;
mod found;
mod look;
mod seek;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::catalog::FieldCatalog;
use crate::domain::consent::ConsentLedger;
use crate::domain::kind::Kind;
use crate::domain::link::{Link, RemoteId};
use crate::domain::situation::Situation;
use crate::error::{Failure, Result};
use crate::mapping::Response;
use crate::policy;
use crate::ports::bulk::Mark;
use crate::ports::objects::OBJECTS_AT_ONCE;

use super::change::ContactChange;
use super::operations::{self, About};
use super::plan::{self, Draft, Found, Rulebook};
use super::services::Desk;

/// What became of a record.
pub(super) enum Became {
    /// It was written.
    Written {
        /// The record as it was sent.
        draft: Box<Draft>,
        /// Whether it was made.
        created: bool,
    },
    /// The platform has all of it, or nothing of it is sent.
    Settled,
    /// The record was deleted, here or there as its record says.
    Gone,
    /// Somebody else is writing it, or a create may be under way, until then.
    Held(Timestamp),
    /// The platform does not have it any more: it is planned once more.
    Lost,
    /// Whether it was made is not known: nobody tries again before this moment.
    Unclear(Failure, Timestamp),
    /// It could not be written.
    Failed(Box<Draft>, Failure),
}

/// Brings records to objects, and remembers what became of them.
pub(super) struct ObjectSender<'a> {
    desk: &'a Desk,
    /// Lists of fields by object, as far as they can be had.
    catalogs: BTreeMap<String, Option<FieldCatalog>>,
    /// How many writes failed one after the other in a way that may pass.
    failures: u32,
    /// When the platform's things were last looked through.
    looked_at: Option<Timestamp>,
    /// Whether the end of a create is not known, as far as that was asked.
    in_doubt: Option<bool>,
    /// What became of records since it was asked last.
    pub(super) ended: Vec<(Mark, Became)>,
}

/// A record that is to be written.
struct Item {
    mark: Mark,
    draft: Draft,
    /// What people know it by; `None` when the record has no name that can be sent.
    name: Option<String>,
    /// Fields that the platform refused.
    refused: Vec<String>,
    /// Whether the thing was read, and what people changed of it taken back.
    looked: bool,
}

impl<'a> ObjectSender<'a> {
    /// `looked_at` is when the platform's things were last looked through.
    pub(super) fn new(desk: &'a Desk, looked_at: Option<Timestamp>) -> Self {
        Self { desk, catalogs: BTreeMap::new(), failures: 0, looked_at, in_doubt: None, ended: Vec::new() }
    }

    /// Brings marked records to the platform. For ten of them, two reads, two writes, and a call for each; a look-up for each that
    /// is new, a call more for each that is known.
    ///
    /// # Errors
    /// What keeps the others from being sent for now, too; what was done is among [`ObjectSender::ended`].
    pub(super) async fn send(&mut self, marks: Vec<Mark>) -> Result<()> {
        let mut open = Vec::new();
        for (mark, draft) in self.planned(marks).await? {
            match draft {
                None => self.ended.push((mark, Became::Gone)),
                Some(draft) => open.extend(self.place(mark, draft).await?),
            }
        }
        while !open.is_empty() {
            let some = next_slice(&mut open);
            // What fails here has had no effect on any of them.
            self.desk.integration.platform.ready().await?;
            let some = self.look_first(some, &mut open).await?;
            let sought = self.seek(some).await?;
            self.write(sought).await?;
        }
        Ok(())
    }

    /// What is to be written of a record, if it is to be.
    async fn place(&mut self, mark: Mark, draft: Draft) -> Result<Option<Item>> {
        let now = self.desk.now();
        if let Some(lease) = draft.lease.as_ref().filter(|lease| lease.is_held(now)) {
            self.ended.push((mark, Became::Held(lease.until)));
            return Ok(None);
        }
        match (draft.situation, draft.follows, draft.remote_id().cloned()) {
            (Situation::Gone, Response::Delete, Some(id)) => {
                let became = match self.delete(&draft, &id).await {
                    Ok(()) => Became::Gone,
                    Err(failure) if policy::may_be_done_later(failure.kind) => return Err(failure),
                    // It holds up nobody else.
                    Err(failure) => Became::Failed(Box::new(draft), failure),
                };
                self.ended.push((mark, became));
                return Ok(None);
            }
            // What nobody has any more is not brought to the platform, and stays there as it is: tags are for people.
            (Situation::Gone | Situation::NotMapped | Situation::Erased, _, _) | (_, Response::Ignore, _) => {
                self.ended.push((mark, Became::Settled));
                return Ok(None);
            }
            (Situation::Missing, Response::Issue, None) => {
                let failure = found::missing(&self.name_of(&draft));
                self.ended.push((mark, Became::Failed(Box::new(draft), failure)));
                return Ok(None);
            }
            (_, _, _) => {}
        }
        if draft.platform_is_settled() {
            self.tell_relatives(&draft).await?;
            self.ended.push((mark, Became::Settled));
            return Ok(None);
        }
        let known_by = self.object_of(&draft).and_then(|object| self.desk.integration.objects.known_by(object));
        let name = known_by.and_then(|field| draft.wanted.get(field)).and_then(Value::as_str).map(str::to_owned);
        let refused = draft.refused.keys().cloned().collect();
        Ok(Some(Item { mark, draft, name, refused, looked: false }))
    }

    /// The record as people know it.
    fn named(draft: &Draft) -> String {
        let id = draft.record.external_id.as_ref();
        found::named(draft.key.kind(), id.map_or("", |id| id.as_str()))
    }

    /// The platform's name of what the record becomes there.
    fn object_of(&self, draft: &Draft) -> Option<&'a str> {
        let rules = &self.desk.integration.rules;
        rules.object_of(draft.key.kind()).map(|object| object.object.as_str())
    }

    /// What callers call the field by which people know such things.
    fn name_of(&self, draft: &Draft) -> String {
        let object = self.desk.integration.rules.object_of(draft.key.kind());
        let known_by = object.and_then(|object| self.desk.integration.objects.known_by(&object.object));
        object.zip(known_by).map_or_else(|| "name".to_owned(), |(object, field)| object.rules.path_of_remote(field))
    }

    /// Records planned by their state of now; `None` for one that was deleted.
    async fn planned(&mut self, marks: Vec<Mark>) -> Result<Vec<(Mark, Option<Draft>)>> {
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let keys: Vec<_> = marks.iter().map(|mark| mark.record.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let mut planned = Vec::new();
        for kind in Kind::ALL {
            if keys.iter().any(|key| key.kind() == kind) {
                self.list_fields(kind).await;
            }
        }
        for (mark, stored) in marks.into_iter().zip(stored) {
            let key = mark.record.clone();
            let book = Rulebook { catalog: self.catalog_of(key.kind()), ..self.desk.rulebook_of(key.kind(), None) };
            let draft = stored.record.is_some().then(|| {
                let found = Found::known(key.clone(), stored, ConsentLedger::default());
                plan::plan(&ContactChange::refresh(key), found, &book, self.desk.now())
            });
            planned.push((mark, draft));
        }
        Ok(planned)
    }

    /// Asks for the list of an object's fields; where it can't be had, the write itself tells what is wrong. One call for each
    /// object in the sender's life.
    async fn list_fields(&mut self, kind: Kind) {
        let Some(object) = self.desk.integration.rules.object_of(kind) else { return };
        if !self.catalogs.contains_key(&object.object) {
            let listed = self.desk.integration.objects.object_fields(&object.object).await.ok();
            self.catalogs.insert(object.object.clone(), listed);
        }
    }

    fn catalog_of(&self, kind: Kind) -> Option<&FieldCatalog> {
        self.catalogs.get(&self.desk.integration.rules.object_of(kind)?.object)?.as_ref()
    }

    /// Deletes what the record is there, and the record, unless another integration has it, too: what becomes of it there is
    /// that one's to say.
    async fn delete(&self, draft: &Draft, id: &RemoteId) -> Result<()> {
        let Desk { services, integration } = self.desk;
        let records = vec![About::new(&draft.key, draft.situation)];
        operations::about(records, integration.objects.delete_object(id)).await?;
        if self.desk.is_linked_elsewhere(&draft.key).await? {
            return services.bulk.unlink(&integration.scope, &draft.key).await;
        }
        let identities: Vec<_> = draft.record.external_id.iter().map(|own| own.identity_as(draft.key.kind())).collect();
        services.contacts.erase(&integration.scope, &draft.key, &identities, std::slice::from_ref(id)).await
    }

    /// Those who name the record are sent once more, once for each id that it has there: the link says that it was done, so that
    /// whoever dies before does it again. Two writes, and what [`Desk::announce`] costs.
    async fn tell_relatives(&self, draft: &Draft) -> Result<()> {
        let (Some(id), Some(own)) = (draft.remote_id(), &draft.record.external_id) else { return Ok(()) };
        if draft.link.announced.as_ref() == Some(id) {
            return Ok(());
        }
        self.desk.announce(draft.key.kind(), own).await?;
        let link = Link { announced: Some(id.clone()), revision: draft.link.revision + 1, ..draft.link.clone() };
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        bulk.relink_many(scope, &[(draft.key.clone(), link)], self.desk.now()).await.map(drop)
    }
}

/// The next few of what is open: no two of one name, for the second is to find what the first one makes.
fn next_slice(open: &mut Vec<Item>) -> Vec<Item> {
    let (mut some, mut later, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for item in std::mem::take(open) {
        let is_another = item.name.as_ref().is_none_or(|name| names.insert(found::plain(name)));
        if is_another && some.len() < OBJECTS_AT_ONCE { some.push(item) } else { later.push(item) }
    }
    *open = later;
    some
}
