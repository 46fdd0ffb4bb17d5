//! A JSON value as TOML text: scalars first, then tables, then arrays of tables, in an order that people read best.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Keys in the order in which they are written; all others follow by their names.
const FIRST: &[&str] = &[
    "kind",
    "object",
    "when",
    "situations",
    "local",
    "role",
    "aliases",
    "from",
    "path",
    "target",
    "remote",
    "direction",
    "transform",
    "required",
    "default",
    "blank",
    "preserve_if_absent",
    "conflict",
    "catalog",
    "label",
    "type",
    "options",
    "scale",
    "field",
    "value",
    "values",
];

/// The text of an object. `null` is left out: TOML has none.
pub(super) fn of_object(object: &Map<String, Value>) -> String {
    let mut text = String::new();
    table(object, &mut Vec::new(), &mut text);
    text.trim_start().to_owned()
}

fn table(object: &Map<String, Value>, path: &mut Vec<String>, text: &mut String) {
    let entries = sorted(object);
    for (name, value) in entries.iter().filter(|(_, value)| !is_table(value) && !is_tables(value)) {
        // Writing to a string can't fail, here and below.
        let _infallible = writeln!(text, "{} = {}", key(name), inline(value));
    }
    for (name, value) in &entries {
        let parts: Vec<(&str, &Map<String, Value>)> = match value {
            Value::Object(inner) if is_table(value) => vec![("[]", inner)],
            Value::Array(list) if is_tables(value) => {
                list.iter().filter_map(Value::as_object).map(|inner| ("[[]]", inner)).collect()
            }
            _ => continue,
        };
        path.push(key(name));
        for (brackets, inner) in parts {
            let (open, close) = brackets.split_at(brackets.len() / 2);
            let _infallible = writeln!(text, "\n{open}{}{close}", path.join("."));
            table(inner, path, text);
        }
        path.pop();
    }
}

/// Tables of their own are those with more than one entry, none of which is a table: `remote_field`. What has one entry stands in
/// its line: `{ lookup = … }`.
fn is_table(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() > 1)
}

fn is_tables(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_object))
}

fn sorted(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let mut entries: Vec<_> = object.iter().filter(|(_, value)| !value.is_null()).collect();
    entries.sort_by(|(one, _), (other, _)| (rank(one), one).cmp(&(rank(other), other)));
    entries
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(object) if object.is_empty() => "{}".to_owned(),
        Value::Object(object) => {
            let entries = sorted(object).into_iter().map(|(name, value)| format!("{} = {}", key(name), inline(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// JSON's escapes are TOML's too; but TOML wants the one control character escaped that JSON lets stand.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string().replace('\u{7f}', "\\u007f")
}
