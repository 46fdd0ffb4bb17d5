//! What is to be done about each record: those that have nothing on the platform are looked up by their names.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::link::RemoteId;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind, Result};
use crate::mapping::{Response, is_same};
use crate::ports::objects::{LookedUp, RemoteObject};

use super::found::{self, Follow, Owner, Owners, Seeker};
use super::{Item, ObjectSender};

/// A record with what is to be done about it.
pub(super) struct Sought {
    pub(super) item: Item,
    pub(super) plan: Plan,
    /// Whose thing an earlier create of this record may have overwritten.
    pub(super) overwritten: Option<Owner>,
}

/// What is to be done.
pub(super) enum Plan {
    /// It is to be made.
    Create,
    /// This one is to be changed.
    Update(RemoteId),
    /// Nothing: it is known what became of it.
    Refused(Failure),
}

impl ObjectSender<'_> {
    /// Sees what is there by the names of those that have nothing on the platform. Before any lease is taken: whoever writes one
    /// of them meanwhile is met when it is.
    pub(super) async fn seek(&self, items: Vec<Item>) -> Result<Vec<Sought>> {
        let mut all: Vec<Sought> = items.into_iter().map(Sought::new).collect();
        let mut by_object: BTreeMap<String, Vec<&mut Sought>> = BTreeMap::new();
        for one in all.iter_mut().filter(|one| matches!(one.plan, Plan::Create)) {
            let Some(object) = self.object_of(&one.item.draft) else { continue };
            by_object.entry(object.to_owned()).or_default().push(one);
        }
        for (object, seekers) in by_object {
            self.look_up(&object, seekers).await?;
        }
        Ok(all)
    }

    async fn look_up(&self, object: &str, seekers: Vec<&mut Sought>) -> Result<()> {
        let objects = &self.desk.integration.objects;
        let Some(known_by) = objects.known_by(object) else {
            let failure = Failure::new(FailureKind::Misconfigured, "the platform has no such object");
            seekers.into_iter().for_each(|one| one.plan = Plan::Refused(failure.clone()));
            return Ok(());
        };
        let names: BTreeSet<String> = seekers.iter().flat_map(|one| one.item.names()).map(str::to_owned).collect();
        let names: Vec<String> = names.into_iter().collect();
        let mut shown =
            if names.is_empty() { LookedUp::default() } else { objects.find_objects(object, &names).await? };
        // Of thousands that a search may show, only those of a name that is looked for are of interest.
        found::keep_bearers(&mut shown.found, &names, known_by);
        let owners = self.owners(shown.found.iter().map(|one| &one.id)).await?;
        for one in seekers {
            let path = self.name_of(&one.item.draft);
            let unseen = one.item.names().find_map(|name| shown.unseen.get(name));
            match unseen {
                Some(why) => one.plan = Plan::Refused(found::unseen(&path, *why)),
                None => {
                    let may_adopt = self.may_adopt(&one.item);
                    one.follow(&shown.found, &owners, (known_by, &path), may_adopt);
                }
            }
        }
        Ok(())
    }

    /// The records that things belong to.
    pub(super) async fn owners<'i>(&self, ids: impl Iterator<Item = &'i RemoteId>) -> Result<Owners> {
        let ids: Vec<RemoteId> = ids.cloned().collect();
        if ids.is_empty() {
            return Ok(Owners::new());
        }
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let pointed = bulk.by_remote_ids(scope, &ids).await?;
        let pointed: Vec<_> = ids.into_iter().zip(pointed).filter_map(|(id, key)| Some((id, key?))).collect();
        let keys: Vec<_> = pointed.iter().map(|(_, key)| key.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let owned = pointed.into_iter().zip(stored).filter_map(|((id, key), stored)| {
            let owner = Owner::of(&id, key, &stored)?;
            Some((id, owner))
        });
        Ok(owned.collect())
    }

    /// Whether what is found by its name is the record's, without a word of a person.
    fn may_adopt(&self, item: &Item) -> bool {
        let choices = self.desk.rulebook_of(item.draft.key.kind(), None).situations;
        choices.response(Situation::Found, false) != Response::Issue
    }
}

impl Item {
    /// The names by which its thing may be there.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.name.iter().chain(&self.draft.link.tried).map(String::as_str)
    }
}

impl Sought {
    fn new(item: Item) -> Self {
        let plan = item.draft.remote_id().cloned().map_or(Plan::Create, Plan::Update);
        Self { item, plan, overwritten: None }
    }

    fn follow(&mut self, shown: &[RemoteObject], owners: &Owners, field: (&str, &str), may_adopt: bool) {
        let (_, path) = field;
        let named = ObjectSender::named(&self.item.draft);
        let seeker = Seeker {
            key: &self.item.draft.key,
            named: &named,
            name: self.item.name.as_deref(),
            tried: self.item.draft.link.tried.as_deref(),
        };
        let (follow, overwritten) = found::after_look_up(&seeker, shown, owners, field);
        self.overwritten = overwritten.cloned();
        match follow {
            Follow::Make => {}
            Follow::Refuse(failure) => self.plan = Plan::Refused(failure),
            Follow::Adopt(_) if !may_adopt => self.plan = Plan::Refused(found::undecided(path)),
            Follow::Adopt(there) | Follow::Own(there) => {
                // What it holds is the base of what is still to be written.
                let draft = &mut self.item.draft;
                draft.set = draft.wanted.clone();
                draft.set.retain(|field, value| !is_same(value, there.fields.get(field)));
                draft.clear.retain(|field| there.fields.get(field).is_some_and(|value| !value.is_null()));
                self.plan = Plan::Update(there.id.clone());
            }
        }
    }
}
