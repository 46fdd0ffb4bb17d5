//! What people change in the platform's things that are no people comes back, too. What tells of such a change, and when it was
//! made, is not known of every platform: so all things are gone through, page by page, and each is held against what was last
//! agreed on of it. What is as it was costs reads of the table and no write.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::catalog::FieldCatalog;
use crate::domain::identity::RecordKey;
use crate::domain::kind::Kind;
use crate::domain::link::{Link, LinkState, RemoteId};
use crate::domain::platform::RemoteContact;
use crate::domain::record::Fields;
use crate::error::{FailureKind, Result};
use crate::mapping::rules::{FieldRule, Target};
use crate::mapping::{RuleSet, is_same};
use crate::ports::bulk::{BATCH, ChangedContact, MarkCursor};
use crate::ports::objects::RemoteObject;
use crate::ports::runs::{ObjectLook, ObjectPlace};
use crate::sync::services::Desk;

use super::page::Known;
use super::{PullCounts, PullEnd};

/// The rules by which values of a record come back.
pub(crate) fn pulling(rules: &RuleSet) -> impl Iterator<Item = &FieldRule> {
    rules.rules().iter().filter(|rule| rule.pulls() && rule.target == Target::Field)
}

impl Desk {
    /// Goes through the platform's things, until `until` at the latest; `look` says where the next look goes on. A call and
    /// two reads of the table for a page; where something is news, a call of the log, one for the list of fields, and writes.
    ///
    /// # Errors
    /// As platform, table and source fail. Doing a page twice is doing it once.
    pub(super) async fn look_at_objects(
        &self,
        look: &mut ObjectLook,
        until: Timestamp,
        counts: &mut PullCounts,
    ) -> Result<PullEnd> {
        let objects = self.objects_that_come_back();
        if !look.any || objects.is_empty() || self.creates_are_open().await? {
            return Ok(PullEnd::Finished);
        }
        let since = look.seen_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let mut place = look.under_way.take().filter(|place| objects.contains(&place.object));
        if place.is_none() {
            look.began_at = Some(self.now());
            place = objects.first().map(|object| ObjectPlace::at(object));
        }
        while let Some(now_at) = place {
            let stop = if self.now() >= until {
                PullEnd::OutOfTime
            } else {
                match self.look_at_object_page(&now_at, since, counts).await {
                    Ok(next) => {
                        let following =
                            objects.range(now_at.object.clone()..).nth(1).map(|object| ObjectPlace::at(object));
                        place = next.map(|after| ObjectPlace { after, ..now_at }).or(following);
                        continue;
                    }
                    Err(failure) if failure.kind == FailureKind::RateLimited => PullEnd::OutOfBudget(failure.retry_at),
                    Err(failure) => return Err(failure),
                }
            };
            look.under_way = Some(now_at);
            return Ok(stop);
        }
        look.seen_at = look.began_at.take();
        Ok(PullEnd::Finished)
    }

