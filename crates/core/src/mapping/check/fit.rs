//! Does what a transform makes go into a field of the platform?

use serde_json::Value;

use super::super::rules::Transform;
use crate::domain::catalog::{RemoteField, RemoteFieldKind};

/// Whether it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// All that the transform makes.
    Right,
    /// Some of it; what is not taken is left out and told of.
    Doubtful(&'static str),
    /// None of it, or what is constant.
    Wrong(&'static str),
}

const ANY_TEXT: Fit = Fit::Doubtful("text of any form goes into a field that takes but some: the rest is left out");

/// Whether a field takes what the transform makes.
pub(super) fn fit(transform: &Transform, field: &RemoteField) -> Fit {
    match transform {
        Transform::Constant(value) => all_fit(std::iter::once(value), field),
        Transform::Lookup(table) => all_fit(table.values(), field),
        Transform::Tags => Fit::Wrong("tags are no field"),
        made => made_fits(made, field.kind),
    }
}

/// Whether the platform's field takes addresses.
pub(super) const fn takes_addresses(kind: RemoteFieldKind) -> bool {
    match kind {
        RemoteFieldKind::Text | RemoteFieldKind::LongText | RemoteFieldKind::Email | RemoteFieldKind::Other => true,
        RemoteFieldKind::Number
        | RemoteFieldKind::Boolean
        | RemoteFieldKind::Select
        | RemoteFieldKind::Date
        | RemoteFieldKind::DateTime
        | RemoteFieldKind::Phone
        | RemoteFieldKind::Url
        | RemoteFieldKind::Country
        | RemoteFieldKind::Region
        | RemoteFieldKind::Locale
        | RemoteFieldKind::Timezone => false,
    }
}

/// Of these options those that the platform's select lacks.
pub(super) fn refused_options(own: &[String], field: &RemoteField) -> Vec<String> {
    if field.kind != RemoteFieldKind::Select || field.options.is_empty() {
        return Vec::new();
    }
    own.iter().filter(|option| !has_option(field, option)).cloned().collect()
}

fn has_option(field: &RemoteField, text: &str) -> bool {
    field.options.is_empty() || field.options.iter().any(|option| option.to_lowercase() == text.trim().to_lowercase())
}

fn made_fits(made: &Transform, kind: RemoteFieldKind) -> Fit {
    use Transform::{
        Bool, Country, Date, DateTime, Direct, Email, Locale, Number, Phone, Select, State, Text, Timezone, Url,
    };
    match kind {
        RemoteFieldKind::Text | RemoteFieldKind::LongText | RemoteFieldKind::Other => Fit::Right,
        RemoteFieldKind::Number => match made {
            Number => Fit::Right,
            Direct => ANY_TEXT,
            _ => Fit::Wrong("the field takes numbers: `transform = \"number\"`"),
        },
        RemoteFieldKind::Boolean => match made {
            Bool => Fit::Right,
            Direct => ANY_TEXT,
            _ => Fit::Wrong("the field takes yes or no: `transform = \"bool\"`"),
        },
        RemoteFieldKind::Select => match made {
            Select | Text => Fit::Right,
            Direct | Number => ANY_TEXT,
            _ => Fit::Wrong("the field takes its options: `transform = \"select\"`"),
        },
        RemoteFieldKind::Date | RemoteFieldKind::DateTime => match made {
            Date | DateTime => Fit::Right,
            Direct | Text => ANY_TEXT,
            _ => Fit::Wrong("the field takes dates: `transform = \"date\"` or `\"datetime\"`"),
        },
        RemoteFieldKind::Email => only(made, &Email, "the field takes addresses: `transform = \"email\"`"),
        RemoteFieldKind::Phone => only(made, &Phone, "the field takes telephone numbers: `transform = \"phone\"`"),
        RemoteFieldKind::Url => only(made, &Url, "the field takes web addresses: `transform = \"url\"`"),
        RemoteFieldKind::Country => only(made, &Country, "the field takes countries: `transform = \"country\"`"),
        RemoteFieldKind::Region => only(made, &State, "the field takes regions: `transform = \"state\"`"),
        RemoteFieldKind::Locale => only(made, &Locale, "the field takes locales: `transform = \"locale\"`"),
        RemoteFieldKind::Timezone => only(made, &Timezone, "the field takes time zones: `transform = \"timezone\"`"),
    }
}

fn only(made: &Transform, wanted: &Transform, otherwise: &'static str) -> Fit {
    match made {
        made if made == wanted => Fit::Right,
        Transform::Text | Transform::Direct => ANY_TEXT,
        _ => Fit::Wrong(otherwise),
    }
}

/// Values that stand in the rule itself.
fn all_fit<'a>(mut values: impl Iterator<Item = &'a Value>, field: &RemoteField) -> Fit {
    if values.all(|value| value_fits(value, field)) {
        Fit::Right
    } else {
        Fit::Wrong("a value of the rule is none that the field takes")
    }
}

fn value_fits(value: &Value, field: &RemoteField) -> bool {
    let text = value.as_str();
    match field.kind {
        RemoteFieldKind::Number => value.is_number() || text.is_some_and(|text| text.trim().parse::<f64>().is_ok()),
        RemoteFieldKind::Boolean => value.is_boolean() || matches!(value.as_f64(), Some(0.0 | 1.0)),
        RemoteFieldKind::Select => has_option(field, &text.map_or_else(|| value.to_string(), str::to_owned)),
        RemoteFieldKind::Text
        | RemoteFieldKind::LongText
        | RemoteFieldKind::Other
        | RemoteFieldKind::Date
        | RemoteFieldKind::DateTime
        | RemoteFieldKind::Email
        | RemoteFieldKind::Phone
        | RemoteFieldKind::Url
        | RemoteFieldKind::Country
        | RemoteFieldKind::Region
        | RemoteFieldKind::Locale
        | RemoteFieldKind::Timezone => true,
    }
}
