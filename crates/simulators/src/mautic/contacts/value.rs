//! What becomes of a submitted value, by the kind of its field.

use std::str::FromStr;

use email_address::EmailAddress;
use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Value, json};

use crate::mautic::{answer::Problems, lists, php, rows::Field, version::MauticVersion};

const LONGEST_TEXTAREA: u64 = 65_535;

/// What 5.1 says of anything that does not fit, and 7.0 of two kinds of it (recordings `024`, `069`).
fn not_a_choice(version: MauticVersion) -> &'static str {
    version.pick("This value is not valid.", "The selected choice is invalid.")
}

fn not_a_number(version: MauticVersion) -> &'static str {
    version.pick("This value is not valid.", "Please enter a number.")
}

/// What a form has for one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Submitted {
    /// Not carried by the request.
    Absent,
    /// Carried, and empty.
    Blank,
    /// Carried.
    Value(Value),
    /// A boolean, which goes around the form.
    Flag(bool),
}

/// Takes a carried value through the form.
pub(crate) fn submit(version: MauticVersion, field: &Field, raw: &Value, problems: &mut Problems) -> Submitted {
    if raw.is_null() || raw.as_str() == Some("") {
        return Submitted::Blank;
    }
    match field.kind.as_str() {
        "boolean" => Submitted::Flag(php::boolean(raw)),
        "number" => submit_number(version, field, raw, problems),
        "datetime" | "date" | "time" => {
            moment(&field.kind, raw, version.is_7()).map_or(Submitted::Absent, Submitted::Value)
        }
        "select" => submit_choice(version, field, raw, problems, field.offers(&php::text(raw))),
        "multiselect" => submit_choices(version, field, raw, problems),
        "country" | "region" | "timezone" | "locale" => {
            let accepted = lists::accepts(version, &field.kind, &php::text(raw)).unwrap_or(true);
            submit_choice(version, field, raw, problems, accepted)
        }
        "email" => submit_email(field, raw, problems),
        _ => submit_text(field, raw, problems),
    }
}

fn submit_number(version: MauticVersion, field: &Field, raw: &Value, problems: &mut Problems) -> Submitted {
    match php::numeric(raw) {
        Some(number) => Submitted::Value(json!(rounded(number, field.scale()))),
        None => {
            problems.add(&field.alias, not_a_number(version));
            Submitted::Absent
        }
    }
}

/// Rounds half to even, as the form does; without a scale nothing is rounded.
fn rounded(number: f64, scale: Option<u32>) -> f64 {
    let Some(scale) = scale else { return number };
    let factor = 10f64.powi(scale.min(15) as i32);
    let shifted = number * factor;
    // PHP turns the shifted number into text of 14 digits first, in which 1.005 is not a little less than itself.
    let shifted: f64 = format!("{shifted:.13e}").parse().unwrap_or(shifted);
    shifted.round_ties_even() / factor
}

fn submit_choice(
    version: MauticVersion,
    field: &Field,
    raw: &Value,
    problems: &mut Problems,
    accepted: bool,
) -> Submitted {
    if accepted {
        return Submitted::Value(Value::String(php::text(raw)));
    }
    problems.add(&field.alias, not_a_choice(version));
    Submitted::Absent
}

fn submit_choices(version: MauticVersion, field: &Field, raw: &Value, problems: &mut Problems) -> Submitted {
    let joined = joined_choices(raw);
    let accepted = joined.split('|').all(|choice| field.offers(choice));
    submit_choice(version, field, &Value::String(joined), problems, accepted)
}

/// Several choices as Mautic keeps them.
pub(crate) fn joined_choices(raw: &Value) -> String {
    match raw {
        Value::Array(items) => items.iter().map(php::text).collect::<Vec<_>>().join("|"),
        other => php::text(other),
    }
}

fn submit_email(field: &Field, raw: &Value, problems: &mut Problems) -> Submitted {
    let email = clean_email(&php::text(raw));
    if email.is_empty() {
        return Submitted::Blank;
    }
    if !is_email(&email) {
        problems.add(&field.alias, format!("{email} is invalid."));
    }
    Submitted::Value(Value::String(email))
}

/// Drops what cannot stand in an address: everything outside ASCII, which is how `zoë@…` loses its ë, and the slash, with
/// which the address may become somebody else's (recordings `218`, `219`).
pub(crate) fn clean_email(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "!#$%&'*+-=?^_`{|}~@.[]".contains(*c);
    text.trim().chars().filter(allowed).collect()
}

fn is_email(email: &str) -> bool {
    let forbidden = email.contains(['^', '&', '*', '%']);
    let domain_has_dot = email.rsplit_once('@').is_some_and(|(_, domain)| domain.contains('.'));
    !forbidden && domain_has_dot && EmailAddress::from_str(email).is_ok()
}

