//! Values whose JSON type varies.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A list sent as an object (keyed by id, index or name) or as an array (then keyed by position); `null` is empty.
pub(in crate::mautic) struct Listed<T>(pub Vec<(String, T)>);

impl<T> Listed<T> {
    /// The elements without their keys.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|(_, value)| value)
    }

    /// The elements by position among `count` entries that were sent; a key that is no such position is ignored.
    pub fn by_index(self, count: usize) -> Vec<Option<T>> {
        let mut slots: Vec<Option<T>> = std::iter::repeat_with(|| None).take(count).collect();
        for (key, value) in self.0 {
            if let Some(slot) = key.parse::<usize>().ok().and_then(|index| slots.get_mut(index)) {
                *slot = Some(value);
            }
        }
        slots
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListedVisitor(PhantomData))
    }
}

struct ListedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListedVisitor<T> {
    type Value = Listed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list as an object or an array")
    }

    fn visit_unit<E: Error>(self) -> Result<Listed<T>, E> {
        Ok(Listed::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed<T>, A::Error> {
        let mut items = Vec::with_capacity(map.size_hint().unwrap_or(0));
        while let Some(item) = map.next_entry()? {
            items.push(item);
        }
        Ok(Listed(items))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listed<T>, A::Error> {
        let mut items = Vec::with_capacity(list.size_hint().unwrap_or(0));
        while let Some(item) = list.next_element()? {
            items.push((items.len().to_string(), item));
        }
        Ok(Listed(items))
    }
}

/// A scalar as text: `7`, `"7"`, `true` are `7`, `7`, `1`; `null` and `false` are the empty text.
#[derive(Clone, Default)]
pub(in crate::mautic) struct Loose(pub String);

impl Loose {
    /// Whether PHP would take it for true.
    pub fn is_truthy(&self) -> bool {
        !matches!(self.0.as_str(), "" | "0")
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor).map(Self)
    }
}

struct LooseVisitor;

impl Visitor<'_> for LooseVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<String, E> {
        Ok(if truth { "1".to_owned() } else { String::new() })
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }
}

/// A scalar read as `T` whatever its JSON type; `None` when it is no `T`.
pub(in crate::mautic) struct Loosely<T>(pub Option<T>);

impl<T> Default for Loosely<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Loosely<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Loose::deserialize(deserializer).map(|Loose(text)| Self(text.trim().parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_may_come_in_any_of_phps_shapes() {
        for (text, expected) in [
            ("{}", vec![]),
            ("[]", vec![]),
            ("null", vec![]),
            ("[5, 6]", vec![Some(5), Some(6)]),
            (r#"{"1": 6}"#, vec![None, Some(6)]),
        ] {
            let list: Listed<u8> = serde_json::from_str(text).unwrap();
            assert_eq!(list.by_index(expected.len()), expected, "{text}");
        }
    }

    #[test]
    fn a_number_may_come_as_text() {
        for (text, expected) in [("201", Some(201)), ("\"201\"", Some(201)), ("\"x\"", None), ("null", None)] {
            let number: Loosely<u16> = serde_json::from_str(text).unwrap();
            assert_eq!(number.0, expected, "{text}");
        }
    }
}
