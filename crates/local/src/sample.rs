//! Customers of a CSV file as calls of `POST /mautic-sync`.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Map, Value, json};

use crate::failure::CommandError;

/// A line of the file by its column names, blank columns left out.
type Row = BTreeMap<String, String>;

/// Columns that belong to the person.
const CONTACT: &[&str] = &[
    "email",
    "first_name",
    "last_name",
    "mobile",
    "landline",
    "address_line1",
    "address_line2",
    "suburb",
    "state",
    "postcode",
    "country",
];

/// Customers that nobody is: what `tandem demo` sends, from whichever folder it is called.
pub const BUILT_IN: &str = include_str!("../../../tests/data/customers-500.csv");

/// The first `limit` customers of the file, each as the body of a call.
pub fn read(mut reader: csv::Reader<impl Read>, limit: usize) -> Result<Vec<Value>, CommandError> {
    let rows: Result<Vec<Row>, csv::Error> = reader.deserialize().take(limit).collect();
    Ok(rows?.into_iter().map(body).collect())
}

fn body(row: Row) -> Value {
    let mut payload = Map::new();
    let (mut contact, mut fields) = (Map::new(), Map::new());
    for (column, text) in row.into_iter().filter(|(_, text)| !text.is_empty()) {
        match column.as_str() {
            "id" => payload.insert(column, json!(text)),
            "lead_score" => payload.insert("ml".to_owned(), json!({"score": text})),
            "marketing_opt_in" => payload.insert("consent".to_owned(), json!({"marketing_opt_in": text})),
            name if CONTACT.contains(&name) => contact.insert(column, json!(text)),
            _ => fields.insert(column, json!(text)),
        };
    }
    payload.insert("contact".to_owned(), Value::Object(contact));
    payload.insert("fields".to_owned(), Value::Object(fields));
    json!({"action": "upsert_contact", "payload": payload})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_call_without_its_blanks() {
        let row = [("id", "7"), ("email", "a@example.com"), ("mobile", ""), ("total_orders", "0"), ("lead_score", "5")];
        let body = body(row.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect());
        let expected = json!({"action": "upsert_contact", "payload": {
            "id": "7", "contact": {"email": "a@example.com"}, "fields": {"total_orders": "0"}, "ml": {"score": "5"},
        }});
        assert_eq!(body, expected);
    }
}
