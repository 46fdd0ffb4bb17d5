//! A contact in an answer: about 7 KB, of which Tandem keeps the values that are set.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Listed, Loose, Loosely};

/// What Tandem reads of a contact.
#[derive(Deserialize)]
pub(in crate::mautic) struct Contact {
    /// A number, a text, or `null` once it is deleted (recording `110-contact-delete`).
    #[serde(default)]
    pub id: Loose,
    #[serde(default)]
    pub points: Option<Loosely<i64>>,
    #[serde(default)]
    pub fields: FieldValues,
    #[serde(default)]
    pub tags: Listed<Tag>,
    #[serde(default, rename = "doNotContact")]
    pub do_not_contact: Listed<DoNotContact>,
    #[serde(default)]
    pub owner: Option<Reference>,
    #[serde(default)]
    pub stage: Option<Reference>,
    /// `null` for a contact that was never changed since it was made.
    #[serde(default, rename = "dateModified")]
    pub date_modified: Option<String>,
    #[serde(default, rename = "dateAdded")]
    pub date_added: Option<String>,
}

/// A tag, by its name.
#[derive(Deserialize)]
pub(in crate::mautic) struct Tag {
    pub tag: String,
}

/// A do-not-contact entry (recording `052-contact-get-with-dnc`).
#[derive(Deserialize)]
pub(in crate::mautic) struct DoNotContact {
    pub channel: String,
    #[serde(default)]
    pub reason: Loose,
    #[serde(default)]
    pub comments: Option<String>,
    /// In answers of single calls (recording `051-dnc-add`) and in those of 7.0 (recording `220-dnc-bounced`).
    #[serde(default, rename = "dateAdded")]
    pub date_added: Option<String>,
}

/// The owner or the stage, by its id; a stage has a name (recording `141-contact-overwrite-blank`).
#[derive(Deserialize)]
pub(in crate::mautic) struct Reference {
    pub id: Loosely<u64>,
    #[serde(default)]
    pub name: Option<String>,
}

/// The values of the fields that are set, by alias. Read from `fields.all`, or from the groups (`core`, `social`, …)
/// where Mautic leaves `all` out (recording `051-dnc-add`).
#[derive(Default)]
pub(in crate::mautic) struct FieldValues(pub BTreeMap<String, Value>);

/// A field within its group; the rest of what is said about it is skipped.
#[derive(Deserialize)]
struct Grouped {
    #[serde(default)]
    value: Option<Value>,
}

impl<'de> Deserialize<'de> for FieldValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldValuesVisitor)
    }
}

struct FieldValuesVisitor;

impl<'de> Visitor<'de> for FieldValuesVisitor {
    type Value = FieldValues;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields by group")
    }

    fn visit_unit<E: Error>(self) -> Result<FieldValues, E> {
        Ok(FieldValues::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut empty: A) -> Result<FieldValues, A::Error> {
        while empty.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(FieldValues::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut groups: A) -> Result<FieldValues, A::Error> {
        let (mut all, mut grouped) = (None, BTreeMap::new());
        while let Some(group) = groups.next_key::<String>()? {
            if group == "all" {
                all = Some(set(groups.next_value::<Listed<Option<Value>>>()?));
            } else {
                let members: Listed<Grouped> = groups.next_value()?;
                grouped.extend(members.0.into_iter().filter_map(|(alias, field)| Some((alias, field.value?))));
            }
        }
        Ok(FieldValues(all.unwrap_or(grouped)))
    }
}

fn set(values: Listed<Option<Value>>) -> BTreeMap<String, Value> {
    values.0.into_iter().filter_map(|(alias, value)| Some((alias, value?))).collect()
}
