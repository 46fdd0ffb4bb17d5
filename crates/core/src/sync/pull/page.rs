//! One page of changed contacts. The source is handed what came back before the record has it, and the record has it before
//! the link says so: whoever dies on the way is followed by a look that finds the same page and both sides agreed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::catalog::FieldCatalog;
use crate::domain::identity::{Email, RecordKey};
use crate::domain::link::{Link, RemoteId};
use crate::domain::platform::{DoNotContact, DoNotContactReason};
use crate::domain::record::Record;
use crate::error::{FailureKind, Result};
use crate::ports::bulk::{BATCH, ChangedContact, Mark};
use crate::ports::{Attempt, Save, Stored};
use crate::sync::conflict::{self, Merged, Shown};
use crate::sync::plan::{MAIL, Rulebook};
use crate::sync::services::Desk;
use crate::sync::settle::{is_known, statement};
use crate::sync::take_back::HandedOver;

use super::PullCounts;
use jiff::Timestamp;

/// A changed contact with what is stored of it.
pub(super) struct Known {
    pub(super) changed: ChangedContact,
    pub(super) key: RecordKey,
    pub(super) record: Record,
    pub(super) link: Link,
}

impl Known {
    pub(super) fn left(&self) -> Left {
        (self.changed.contact.id.clone(), self.changed.at)
    }
}

/// A contact that was left for the next look, and when it was changed.
pub(super) type Left = (RemoteId, Timestamp);

impl Desk {
    /// Takes in a page; gives the contacts that were left for the next look, and when they were changed.
    pub(super) async fn take_in(
        &self,
        page: Vec<ChangedContact>,
        counts: &mut PullCounts,
        correlation_id: &str,
    ) -> Result<Vec<Left>> {
        let seen = page.len();
        let (mut left, mut strangers) = (Vec::new(), Vec::new());
        let known = self.known(page, &mut left, &mut strangers).await?;
        left.extend(self.welcome_strangers(strangers, counts, correlation_id).await?);
        self.learn_opt_outs(&known, counts, correlation_id).await?;
        let (merged, mut held_up) = self.take_values(known, counts).await?;
        held_up.extend(self.settle_addresses(&merged, counts, correlation_id).await?);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        counts.contacts += count(seen);
        counts.left += count(left.len() + held_up.len());
        counts.unknown += count(seen.saturating_sub(left.len() + merged.len()));
        Ok(left.into_iter().chain(held_up).collect())
    }

    /// The same of the values alone, of contacts that are written at once after it: the write itself settles what they show of
    /// being mailed, and knows of an opt-in that it carries out.
    pub(super) async fn take_in_values(&self, page: Vec<ChangedContact>, correlation_id: &str) -> Result<()> {
        let known = self.known(page, &mut Vec::new(), &mut Vec::new()).await?;
        let mut counts = PullCounts::default();
        let (merged, _) = self.take_values(known, &mut counts).await?;
        self.settle_addresses(&merged, &mut counts, correlation_id).await.map(drop)
    }

    /// Brings both sides' values together; gives what was known of them before, and those that another writer came first to.
    pub(super) async fn take_values(
        &self,
        known: Vec<Known>,
        counts: &mut PullCounts,
    ) -> Result<(Vec<Known>, Vec<Left>)> {
        let merged = self.merged(known, counts).await?;
        let handed = merged.iter().filter_map(|(known, merged)| {
            HandedOver::of(&known.key, &known.record, merged.pulled.clone(), known.changed.at)
        });
        self.hand_over(handed.collect()).await?;
        let held_up = self.keep_all(&merged).await?;
        Ok((merged.into_iter().map(|(known, _)| known).collect(), held_up))
    }

    /// Where no rule takes anybody in, nothing is read.
    async fn welcome_strangers(
        &self,
        strangers: Vec<ChangedContact>,
        counts: &mut PullCounts,
        correlation_id: &str,
    ) -> Result<Vec<Left>> {
        let times: BTreeMap<RemoteId, Timestamp> =
            strangers.iter().map(|changed| (changed.contact.id.clone(), changed.at)).collect();
        let arrived = self.take_newcomers(strangers, correlation_id).await?;
        counts.appeared += arrived.taken;
        Ok(times.into_iter().filter(|(contact, _)| arrived.left.contains(contact)).collect())
    }

