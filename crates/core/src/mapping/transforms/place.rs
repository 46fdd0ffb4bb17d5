//! Countries, states, locales and time zones in the platform's own words.

use serde_json::Value;

use super::text::one_line;
use super::{Context, Outcome, Problem};
use crate::domain::issue::IssueCode;
use crate::mapping::vocabulary::Vocabulary;

/// The platform's name of a country.
pub(super) fn country(value: &Value, vocabulary: &dyn Vocabulary) -> Outcome {
    known(value, "country", |given| vocabulary.country(given).map(|country| country.name))
}

/// The platform's name of a state of the record's country.
pub(super) fn state(value: &Value, context: &Context<'_>) -> Outcome {
    let what = if context.country.is_some() {
        "state of the record's country"
    } else {
        "state that one country alone has, and the record names no country"
    };
    known(value, what, |given| context.vocabulary.state(given, context.country))
}

/// The platform's name of a locale.
pub(super) fn locale(value: &Value, vocabulary: &dyn Vocabulary) -> Outcome {
    known(value, "locale", |given| vocabulary.locale(given))
}

/// An IANA time zone.
pub(super) fn timezone(value: &Value, vocabulary: &dyn Vocabulary) -> Outcome {
    known(value, "IANA time zone", |given| vocabulary.timezone(given))
}

fn known(value: &Value, what: &str, find: impl Fn(&str) -> Option<String>) -> Outcome {
    let Some(given) = one_line(value)? else { return Ok(None) };
    let missing: Problem = (IssueCode::NotInList, format!("is no {what} that the platform knows"));
    find(&given).map(|name| Some(Value::String(name))).ok_or(missing)
}
