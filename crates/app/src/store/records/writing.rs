//! Storing rows, many at a time.
//!
//! First the places among the arrivals, then the states, each if the version of the row is the one that was read, then the places
//! that rows had before are taken away. Whoever loses a race reads again and decides anew, and takes away the place that was for
//! nothing. One that stays because a process died leads to a row that is read elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::Attempt;
use tandem_core::ports::source::SourceRow;

use super::arrivals::Place;
use super::{RecordsTable, State};
use crate::store::condition::Condition;
use crate::store::failure::storage;
use crate::store::keys;
use crate::store::row::{document, item, moment, parsed, row};

/// How often rows are tried anew because others wrote them first. Of those that try, one gets through each time.
const TRIES: u32 = 30;
/// How much longer each further try waits before it begins.
const PAUSE: Duration = Duration::from_millis(5);
/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowOutcome {
    /// It is the newest state, and stored.
    Stored,
    /// It was stored already.
    Unchanged,
    /// A newer state is stored.
    Stale,
    /// A newer state of the row came in the same call.
    Superseded,
}

/// What has to be done with a row.
enum Decision {
    Nothing(RowOutcome),
    Write(Box<Change>),
}

/// A row's new state, and where the one before it stands among the arrivals.
struct Change {
    state: State,
    /// The version that was read and the moment at which it arrived.
    before: Option<(u64, Timestamp)>,
    arrival: Timestamp,
    digest: String,
}

/// The list of months has no attributes beside its document.
#[derive(Serialize)]
struct Nothing {}

/// The index of a row among those of the call, and its change.
type Indexed = (usize, Box<Change>);

impl RecordsTable {
    /// Stores rows' newer states. A row without `updated_at`, or with one in the future, is as new as its arrival; of several states of one row the
    /// newest is taken, of equal ones the last. Outcomes are in the order of the rows. Doing it twice is doing it once.
    ///
    /// One read call for 100 rows, and eight write calls for 100, four more when they were known.
    ///
    /// # Errors
    /// `Invalid` for a row over 350 KB; `Storage`, and then rows may have been stored or not.
    pub async fn put(&self, scope: &Scope, rows: &[SourceRow]) -> Result<Vec<RowOutcome>> {
        let mut outcomes = vec![RowOutcome::Superseded; rows.len()];
        let (mut open, mut lost): (Vec<usize>, Vec<Box<Change>>) = (newest_of_each(rows, self.clock.now()), Vec::new());
        for attempt in 0..TRIES {
            if open.is_empty() {
                return Ok(outcomes);
            }
            tokio::time::sleep(PAUSE * attempt).await;
            let known = self.known(scope, rows, &open).await?;
            self.leave(scope, lost.iter().filter(|change| is_for_nothing(change, &known)).map(|c| c.place())).await?;
            let now = self.clock.now();
            let mut changes = Vec::new();
            for index in open {
                match decide(&rows[index], &known, arrival(now, index))? {
                    Decision::Nothing(outcome) => outcomes[index] = outcome,
                    Decision::Write(change) => {
                        outcomes[index] = RowOutcome::Stored;
                        changes.push((index, change));
                    }
                }
            }
            (open, lost) = self.write(scope, changes).await?.into_iter().unzip();
        }
        Err(storage("rows of the application are being written by too many at once"))
    }

    /// Deletes a row, whoever writes it meanwhile. One read and one write call.
    pub(super) async fn erase(&self, scope: &Scope, id: &str) -> Result<()> {
        let digest = keys::row_digest(id);
        for _ in 0..TRIES {
            let Some(found) = self.table.get(keys::row(&scope.tenant, &digest)).await? else { return Ok(()) };
            let state: State = row(found)?;
            let unchanged = Condition::new("state_version = :version").number(":version", state.state_version);
            let parts = vec![
                self.table.deleting(keys::row(&scope.tenant, &digest), Some(unchanged))?,
                self.table.deleting(keys::arrival(&scope.tenant, moment(state.arrived_at)?, &digest), None)?,
            ];
            if Attempt::from(self.table.transact(parts).await?) == Attempt::Done {
                return Ok(());
            }
        }
        Err(storage("a row of the application is being written by too many at once"))
    }

    /// The stored states of rows, by their digests.
    async fn known(&self, scope: &Scope, rows: &[SourceRow], open: &[usize]) -> Result<HashMap<String, State>> {
        let keys = open
            .iter()
            .map(|index| keys::row(&scope.tenant, &keys::row_digest(&rows[*index].qualified_id())))
            .collect();
        let found = self.table.get_many(keys).await?;
        found.into_iter().map(|(key, item)| Ok((key.sk, row(item)?))).collect()
    }

    /// Writes changes; gives those that lost a race.
    async fn write(&self, scope: &Scope, changes: Vec<Indexed>) -> Result<Vec<Indexed>> {
        self.list_months(scope, &changes).await?;
        let places = changes.iter().map(|(_, change)| change.place().item(scope)).collect::<Result<_>>()?;
        self.table.put_many(places).await?;
        let states = changes.iter().map(|(_, change)| self.state(scope, change)).collect::<Result<_>>()?;
        let attempts = self.table.write_each(states, &[]).await?;
        let (stored, lost): (Vec<_>, Vec<_>) =
            changes.into_iter().zip(attempts).partition(|(_, attempt)| *attempt == Attempt::Done);
        self.leave(scope, stored.iter().filter_map(|((_, change), _)| change.place_before())).await?;
        Ok(lost.into_iter().map(|(indexed, _)| indexed).collect())
    }

