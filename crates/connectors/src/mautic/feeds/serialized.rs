//! What PHP's `serialize` wrote, as the audit log holds it (recording `153-stats-audit`). Nothing is made from it but plain
//! values: an object becomes the list of its properties.

use serde_json::{Map, Value};

/// Nested more deeply, it is not read: nothing that Mautic logs is.
const DEEPEST: usize = 16;

/// Reads a value; `None` when the text is no serialized value, or one that refers to parts of itself.
pub(in crate::mautic) fn read(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text.as_bytes() };
    let value = reader.value(DEEPEST)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        let (kind, rest) = self.rest.split_first()?;
        self.rest = rest;
        match kind {
            b'N' => self.skip(b';').map(|()| Value::Null),
            b'b' => self.scalar().map(|text| Value::Bool(text == "1")),
            b'i' => Some(Value::from(self.scalar()?.parse::<i64>().ok()?)),
            // JSON has no infinity; nobody asks for such a value here.
            b'd' => Some(self.scalar()?.parse::<f64>().map_or(Value::Null, Value::from)),
            b's' => {
                let text = self.text()?;
                self.skip(b';')?;
                Some(Value::String(text))
            }
            b'a' => self.members(depth),
            b'O' => {
                self.text()?;
                self.members(depth)
            }
            _ => None,
        }
    }

    /// `:<value>;`
    fn scalar(&mut self) -> Option<&'a str> {
        self.skip(b':')?;
        self.until(b';')
    }

    /// `:<bytes>:"<text>"`, the bytes counted, so that the text may hold anything.
    fn text(&mut self) -> Option<String> {
        let length = self.count()?;
        self.skip(b'"')?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.skip(b'"')?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// `:<count>:{<key><value>…}`
    fn members(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let count = self.count()?;
        self.skip(b'{')?;
        let mut members = Map::new();
        for _ in 0..count {
            let key = match self.value(depth)? {
                Value::String(key) => key,
                Value::Number(key) => key.to_string(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
            };
            members.insert(key, self.value(depth)?);
        }
        self.skip(b'}')?;
        Some(Value::Object(members))
    }

    /// `:<number>:`
    fn count(&mut self) -> Option<usize> {
        self.skip(b':')?;
        self.until(b':')?.parse().ok()
    }

    fn until(&mut self, end: u8) -> Option<&'a str> {
        let length = self.rest.iter().position(|byte| *byte == end)?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest.get(1..)?;
        std::str::from_utf8(text).ok()
    }

    /// Goes past the byte that must come next.
    fn skip(&mut self, wanted: u8) -> Option<()> {
        let (found, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*found == wanted).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_php_wrote_is_read() {
        let text = r#"a:4:{s:2:"é";a:2:{i:0;N;i:1;d:1.5;}s:1:"b";b:1;s:1:"o";O:8:"DateTime":1:{s:4:"date";s:1:"x";}s:1:"n";i:-3;}"#;
        let expected = json!({"é": {"0": null, "1": 1.5}, "b": true, "o": {"date": "x"}, "n": -3});
        assert_eq!(read(text), Some(expected));
    }

    #[test]
    fn what_php_did_not_write_is_not_read() {
        let deep = format!("{}N;{}", "a:1:{i:0;".repeat(20), "}".repeat(20));
        for text in ["", "a", "s:99:\"x\";", "a:9999999999:{", "a:1:{N;N;}", "i:1;i:2;", "R:1;", "d:x:", deep.as_str()]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_that_looks_like_more_is_a_text() {
        let text = r#"a:1:{s:1:"k";s:24:"";s:6:"reason";i:0;s:1:"";}"#;
        assert_eq!(read(text), Some(json!({"k": r#"";s:6:"reason";i:0;s:1:""#})));
    }
}
