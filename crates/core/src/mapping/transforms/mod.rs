//! Pure functions that bring one value into the platform's form, or say what is wrong with it.

pub(crate) mod choice;
pub(crate) mod contact;
pub(crate) mod number;
mod phone;
mod place;
mod tags;
mod text;
pub(crate) mod time;

use serde_json::Value;

use super::rules::Transform;
use super::vocabulary::{Country, Vocabulary};
use crate::domain::issue::IssueCode;

/// What is wrong with a value: the kind, and a sentence that does not repeat the value.
pub(crate) type Problem = (IssueCode, String);

/// A value in the platform's form; `None` when the given one is blank.
pub(crate) type Outcome = Result<Option<Value>, Problem>;

/// What a transform may need to know besides the value.
pub(crate) struct Context<'a> {
    /// The platform's words.
    pub vocabulary: &'a dyn Vocabulary,
    /// The record's country, when it is known.
    pub country: Option<&'a Country>,
    /// The values that the field takes; empty when any will do.
    pub options: &'a [String],
    /// The most characters that the field takes.
    pub limit: Option<usize>,
}

/// Applies a transform. Never panics, whatever the value.
pub(crate) fn transform(transform: &Transform, value: &Value, context: &Context<'_>) -> Outcome {
    match transform {
        Transform::Direct => text::direct(value),
        Transform::Constant(constant) => Ok(Some(constant.clone())),
        Transform::Lookup(table) => choice::lookup(value, table),
        Transform::Text => text::line(value, context.limit),
        Transform::Email => contact::email(value),
        Transform::Phone => phone::e164(value, context.country),
        Transform::Country => place::country(value, context.vocabulary),
        Transform::State => place::state(value, context),
        Transform::Locale => place::locale(value, context.vocabulary),
        Transform::Timezone => place::timezone(value, context.vocabulary),
        Transform::Number => number::number(value),
        Transform::Bool => choice::boolean(value),
        Transform::Date => time::date(value),
        Transform::DateTime => time::datetime(value),
        Transform::Select => choice::select(value, context.options),
        Transform::Url => contact::url(value, context.limit),
        Transform::Tags => tags::tags(value),
    }
}

fn wrong_type(expected: &str) -> Problem {
    (IssueCode::WrongType, format!("takes {expected}"))
}

fn invalid(message: &str) -> Problem {
    (IssueCode::Invalid, message.to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
