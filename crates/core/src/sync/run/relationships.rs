//! Relationships of people: after the person is on the platform, and as far as the others are. One whose other end is not there
//! yet is open, and no mark waits for it: when the other one comes, whoever names it is marked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::association::{Association, Associations, Related};
use crate::domain::identity::RecordKey;
use crate::domain::kind::Kind;
use crate::domain::link::{Link, LinkState, RemoteId};
use crate::domain::record::Record;
use crate::domain::relationship;
use crate::domain::situation::Situation;
use crate::error::{Failure, FailureKind, Result};
use crate::jobs::message::Task;
use crate::policy;
use crate::ports::Attempt;
use crate::ports::bulk::{BATCH, Mark};
use crate::sync::operations::{self, About};

use super::Run;
use super::send::Following;

/// What each record is on the platform.
type Ends = BTreeMap<RecordKey, RemoteId>;

/// What has to be set for a contact, in this order: the primary one last, for the platform takes the newest for it.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    leave: Vec<Related>,
    join: Vec<Related>,
    /// Held ones of which only the weight is another now: what is joined after it sees to that.
    outranked: Vec<Related>,
}

impl Run<'_> {
    /// Sets the relationships of contacts that were just brought to the platform. Marks of those that could not be set stay. Two
    /// reads for 50, a call for each that is set, and one write for 100 links.
    pub(super) async fn settle_relationships(&mut self, following: &mut Following) -> Result<()> {
        let relating = std::mem::take(&mut following.relating);
        let mut unset = Vec::new();
        for some in relating.chunks(BATCH) {
            unset.extend(self.relate(some).await?);
        }
        let stay: BTreeSet<&RecordKey> = unset.iter().map(|mark| &mark.record).collect();
        following.finished.retain(|mark| !stay.contains(&mark.record));
        following.awaiting.retain(|mark| !stay.contains(&mark.record));
        following.joining.retain(|one| !stay.contains(&one.mark.record));
        following.put_off.extend(unset);
        Ok(())
    }

    /// Gives the marks of those that are not done.
    async fn relate(&mut self, some: &[(Mark, RemoteId)]) -> Result<Vec<Mark>> {
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let keys: Vec<RecordKey> = some.iter().map(|(mark, _)| mark.record.clone()).collect();
        let stored = bulk.load_many(scope, &keys).await?;
        let known: Vec<(&Mark, &RemoteId, Record, Link)> = some
            .iter()
            .zip(stored)
            .filter_map(|((mark, contact), stored)| Some((mark, contact, stored.record?, stored.link?)))
            .collect();
        let ends = self.ends(known.iter().map(|(_, _, record, _)| record)).await?;
        let (mut links, mut unset) = (Vec::new(), Vec::new());
        for (mark, contact, record, link) in known {
            let changes = changes(&self.wanted(&record, &ends, &link.associations), &link.associations);
            let mut held = link.associations.clone();
            let set = self.set_related(mark, contact, changes, &mut held).await;
            if held != link.associations {
                links.push((mark, Link { associations: held, revision: link.revision + 1, ..link }));
            }
            if let Err(failure) = set {
                unset.push(self.not_related(mark, &failure));
            }
        }
        let (marks, links): (Vec<&Mark>, Vec<_>) =
            links.into_iter().map(|(mark, link)| (mark, (mark.record.clone(), link))).unzip();
        let attempts = self.desk.services.bulk.relink_many(&self.desk.integration.scope, &links, self.now()).await?;
        let contended = marks.into_iter().zip(attempts).filter(|(_, attempt)| *attempt == Attempt::Contended);
        let now = self.now();
        // Somebody else wrote the link meanwhile: setting the same once more changes nothing there.
        let contended: Vec<Mark> = contended.map(|(mark, _)| Mark { due_at: now, ..mark.clone() }).collect();
        unset.extend(contended);
        Ok(unset)
    }

    /// What the records are on the platform that these ones name.
    async fn ends(&self, records: impl Iterator<Item = &Record>) -> Result<Ends> {
        let named = records.flat_map(|record| relationship::of(Kind::Person, &record.fields));
        let takes = |one: &relationship::Relationship| self.desk.integration.rules.takes(one.kind);
        let keys: BTreeSet<RecordKey> = named.filter(takes).filter_map(|one| one.key()).collect();
        let keys: Vec<RecordKey> = keys.into_iter().collect();
        let (bulk, scope) = (&self.desk.services.bulk, &self.desk.integration.scope);
        let stored = bulk.load_many(scope, &keys).await?;
        Ok(keys.into_iter().zip(stored).filter_map(|(key, stored)| Some((key, stored.link?.remote_id?))).collect())
    }

    /// The relationships that the contact shall have. One whose other end is nowhere just now stays as it is.
    fn wanted(&self, record: &Record, ends: &Ends, held: &Associations) -> BTreeSet<Related> {
        let named = relationship::of(Kind::Person, &record.fields);
        let named = named.into_iter().filter(|one| self.desk.integration.rules.takes(one.kind));
        let mut wanted = BTreeSet::new();
        for (place, key) in named.filter_map(|one| one.key()).enumerate() {
            match ends.get(&key) {
                Some(to) => drop(wanted.insert(Related { record: key, to: to.clone(), primary: place == 0 })),
                None => wanted.extend(held.related().filter(|one| one.record == key).cloned()),
            }
        }
        wanted
    }

    /// Makes the calls; what was set is noted in `held`, also when a later call fails.
    async fn set_related(
        &mut self,
        mark: &Mark,
        contact: &RemoteId,
        changes: Changes,
        held: &mut Associations,
    ) -> Result<()> {
        for one in changes.leave {
            self.call_related(mark, contact, &one, false).await?;
            held.remove(&Association::Related(one));
        }
        for one in changes.outranked {
            held.remove(&Association::Related(one.clone()));
            held.insert(Association::Related(Related { primary: !one.primary, ..one }));
        }
        for one in changes.join {
            self.call_related(mark, contact, &one, true).await?;
            held.insert(Association::Related(one));
        }
        Ok(())
    }

    async fn call_related(&mut self, mark: &Mark, contact: &RemoteId, one: &Related, related: bool) -> Result<()> {
        let objects = &self.desk.integration.objects;
        let called = operations::about(
            vec![About::new(&mark.record, Situation::Linked)],
            objects.set_related(contact, &one.to, related),
        )
        .await;
        match called {
            Ok(()) => {
                self.log.memberships += 1;
                Ok(())
            }
            // Whoever is gone belongs to nothing.
            Err(failure) if failure.kind == FailureKind::NotFound && !related => Ok(()),
            Err(failure) => {
                if failure.kind == FailureKind::NotFound {
                    // The answer does not say which of the two is gone.
                    self.doubt(&one.record).await?;
                    let task = Task::CheckGone { contact: contact.clone() };
                    self.desk.defer(task, &self.log.id, Duration::ZERO).await?;
                }
                Err(failure)
            }
        }
    }

    /// The thing may be gone on the platform: its record is sent once more, which finds out, and makes it anew.
    async fn doubt(&self, record: &RecordKey) -> Result<()> {
        let (bulk, scope, now) = (&self.desk.services.bulk, &self.desk.integration.scope, self.now());
        let stored = bulk.load_many(scope, std::slice::from_ref(record)).await?.into_iter().next();
        let Some((record_now, link)) = stored.and_then(|stored| stored.record.zip(stored.link)) else { return Ok(()) };
        let link = Link { state: LinkState::Pending, revision: link.revision + 1, ..link };
        bulk.relink_many(scope, &[(record.clone(), link)], now).await?;
        bulk.mark_many(scope, &[Mark::new(record.clone(), record_now.version, now)]).await
    }

    fn not_related(&mut self, mark: &Mark, failure: &Failure) -> Mark {
        let attempts = mark.attempts + 1;
        let due_at = policy::contact_due(failure, attempts, self.now(), self.desk.services.entropy.unit());
        tracing::info!(record = mark.record.as_str(), kind = ?failure.kind, "a relationship could not be set: {failure}");
        self.log.waiting += 1;
        self.wait_for(due_at);
        Mark { attempts, due_at, ..mark.clone() }
    }
}

