//! `/api/stats`: tables of the database, read by a cursor.

use std::sync::LazyLock;

use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    clock,
    input::{PathParts, Query},
    php,
    query::{self, Row, compare_values},
    rows::object,
    simulator::MauticSimulator,
    store::Store,
};

static COLUMNS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/stats_tables.json")).unwrap_or_default());

/// Columns that came on the way to 7.0 (recording `107`).
const NEW_IN_7: (&str, [&str; 2]) = ("campaign_lead_event_log", ["date_queued", "version"]);

const PAGE: usize = 100;

/// A row of such a table; null columns are left out of it.
struct StatsRow {
    table: String,
    columns: Map<String, Value>,
}

impl Row for StatsRow {
    fn column(&self, name: &str) -> Option<Value> {
        let name = name.rsplit('.').next().unwrap_or(name);
        let known = COLUMNS.get(&self.table)?.as_array()?.iter().any(|column| column == name);
        known.then(|| self.columns.get(name).map(as_number).unwrap_or_default())
    }
}

/// Ids are text on the wire, and numbers to compare.
fn as_number(value: &Value) -> Value {
    php::text(value).parse::<u64>().map_or_else(|_| value.clone(), |number| json!(number))
}

/// `GET /api/stats`.
pub(crate) async fn index(State(mautic): State<MauticSimulator>) -> Answer {
    let names: Vec<&String> = COLUMNS.keys().collect();
    let mut columns = COLUMNS.clone();
    if mautic.inner.options.version.is_7()
        && let Some(Value::Array(known)) = columns.get_mut(NEW_IN_7.0)
    {
        known.extend(NEW_IN_7.1.map(Value::from));
        known.sort_by_key(php::text);
    }
    Answer::ok(json!({"availableTables": names, "tableColumns": columns}))
}

/// `GET /api/stats/{table}`. An unknown table gets the list of the known ones.
pub(crate) async fn table(state: State<MauticSimulator>, PathParts(table): PathParts<String>, query: Query) -> Answer {
    if !COLUMNS.contains_key(&table) {
        return index(state).await;
    }
    let State(mautic) = state;
    mautic.read(|store| select(store, &table, &query).unwrap_or_else(|()| Answer::general_error(500)))
}

fn select(store: &Store, table: &str, query: &Query) -> Result<Answer, ()> {
    let conditions = query::conditions(query.0.get("where"));
    let mut rows = Vec::new();
    for columns in rows_of(store, table) {
        let row = StatsRow { table: table.to_owned(), columns: text_columns(columns) };
        if query::all_hold(&row, &conditions)? {
            rows.push(row);
        }
    }
    sort(&mut rows, query);
    let total = rows.len();
    let limit = query.number("limit").unwrap_or(PAGE);
    let page = rows.into_iter().skip(query.number("start").unwrap_or(0)).take(limit);
    let stats: Value = page.map(|row| Value::Object(row.columns)).collect();
    Ok(Answer::ok(json!({"total": total.to_string(), "stats": stats})))
}

fn sort(rows: &mut [StatsRow], query: &Query) {
    let order = query.0.get("order").and_then(|order| order.get("0"));
    let Some(column) = order.and_then(|order| order.get("col")).map(php::text) else { return };
    let descending =
        order.and_then(|order| order.get("dir")).map(php::text).is_some_and(|dir| dir.eq_ignore_ascii_case("desc"));
    rows.sort_by(|a, b| {
        let order = compare_values(&a.column(&column).unwrap_or_default(), &b.column(&column).unwrap_or_default());
        if descending { order.reverse() } else { order }
    });
}

/// Everything is text; null is not there at all.
fn text_columns(columns: Value) -> Map<String, Value> {
    let kept = object(columns).into_iter().filter(|(_, value)| !value.is_null());
    kept.map(|(name, value)| (name, Value::String(php::text(&value)))).collect()
}

