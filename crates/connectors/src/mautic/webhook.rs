//! What Mautic calls about. A body maps types to entries (recording `mautic-5.1.0-webhooks/001-mautic.lead_post_save_new`):
//! `{"mautic.<type>": [{…, "timestamp": …}, …], …}`. Older versions, plugins and test sends deviate: one object in place
//! of the array, no prefix, `lead` for `contact`, a top-level `timestamp`. All of that is read; an entry that can't be
//! read is reported and spoils no other.

pub(super) mod built;
mod contacts;
mod dates;
mod mail;
pub(super) mod natural;
pub(super) mod part;
pub(super) mod person;
pub(super) mod reasons;
mod sending;
pub(super) mod subscriptions;
mod telling;
pub(super) mod visits;

use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::webhook::entry::{Deliveries, Entry, EntryKind, Told, UNDATED};

use mail::MailEvent;
use part::Part;
use person::Person;
use telling::Telling;

/// Reads Mautic's deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub struct MauticDeliveries;

impl Deliveries for MauticDeliveries {
    fn split(&self, body: &[u8]) -> Result<Vec<Told>> {
        let Types(types) = serde_json::from_slice(body)
            .map_err(|_| Failure::new(FailureKind::Invalid, "The delivery is no JSON object, or nested too deeply."))?;
        let delivered = types.iter().find(|(name, _)| name == TIMESTAMP).and_then(|(_, value)| dates::moment(value));
        let typed = types.iter().filter(|(name, _)| name != TIMESTAMP);
        Ok(typed.flat_map(|(name, value)| told_of(name, value, delivered)).collect())
    }
}

/// Not a type: a test send carries it, and older designs date the whole delivery with it.
const TIMESTAMP: &str = "timestamp";

/// The types of a body with their entries, in the order in which they came; a type that comes twice is kept twice.
struct Types(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(TypesVisitor)
    }
}

struct TypesVisitor;

impl<'de> Visitor<'de> for TypesVisitor {
    type Value = Types;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of types")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Types, A::Error> {
        let mut types = Vec::new();
        while let Some(entry) = map.next_entry()? {
            types.push(entry);
        }
        Ok(Types(types))
    }
}

/// How entries of a type are read.
type Reader = fn(&Telling<'_>) -> Told;

/// The reader of a type; `None` for a type that is not known. Mautic sends no mail types but `email_on_open` and
/// `email_on_send` (recording `113-hooks-triggers`); the others are those of older designs and plugins.
fn reader(kind: &str) -> Option<Reader> {
    Some(match kind {
        "lead_channel_subscription_changed" => subscriptions::changed,
        "page_on_hit" => visits::hit,
        "form_on_submit" => visits::submitted,
        "email_on_open" => mail::opened,
        "email_on_click" => |telling| mail::other(telling, MailEvent::Click),
        "email_on_unsubscribe" | "email_on_unsubscribed" => |telling| mail::other(telling, MailEvent::Unsubscribe),
        "email_on_bounce" | "email_on_bounced" => |telling| mail::other(telling, MailEvent::Bounce),
        "email_on_complaint" | "email_on_complained" | "email_on_spam" | "email_on_spam_complaint" => {
            |telling| mail::other(telling, MailEvent::Complaint)
        }
        "lead_post_save_new" => |telling| contacts::saved(telling, true),
        "lead_post_save_update" => |telling| contacts::saved(telling, false),
        "lead_points_change" => contacts::points,
        "lead_list_change" => contacts::segment,
        "lead_company_change" => contacts::company,
        "lead_post_delete" => contacts::gone,
        "email_on_send" => |telling| contacts::noted(telling, "email_sent"),
        "sms_on_send" => |telling| contacts::noted(telling, "sms_sent"),
        "company_post_save" => |telling| contacts::noted(telling, "company_saved"),
        "company_post_delete" => |telling| contacts::noted(telling, "company_deleted"),
        _ => return None,
    })
}

fn told_of(name: &str, value: &Value, delivered: Option<Timestamp>) -> Vec<Told> {
    let Some(reader) = reader(name.strip_prefix("mautic.").unwrap_or(name)) else {
        return vec![Ok(unknown(delivered)); entries_of(value).len()];
    };
    let entries = entries_of(value).into_iter().enumerate();
    entries.map(|(index, entry)| reader(&Telling::new(part_of(name, index, entry)?, delivered))).collect()
}

/// The entries of a type: an array of them, or one alone.
fn entries_of(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(entries) => entries.iter().collect(),
        Value::Null => Vec::new(),
        Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) => vec![value],
    }
}

fn part_of<'a>(name: &str, index: usize, entry: &'a Value) -> std::result::Result<Part<'a>, FieldIssue> {
    let path = format!("{name}[{index}]");
    match entry.as_object() {
        Some(object) => Ok(Part::new(object, path)),
        None => Err(FieldIssue::new(path, IssueCode::WrongType, "An entry must be an object.")),
    }
}

/// A type that is not known is never an error: Mautic may be newer than Tandem.
fn unknown(delivered: Option<Timestamp>) -> Entry {
    let at = delivered.unwrap_or(UNDATED);
    built::entry(Person::default(), "unknown", EntryKind::Noted, at)
}
