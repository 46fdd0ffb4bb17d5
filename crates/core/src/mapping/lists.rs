//! Lists as sources write them: JSON, PostgreSQL's way of writing an array (`{vip,"early bird"}`), or names with commas or
//! semicolons between. One reading for tags and for segments.

use serde_json::Value;

/// The members of a list, without blanks around them; blank ones are left out. A number alone is no list of names.
#[must_use]
pub fn members(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => of_json(list),
        Value::String(text) => of_text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// The members of a list that is written as one text.
#[must_use]
pub fn of_text(text: &str) -> Vec<String> {
    let text = text.trim();
    if let Ok(list) = serde_json::from_str::<Vec<Value>>(text) {
        return of_json(&list);
    }
    if let Some(inner) = within(text, '{', '}') {
        // An element that is nothing is written without quotation marks.
        return parts(inner, ",", "\"").into_iter().filter(|part| part != "NULL").collect();
    }
    match within(text, '[', ']') {
        Some(inner) => parts(inner, ",;", "\"'"),
        None => parts(text, ",;", "\""),
    }
}

fn of_json(list: &[Value]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    list.iter().filter_map(text).filter(|text| !text.is_empty()).collect()
}

fn within(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// The parts between `separators`; one that begins with one of `quotes` goes on to the same mark, whatever stands between.
fn parts(text: &str, separators: &str, quotes: &str) -> Vec<String> {
    let (mut parts, mut part, mut quote) = (Vec::new(), String::new(), None);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match quote {
            Some(mark) if character == mark && characters.peek() == Some(&mark) => {
                part.extend(characters.next());
            }
            Some(mark) if character == mark => quote = None,
            Some(_) if character == '\\' => part.extend(characters.next()),
            Some(_) => part.push(character),
            None if separators.contains(character) => parts.push(std::mem::take(&mut part)),
            None if quotes.contains(character) && part.trim().is_empty() => quote = Some(character),
            None => part.push(character),
        }
    }
    parts.push(part);
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_read_in_every_form_that_sources_write_it() {
        for value in [
            json!(["vip", " early bird "]),
            json!("{vip,\"early bird\"}"),
            json!("{\"vip\", early bird, NULL}"),
            json!("[\"vip\",\"early bird\"]"),
            json!("['vip', 'early bird']"),
            json!("[vip, early bird]"),
            json!("vip;early bird"),
            json!(" vip , early bird ,"),
            json!("vip,\"early bird\""),
        ] {
            assert_eq!(members(&value), ["vip", "early bird"], "{value}");
        }
        for value in
            [json!("{}"), json!("[]"), json!(""), json!(" ; , "), json!(null), json!([]), json!(7), json!("{NULL}")]
        {
            assert!(members(&value).is_empty(), "{value}");
        }
    }

    #[test]
    fn quotation_marks_keep_a_member_together() {
        assert_eq!(of_text("{\"a, b\",\"say \\\"hi\\\"\",c}"), ["a, b", "say \"hi\"", "c"]);
        assert_eq!(of_text("\"a \"\"b\"\"\";c"), ["a \"b\"", "c"]);
        assert_eq!(of_text("5\" pipe, rock 'n' roll"), ["5\" pipe", "rock 'n' roll"]);
        assert_eq!(of_text("[1, 2]"), ["1", "2"]);
        assert_eq!(of_text("\"never closed, b"), ["never closed, b"]);
    }
}