fn rows_of(store: &Store, table: &str) -> Vec<Value> {
    match table {
        "email_stats" => email_stats(store),
        "page_hits" => page_hits(store),
        "lead_donotcontact" => do_not_contact(store),
        "form_submissions" => submissions(store),
        "audit_log" => audit_log(store),
        "webhook_logs" => webhook_logs(store),
        "lead_lists_leads" => memberships(store),
        _ => Vec::new(),
    }
}

fn at(at: Timestamp) -> String {
    clock::sql(at)
}

fn email_stats(store: &Store) -> Vec<Value> {
    let rows = store.email_stats.iter().map(|(id, row)| {
        json!({
            "id": id,
            "email_id": row.email,
            "lead_id": row.contact,
            "email_address": row.address,
            "date_sent": at(row.sent),
            "is_read": u8::from(row.read.is_some()),
            "is_failed": u8::from(row.failed),
            "viewed_in_browser": 0,
            "date_read": row.read.map(at),
            "tracking_hash": row.hash,
            "retry_count": 0,
            "source": "api",
            "source_id": 0,
            "open_count": row.opens,
            "last_opened": row.read.map(at),
            "open_details": "a:0:{}",
        })
    });
    rows.collect()
}

fn page_hits(store: &Store) -> Vec<Value> {
    let rows = store.page_hits.iter().map(|(id, row)| {
        let redirect = store.redirects.find(|redirect| redirect.url == row.url).map(|(id, _)| id);
        json!({
            "id": id,
            "redirect_id": row.email.and(redirect),
            "email_id": row.email,
            "lead_id": row.contact,
            "ip_id": 1,
            "device_id": row.contact,
            "date_hit": at(row.at),
            "country": "",
            "region": "",
            "city": "",
            "isp": "",
            "organization": "",
            "code": 200,
            "url": row.url,
            "url_title": row.title,
            "user_agent": row.user_agent,
            "browser_languages": "a:0:{}",
            "tracking_id": row.device,
            "source": row.email.map(|_| "email"),
            "source_id": row.email,
            "query": php::serialize(&row.query),
        })
    });
    rows.collect()
}

fn do_not_contact(store: &Store) -> Vec<Value> {
    let rows = store.dnc.iter().map(|(id, row)| {
        json!({
            "id": id,
            "lead_id": row.contact,
            "date_added": at(row.at),
            "reason": row.reason,
            "channel": row.channel,
            "channel_id": row.channel_id,
            "comments": row.comments,
        })
    });
    rows.collect()
}

fn submissions(store: &Store) -> Vec<Value> {
    let rows = store.submissions.iter().map(|(id, row)| {
        json!({
            "id": id,
            "form_id": row.form,
            "ip_id": 1,
            "lead_id": row.contact,
            "tracking_id": row.device,
            "date_submitted": at(row.at),
            "referer": "",
        })
    });
    rows.collect()
}

fn audit_log(store: &Store) -> Vec<Value> {
    let rows = store.audits.iter().map(|(id, row)| {
        json!({
            "id": id,
            "user_id": row.user_id,
            "user_name": row.user,
            "bundle": "lead",
            "object": row.object,
            "object_id": row.object_id,
            "action": row.action,
            "details": row.details,
            "date_added": at(row.at),
            "ip_address": "127.0.0.1",
        })
    });
    rows.collect()
}

fn webhook_logs(store: &Store) -> Vec<Value> {
    let rows = store.webhook_logs.iter().map(|(id, row)| {
        json!({
            "id": id,
            "webhook_id": row.hook,
            "status_code": if row.status == 0 { json!("N/A") } else { json!(row.status) },
            "date_added": at(row.at),
            "note": row.note,
            "runtime": row.runtime,
        })
    });
    rows.collect()
}

fn memberships(store: &Store) -> Vec<Value> {
    let rows = store.contacts().flat_map(|(lead, contact)| {
        contact.segments.iter().map(move |(segment, member)| {
            json!({
                "leadlist_id": segment,
                "lead_id": lead,
                "date_added": at(member.added),
                "manually_removed": u8::from(member.removed),
                "manually_added": u8::from(!member.removed),
            })
        })
    });
    rows.collect()
}
