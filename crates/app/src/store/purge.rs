//! Deleting a tenant with everything it owns. What was begun can be gone on with: each step asks the table what is left.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tandem_core::domain::identity::{Email, Identity, RecordKey};
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::{IntegrationId, Scope, TenantId};
use tandem_core::domain::tenant::{Tenant, TenantStatus};
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::policy;
use tandem_core::ports::runs::TakeState;

use super::contacts::rows;
use super::keys::{self, Key};
use super::row::{DOCUMENT, key_of, parsed, text};
use super::table::Table;
use super::{BulkTable, IntegrationTable, forget_integration, leased, lifecycle, relations};
use crate::desks::FixedPeers;

/// How many items are looked for and deleted at a time: as many as a transaction takes.
const AT_ONCE: usize = 100;

/// So many days back there may be lifecycle events: they are kept for 90 days, and a few more until the table deletes them.
const EVENT_DAYS: i64 = 100;
/// The same for what people changed on platforms, which is kept for 30 days.
const CHANGES_ARE_KEPT: SignedDuration = SignedDuration::from_hours(40 * 24);

/// Whether there is time for more.
type InTime<'a> = &'a (dyn Fn() -> bool + Sync);

/// Deletes what tenants own.
pub struct Purge {
    table: Table,
}

impl Purge {
    /// A purge of `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Deletes what a tenant owns, as long as `in_time` says that there is time; whether nothing is left.
    ///
    /// # Errors
    /// `Invalid` for a tenant that is not being deleted; `Storage` when the table fails: what is left can be deleted later.
    pub async fn tenant(&self, tenant: &Tenant, in_time: &(dyn Fn() -> bool + Sync)) -> Result<bool> {
        let TenantStatus::Deleting { since } = tenant.status else {
            return Err(Failure::new(FailureKind::Invalid, "only a tenant that is marked for it is deleted"));
        };
        let id = &tenant.id;
        // The keys go first: whoever holds one must not write meanwhile. What lists things goes after the things.
        if !self.keys(id, in_time).await? {
            return Ok(false);
        }
        let done = self.integrations(id, since, in_time).await?
            && self.people(id, in_time).await?
            && self.rows(id, in_time).await?
            && self.events(id, since, in_time).await?
            && self.inventory(id, in_time).await?;
        if !done {
            return Ok(false);
        }
        let changes =
            months_around(since, CHANGES_ARE_KEPT).into_iter().map(|month| keys::change_partition(id, &month));
        let rosters = self.rosters(id).await?;
        for partition in rosters.into_iter().chain(changes).chain(partitions(id)) {
            if !self.partition(&partition, in_time).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The generations of the roster that may be there: the newest, the one before it, and that of a pass under way. The state that
    /// tells goes after them.
    async fn rosters(&self, tenant: &TenantId) -> Result<Vec<String>> {
        let state: TakeState = leased::state(&self.table, keys::take_state(tenant)).await?;
        let generations = state.generation.saturating_sub(2)..=state.generation.saturating_add(2);
        Ok(generations.map(|generation| keys::roster_partition(tenant, generation)).collect())
    }

    /// Lifecycle events, day by day, with what is remembered of users of whom there is no record.
    async fn events(&self, tenant: &TenantId, since: Timestamp, in_time: InTime<'_>) -> Result<bool> {
        for day in (-1..=EVENT_DAYS).map(|back| keys::day(policy::after(since, SignedDuration::from_hours(-24 * back))))
        {
            let partition = keys::event_log_partition(tenant, &day);
            loop {
                let listed = self.table.partition(partition.clone(), Some(AT_ONCE / 2)).await?;
                let places: Vec<Key> = listed.iter().filter_map(key_of).collect();
                if places.is_empty() {
                    break;
                }
                if !in_time() {
                    return Ok(false);
                }
                let digests = places.iter().filter_map(|place| place.sk.split_once('#')).map(|(_, digest)| digest);
                let events: Vec<Key> = digests.map(|digest| keys::lifecycle_event(tenant, digest)).collect();
                for subject in self.subjects(&events).await? {
                    self.table.clear(keys::subject_partition(tenant, &subject)).await?;
                }
                self.delete(events.into_iter().chain(places).collect()).await?;
            }
        }
        Ok(true)
    }

    /// Whom events are about, as far as that was found out.
    async fn subjects(&self, events: &[Key]) -> Result<BTreeSet<RecordKey>> {
        let found = self.table.get_many(events.to_vec()).await?;
        let subjects = found.into_values().map(|item| Ok(lifecycle::stored_event(item)?.subject));
        Ok(subjects.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// What is listed because no other list leads to it: tombstones, customers, consent of addresses that nobody has.
    async fn inventory(&self, tenant: &TenantId, in_time: InTime<'_>) -> Result<bool> {
        loop {
            let listed = self.table.partition(keys::inventory_partition(tenant), Some(AT_ONCE)).await?;
            let places: Vec<Key> = listed.iter().filter_map(key_of).collect();
            if places.is_empty() {
                return Ok(true);
            }
            for place in &places {
                if !in_time() {
                    return Ok(false);
                }
                self.table.clear(place.sk.clone()).await?;
            }
            self.delete(places).await?;
        }
    }

    /// Deletes what a process notes of a platform that it calls: token, budget, circuit, fields.
    ///
    /// # Errors
    /// `Storage` when the table fails.
    pub async fn platform(&self, scope: &Scope) -> Result<()> {
        self.table.clear(keys::token(scope).pk).await
    }

    /// The integrations, each with its links: then records are known by their identities alone.
    async fn integrations(&self, tenant: &TenantId, since: Timestamp, in_time: InTime<'_>) -> Result<bool> {
        let integrations = IntegrationTable::new(self.table.clone());
        let bulk = BulkTable::new(self.table.clone(), Arc::new(FixedPeers::default()));
        for stored in integrations.list(tenant).await? {
            if !in_time() {
                return Ok(false);
            }
            let scope = Scope { tenant: tenant.clone(), integration: stored.id.clone() };
            forget_integration(&self.table, &bulk, &scope, since).await?;
            integrations.remove(tenant, &stored).await?;
        }
        Ok(true)
    }

    /// The records, each with what is known of the person. The place in the list goes last: who dies on the way finds it again.
    async fn people(&self, tenant: &TenantId, in_time: InTime<'_>) -> Result<bool> {
        for shard in 0..keys::RECORD_SHARDS {
            loop {
                let listed = self.table.partition(keys::records_partition(tenant, shard), Some(AT_ONCE)).await?;
                if listed.is_empty() {
                    break;
                }
                for item in listed {
                    let Some(place) = key_of(&item) else { continue };
                    if !in_time() {
                        return Ok(false);
                    }
                    let reserved = rows::reserved_for(item)?;
                    self.person(tenant, &RecordKey::from_stored(place.sk.clone()), &reserved).await?;
                    self.table.delete(place, None).await?;
                }
            }
        }
        Ok(true)
    }

    /// A record, with what leads to it; `reserved` names identities that may lead to it though it never came.
    async fn person(&self, tenant: &TenantId, key: &RecordKey, reserved: &[String]) -> Result<()> {
        let items = self.table.partition(keys::record_partition(tenant, key), None).await?;
        let record = rows::stored(items, &IntegrationId::mautic())?.record;
        let addresses: Vec<Identity> = record.iter().flat_map(Record::addresses).map(Email::identity).collect();
        let external = record.as_ref().and_then(|record| record.external_id.as_ref());
        let identities: Vec<Identity> =
            external.map(|id| id.identity_as(key.kind())).into_iter().chain(addresses.clone()).collect();
        let of = |identity: &Identity| [keys::identity(tenant, identity), keys::tombstone(tenant, identity)];
        let mut pointers: HashSet<Key> = identities.iter().flat_map(of).collect();
        pointers.extend(reserved.iter().map(|name| keys::named_identity(tenant, name)));
        pointers.extend(reserved.iter().filter_map(|name| keys::named_consent(tenant, name)));
        pointers.extend(addresses.iter().map(|address| keys::consent(tenant, address)));
        if !pointers.is_empty() {
            self.delete(pointers.into_iter().collect()).await?;
        }
        relations::forget(&self.table, tenant, key, &identities, record.as_ref()).await?;
        self.table.clear(keys::subject_partition(tenant, key)).await?;
        self.table.clear(keys::record_partition(tenant, key)).await
    }

    /// The application's rows, in both of their orders.
    async fn rows(&self, tenant: &TenantId, in_time: InTime<'_>) -> Result<bool> {
        let months: BTreeSet<String> = match self.table.get(keys::arrival_months(tenant)).await? {
            Some(item) => text(&item, DOCUMENT).map(parsed).transpose()?.unwrap_or_default(),
            None => BTreeSet::new(),
        };
        let arrivals = months.iter().map(|month| keys::arrivals(tenant, month));
        for partition in arrivals.chain((0..keys::ROW_SHARDS).map(|shard| keys::row_shard(tenant, shard))) {
            if !self.partition(&partition, in_time).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The API keys: each with its place in the tenant's list.
    async fn keys(&self, tenant: &TenantId, in_time: InTime<'_>) -> Result<bool> {
        loop {
            let listed = self.table.partition(keys::api_key_partition(tenant), Some(AT_ONCE / 2)).await?;
            let hashes = listed.iter().filter_map(|item| text(item, "sk"));
            let both = hashes.flat_map(|hash| [keys::api_key(hash), keys::listed_api_key(tenant, hash)]);
            let both: Vec<Key> = both.collect();
            if both.is_empty() {
                return Ok(true);
            }
            if !in_time() {
                return Ok(false);
            }
            self.delete(both).await?;
        }
    }

    /// All items of a partition.
    async fn partition(&self, pk: &str, in_time: InTime<'_>) -> Result<bool> {
        loop {
            let items = self.table.partition(pk.to_owned(), Some(AT_ONCE)).await?;
            if items.is_empty() {
                return Ok(true);
            }
            if !in_time() {
                return Ok(false);
            }
            self.delete(items.iter().filter_map(key_of).collect()).await?;
        }
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<()> {
        let parts = keys.into_iter().map(|key| self.table.deleting(key, None)).collect::<Result<Vec<_>>>()?;
        // Who is refused meets another purge of the same tenant; the next look shows what is left.
        self.table.transact(parts).await.map(drop)
    }
}

/// The months that a deletion which was begun then may find something of, kept for so long.
fn months_around(since: Timestamp, kept: SignedDuration) -> Vec<String> {
    keys::months_down(policy::after(since, SignedDuration::from_hours(24)), policy::after(since, -kept))
}

/// The partitions of a tenant itself.
fn partitions(tenant: &TenantId) -> [String; 9] {
    [
        keys::api_key_name_partition(tenant),
        keys::integration_name_partition(tenant),
        keys::parked_partition(tenant),
        keys::unqueued_partition(tenant),
        keys::arrival_months(tenant).pk,
        keys::take_state(tenant).pk,
        keys::issue_partition(tenant),
        keys::lifecycle_rules_partition(tenant),
        keys::audit_partition(tenant),
    ]
}