    /// Takes places away that lead to no state any more.
    async fn leave<'a>(&self, scope: &Scope, places: impl Iterator<Item = Place<'a>>) -> Result<()> {
        self.table.delete_many(places.map(|place| place.key(scope)).collect()).await
    }

    fn state(&self, scope: &Scope, change: &Change) -> Result<TransactWriteItem> {
        let unchanged = match change.before {
            None => Condition::absent(),
            Some((version, _)) => Condition::new("state_version = :version").number(":version", version),
        };
        self.table.putting(item(keys::row(&scope.tenant, &change.digest), &change.state)?, Some(unchanged))
    }

    /// Sees that readers find the months of these changes, before anything is stored there.
    async fn list_months(&self, scope: &Scope, changes: &[Indexed]) -> Result<()> {
        let months: BTreeMap<String, String> = changes
            .iter()
            .map(|(_, change)| keys::month(change.arrival))
            .map(|month| (keys::arrivals(&scope.tenant, &month), month))
            .collect();
        for (partition, month) in months {
            if !self.is_listed(&partition) {
                let add = |months: &mut BTreeSet<String>| months.insert(month.clone());
                self.table.amend(keys::arrival_months(&scope.tenant), add, |_| Nothing {}).await?;
                self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
            }
        }
        Ok(())
    }

    fn is_listed(&self, partition: &str) -> bool {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).contains(partition)
    }
}

impl Change {
    fn place(&self) -> Place<'_> {
        Place { at: self.arrival, digest: &self.digest }
    }

    fn place_before(&self) -> Option<Place<'_>> {
        self.before.map(|(_, at)| Place { at, digest: &self.digest })
    }
}

/// Whether the row stands elsewhere than where this change of it would have stood.
fn is_for_nothing(lost: &Change, known: &HashMap<String, State>) -> bool {
    known.get(&lost.digest).is_none_or(|state| state.arrived_at != lost.state.arrived_at)
}

/// The indices of the rows that no other state of the same row supersedes, in order.
fn newest_of_each(rows: &[SourceRow], now: Timestamp) -> Vec<usize> {
    let mut newest: HashMap<(Kind, &str), usize> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let rank = |row: &SourceRow| made_at(row, now).unwrap_or(Timestamp::MAX);
        let known = newest.entry((row.kind, &row.id)).or_insert(index);
        if rank(row) >= rank(&rows[*known]) {
            *known = index;
        }
    }
    let mut indices: Vec<usize> = newest.into_values().collect();
    indices.sort_unstable();
    indices
}

/// Rows of one call arrive a microsecond apart, in their order: a reader's place among them is told by its moment.
fn arrival(now: Timestamp, index: usize) -> Timestamp {
    let behind = SignedDuration::from_micros(i64::try_from(index).unwrap_or_default());
    now.saturating_add(behind).unwrap_or(now)
}

/// When the application made the state. A moment in the future is a clock that is wrong: the row would stand for ever.
fn made_at(row: &SourceRow, now: Timestamp) -> Option<Timestamp> {
    row.updated_at.filter(|at| *at <= now)
}

fn decide(row: &SourceRow, known: &HashMap<String, State>, now: Timestamp) -> Result<Decision> {
    let digest = keys::row_digest(&row.qualified_id());
    let made_at = made_at(row, now);
    let Some(stored) = known.get(&digest) else {
        let document = document(&SourceRow { updated_at: made_at.or(Some(now)), ..row.clone() })?;
        let state = State { state_version: 1, arrived_at: now.as_microsecond(), document };
        return Ok(Decision::Write(Box::new(Change { state, before: None, arrival: now, digest })));
    };
    let stored_at = parsed::<SourceRow>(&stored.document)?.updated_at;
    // Compared as text: a number may come out of JSON by a bit other than it went in.
    let same = SourceRow { updated_at: made_at.or(stored_at), ..row.clone() };
    if document(&same)? == stored.document {
        return Ok(Decision::Nothing(RowOutcome::Unchanged));
    }
    let place = moment(stored.arrived_at)?;
    let known_at = stored_at.map(|at| at.min(place));
    if made_at.is_some_and(|at| Some(at) < known_at) {
        return Ok(Decision::Nothing(RowOutcome::Stale));
    }
    let state = SourceRow { updated_at: made_at.or(known_at.max(Some(now))), ..row.clone() };
    let arrival = now.max(place.saturating_add(SignedDuration::from_micros(1)).unwrap_or(place));
    let state = State {
        state_version: stored.state_version + 1,
        arrived_at: arrival.as_microsecond(),
        document: document(&state)?,
    };
    Ok(Decision::Write(Box::new(Change { state, before: Some((stored.state_version, place)), arrival, digest })))
}