fn submit_text(field: &Field, raw: &Value, problems: &mut Problems) -> Submitted {
    let mut text = php::text(raw).trim().to_owned();
    if text.is_empty() {
        return Submitted::Blank;
    }
    if field.kind == "url" && !text.contains("://") {
        text.insert_str(0, "http://");
    }
    let longest = field.limit.unwrap_or(LONGEST_TEXTAREA);
    if text.chars().count() as u64 > longest {
        let message = format!("This value is too long. It should have {longest} characters or less.");
        problems.add(&field.alias, message);
    }
    Submitted::Value(Value::String(text))
}

/// A point in time as a field keeps it; None for what cannot be read as one, which is then dropped without a word.
///
/// The form of 5.1 cuts seconds off, the way around the form and 7.0 do not (recording `068`).
pub(crate) fn moment(kind: &str, raw: &Value, with_seconds: bool) -> Option<Value> {
    let text = php::text(raw);
    if kind == "time" {
        let time: civil::Time = text.trim().parse().ok()?;
        return Some(json!(time.strftime("%H:%M:%S").to_string()));
    }
    let at = read_moment(text.trim())?.to_zoned(TimeZone::UTC);
    let format = match kind {
        "date" => "%Y-%m-%d",
        _ if with_seconds => "%Y-%m-%d %H:%M:%S",
        _ => "%Y-%m-%d %H:%M:00",
    };
    Some(json!(at.strftime(format).to_string()))
}

fn read_moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(at) = Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text) {
        return Some(at);
    }
    let civil = text.parse::<civil::DateTime>().or_else(|_| civil::DateTime::strptime("%Y-%m-%d %H:%M", text)).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str, properties: Value) -> Field {
        let field = json!({"label": "F", "alias": "f", "type": kind, "group": "core", "object": "lead",
            "fixed": false, "properties": properties, "column": 1});
        serde_json::from_value(field).expect("a field")
    }

    fn submitted(kind: &str, properties: Value, raw: Value) -> (Submitted, bool) {
        let mut problems = Problems::default();
        let submitted = submit(MauticVersion::V5_1, &field(kind, properties), &raw, &mut problems);
        (submitted, problems.is_empty())
    }

    #[test]
    fn numbers_are_rounded_to_the_scale_of_their_field() {
        let scale = json!({"scale": "2"});
        assert_eq!(submitted("number", scale.clone(), json!(1234.567)).0, Submitted::Value(json!(1234.57)));
        assert_eq!(submitted("number", scale, json!("1.005")).0, Submitted::Value(json!(1.0)));
        assert_eq!(submitted("number", Value::Null, json!("12.75")).0, Submitted::Value(json!(12.75)));
        assert!(!submitted("number", Value::Null, json!("abc")).1);
    }

    #[test]
    fn points_in_time_lose_their_seconds_and_nonsense_is_dropped_without_a_word() {
        let moment = |raw| submitted("datetime", Value::Null, json!(raw));
        assert_eq!(moment("2026-11-01T10:20:30Z").0, Submitted::Value(json!("2026-11-01 10:20:00")));
        assert_eq!(moment("2026-11-01 10:20:30").0, Submitted::Value(json!("2026-11-01 10:20:00")));
        assert_eq!(moment("2026-11-01T10:20:30+02:00").0, Submitted::Value(json!("2026-11-01 08:20:00")));
        assert_eq!(moment("yesterday-ish"), (Submitted::Absent, true));
        assert_eq!(moment("0000-00-00 00:00:00"), (Submitted::Absent, true));
    }

    #[test]
    fn addresses_lose_what_is_not_ascii() {
        let email = submitted("email", Value::Null, json!("zoë.müller@example.com"));
        assert_eq!(email, (Submitted::Value(json!("zo.mller@example.com")), true));
        assert!(!submitted("email", Value::Null, json!("somebody@localhost")).1);
    }

    #[test]
    fn choices_come_from_their_lists() {
        assert!(submitted("country", Value::Null, json!("Australia")).1);
        assert!(!submitted("country", Value::Null, json!("AU")).1);
        assert!(submitted("timezone", Value::Null, json!("Europe/Vienna")).1);
        assert!(submitted("locale", Value::Null, json!("en_AU")).1);
        let options = json!({"list": [{"label": "A", "value": "a"}, {"label": "B", "value": "b"}]});
        assert!(!submitted("select", options.clone(), json!("c")).1);
        assert_eq!(submitted("multiselect", options, json!(["a", "b"])).0, Submitted::Value(json!("a|b")));
    }
}