    /// The contacts that a record belongs to and that nobody writes just now; those that none belongs to go to `strangers`.
    pub(super) async fn known(
        &self,
        page: Vec<ChangedContact>,
        left: &mut Vec<Left>,
        strangers: &mut Vec<ChangedContact>,
    ) -> Result<Vec<Known>> {
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let ids: Vec<RemoteId> = page.iter().map(|changed| changed.contact.id.clone()).collect();
        let mut keys = bulk.by_remote_ids(scope, &ids).await?;
        self.follow_merges(&page, &mut keys, left).await?;
        let mut found = Vec::new();
        for (changed, key) in page.into_iter().zip(keys) {
            match key {
                Some(key) => found.push((changed, key)),
                None => strangers.push(changed),
            }
        }
        let keys: Vec<RecordKey> = found.iter().map(|(_, key)| key.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let now = self.now();
        let mut known = Vec::new();
        for ((changed, key), stored) in found.into_iter().zip(stored) {
            let Stored { record: Some(record), link: Some(link), lease, .. } = stored else { continue };
            if link.remote_id.as_ref() != Some(&changed.contact.id) {
                continue;
            }
            if lease.is_some_and(|lease| lease.is_held(now)) {
                left.push((changed.contact.id.clone(), changed.at));
            } else {
                known.push(Known { changed, key, record, link });
            }
        }
        Ok(known)
    }

    /// A contact that no record belongs to may be the survivor of a merge that nobody told of: it has the address of a record
    /// whose own contact is another. One call for each of those.
    async fn follow_merges(
        &self,
        page: &[ChangedContact],
        keys: &mut [Option<RecordKey>],
        left: &mut Vec<Left>,
    ) -> Result<()> {
        let (services, scope) = (&self.services, &self.integration.scope);
        let address = |changed: &ChangedContact| changed.contact.email.as_deref()?.parse::<Email>().ok();
        let strangers = page.iter().zip(keys.iter_mut()).filter(|(_, key)| key.is_none());
        let addressed: Vec<_> =
            strangers.filter_map(|(changed, key)| Some((changed, key, address(changed)?.identity()))).collect();
        let identities: Vec<_> = addressed.iter().map(|(_, _, identity)| (None, Some(identity.clone()))).collect();
        let resolved = services.bulk.resolve_many(scope, &identities).await?;
        for ((changed, key, _), resolved) in addressed.into_iter().zip(resolved) {
            let Some(owner) = resolved.by_email else { continue };
            let link = services.contacts.load(scope, &owner).await?.link;
            let Some(known) = link.and_then(|link| link.remote_id) else { continue };
            match self.check_gone(&known).await {
                Ok(()) => *key = services.contacts.by_remote_id(scope, &changed.contact.id).await?,
                Err(failure) if failure.kind == FailureKind::Conflict => {
                    left.push((changed.contact.id.clone(), changed.at))
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// An opt-out that the platform shows is learnt, and the source is told. No time and no strategy decides it. The record is
    /// marked before, for the run to correct the field that still shows an opt-in there.
    async fn learn_opt_outs(&self, known: &[Known], counts: &mut PullCounts, correlation_id: &str) -> Result<()> {
        let shown =
            known.iter().filter_map(|known| Some((known, news(known)?, known.record.email.as_ref()?.identity())));
        let shown: Vec<_> = shown.collect();
        let identities: Vec<_> = shown.iter().map(|(_, _, identity)| (None, Some(identity.clone()))).collect();
        let resolved = self.services.bulk.resolve_many(&self.integration.scope, &identities).await?;
        for ((known, entry, identity), resolved) in shown.into_iter().zip(resolved) {
            if is_known(entry, &resolved.consent) {
                continue;
            }
            let at = self.now();
            let said = statement(entry, at);
            let mark = Mark::new(known.key.clone(), known.record.version, self.now());
            self.services.bulk.mark_many(&self.integration.scope, &[mark]).await?;
            self.services.contacts.amend_consent(&self.integration.scope, &identity, said).await?;
            let contact = &known.changed.contact.id;
            self.tell_source(contact, &format!("dnc:{contact}:{at}"), correlation_id).await?;
            counts.opted_out += 1;
        }
        Ok(())
    }

    async fn merged(&self, known: Vec<Known>, counts: &mut PullCounts) -> Result<Vec<(Known, Merged)>> {
        // They are of one kind.
        let catalog = match known.first().map(|known| known.key.kind()) {
            Some(kind) if !kind.is_person() => self.fields_of_kind(kind).await.map(Arc::new),
            Some(_) | None => self.catalog().await,
        };
        let mut merged: Vec<_> = known.into_iter().map(|known| self.merge_one(known, catalog.as_deref())).collect();
        self.date(&mut merged, catalog.as_deref()).await?;
        for (_, merged) in &merged {
            counts.echoes += u64::from(merged.is_echo());
            counts.changed += u64::from(!merged.pulled.is_empty());
            counts.contested += u64::try_from(merged.contested).unwrap_or(u64::MAX);
            counts.unreadable += u64::try_from(merged.unreadable).unwrap_or(u64::MAX);
        }
        Ok(merged)
    }

    fn shown<'a>(&'a self, changed: &'a ChangedContact) -> Shown<'a> {
        Shown::whole(&changed.contact, changed.at, &changed.times).by(&self.integration.scope.integration)
    }

    fn merge_one(&self, known: Known, catalog: Option<&FieldCatalog>) -> (Known, Merged) {
        let merged = self.brought_together(&known, catalog);
        (known, merged)
    }

    fn brought_together(&self, known: &Known, catalog: Option<&FieldCatalog>) -> Merged {
        let shown = self.shown(&known.changed);
        let book = Rulebook { catalog, ..self.rulebook_of(known.key.kind(), catalog) };
        conflict::merge(&known.record, &known.link, &shown, &book, self.integration.conflict, self.now())
    }

    /// Where time decides and the contact's own date is all that is known of it, the log is asked: in Mautic 7.0 that date
    /// never moves, and in 5.1 an opened mail moves it. One call, if any.
    async fn date(&self, merged: &mut [(Known, Merged)], catalog: Option<&FieldCatalog>) -> Result<()> {
        let undated = merged.iter().filter(|(_, merged)| merged.undated);
        let ids: Vec<RemoteId> = undated.map(|(known, _)| known.changed.contact.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut times = BTreeMap::new();
        for ids in ids.chunks(BATCH) {
            times.extend(self.times_of(ids).await?);
        }
        for (known, merged) in merged.iter_mut().filter(|(_, merged)| merged.undated) {
            let Some(told) = times.remove(&known.changed.contact.id) else { continue };
            known.changed.times = told;
            *merged = self.brought_together(known, catalog);
        }
        Ok(())
    }

    /// Stores records, then links; gives the changes of those contacts that another writer came first to.
    async fn keep_all(&self, merged: &[(Known, Merged)]) -> Result<Vec<Left>> {
        let (bulk, scope, now) = (&self.services.bulk, &self.integration.scope, self.now());
        let (saved, links): (Vec<_>, Vec<_>) = merged.iter().partition(|(_, merged)| merged.record.is_some());
        let save = |(known, merged): &&(Known, Merged)| Some((Save::of(&known.key, merged.record.as_ref()?), false));
        let saves: Vec<_> = saved.iter().filter_map(save).collect();
        let mut held_up = Vec::new();
        let mut relinked: Vec<&(Known, Merged)> = links;
        for (one, attempt) in saved.into_iter().zip(bulk.save_many(scope, &saves, now).await?) {
            match attempt {
                Attempt::Done => relinked.push(one),
                Attempt::Contended => held_up.push(one.0.left()),
            }
        }
        held_up.extend(self.relink_all(&relinked).await?);
        Ok(held_up)
    }

    /// Links with fields that a person has to decide, now or until now, go one by one: they are listed on their own.
    async fn relink_all(&self, merged: &[&(Known, Merged)]) -> Result<Vec<Left>> {
        let (services, scope, now) = (&self.services, &self.integration.scope, self.now());
        let moved = merged.iter().filter_map(|(known, merged)| Some((known, merged.link.as_ref()?)));
        let (contested, plain): (Vec<_>, Vec<_>) =
            moved.partition(|(known, link)| !known.link.conflicts.is_empty() || !link.conflicts.is_empty());
        let links: Vec<_> = plain.iter().map(|(known, link)| (known.key.clone(), (*link).clone())).collect();
        let mut attempts = services.bulk.relink_many(scope, &links, now).await?;
        for (known, link) in &contested {
            attempts.push(services.contacts.relink(scope, &known.key, link, known.link.revision, now).await?);
        }
        let all = plain.into_iter().chain(contested).zip(attempts);
        let held_up = all.filter(|(_, attempt)| *attempt == Attempt::Contended);
        Ok(held_up.map(|((known, _), _)| known.left()).collect())
    }
}

/// The entry that forbids mail, unless Tandem knew of one when it wrote the contact last. An address that takes no mail is no
/// word of the person.
fn news(known: &Known) -> Option<&DoNotContact> {
    let entry = known.changed.contact.mail_forbidden()?;
    let is_word = entry.reason != DoNotContactReason::Bounced;
    (is_word && !known.link.snapshot.contains_key(MAIL)).then_some(entry)
}
