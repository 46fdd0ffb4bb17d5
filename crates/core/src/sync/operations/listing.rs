//! Reading the operation log: packs are stored by time, and what is asked for is picked out of them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::domain::identity::{ExternalId, RecordKey};
use crate::domain::link::RemoteId;
use crate::domain::operation::Operation;
use crate::domain::scope::Scope;
use crate::error::Result;
use crate::policy;
use crate::ports::operations::Pack;
use crate::ports::place::{NoPlace, TimePlace};
use crate::sync::services::{Desk, Services};

/// How many packs a read asks for.
const PACKS: usize = 200;
/// How many packs one listing looks through; the next one goes on.
const MOST_PACKS: usize = 2_000;
/// How long after a call began it may be noted: no work goes on for longer without keeping what it noted.
const NOTED_WITHIN: SignedDuration = SignedDuration::from_mins(20);
/// How long operations are kept, and a day for what deletes them.
const KEPT: SignedDuration = SignedDuration::from_hours(91 * 24);

/// Which operations are wanted; all of an integration, when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationQuery {
    /// Those of this record.
    pub record: Option<RecordKey>,
    /// Those of this run.
    pub run: Option<String>,
    /// Those that began after this moment.
    pub after: Option<Timestamp>,
    /// Those that began before this moment.
    pub before: Option<Timestamp>,
}

/// Where a listing goes on: a pack, and how many of its operations were listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationCursor {
    place: TimePlace,
    listed: usize,
}

impl OperationCursor {
    /// Of what was done behind this moment, all was listed.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.place.at
    }
}

impl fmt::Display for OperationCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.listed, self.place)
    }
}

impl FromStr for OperationCursor {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (listed, place) = text.split_once('_').ok_or(NoPlace)?;
        Ok(Self { place: place.parse()?, listed: listed.parse().map_err(|_| NoPlace)? })
    }
}

/// Operations, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationPage {
    /// The operations, at most as many as were asked for.
    pub operations: Vec<Operation>,
    /// Where to go on; `None` at the end of the log. A page can be short, and even empty, before that.
    pub next: Option<OperationCursor>,
}

/// What a listing picks out.
struct Filter<'a> {
    query: &'a OperationQuery,
    /// What the record is on the platform, for operations that name no record.
    contacts: BTreeSet<RemoteId>,
    from: Timestamp,
}

impl Desk {
    /// As [`Services::operations_of`], of this desk's integration.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn operations(
        &self,
        query: &OperationQuery,
        from: Option<&OperationCursor>,
        limit: usize,
    ) -> Result<OperationPage> {
        self.services.operations_of(&self.integration.scope, query, from, limit).await
    }

    /// As [`Services::record_named`], of this desk's tenant.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn record_named(&self, name: &str) -> Result<Option<RecordKey>> {
        self.services.record_named(&self.integration.scope, name).await
    }
}

impl Services {
    /// Operations of an integration, the newest first, at most `limit`. The log is in the order of time: it is read down from
    /// the newest, a call for a megabyte, until there are enough or 2,000 packs were looked through.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn operations_of(
        &self,
        scope: &Scope,
        query: &OperationQuery,
        from: Option<&OperationCursor>,
        limit: usize,
    ) -> Result<OperationPage> {
        let (filter, newest) = self.filter_of(scope, query).await?;
        let mut cursor = from.cloned().unwrap_or(OperationCursor { place: newest, listed: 0 });
        let mut page = OperationPage::default();
        for _ in 0..MOST_PACKS / PACKS {
            let packs = self.operations.packs(scope, &cursor.place, filter.from, PACKS).await?;
            let more = packs.len() >= PACKS;
            for pack in packs {
                let listed = if pack.place == cursor.place { cursor.listed } else { 0 };
                if let Some(listed) = filter.pick(&pack, listed, limit, &mut page.operations) {
                    page.next = Some(OperationCursor { place: pack.place, listed });
                    return Ok(page);
                }
                cursor =
                    OperationCursor { listed: pack.calls.iter().map(|call| call.parts.len()).sum(), place: pack.place };
            }
            if !more {
                return Ok(page);
            }
        }
        page.next = Some(cursor);
        Ok(page)
    }

    /// The key of the record that a caller names: by the application's id, or by the key itself. One read call.
    ///
    /// # Errors
    /// As the table fails.
    pub async fn record_named(&self, scope: &Scope, name: &str) -> Result<Option<RecordKey>> {
        let Ok(id) = ExternalId::try_from(name.to_owned()) else { return Ok(None) };
        let known = self.contacts.resolve(scope, Some(&id.identity()), None).await?.by_external_id;
        Ok(known.or_else(|| RecordKey::parse(name)))
    }

    /// What is picked out, and where the log is read from: the end of the run, if one is asked for, or its newest pack.
    async fn filter_of<'a>(&self, scope: &Scope, query: &'a OperationQuery) -> Result<(Filter<'a>, TimePlace)> {
        let now = self.clock.now();
        let (mut from, mut until) = (policy::after(now, -KEPT), now);
        if let Some(id) = &query.run
            && let Some(run) = self.runs.run(scope, id).await?
        {
            (from, until) = (run.started_at, run.finished_at.unwrap_or(now));
        }
        from = from.max(query.after.unwrap_or(from));
        until = until.min(query.before.unwrap_or(until));
        let contacts = match &query.record {
            Some(record) => match self.contacts.load(scope, record).await?.link {
                Some(link) => link.remote_id.into_iter().chain(link.aliases).collect(),
                None => BTreeSet::new(),
            },
            None => BTreeSet::new(),
        };
        Ok((Filter { query, contacts, from }, TimePlace::behind(policy::after(until, NOTED_WITHIN))))
    }
}

impl Filter<'_> {
    /// Adds what is wanted of a pack, behind those of it that were listed before; gives how many of it were listed, when there
    /// are enough.
    fn pick(&self, pack: &Pack, listed: usize, limit: usize, found: &mut Vec<Operation>) -> Option<usize> {
        let newest_first = pack.calls.iter().rev().flat_map(|call| call.operations().rev());
        for (index, operation) in newest_first.enumerate().skip(listed) {
            if found.len() >= limit {
                return Some(index);
            }
            if self.takes(&operation) {
                found.push(operation);
            }
        }
        None
    }

    fn takes(&self, operation: &Operation) -> bool {
        let OperationQuery { record, run, after, before } = self.query;
        let of_record = |record: &RecordKey| match &operation.record {
            Some(own) => own == record,
            None => operation.remote_id.as_ref().is_some_and(|id| self.contacts.contains(id)),
        };
        record.as_ref().is_none_or(of_record)
            && run.as_ref().is_none_or(|run| operation.run.as_ref() == Some(run))
            && after.is_none_or(|after| operation.at > after)
            && before.is_none_or(|before| operation.at < before)
    }
}
