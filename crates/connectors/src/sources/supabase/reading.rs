//! Reading the view by keyset pages.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::source::{SourceCursor, SourceOrder, SourcePage, SourceRow};

use super::Supabase;
use super::client::{Request, length_in_list, quoted};
use super::convert::{source_row, uuid};
use super::wire::Row;

/// How many bytes of ids one call names: most gateways refuse a request line of more than 8 KB.
const IDS_AT_MOST: usize = 7500;

impl Supabase {
    pub(super) async fn has_updated_at(&self) -> Result<bool> {
        if let Some(known) = self.tells_changes.get() {
            return Ok(*known);
        }
        let probe = Request::get(&self.view).with("select", "updated_at").with("limit", "0");
        let found = match self.client.read::<Vec<Row>>(probe).await {
            Ok(_) => true,
            Err(rejected) if rejected.lacks_column() => false,
            Err(rejected) => return Err(rejected.into()),
        };
        Ok(*self.tells_changes.get_or_init(|| found))
    }

    /// A page that is shorter than `limit` need not be the last: PostgREST's `max-rows` cuts it without a word. Only an
    /// empty one is.
    pub(super) async fn read_page(&self, order: SourceOrder, after: &SourceCursor, limit: usize) -> Result<SourcePage> {
        let request = match order {
            SourceOrder::Changed => changed_after(self.all_columns(), after),
            SourceOrder::Id => by_id_after(self.all_columns(), after),
        };
        let rows: Vec<Row> = self.client.read(request.with("limit", limit.to_string()).in_bulk()).await?;
        let rows: Vec<SourceRow> = rows.into_iter().map(source_row).collect::<Result<_>>()?;
        let next = rows.last().map_or_else(|| after.clone(), |last| place_of(last, order));
        if !rows.is_empty() && next == *after {
            return Err(Failure::new(FailureKind::Misconfigured, "The view's ids do not tell its rows apart."));
        }
        Ok(SourcePage { more: !rows.is_empty(), next, rows })
    }

    /// An id that is no value of the column's type makes PostgreSQL refuse the whole call. Within a kind of ids it refuses
    /// all or none, so those that it refuses are simply not there.
    pub(super) async fn read_rows(&self, ids: &[String]) -> Result<Vec<SourceRow>> {
        let (mut uuids, mut numbers, mut texts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for id in ids.iter().filter(|id| !id.chars().any(char::is_control)) {
            match uuid(id) {
                Some(uuid) => uuids.insert(uuid.to_string()),
                None if is_number(id) => numbers.insert(id.clone()),
                None => texts.insert(id.clone()),
            };
        }
        let mut rows = self.rows_of_a_kind(uuids).await?;
        rows.extend(self.rows_of_a_kind(numbers).await?);
        rows.extend(self.rows_of_a_kind(texts).await?);
        Ok(rows)
    }

    /// What an answer lacks is asked for again until none of it comes: `max-rows` may have cut it off.
    async fn rows_of_a_kind(&self, mut wanted: BTreeSet<String>) -> Result<Vec<SourceRow>> {
        let mut rows = Vec::new();
        while !wanted.is_empty() {
            let part = as_fit_in_one_call(&wanted);
            let found = self.rows_among(&part).await?;
            let done: BTreeSet<&String> = found.iter().map(|row| &row.id).filter(|id| wanted.contains(*id)).collect();
            let settled = if done.is_empty() { part } else { done.into_iter().cloned().collect() };
            wanted.retain(|id| !settled.contains(id));
            rows.extend(found);
        }
        Ok(rows)
    }

    async fn rows_among(&self, ids: &BTreeSet<String>) -> Result<Vec<SourceRow>> {
        let request = self.all_columns().among("id", ids.iter().map(String::as_str)).with("order", "id.asc").in_bulk();
        match self.client.read::<Vec<Row>>(request).await {
            Ok(rows) => rows.into_iter().map(source_row).collect(),
            Err(rejected) if rejected.is_about_a_type() => Ok(Vec::new()),
            Err(rejected) => Err(rejected.into()),
        }
    }

    fn all_columns(&self) -> Request {
        Request::get(&self.view).with("select", "*")
    }
}

/// A number that a `bigint` holds.
fn is_number(id: &str) -> bool {
    (1..=18).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn as_fit_in_one_call(ids: &BTreeSet<String>) -> BTreeSet<String> {
    let mut bytes = 0;
    let fits = |id: &&String| {
        let first = bytes == 0;
        bytes += length_in_list(id);
        first || bytes <= IDS_AT_MOST
    };
    ids.iter().take_while(fits).cloned().collect()
}

fn place_of(row: &SourceRow, order: SourceOrder) -> SourceCursor {
    let updated_at = match order {
        SourceOrder::Changed => row.updated_at,
        SourceOrder::Id => None,
    };
    SourceCursor { updated_at, id: Some(row.id.clone()) }
}

fn by_id_after(request: Request, after: &SourceCursor) -> Request {
    let request = request.with("order", "id.asc");
    match &after.id {
        Some(id) => request.with("id", format!("gt.{id}")),
        None => request,
    }
}

/// Rows that never say when they were changed come first, once. After them an index on `(updated_at, id)` serves every
/// page, as PostgreSQL keeps its order of nulls only while they are read.
fn changed_after(request: Request, after: &SourceCursor) -> Request {
    match (after.updated_at, &after.id) {
        (None, None) => request.with("order", NULLS_FIRST),
        (None, Some(id)) => request
            .with("or", format!("(updated_at.not.is.null,and(updated_at.is.null,id.gt.{}))", quoted(id)))
            .with("order", NULLS_FIRST),
        (Some(moment), None) => request.with("updated_at", format!("gte.{moment}")).with("order", CHANGED),
        (Some(moment), Some(id)) => request.with("or", later_than(moment, id)).with("order", CHANGED),
    }
}

const CHANGED: &str = "updated_at.asc,id.asc";
const NULLS_FIRST: &str = "updated_at.asc.nullsfirst,id.asc";

fn later_than(moment: Timestamp, id: &str) -> String {
    let moment = quoted(&moment.to_string());
    format!("(updated_at.gt.{moment},and(updated_at.eq.{moment},id.gt.{}))", quoted(id))
}
