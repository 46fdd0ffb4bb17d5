//! Values of rules: literals, and what stands in for a value of the event.

use std::fmt;

use serde_json::{Value, json};

use crate::domain::record::Fields;

/// A value of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// As it is.
    Literal(Value),
    /// From the event, else the text after `|`, if there is one.
    From(Part, Option<String>),
}

/// Which value of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// When it happened.
    Time,
    /// Its name.
    Name,
    /// The user's tier after it.
    Tier,
    /// The user's tier before it.
    OldTier,
    /// A property.
    Property(String),
}

/// What values are taken from.
pub struct Given<'a> {
    /// When the event happened.
    pub at: jiff::Timestamp,
    /// Its name.
    pub name: &'a str,
    /// The tier after it.
    pub tier: Option<&'a str>,
    /// The tier before it.
    pub old_tier: Option<&'a str>,
    /// Its properties.
    pub properties: &'a Fields,
}

impl Template {
    /// Reads a value of the file.
    ///
    /// # Errors
    /// A sentence on a text that begins with `$` and names nothing, or on a list or table.
    pub fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) if text.starts_with('$') => Self::of_text(text),
            Value::Array(_) | Value::Object(_) => Err("takes a text, a number, or true or false".to_owned()),
            literal => Ok(Self::Literal(literal.clone())),
        }
    }

    fn of_text(text: &str) -> Result<Self, String> {
        let (name, default) = match text.split_once('|') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (text, None),
        };
        let part = match name {
            "$time" => Part::Time,
            "$name" => Part::Name,
            "$tier" => Part::Tier,
            "$old_tier" => Part::OldTier,
            _ => match name.strip_prefix("$properties.") {
                Some(property) if !property.is_empty() => Part::Property(property.to_owned()),
                _ => {
                    return Err(format!(
                        "{name} names no value: there are $time, $name, $tier, $old_tier and $properties.…"
                    ));
                }
            },
        };
        Ok(Self::From(part, default))
    }

    /// The property that the value comes from.
    #[must_use]
    pub fn property(&self) -> Option<&str> {
        match self {
            Self::From(Part::Property(name), _) => Some(name),
            Self::From(..) | Self::Literal(_) => None,
        }
    }

    /// The value for an event; `None` when the event has none.
    #[must_use]
    pub fn value(&self, given: &Given<'_>) -> Option<Value> {
        let (part, default) = match self {
            Self::Literal(value) => return Some(value.clone()),
            Self::From(part, default) => (part, default),
        };
        let found = match part {
            Part::Time => Some(json!(given.at.to_string())),
            Part::Name => Some(json!(given.name)),
            Part::Tier => given.tier.map(|tier| json!(tier)),
            Part::OldTier => given.old_tier.map(|tier| json!(tier)),
            Part::Property(name) => given.properties.get(name).filter(|value| !value.is_null()).cloned(),
        };
        found.or_else(|| default.as_ref().map(|text| json!(text)))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, default) = match self {
            Self::Literal(value) => return write!(f, "{value}"),
            Self::From(part, default) => (part, default),
        };
        match part {
            Part::Time => f.write_str("$time")?,
            Part::Name => f.write_str("$name")?,
            Part::Tier => f.write_str("$tier")?,
            Part::OldTier => f.write_str("$old_tier")?,
            Part::Property(name) => write!(f, "$properties.{name}")?,
        }
        default.as_ref().map_or(Ok(()), |text| write!(f, "|{text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_from_the_event_or_from_what_stands_in_for_it() {
        let properties = Fields::from([("amount".to_owned(), json!(12.5))]);
        let given =
            Given { at: jiff::Timestamp::UNIX_EPOCH, name: "x", tier: None, old_tier: None, properties: &properties };
        let value = |text: &str| Template::parse(&json!(text)).unwrap().value(&given);
        assert_eq!(value("$properties.amount"), Some(json!(12.5)));
        assert_eq!(value("$properties.status|active"), Some(json!("active")));
        assert_eq!(value("$tier"), None);
        assert_eq!(value("$time"), Some(json!("1970-01-01T00:00:00Z")));
        assert_eq!(value("plain"), Some(json!("plain")));
        assert_eq!(
            Template::parse(&json!("$properties.status|active")).unwrap().to_string(),
            "$properties.status|active"
        );
        assert!(Template::parse(&json!("$amount")).is_err() && Template::parse(&json!([1])).is_err());
    }
}
