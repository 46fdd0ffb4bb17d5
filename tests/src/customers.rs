//! The sample customers, and what Mautic has to hold of each: worked out here by rules of its own, not by Tandem's mapping.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::paths;

/// A line of the file by its column names.
pub type Row = BTreeMap<String, String>;

/// Columns, and the fields of Mautic that hold them as they are (but for blanks around and inside).
const TEXTS: &[(&str, &str)] = &[
    ("first_name", "firstname"),
    ("last_name", "lastname"),
    ("address_line1", "address1"),
    ("address_line2", "address2"),
    ("suburb", "city"),
    ("postcode", "zipcode"),
    ("customer_segment", "customer_segment"),
    ("last_event_name", "last_event_name"),
    ("preferred_venue", "preferred_venue"),
    ("customer_since", "customer_since"),
    ("id", "supabase_id"),
];
/// Columns that hold numbers.
const NUMBERS: &[(&str, &str)] =
    &[("lead_score", "lead_score"), ("total_orders", "total_orders"), ("total_spent", "total_spent")];
/// Country spellings of the file, and Mautic's.
const COUNTRIES: &[(&str, &str)] = &[
    ("AU", "Australia"),
    ("australia", "Australia"),
    ("NZ", "New Zealand"),
    ("GB", "United Kingdom"),
    ("UK", "United Kingdom"),
    ("DE", "Germany"),
    ("FR", "France"),
    ("VN", "Vietnam"),
    ("JP", "Japan"),
    ("ES", "Spain"),
    ("PL", "Poland"),
];
/// State codes of the file, and Mautic's names.
const STATES: &[(&str, &str)] = &[
    ("NSW", "New South Wales"),
    ("TAS", "Tasmania"),
    ("ACT", "Australian Capital Territory"),
    ("SA", "South Australia"),
    ("NT", "Northern Territory"),
    ("WA", "Western Australia"),
    ("QLD", "Queensland"),
    ("VIC", "Victoria"),
];

/// The first `limit` customers of the sample.
///
/// # Panics
/// When the sample can't be read.
#[must_use]
pub fn sample(limit: usize) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(paths::data("customers-500.csv")).expect("the sample is there");
    reader.deserialize().take(limit).map(|row| row.expect("the sample is a CSV file")).collect()
}

/// All 18,000 customers.
///
/// # Panics
/// When they can't be read.
#[must_use]
pub fn all() -> Vec<Row> {
    let packed = std::fs::File::open(paths::data("customers.csv.gz")).expect("the customers are there");
    let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(packed));
    reader.deserialize().map(|row| row.expect("the customers are a CSV file")).collect()
}

/// Whether the row holds an address that can be mailed.
#[must_use]
pub fn is_valid(row: &Row) -> bool {
    address(row).is_some()
}

/// The row's address, in lower case.
#[must_use]
pub fn address(row: &Row) -> Option<String> {
    let text = row.get("email")?.trim().to_lowercase();
    let (name, domain) = text.split_once('@')?;
    let sound = !name.is_empty() && domain.contains('.') && !domain.contains('@') && !text.contains(' ');
    sound.then_some(text)
}

/// The call that brings the row to Mautic. `prefix` stands before the address and the id, so that runs do not meet.
#[must_use]
pub fn upsert(row: &Row, prefix: &str) -> Value {
    let mut payload = Map::new();
    let (mut contact, mut fields) = (Map::new(), Map::new());
    for (column, text) in row.iter().filter(|(_, text)| !text.is_empty()) {
        match column.as_str() {
            "id" => payload.insert("id".to_owned(), json!(format!("{prefix}{text}"))),
            "email" => contact.insert("email".to_owned(), json!(prefixed(text, prefix))),
            "marketing_opt_in" => payload.insert("consent".to_owned(), json!({"marketing_opt_in": text == "true"})),
            "lead_score" => payload.insert("ml".to_owned(), json!({"score": number(text)})),
            "total_orders" | "total_spent" => fields.insert(column.clone(), json!(number(text))),
            "last_order_date" | "last_event_name" | "preferred_venue" | "customer_segment" | "customer_segments"
            | "customer_since" | "updated_at" => fields.insert(column.clone(), json!(text)),
            _ => contact.insert(column.clone(), json!(text)),
        };
    }
    payload.insert("contact".to_owned(), Value::Object(contact));
    payload.insert("fields".to_owned(), Value::Object(fields));
    json!({"action": "upsert_contact", "payload": payload})
}

