//! Lists of contacts.

use std::cmp::Ordering;

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::view::{Shape, contact_view};
use crate::mautic::{
    answer::Answer,
    clock,
    fields::page_size,
    input::Query,
    php,
    query::{self, Row, compare_values},
    rows::Contact,
    simulator::MauticSimulator,
    store::Store,
};

/// A contact as a row of its database table.
struct ContactRow<'a> {
    store: &'a Store,
    id: u64,
    contact: &'a Contact,
}

impl Row for ContactRow<'_> {
    fn column(&self, name: &str) -> Option<Value> {
        let contact = self.contact;
        let value = match name {
            "id" => json!(self.id),
            "points" => json!(contact.points),
            "is_published" => json!(1),
            "date_added" => json!(clock::sql(contact.by.added)),
            "date_modified" => json!(contact.by.modified.map(clock::sql)),
            "date_identified" => json!(contact.identified.map(clock::sql)),
            "created_by_user" => json!(contact.by.created_by),
            "modified_by_user" => json!(contact.by.modified_by),
            "owner_id" => json!(contact.owner),
            "stage_id" => json!(contact.stage),
            alias => {
                self.store.fields.find(|field| field.object == "lead" && field.alias == alias)?;
                contact.values.get(alias).cloned().unwrap_or_default()
            }
        };
        Some(value)
    }
}

/// `GET /api/contacts`.
pub(crate) async fn list(State(mautic): State<MauticSimulator>, query: Query) -> Answer {
    mautic.read(|store| find(store, &query).unwrap_or_else(|()| Answer::general_error(500)))
}

/// Fails as a database does that is asked for a column it doesn't have.
fn find(store: &Store, query: &Query) -> Result<Answer, ()> {
    let conditions = query::conditions(query.0.get("where"));
    let conditions = if store.version.is_7() { conditions } else { query::encoded(conditions) };
    let mut rows = Vec::new();
    for (id, contact) in store.contacts() {
        let row = ContactRow { store, id, contact };
        if matches_search(store, id, contact, query.text("search")) && query::all_hold(&row, &conditions)? {
            rows.push(row);
        }
    }
    check_columns(store, &conditions)?;
    sort(&mut rows, store, query)?;
    let total = rows.len();
    let shape = if query.flag("minimal") { Shape::Minimal } else { Shape::Listed };
    let page = rows.iter().skip(query.number("start").unwrap_or(0)).take(page_size(query));
    let views: Map<_, _> =
        page.map(|row| (row.id.to_string(), contact_view(store, Some(row.id), row.contact, shape))).collect();
    Ok(Answer::ok(json!({"total": total.to_string(), "contacts": views})))
}

/// An unknown column fails even where there is nothing to compare it with.
fn check_columns(store: &Store, conditions: &[query::Condition]) -> Result<(), ()> {
    let nobody = Contact::new(crate::mautic::rows::Authorship::nobody(store.now(), store.version));
    query::all_hold(&ContactRow { store, id: 0, contact: &nobody }, conditions).map(|_| ())
}

/// By the column asked for; without one, those last active come first.
fn sort(rows: &mut [ContactRow<'_>], store: &Store, query: &Query) -> Result<(), ()> {
    let asked = query.text("orderBy");
    let (column, descending) = if asked.is_empty() {
        ("last_active", true)
    } else {
        (asked, query.text("orderByDir").eq_ignore_ascii_case("desc"))
    };
    let column = query::snake_case(column.rsplit('.').next().unwrap_or(column));
    let nobody = Contact::new(crate::mautic::rows::Authorship::nobody(store.now(), store.version));
    ContactRow { store, id: 0, contact: &nobody }.column(&column).ok_or(())?;
    rows.sort_by(|a, b| {
        let order = compare_columns(a, b, &column);
        if descending { order.reverse() } else { order }
    });
    Ok(())
}

fn compare_columns(a: &ContactRow<'_>, b: &ContactRow<'_>, column: &str) -> Ordering {
    compare_values(&a.column(column).unwrap_or_default(), &b.column(column).unwrap_or_default())
}

/// The search box: `command:value` words, and words to be found anywhere.
fn matches_search(store: &Store, id: u64, contact: &Contact, search: &str) -> bool {
    search.split_whitespace().all(|word| {
        let (word, negated) = word.strip_prefix('!').map_or((word, false), |word| (word, true));
        let found = match word.split_once(':') {
            Some((command, value)) => matches_command(store, id, contact, command, value.trim_matches('"')),
            None => matches_anywhere(contact, word.trim_matches('"')),
        };
        found != negated
    })
}

fn matches_command(store: &Store, id: u64, contact: &Contact, command: &str, value: &str) -> bool {
    let like = |alias: &str| contact.value(alias).is_some_and(|text| query::like(text, &value.replace('*', "%")));
    match command {
        "email" | "company" => like(command),
        "name" => like("firstname") || like("lastname"),
        "id" | "ids" => value.split(',').any(|wanted| wanted.trim() == id.to_string()),
        "segment" | "list" => {
            let segment = store.segments.find(|segment| segment.alias == value);
            segment.is_some_and(|(id, _)| contact.segments.get(&id).is_some_and(|member| !member.removed))
        }
        "tag" => {
            contact.tags.iter().any(|id| store.tags.get(*id).is_some_and(|tag| tag.name.eq_ignore_ascii_case(value)))
        }
        "is" => value == "anonymous" && contact.identified.is_none(),
        alias => like(alias),
    }
}

fn matches_anywhere(contact: &Contact, word: &str) -> bool {
    let pattern = format!("%{}%", word.trim_matches('%').replace('*', "%"));
    ["firstname", "lastname", "email", "company", "city", "state", "zipcode", "country"]
        .iter()
        .any(|alias| contact.value(alias).is_some_and(|text| query::like(text, &pattern)))
}

/// A list of rows by id, `[]` where PHP has nothing to key.
pub(crate) fn keyed(rows: impl Iterator<Item = (u64, Value)>) -> Value {
    php::map_or_empty_list(rows.map(|(id, row)| (id.to_string(), row)).collect())
}
