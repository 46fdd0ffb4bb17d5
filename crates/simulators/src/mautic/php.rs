//! The ways in which PHP writes and reads values, as far as they show on the wire.

use serde_json::{Map, Value};

/// JSON as PHP's `json_encode` writes it by default: `/` as `\/`, everything outside ASCII as `\uXXXX`.
pub(crate) fn json_bytes(value: &Value) -> Vec<u8> {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c {
            '/' => text.push_str("\\/"),
            c if c.is_ascii() => text.push(c),
            c => push_escaped(&mut text, c),
        }
    }
    text.into_bytes()
}

fn push_escaped(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        text.push_str(&format!("\\u{unit:04x}"));
    }
}

/// What PHP's `serialize` makes of a JSON value; objects and lists are arrays there.
pub(crate) fn serialize(value: &Value) -> String {
    match value {
        Value::Null => "N;".into(),
        Value::Bool(flag) => format!("b:{};", u8::from(*flag)),
        Value::Number(number) if number.is_f64() => format!("d:{};", number.as_f64().unwrap_or_default()),
        Value::Number(number) => format!("i:{number};"),
        Value::String(text) => format!("s:{}:\"{text}\";", text.len()),
        Value::Array(items) => {
            let pairs = items.iter().enumerate().map(|(i, item)| format!("i:{i};{}", serialize(item)));
            format!("a:{}:{{{}}}", items.len(), pairs.collect::<String>())
        }
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, item)| format!("s:{}:\"{key}\";{}", key.len(), serialize(item)));
            format!("a:{}:{{{}}}", map.len(), pairs.collect::<String>())
        }
    }
}

/// The properties of a field, serialized: no properties are an empty array.
pub(crate) fn serialize_properties(properties: &Value) -> String {
    if properties.is_null() { "a:0:{}".into() } else { serialize(properties) }
}

/// An empty PHP array is `[]` in JSON, whether it was meant as a list or as a map.
pub(crate) fn map_or_empty_list(map: Map<String, Value>) -> Value {
    if map.is_empty() { Value::Array(Vec::new()) } else { Value::Object(map) }
}

/// An array keyed by numbers as `json_encode` writes it: as a list where no key is left out, else as an object.
pub(crate) fn list_or_map(map: Map<String, Value>) -> Value {
    let gapless = map.keys().enumerate().all(|(place, key)| *key == place.to_string());
    if gapless { map.into_iter().map(|(_, value)| value).collect() } else { Value::Object(map) }
}

/// `is_numeric`: the number that a value looks like to PHP, if it looks like one.
pub(crate) fn numeric(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => numeric_text(text),
        _ => None,
    }
}

fn numeric_text(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    // Rust would also read "inf" and "nan".
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    plain.then(|| text.parse().ok()).flatten()
}

/// Whether `is_numeric` says yes and the cast to an integer gives 0.
pub(crate) fn casts_to_zero(value: &Value) -> bool {
    numeric(value).is_some_and(|number| number.trunc() == 0.0)
}

/// What `null == $value || '' == $value` says.
pub(crate) fn loosely_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) => false,
    }
}

/// `(string) $value` of a scalar.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "1".into(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(false) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// `strip_tags`: what stands outside of `<…>`; one that is never closed swallows the rest.
pub(crate) fn without_tags(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // Only with something right behind it is it the beginning of a tag.
            '<' if !inside && chars.peek().is_some_and(|next| !next.is_whitespace()) => inside = true,
            '>' if inside => inside = false,
            c if !inside => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// `filter_var($value, FILTER_SANITIZE_SPECIAL_CHARS)`: quotes, angle brackets and ampersands as numbered entities.
pub(crate) fn entities(text: &str) -> String {
    let mut encoded = String::new();
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' => encoded.push_str(&format!("&#{};", u32::from(c))),
            c => encoded.push(c),
        }
    }
    encoded
}

/// `filter_var($value, FILTER_VALIDATE_BOOLEAN)`.
pub(crate) fn boolean(value: &Value) -> bool {
    matches!(text(value).to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_escapes_slashes_and_everything_outside_ascii() {
        let bytes = json_bytes(&json!({"a/b": "é🎉"}));
        assert_eq!(String::from_utf8_lossy(&bytes), r#"{"a\/b":"\u00e9\ud83c\udf89"}"#);
    }

    #[test]
    fn whatever_looks_like_a_number_below_one_casts_to_zero() {
        for zero in [json!(0), json!("0"), json!(0.25), json!("0000"), json!(" 0.9"), json!(-0.5)] {
            assert!(casts_to_zero(&zero), "{zero}");
        }
        for other in [json!("00:15"), json!("0x"), json!(""), json!(null), json!(false), json!(1), json!("inf")] {
            assert!(!casts_to_zero(&other), "{other}");
        }
    }

    #[test]
    fn serialized_values_count_bytes() {
        let text = serialize(&json!({"list": ["é"], "scale": 2}));
        assert_eq!(text, r#"a:2:{s:4:"list";a:1:{i:0;s:2:"é";}s:5:"scale";i:2;}"#);
        assert_eq!(serialize_properties(&Value::Null), "a:0:{}");
    }
}
