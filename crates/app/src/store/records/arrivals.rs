//! Rows in the order in which their newest states arrived: a list of places, each of which leads to its row.
//!
//! A place is noted before the state that it is for, and the place of the state before goes after it. So a row is always found by
//! a place that it has had, and is read at the one that it has: a place whose row has moved on, or never came, is passed over.

use jiff::Timestamp;
use serde::Serialize;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::source::{SourceCursor, SourceOrder, SourcePage};

use super::{RecordsTable, State, page_of};
use crate::store::keys;
use crate::store::row::{Item, item, key_of, row};

/// A place has nothing beside its key.
#[derive(Serialize)]
struct Nothing {}

/// A row's place among the arrivals.
pub(super) struct Place<'a> {
    pub(super) at: Timestamp,
    pub(super) digest: &'a str,
}

impl Place<'_> {
    pub(super) fn key(&self, scope: &Scope) -> keys::Key {
        keys::arrival(&scope.tenant, self.at, self.digest)
    }

    pub(super) fn item(&self, scope: &Scope) -> Result<Item> {
        item(self.key(scope), &Nothing {})
    }
}

impl RecordsTable {
    /// One read call for the months, one for each month from the cursor's on as far as rows are wanted, and one for 100 rows.
    pub(super) async fn by_arrival(&self, scope: &Scope, after: &SourceCursor, limit: usize) -> Result<SourcePage> {
        let digest = after.id.as_deref().map(keys::row_digest);
        let mut behind = after.updated_at.map(|at| keys::behind_arrival(at, digest.as_deref()));
        let first = after.updated_at.map(keys::month).unwrap_or_default();
        let months: Vec<String> = self.months(scope).await?.range(first..).cloned().collect();
        loop {
            let mut places = Vec::new();
            for month in &months {
                if places.len() < limit {
                    let partition = keys::arrivals(&scope.tenant, month);
                    let wanted = limit - places.len();
                    places.extend(self.table.partition_after(partition, behind.as_deref(), wanted).await?);
                }
            }
            let places: Vec<String> = places.iter().filter_map(key_of).map(|place| place.sk).collect();
            let (states, more) = (self.standing(scope, &places).await?, places.len() >= limit);
            // Where to read on is told by a row: of a page without one the next one is read, too.
            if !states.is_empty() || !more {
                return page_of(states, SourceOrder::Changed, after, more);
            }
            behind = places.into_iter().next_back();
        }
    }

    /// The rows that these places lead to, as far as they are the places that the rows have.
    async fn standing(&self, scope: &Scope, places: &[String]) -> Result<Vec<State>> {
        let led = |place: &String| {
            let (at, digest) = place.split_once('#')?;
            Some((at.parse::<i64>().ok()?, keys::row(&scope.tenant, digest)))
        };
        let led: Vec<(i64, keys::Key)> = places.iter().filter_map(led).collect();
        let mut found = self.table.get_many(led.iter().map(|(_, row)| row.clone()).collect()).await?;
        let mut states = Vec::new();
        for (at, key) in led {
            let Some(stored) = found.get(&key).cloned() else { continue };
            let state: State = row(stored)?;
            if state.arrived_at == at {
                found.remove(&key);
                states.push(state);
            }
        }
        Ok(states)
    }
}
