//! What a caller sent: query strings with PHP's square brackets, and bodies as JSON or as a form.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answer::Answer;

/// The query string as PHP reads it: `a[b][0]=c` is nested.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(pub(crate) Map<String, Value>);

impl Query {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn number(&self, key: &str) -> Option<usize> {
        self.text(key).parse().ok()
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        !matches!(self.text(key), "" | "0" | "false")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Answer> {
        Ok(Self(php_pairs(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// The body, whatever its kind. An absent body is an empty object.
#[derive(Debug, Clone)]
pub(crate) struct Payload(pub(crate) Value);

impl Payload {
    /// The body as named parameters; a list has none.
    pub(crate) fn params(self) -> Map<String, Value> {
        match self.0 {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// The body as the entries of a batch, with the key of each.
    pub(crate) fn entries(self) -> Vec<Map<String, Value>> {
        let items = match self.0 {
            Value::Array(items) => items,
            Value::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        items.into_iter().map(|item| Self(item).params()).collect()
    }
}

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Answer;

    async fn from_request(request: Request, state: &S) -> Result<Self, Answer> {
        let form = is_form(request.headers());
        let Ok(bytes) = Bytes::from_request(request, state).await else { return Err(Answer::broken_request()) };
        if form {
            return Ok(Self(Value::Object(php_pairs(&bytes))));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Value::Object(Map::new())));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|_| Answer::broken_request())
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// Path parameters; where a number is expected and something else stands, the URL does not exist.
pub(crate) struct PathParts<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParts<T> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Answer> {
        let path = parts.uri.path().to_owned();
        let found = Path::<T>::from_request_parts(parts, state).await;
        found.map(|Path(value)| Self(value)).map_err(|_| Answer::no_such_url(&path))
    }
}

/// Reads `key=value` pairs, nesting keys with square brackets as PHP does.
pub(crate) fn php_pairs(bytes: &[u8]) -> Map<String, Value> {
    let mut root = Value::Object(Map::new());
    for (key, value) in url::form_urlencoded::parse(bytes) {
        place(&mut root, &key_path(&key), Value::String(value.into_owned()));
    }
    match root {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// `a[b][0]` as `a`, `b`, `0`.
fn key_path(key: &str) -> Vec<String> {
    let Some((head, rest)) = key.split_once('[') else { return vec![key.to_owned()] };
    let inner = rest.strip_suffix(']').unwrap_or(rest);
    let mut path = vec![head.to_owned()];
    path.extend(inner.split("][").map(str::to_owned));
    path
}

fn place(into: &mut Value, path: &[String], value: Value) {
    let Some((head, rest)) = path.split_first() else {
        *into = value;
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    if let Value::Object(map) = into {
        // `key[]=` appends.
        let key = if head.is_empty() { map.len().to_string() } else { head.clone() };
        place(map.entry(key).or_insert(Value::Null), rest, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn square_brackets_nest_and_empty_ones_append() {
        let read = php_pairs(b"where[0][val][1][col]=a%2Bb&ids[]=1&ids[]=2&plain=x+y");
        let expected = json!({
            "where": {"0": {"val": {"1": {"col": "a+b"}}}},
            "ids": {"0": "1", "1": "2"},
            "plain": "x y",
        });
        assert_eq!(Value::Object(read), expected);
    }
}
