//! An object of a delivery or a row of a table, read value by value. What can't be read is told by its path.

use jiff::Timestamp;
use serde_json::{Map, Value};
use tandem_core::domain::issue::{FieldIssue, IssueCode};

use super::dates::moment;

/// What reading a value gives.
pub(in crate::mautic) type Read<T> = Result<T, FieldIssue>;

/// No text is kept longer, in characters: it ends up in an item of a table.
const LONGEST: usize = 2_000;

/// An object, and where it stands.
#[derive(Clone)]
pub(in crate::mautic) struct Part<'a> {
    object: &'a Map<String, Value>,
    path: String,
}

impl<'a> Part<'a> {
    pub fn new(object: &'a Map<String, Value>, path: impl Into<String>) -> Self {
        Self { object, path: path.into() }
    }

    /// The members, in no particular order.
    pub fn members(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.object.iter()
    }

    /// The value of a key. `null` is as good as no value, and so is `[]`: PHP writes an empty object so.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
        })
    }

    /// Whether a text stands under a key, be it blank.
    pub fn has_text(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_string)
    }

    /// What is wrong with the value of a key.
    pub fn issue(&self, name: &str, code: IssueCode, message: &str) -> FieldIssue {
        FieldIssue::new(format!("{}.{name}", self.path), code, message)
    }

    /// That a key must be there.
    pub fn missing(&self, name: &str) -> FieldIssue {
        self.issue(name, IssueCode::Missing, "This value must be there.")
    }

    fn wrong(&self, name: &str, message: &str) -> FieldIssue {
        self.issue(name, IssueCode::WrongType, message)
    }

    /// A text; a number counts as one, a blank text as none.
    pub fn text(&self, name: &str) -> Read<Option<String>> {
        match self.value(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(cut)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(self.wrong(name, "Must be a text.")),
        }
    }

    /// The first of several keys that holds a text.
    pub fn text_of(&self, names: &[&str]) -> Read<Option<String>> {
        first(names, |name| self.text(name))
    }

    /// An id: a number from 1 on, or one as text (recording `mautic-5.1.0-webhooks/020-mautic.email_on_send`). 0 is PHP's
    /// way to say none.
    pub fn id(&self, name: &str) -> Read<Option<u64>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number: u64 =
            text.parse().map_err(|_| self.issue(name, IssueCode::Invalid, "Must be the number of an id."))?;
        Ok(Some(number).filter(|number| *number > 0))
    }

    /// A whole number, or one as text; PHP may write it with decimals that are zero.
    pub fn whole(&self, name: &str) -> Read<Option<i64>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let whole = text.split_once('.').filter(|(_, decimals)| decimals.bytes().all(|digit| digit == b'0'));
        let digits = whole.map_or(text.as_str(), |(digits, _)| digits);
        digits.parse().map(Some).map_err(|_| self.issue(name, IssueCode::Invalid, "Must be a whole number."))
    }

    /// A yes or no: a boolean, or 1 and 0 as PHP may write them.
    pub fn flag(&self, name: &str) -> Read<Option<bool>> {
        match self.value(name) {
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            _ => Ok(self.whole(name)?.map(|number| number != 0)),
        }
    }

    /// The first of several keys that holds a moment. A date that can't be read is as good as none.
    pub fn moment_of(&self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| moment(self.value(name)?))
    }

    /// An object.
    pub fn object(&self, name: &str) -> Read<Option<Part<'a>>> {
        match self.value(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Part::new(object, format!("{}.{name}", self.path)))),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Err(self.wrong(name, "Must be an object."))
            }
        }
    }

    /// The first of several keys that holds an object.
    pub fn object_of(&self, names: &[&str]) -> Read<Option<Part<'a>>> {
        first(names, |name| self.object(name))
    }

    /// A list of objects: an array, or an object keyed by anything. Empty ones are left out.
    pub fn objects(&self, name: &str) -> Read<Vec<Part<'a>>> {
        let items: Vec<&Value> = match self.value(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(Value::Object(items)) => items.values().collect(),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                return Err(self.wrong(name, "Must be a list."));
            }
        };
        let parts =
            items.into_iter().enumerate().filter_map(|(index, item)| self.element(name, index, item).transpose());
        parts.collect()
    }

    fn element(&self, name: &str, index: usize, item: &'a Value) -> Read<Option<Part<'a>>> {
        let name = format!("{name}[{index}]");
        match item {
            Value::Object(object) => Ok(Some(Part::new(object, format!("{}.{name}", self.path)))),
            Value::Array(items) if items.is_empty() => Ok(None),
            Value::Null => Ok(None),
            Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(self.wrong(&name, "Must be an object."))
            }
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

fn first<T>(names: &[&str], read: impl Fn(&str) -> Read<Option<T>>) -> Read<Option<T>> {
    for name in names {
        if let Some(found) = read(name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
