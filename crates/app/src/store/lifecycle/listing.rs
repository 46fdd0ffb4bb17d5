//! Lists of events: of a day, of a user; and their end.

use jiff::{SignedDuration, Timestamp};
use tandem_core::automation::stored::StoredEvent;
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::policy;
use tandem_core::ports::lifecycle::Accepted;

use super::rows::{self, PlaceRow};
use super::{KEPT, LifecycleTable};
use crate::store::failure::storage;
use crate::store::keys;
use crate::store::row::{Item, row};

impl LifecycleTable {
    /// Says of events whether they are news; reads those that are not.
    pub(super) async fn accepted(
        &self,
        scope: &Scope,
        events: &[StoredEvent],
        stored: &[bool],
    ) -> Result<Vec<Accepted>> {
        let ids = events.iter().zip(stored).filter(|(_, stored)| !**stored).map(|(event, _)| event.by.id.clone());
        let known = self.with_ids(scope, ids.collect()).await?;
        let of = |(event, stored): (&StoredEvent, &bool)| {
            if *stored {
                return Ok(Accepted::New);
            }
            let there = known.iter().find(|known| known.by.id == event.by.id);
            // Refused, and yet not there: another write was under way. Nothing may be taken for stored that is not.
            let there = there.ok_or_else(|| storage("an event could not be stored: another write was under way"))?;
            Ok(Accepted::Known(Box::new(there.clone())))
        };
        events.iter().zip(stored).map(of).collect()
    }

    /// The newest events of all, or those before one of them, going back day by day.
    pub(super) async fn newest(
        &self,
        scope: &Scope,
        now: Timestamp,
        after: Option<&StoredEvent>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>> {
        let mut ids = Vec::new();
        let place =
            after.map(|event| keys::event_log(&scope.tenant, event.received_at, &keys::event_digest(&event.by.id)));
        let begin = after.map_or(now, |event| event.received_at);
        let days = (0..=KEPT.as_hours() / 24).map(|back| policy::after(begin, SignedDuration::from_hours(-24 * back)));
        for day in days {
            let partition = keys::event_log_partition(&scope.tenant, &keys::day(day));
            let before = place.as_ref().filter(|place| place.pk == partition).map(|place| place.sk.as_str());
            ids.extend(places(self.table.partition_before(partition.clone(), before, limit - ids.len()).await?)?);
            if ids.len() >= limit {
                break;
            }
        }
        self.with_ids(scope, ids).await
    }

    /// A user's newest events.
    pub(super) async fn newest_of(&self, scope: &Scope, key: &RecordKey, limit: usize) -> Result<Vec<StoredEvent>> {
        let partition = keys::subject_partition(&scope.tenant, key);
        let items = self.table.partition_with_prefix(partition, keys::SUBJECT_EVENTS).await?;
        let mut ids = places(items)?;
        ids.reverse();
        ids.truncate(limit);
        self.with_ids(scope, ids).await
    }

    /// The events with these ids that are there, in this order.
    async fn with_ids(&self, scope: &Scope, ids: Vec<String>) -> Result<Vec<StoredEvent>> {
        let of = |id: &String| keys::lifecycle_event(&scope.tenant, &keys::event_digest(id));
        let mut found = self.table.get_many(ids.iter().map(of).collect()).await?;
        ids.iter().filter_map(|id| found.remove(&of(id))).map(rows::event).collect()
    }

    /// Deletes what is remembered of a user. The events go with it: some of them hold what they said of the person.
    pub(super) async fn forget_subject(&self, scope: &Scope, key: &RecordKey) -> Result<()> {
        let partition = keys::subject_partition(&scope.tenant, key);
        let items = self.table.partition_with_prefix(partition.clone(), keys::SUBJECT_EVENTS).await?;
        for id in places(items)? {
            self.table.clear(keys::lifecycle_event(&scope.tenant, &keys::event_digest(&id)).pk).await?;
        }
        self.table.clear(partition).await
    }
}

fn places(items: Vec<Item>) -> Result<Vec<String>> {
    items.into_iter().map(|item| Ok(row::<PlaceRow>(item)?.event_id)).collect()
}
