//! Reading the views by keyset pages.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::Timestamp;
use tandem_core::domain::kind::Kind;
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::ports::source::{SourceCursor, SourceOrder, SourcePage, SourceRow};

use super::client::{Request, length_in_list, quoted};
use super::convert::{source_row, uuid};
use super::wire::Row;
use super::{Supabase, View};

/// How many bytes of ids one call names: most gateways refuse a request line of more than 8 KB.
const IDS_AT_MOST: usize = 7500;

/// From where on a view is read.
enum Since<'a> {
    /// Behind a place of its own.
    Place(&'a SourceCursor),
    /// Behind all rows that were changed at this moment: of those that were, views before this one were read further.
    Moment(Option<Timestamp>),
}

impl Supabase {
    /// Whether rows of all kinds say when they were changed: there is one place in time for all.
    pub(super) async fn has_updated_at(&self) -> Result<bool> {
        for view in &self.views {
            if !self.view_has_updated_at(view).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn view_has_updated_at(&self, view: &View) -> Result<bool> {
        if let Some(known) = view.tells_changes.get() {
            return Ok(*known);
        }
        let probe = Request::get(&view.name).with("select", "updated_at").with("limit", "0");
        let found = match self.client.read::<Vec<Row>>(probe).await {
            Ok(_) => true,
            Err(rejected) if rejected.lacks_column() => false,
            Err(rejected) => return Err(rejected.into()),
        };
        Ok(*view.tells_changes.get_or_init(|| found))
    }

    /// A page that is shorter than `limit` need not be the last: PostgREST's `max-rows` cuts it without a word. Only an
    /// empty one is. One call, and one more for each further view.
    pub(super) async fn read_page(&self, order: SourceOrder, after: &SourceCursor, limit: usize) -> Result<SourcePage> {
        let rows = match order {
            SourceOrder::Changed => self.changed_rows(after, limit).await?,
            SourceOrder::Id => self.rows_by_id(after, limit).await?,
        };
        let next = rows.last().map_or_else(|| after.clone(), |last| place_of(last, order));
        if !rows.is_empty() && next == *after {
            return Err(Failure::new(FailureKind::Misconfigured, "The view's ids do not tell its rows apart."));
        }
        Ok(SourcePage { more: !rows.is_empty(), next, rows })
    }

    /// One view after the other.
    async fn rows_by_id(&self, after: &SourceCursor, limit: usize) -> Result<Vec<SourceRow>> {
        let (kind, id) = after.id.as_deref().map_or((Kind::Person, None), |id| {
            let (kind, id) = Kind::of_qualified(id);
            (kind, Some(id.to_owned()))
        });
        for view in self.views.iter().filter(|view| view.kind >= kind) {
            let after = id.clone().filter(|_| view.kind == kind);
            let rows = self.read(view, by_id_after(all_columns(view), after.as_deref()), limit).await?;
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
        Ok(Vec::new())
    }

    /// All views by time, those of one moment in the order of their kinds. Of what was read, no more is taken than up to the end
    /// of the page that ends first: behind that, its view may have rows that come before those of the others.
    async fn changed_rows(&self, after: &SourceCursor, limit: usize) -> Result<Vec<SourceRow>> {
        let (reached, id) = after.id.as_deref().map_or((Kind::Person, None), |id| {
            let (kind, id) = Kind::of_qualified(id);
            (kind, Some(id.to_owned()))
        });
        let own = SourceCursor { updated_at: after.updated_at, id };
        let start = SourceCursor { updated_at: after.updated_at, id: None };
        let mut pages = Vec::new();
        for view in &self.views {
            let from = match view.kind.cmp(&reached) {
                Ordering::Equal => Since::Place(&own),
                Ordering::Greater => Since::Place(&start),
                Ordering::Less if own.id.is_none() => Since::Place(&start),
                Ordering::Less => Since::Moment(after.updated_at),
            };
            let request = match from {
                Since::Place(place) => changed_after(all_columns(view), place),
                Since::Moment(moment) => changed_later(all_columns(view), moment),
            };
            pages.push(self.read(view, request, limit).await?);
        }
        let place = |row: &SourceRow| (row.updated_at, row.kind);
        let horizon = pages.iter().filter_map(|page| page.last().map(place)).min();
        let mut rows: Vec<SourceRow> = pages.into_iter().flatten().collect();
        rows.retain(|row| horizon.is_some_and(|horizon| place(row) <= horizon));
        // Rows of one view stay in their order: the database's own, whatever its collation is.
        rows.sort_by_key(place);
        rows.truncate(limit);
        Ok(rows)
    }

    /// Rows may be so large that a page of them is more than is read of an answer: then half as many are asked for, and so on.
    async fn read(&self, view: &View, request: Request, limit: usize) -> Result<Vec<SourceRow>> {
        let mut limit = limit;
        loop {
            let page = request.clone().with("limit", limit.to_string()).in_bulk();
            match self.client.read::<Vec<Row>>(page).await.map_err(Failure::from) {
                Ok(rows) => return rows.into_iter().map(|row| source_row(view.kind, row)).collect(),
                Err(failure) if failure.kind == FailureKind::Garbled && limit > 1 => limit /= 2,
                Err(failure) => return Err(failure),
            }
        }
    }

    pub(super) async fn read_rows(&self, ids: &[String]) -> Result<Vec<SourceRow>> {
        let mut rows = Vec::new();
        for view in &self.views {
            let own = ids.iter().map(|id| Kind::of_qualified(id)).filter(|(kind, _)| *kind == view.kind);
            let own: Vec<String> = own.map(|(_, id)| id.to_owned()).collect();
            rows.extend(self.read_rows_of(view, &own).await?);
        }
        Ok(rows)
    }

    /// An id that is no value of the column's type makes PostgreSQL refuse the whole call. Within a kind of ids it refuses
    /// all or none, so those that it refuses are simply not there.
    async fn read_rows_of(&self, view: &View, ids: &[String]) -> Result<Vec<SourceRow>> {
        let (mut uuids, mut numbers, mut texts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for id in ids.iter().filter(|id| !id.chars().any(char::is_control)) {
            match uuid(id) {
                Some(uuid) => uuids.insert(uuid.to_string()),
                None if is_number(id) => numbers.insert(id.clone()),
                None => texts.insert(id.clone()),
            };
        }
        let mut rows = self.rows_of_a_kind(view, uuids).await?;
        rows.extend(self.rows_of_a_kind(view, numbers).await?);
        rows.extend(self.rows_of_a_kind(view, texts).await?);
        Ok(rows)
    }

    /// What an answer lacks is asked for again until none of it comes: `max-rows` may have cut it off.
    async fn rows_of_a_kind(&self, view: &View, mut wanted: BTreeSet<String>) -> Result<Vec<SourceRow>> {
        let mut rows = Vec::new();
        while !wanted.is_empty() {
            let part = as_fit_in_one_call(&wanted);
            let found = self.rows_among(view, &part).await?;
            let done: BTreeSet<&String> = found.iter().map(|row| &row.id).filter(|id| wanted.contains(*id)).collect();
            let settled = if done.is_empty() { part } else { done.into_iter().cloned().collect() };
            wanted.retain(|id| !settled.contains(id));
            rows.extend(found);
        }
        Ok(rows)
    }

    async fn rows_among(&self, view: &View, ids: &BTreeSet<String>) -> Result<Vec<SourceRow>> {
        let request = all_columns(view).among("id", ids.iter().map(String::as_str)).with("order", "id.asc").in_bulk();
        match self.client.read::<Vec<Row>>(request).await {
            Ok(rows) => rows.into_iter().map(|row| source_row(view.kind, row)).collect(),
            Err(rejected) if rejected.is_about_a_type() => Ok(Vec::new()),
            Err(rejected) => Err(rejected.into()),
        }
    }
}

fn all_columns(view: &View) -> Request {
    Request::get(&view.name).with("select", "*")
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
    SourceCursor { updated_at, id: Some(row.qualified_id().into_owned()) }
}

fn by_id_after(request: Request, after: Option<&str>) -> Request {
    let request = request.with("order", "id.asc");
    match after {
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

/// Rows behind all those of a moment; behind those that never say when they were changed, if there is none.
fn changed_later(request: Request, moment: Option<Timestamp>) -> Request {
    let later = moment.map_or_else(|| "not.is.null".to_owned(), |moment| format!("gt.{moment}"));
    request.with("updated_at", later).with("order", CHANGED)
}

const CHANGED: &str = "updated_at.asc,id.asc";
const NULLS_FIRST: &str = "updated_at.asc.nullsfirst,id.asc";

fn later_than(moment: Timestamp, id: &str) -> String {
    let moment = quoted(&moment.to_string());
    format!("(updated_at.gt.{moment},and(updated_at.eq.{moment},id.gt.{}))", quoted(id))
}
