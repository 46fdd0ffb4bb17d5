//! What never arrived, read from Mautic's tables instead: `GET /api/stats/{table}`. Its entries are called as those of the
//! webhooks are, so that what arrived both ways counts once.

mod rows;
mod serialized;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tandem_core::domain::issue::FieldIssue;
use tandem_core::error::Result;
use tandem_core::ports::{Feed, FeedCursor, FeedPage, GuardedHook, HookDelivery, PlatformEvents};
use tandem_core::webhook::entry::Entry;

use super::client::Request;
use super::setup;
use super::webhook::part::Part;
use super::{Mautic, errors};

/// Rows of a page.
const PAGE: usize = 500;
/// Rows may be committed in another order than numbered: as many numbers are read once more. As many workers as this
/// never write to one table at once.
const NUMBERS_AGAIN: u64 = 50;
/// The same for rows that are read by date.
const TIME_AGAIN: SignedDuration = SignedDuration::from_mins(2);

/// A table, and how it is read on.
struct Table {
    name: &'static str,
    order: Order,
    /// Further conditions: column, expression, value.
    only: &'static [(&'static str, &'static str, &'static str)],
    /// What a row tells; nothing, when it is of no interest.
    read: fn(&Part<'_>) -> Result<Option<Entry>, FieldIssue>,
}

/// How rows are put in the order in which they are read.
enum Order {
    /// By number: rows never change.
    Number,
    /// By a date that is set when a row changes, then by number: a row that changes comes up again. Emails are opened
    /// after they were sent, and a do-not-contact entry gets another reason in its place.
    Date(&'static str),
}

/// The tables with their columns are those of recording `107-stats-tables`.
const fn table(feed: Feed) -> Table {
    match feed {
        Feed::DoNotContact => {
            Table { name: "lead_donotcontact", order: Order::Date("date_added"), only: &[], read: rows::do_not_contact }
        }
        Feed::Opens => Table {
            name: "email_stats",
            order: Order::Date("date_read"),
            only: &[("is_read", "eq", "1")],
            read: rows::open,
        },
        Feed::Hits => Table { name: "page_hits", order: Order::Number, only: &[], read: rows::hit },
        Feed::Forms => Table { name: "form_submissions", order: Order::Number, only: &[], read: rows::form },
        Feed::Audit => Table {
            name: "audit_log",
            order: Order::Number,
            only: &[("object", "eq", "lead"), ("action", "in", "delete,update")],
            read: rows::audit,
        },
    }
}

#[async_trait]
impl PlatformEvents for Mautic {
    async fn guard_hook(&self, url: &str, secret: &str) -> Result<GuardedHook> {
        setup::ensure_webhook(self, url, secret).await
    }

    async fn try_hook(&self, id: &str) -> HookDelivery {
        setup::try_webhook(self, id).await
    }

    async fn newest_delivery(&self, id: &str) -> HookDelivery {
        setup::newest_delivery(self, id).await
    }

    async fn page(&self, feed: Feed, cursor: &FeedCursor) -> Result<FeedPage> {
        let table = table(feed);
        let rows = self.rows(request(&table, cursor).in_bulk()).await?.ok_or_else(|| errors::garbled(false))?;
        let rows: Vec<Map<String, Value>> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
        let rows: Vec<Part<'_>> = rows.iter().map(|row| Part::new(row, table.name)).collect();
        let more = rows.len() >= PAGE;
        Ok(FeedPage { entries: entries(&table, &rows), next: next(&table.order, cursor, &rows, more), more })
    }
}

fn request(table: &Table, cursor: &FeedCursor) -> Request {
    let request = Request::get(format!("stats/{}", table.name)).with("limit", PAGE);
    let request = table.only.iter().zip(2..).fold(request, |request, ((column, expression, value), index)| {
        request.filtered(index, column, expression, value)
    });
    match table.order {
        Order::Number => ordered(request, &["id"]).filtered(0, "id", "gt", cursor.after.saturating_sub(NUMBERS_AGAIN)),
        Order::Date(date) => changed_since(ordered(request, &[date, "id"]), date, cursor),
    }
}

fn ordered(request: Request, columns: &[&str]) -> Request {
    columns.iter().enumerate().fold(request, |request, (index, column)| {
        request.with(format!("order[{index}][col]"), column).with(format!("order[{index}][dir]"), "asc")
    })
}

/// Rows whose date is not before the cursor's. A look begins a while before it (`after` is 0); its further pages begin
/// right behind the last row read, by date and number, so that many rows of one second hold nothing up.
fn changed_since(request: Request, date: &str, cursor: &FeedCursor) -> Request {
    let until = cursor.until.unwrap_or(Timestamp::UNIX_EPOCH);
    if cursor.after == 0 {
        let again = until.checked_sub(TIME_AGAIN).unwrap_or(until).max(Timestamp::UNIX_EPOCH);
        return request.filtered(0, date, "gte", utc(again));
    }
    let either = |request: Request, index: usize, column: &str, value: String| {
        let name = |part: &str| format!("where[1][val][{index}][{part}]");
        request.with(name("col"), column).with(name("expr"), "gt").with(name("val"), value)
    };
    let request = request.filtered(0, date, "gte", utc(until)).with("where[1][expr]", "orX");
    either(either(request, 0, date, utc(until)), 1, "id", cursor.after.to_string())
}

/// As the database writes a moment.
fn utc(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn next(order: &Order, cursor: &FeedCursor, rows: &[Part<'_>], more: bool) -> FeedCursor {
    let number = |row: &Part<'_>| row.id("id").ok().flatten();
    match order {
        Order::Number => {
            let highest = rows.iter().filter_map(number).max().unwrap_or_default();
            FeedCursor { after: cursor.after.max(highest), until: cursor.until }
        }
        Order::Date(date) => {
            let read = rows.last().and_then(|row| row.moment_of(&[date]));
            if more {
                // Where the next page begins, which may lie before the moment at which the last look ended.
                FeedCursor { after: rows.last().and_then(number).unwrap_or_default(), until: read.or(cursor.until) }
            } else {
                FeedCursor { after: 0, until: read.max(cursor.until) }
            }
        }
    }
}

/// A row that can't be read is passed over: held up by it, the feed would never get to the next.
fn entries(table: &Table, rows: &[Part<'_>]) -> Vec<Entry> {
    let read = |row: &Part<'_>| match (table.read)(row) {
        Ok(entry) => entry,
        Err(issue) => {
            tracing::warn!(field = issue.field, "a row of Mautic's statistics can't be read: {}", issue.message);
            None
        }
    };
    rows.iter().filter_map(read).collect()
}