/// What lies between what is wanted and what is held.
fn changes(wanted: &BTreeSet<Related>, held: &Associations) -> Changes {
    let held: BTreeSet<Related> = held.related().cloned().collect();
    let mut changes = Changes::default();
    let same = |one: &Related, other: &Related| one.record == other.record && one.to == other.to;
    for gone in held.difference(wanted) {
        match wanted.iter().find(|one| same(one, gone)) {
            // It is not the primary one any more: what takes its place is joined, and moves it.
            Some(_) if gone.primary => changes.outranked.push(gone.clone()),
            // To become the primary one it has to be the newest.
            Some(_) | None => changes.leave.push(gone.clone()),
        }
    }
    for new in wanted.difference(&held) {
        let is_outranked = !new.primary && held.iter().any(|one| same(one, new));
        if !is_outranked {
            changes.join.push(new.clone());
        }
    }
    // Whatever is joined last is the primary one there: the one that is to stay it has to be joined after the others.
    let takes_place = changes.join.iter().any(|one| !one.primary) && !changes.join.iter().any(|one| one.primary);
    if let Some(primary) = wanted.iter().find(|one| takes_place && one.primary && held.contains(*one)) {
        changes.leave.push(primary.clone());
        changes.join.push(primary.clone());
    }
    changes.join.sort_by_key(|one| one.primary);
    changes
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn related(record: &str, to: &str, primary: bool) -> Related {
        Related { record: RecordKey::from_stored(record.to_owned()), to: RemoteId::of_object("company", to), primary }
    }

    fn between(held: &[Related], wanted: &[Related]) -> (Vec<Related>, Vec<Related>, Vec<Related>) {
        let held: Associations = held.iter().cloned().map(Association::Related).collect();
        let Changes { leave, join, outranked } = changes(&wanted.iter().cloned().collect(), &held);
        (leave, join, outranked)
    }

    #[test]
    fn who_moves_leaves_the_old_one_and_joins_the_new_one() {
        let (old, new) = (related("o1", "1", true), related("o2", "2", true));
        assert_eq!(between(from_ref(&old), from_ref(&new)), (vec![old], vec![new], vec![]));
    }

    #[test]
    fn the_primary_one_is_joined_last_and_one_that_is_outranked_costs_no_call() {
        let (a, b, c) = (related("o1", "1", true), related("o2", "2", true), related("o3", "3", false));
        let was = related("o1", "1", false);
        assert_eq!(between(from_ref(&a), &[was, b.clone(), c.clone()]), (vec![], vec![c, b], vec![a]));
    }

    #[test]
    fn a_held_one_that_becomes_the_primary_one_is_joined_anew() {
        let (held, wanted) = (related("o1", "1", false), related("o1", "1", true));
        assert_eq!(between(from_ref(&held), from_ref(&wanted)), (vec![held], vec![wanted], vec![]));
    }

    #[test]
    fn the_primary_one_stays_it_when_another_one_is_joined_beside_it() {
        let (primary, new) = (related("o1", "1", true), related("o2", "2", false));
        let wanted = [primary.clone(), new.clone()];
        assert_eq!(between(from_ref(&primary), &wanted), (vec![primary.clone()], vec![new, primary], vec![]));
    }

    #[test]
    fn what_was_made_anew_on_the_platform_is_joined_under_its_new_id() {
        let (old, new) = (related("o1", "1", true), related("o1", "9", true));
        assert_eq!(between(from_ref(&old), from_ref(&new)), (vec![old], vec![new], vec![]));
    }
}
