//! Lists of events: of a day, of a user; and their end.

use jiff::Timestamp;
use tandem_core::automation::stored::StoredEvent;
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::policy;
use tandem_core::ports::lifecycle::{Accepted, EventPage};
use tandem_core::ports::place::TimePlace;

use super::rows::{self, PlaceRow};
use super::{KEPT, LifecycleTable};
use crate::store::failure::storage;
use crate::store::keys;
use crate::store::row::{Item, key_of, row};

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

    /// Events behind a place, going back day by day.
    pub(super) async fn newest(
        &self,
        scope: &Scope,
        behind: &TimePlace,
        from: Timestamp,
        limit: usize,
    ) -> Result<EventPage> {
        let from = from.max(policy::after(behind.at, -KEPT));
        let mut found = Vec::new();
        for day in keys::days_down(behind.at, from) {
            let partition = keys::event_log_partition(&scope.tenant, &day);
            let (before, left) = (keys::time_place(behind), limit - found.len());
            found.extend(places(self.table.partition_before(partition, Some(&before), left).await?)?);
            if found.len() >= limit {
                break;
            }
        }
        self.page(scope, found, limit).await
    }

    /// A user's events behind a place, or all.
    pub(super) async fn newest_of(
        &self,
        scope: &Scope,
        key: &RecordKey,
        behind: Option<&TimePlace>,
        limit: usize,
    ) -> Result<EventPage> {
        let partition = keys::subject_partition(&scope.tenant, key);
        let place = |behind: &TimePlace| format!("{}{}", keys::SUBJECT_EVENTS, keys::time_place(behind));
        let high = behind.map_or_else(|| format!("{}~", keys::SUBJECT_EVENTS), place);
        // The place itself may be among them.
        let items = self
            .table
            .partition_between_from_end(partition, keys::SUBJECT_EVENTS, &high, limit.saturating_add(1))
            .await?;
        let mut found = places(items)?;
        found.retain(|(place, _)| Some(place) != behind);
        found.truncate(limit);
        self.page(scope, found, limit).await
    }

    /// What stands at places; where there are as many as were asked for, there may be more.
    async fn page(&self, scope: &Scope, places: Vec<(TimePlace, String)>, limit: usize) -> Result<EventPage> {
        let next = places.last().filter(|_| places.len() >= limit).map(|(place, _)| place.clone());
        let of = |id: &String| keys::lifecycle_event(&scope.tenant, &keys::event_digest(id));
        let mut found = self.table.get_many(places.iter().map(|(_, id)| of(id)).collect()).await?;
        let there = places.into_iter().filter_map(|(place, id)| Some((place, found.remove(&of(&id))?)));
        let events = there.map(|(place, item)| Ok((place, rows::event(item)?))).collect::<Result<_>>()?;
        Ok(EventPage { events, next })
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
        for (_, id) in places(items)? {
            self.table.clear(keys::lifecycle_event(&scope.tenant, &keys::event_digest(&id)).pk).await?;
        }
        self.table.clear(partition).await
    }
}

fn places(items: Vec<Item>) -> Result<Vec<(TimePlace, String)>> {
    let place = |item: Item| {
        let place = key_of(&item).and_then(|key| keys::place_of(key.sk.trim_start_matches(keys::SUBJECT_EVENTS)));
        let place = place.ok_or_else(|| storage("an event of a list has no place in it"))?;
        Ok((place, row::<PlaceRow>(item)?.event_id))
    };
    items.into_iter().map(place).collect()
}
