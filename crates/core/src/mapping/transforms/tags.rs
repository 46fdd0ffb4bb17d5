//! Tags: a list of names.

use serde_json::Value;

use super::text::{one_line, within};
use super::{Outcome, Problem, wrong_type};
use crate::mapping::lists;

/// The most characters that Mautic keeps of a tag's name.
const LONGEST: usize = 191;

/// A list in any form that sources write it; commas within entries part names too, as Mautic itself parts them there. The result
/// is an array of texts without repetitions, in the order given.
pub(super) fn tags(value: &Value) -> Outcome {
    let mut names = Vec::new();
    match value {
        Value::Null => {}
        Value::Array(entries) => entries.iter().try_for_each(|entry| add(entry, &mut names))?,
        Value::String(text) => lists::of_text(text).into_iter().try_for_each(|name| add(&name.into(), &mut names))?,
        Value::Number(_) => add(value, &mut names)?,
        Value::Bool(_) | Value::Object(_) => return Err(wrong_type("a list of texts")),
    }
    Ok(if names.is_empty() { None } else { Some(names.into()) })
}

fn add(entry: &Value, names: &mut Vec<String>) -> Result<(), Problem> {
    if matches!(entry, Value::Bool(_)) {
        return Err(wrong_type("a list of texts"));
    }
    let text = one_line(entry)?.unwrap_or_default();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        within(name, Some(LONGEST))?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(())
}