    /// Takes in a page of a list; gives where the next one begins. Where the role may not see the list, nothing of it comes back.
    async fn look_at_object_page(
        &self,
        place: &ObjectPlace,
        since: Timestamp,
        counts: &mut PullCounts,
    ) -> Result<Option<usize>> {
        match self.integration.objects.list_objects(&place.object, place.after).await {
            Ok(page) => {
                self.take_in_objects(page.things, since, counts).await?;
                Ok(page.next)
            }
            Err(failure) if failure.kind == FailureKind::Credentials => {
                tracing::warn!(place.object, "the platform's things can't be listed: {failure}");
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Takes back what was changed of these things since they were last written; gives the records that are not as they were.
    /// `since` is when they were looked at before: of what was changed after it, nobody knows when, that is the moment.
    pub(crate) async fn take_in_objects(
        &self,
        things: Vec<RemoteObject>,
        since: Timestamp,
        counts: &mut PullCounts,
    ) -> Result<BTreeSet<RecordKey>> {
        let (now, mut left) = (self.now(), Vec::new());
        let shown = things.into_iter().map(|thing| shown(thing, now)).collect();
        let known = self.known(shown, &mut left, &mut Vec::new()).await?;
        let mut news: Vec<Known> = known.into_iter().filter(|known| !self.is_as_agreed(known)).collect();
        self.date_news(&mut news, since).await?;
        let mut changed = BTreeSet::new();
        for kind in Kind::ALL {
            let (some, rest): (Vec<Known>, Vec<Known>) = news.into_iter().partition(|known| known.key.kind() == kind);
            news = rest;
            if !some.is_empty() {
                changed.extend(some.iter().map(|known| known.key.clone()));
                left.extend(self.take_values(some, counts).await?.1);
            }
        }
        counts.left += u64::try_from(left.len()).unwrap_or(u64::MAX);
        Ok(changed)
    }

    /// When each field was changed: as the platform's log tells it, if that tells of it, but not before `since`. One call, if any.
    async fn date_news(&self, news: &mut [Known], since: Timestamp) -> Result<()> {
        let ids: Vec<RemoteId> = news.iter().map(|known| known.changed.contact.id.clone()).collect();
        let told = if ids.is_empty() { BTreeMap::new() } else { self.times_of(&ids).await? };
        for known in news {
            let told = told.get(&known.changed.contact.id);
            let names = pulling(self.rules_of(known.key.kind())).filter_map(|rule| rule.remote.as_ref());
            let time = |name: &String| told.and_then(|times| times.get(name)).map_or(since, |at| since.max(*at));
            known.changed.times = names.map(|name| (name.clone(), time(name))).collect();
        }
        Ok(())
    }

    /// The fields of what records of a kind are on the platform; `None` when they can't be had just now. One call.
    pub(super) async fn fields_of_kind(&self, kind: Kind) -> Option<FieldCatalog> {
        let object = self.integration.rules.object_of(kind)?;
        self.integration.objects.object_fields(&object.object).await.ok()
    }

    /// Whether the end of a create is not known, or so much waits that it was not looked for: what stands in a thing may be another
    /// record's until then ([`crate::sync::objects`]), and is nobody's edit. Two reads.
    pub(crate) async fn creates_are_open(&self) -> Result<bool> {
        let (bulk, scope) = (&self.services.bulk, &self.integration.scope);
        let (marks, _) = bulk.marks(scope, &MarkCursor::default(), BATCH).await?;
        let keys: Vec<RecordKey> =
            marks.into_iter().map(|mark| mark.record).filter(|key| !key.kind().is_person()).collect();
        if keys.len() >= BATCH {
            return Ok(true);
        }
        let is_open = |link: Link| link.tried.is_some() && link.state == LinkState::Pending;
        let stored = bulk.load_many(scope, &keys).await?;
        Ok(stored.into_iter().filter_map(|stored| stored.link).any(is_open))
    }

    /// The objects that the mapping takes values back from.
    fn objects_that_come_back(&self) -> BTreeSet<String> {
        let objects = Kind::ALL.into_iter().filter_map(|kind| self.integration.rules.object_of(kind));
        let comes_back = objects.filter(|object| pulling(&object.rules).next().is_some());
        comes_back.map(|object| object.object.clone()).collect()
    }

    /// Whether what comes back is as both sides last agreed on it.
    fn is_as_agreed(&self, known: &Known) -> bool {
        let Some(object) = self.integration.rules.object_of(known.key.kind()) else { return true };
        let has = |rule: &FieldRule| is_agreed(&known.link, rule, &known.changed.contact.fields);
        known.link.base().is_some() && pulling(&object.rules).all(has)
    }
}

fn is_agreed(link: &Link, rule: &FieldRule, shown: &Fields) -> bool {
    let Some(name) = &rule.remote else { return true };
    let agreed = if rule.pushes() { link.snapshot.get(name) } else { link.seen.get(name) };
    !link.conflicts.contains_key(&rule.local) && is_same(agreed.unwrap_or(&Value::Null), shown.get(name))
}

/// A thing in the form in which what a platform shows of a record is brought together with it.
fn shown(thing: RemoteObject, at: Timestamp) -> ChangedContact {
    let contact = RemoteContact {
        id: thing.id,
        email: None,
        fields: thing.fields,
        tags: Vec::new(),
        do_not_contact: Vec::new(),
        points: 0,
        stage: None,
    };
    ChangedContact { contact, at, times: BTreeMap::new() }
}