/// An address with the prefix, wherever its blanks are.
#[must_use]
pub fn prefixed(address: &str, prefix: &str) -> String {
    let start = address.len() - address.trim_start().len();
    format!("{}{prefix}{}", &address[..start], &address[start..])
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// Of rows that share an address, the one that the application changed last; by address.
#[must_use]
pub fn newest_by_address(rows: &[Row]) -> BTreeMap<String, &Row> {
    let mut newest: BTreeMap<String, &Row> = BTreeMap::new();
    for row in rows {
        let Some(address) = address(row) else { continue };
        let kept = newest.entry(address).or_insert(row);
        if row["updated_at"] >= kept["updated_at"] {
            *kept = row;
        }
    }
    newest
}

/// Addresses that several rows share: their contact holds the newest row, and an opt-out of any of them.
#[must_use]
pub fn shared_addresses(rows: &[Row]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    rows.iter().filter_map(address).filter(|address| !seen.insert(address.clone())).collect()
}

/// What is wrong with the contact that Mautic holds for a row: nothing, or sentences. `reported` are the fields that
/// Tandem said it left out.
#[must_use]
pub fn differences(
    row: &Row,
    prefix: &str,
    contact: &Map<String, Value>,
    reported: &[String],
    shared: bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |remote: &str, column: &str, wanted: Option<Value>| {
        let held = contact.get(remote).filter(|value| !is_blank(value) && (!shared || wanted.is_some()));
        // A Mautic of somebody's own may lack the custom fields: Tandem says so, and nothing is made there for a proof.
        let named = if column == "lead_score" { "ml.score" } else { column };
        let left_out = reported.iter().any(|complaint| complaint.contains(&format!("{named}:")));
        let right = same(held, wanted.as_ref()) || held.is_none() && left_out;
        if !right {
            wrong.push(format!("{remote} of the row's {column} is not what it should be"));
        }
    };
    for (column, remote) in TEXTS {
        let prefix = if *column == "id" { prefix } else { "" };
        expect(remote, column, text(row, column).map(|text| json!(format!("{prefix}{text}"))));
    }
    for (column, remote) in NUMBERS {
        expect(remote, column, text(row, column).map(|text| number(&text)));
    }
    expect("email", "email", address(row).map(|address| json!(format!("{prefix}{address}"))));
    expect("country", "country", text(row, "country").map(|name| json!(named(&name, COUNTRIES))));
    expect("state", "state", text(row, "state").map(|name| json!(named(&name, STATES))));
    expect("last_order_date", "last_order_date", text(row, "last_order_date").map(|text| json!(minute(&text))));
    wrong.extend(phone_differences(row, contact, reported));
    wrong
}

/// A phone is in E.164 and holds the row's digits at its end, or it was reported.
fn phone_differences(row: &Row, contact: &Map<String, Value>, reported: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (column, remote, field) in [("mobile", "mobile", "mobile"), ("landline", "phone", "phone")] {
        let Some(given) = text(row, column) else { continue };
        let held = contact.get(remote).and_then(Value::as_str).unwrap_or_default();
        let digits: String = given.chars().filter(char::is_ascii_digit).collect();
        let tail = &digits[digits.len().saturating_sub(6)..];
        let sound = held.starts_with('+') && held[1..].chars().all(|c| c.is_ascii_digit()) && held.ends_with(tail);
        let said =
            [column, field].iter().any(|name| reported.iter().any(|complaint| complaint.contains(&format!("{name}:"))));
        if !(sound || held.is_empty() && said) {
            wrong.push(format!("{remote} is not in E.164 and was not reported"));
        }
    }
    wrong
}

fn text(row: &Row, column: &str) -> Option<String> {
    let text = row.get(column)?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

fn named(name: &str, names: &[(&str, &str)]) -> String {
    names.iter().find(|(code, _)| *code == name).map_or(name, |(_, name)| name).to_owned()
}

/// Mautic keeps moments to the minute: `2026-11-01T10:20:30Z` becomes `2026-11-01 10:20:00`.
fn minute(text: &str) -> String {
    format!("{} {}:00", &text[..10], &text[11..16])
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn same(held: Option<&Value>, wanted: Option<&Value>) -> bool {
    match (held, wanted) {
        (Some(held), Some(wanted)) => held == wanted || held.as_f64().is_some() && held.as_f64() == wanted.as_f64(),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
