//! Which fields the platform has: what it lacks would be dropped there without a word.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The platform's contact fields by name, as it listed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCatalog {
    /// Fields by alias.
    pub fields: BTreeMap<String, RemoteField>,
    /// When the list was read, by Tandem's clock.
    pub read_at: Timestamp,
}

impl FieldCatalog {
    /// This list as the one that follows `before`: each field is dated by what both say of it. Following a list twice is
    /// following it once.
    #[must_use]
    pub fn following(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        for (name, field) in &mut self.fields {
            let known = before.fields.get(name);
            let is_same_field = |known: &&RemoteField| known.id.is_none() || known.id == field.id;
            field.since = known.filter(is_same_field).map_or(self.read_at, |known| known.since);
            let is_as_before = |known: &&RemoteField| known.says_the_same(field);
            field.changed = known.filter(is_as_before).map_or(self.read_at, |known| known.changed).max(field.since);
        }
        self
    }

    /// When the youngest field was first listed.
    #[must_use]
    pub fn newest_field(&self) -> Timestamp {
        self.fields.values().map(|field| field.since).max().unwrap_or_default()
    }
}

/// One field of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteField {
    /// The platform's own number of it: a field that is deleted and made anew under the old name has another one, and none of
    /// the old one's values.
    #[serde(default)]
    pub id: Option<u64>,
    /// What it holds.
    pub kind: RemoteFieldKind,
    /// The values that a select takes; empty for other kinds.
    pub options: Vec<String>,
    /// Decimal places of a number, when the platform rounds.
    pub scale: Option<u8>,
    /// The list in which it first stood under this number, by when that was read. What was written before may not be in it.
    #[serde(default)]
    pub since: Timestamp,
    /// The list in which it first stood as it is, by when that was read: a value that it refused before may be one by now.
    #[serde(default)]
    pub changed: Timestamp,
}

impl RemoteField {
    /// A field that says no more of itself.
    #[must_use]
    pub fn of_kind(kind: RemoteFieldKind) -> Self {
        let (since, changed) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        Self { id: None, kind, options: Vec::new(), scale: None, since, changed }
    }

    /// Whether it takes the same values.
    fn says_the_same(&self, other: &Self) -> bool {
        let dated_alike = Self { id: other.id, since: other.since, changed: other.changed, ..self.clone() };
        dated_alike == *other
    }
}

/// What a field holds, as far as Tandem treats it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteFieldKind {
    /// Free text of at most 191 characters.
    Text,
    /// Free text without that limit.
    LongText,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// One of `options`.
    Select,
    /// A day.
    Date,
    /// A moment, to the minute.
    DateTime,
    /// An email address.
    Email,
    /// A telephone number.
    Phone,
    /// A web address.
    Url,
    /// One of the platform's countries.
    Country,
    /// One of the platform's regions.
    Region,
    /// One of the platform's locales.
    Locale,
    /// One of the platform's time zones.
    Timezone,
    /// Anything else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn listed(read_at: i64, fields: &[(&str, u64, &[&str])]) -> FieldCatalog {
        let field = |(name, id, options): &(&str, u64, &[&str])| {
            let options = options.iter().map(|option| (*option).to_owned()).collect();
            let field = RemoteField { id: Some(*id), options, ..RemoteField::of_kind(RemoteFieldKind::Select) };
            ((*name).to_owned(), field)
        };
        FieldCatalog { fields: fields.iter().map(field).collect(), read_at: at(read_at) }
    }

    #[test]
    fn a_field_that_is_new_or_was_made_anew_is_dated_by_the_list_that_shows_it() {
        let first = listed(10, &[("tier", 1, &["free"]), ("score", 2, &[])]);
        let second = listed(20, &[("tier", 1, &["free"]), ("score", 7, &[]), ("plan", 8, &[])]);
        let second = second.following(Some(&first));
        let dates = |catalog: &FieldCatalog| {
            let date = |name: &str| catalog.fields[name].since.as_second();
            (date("tier"), date("score"), date("plan"))
        };
        assert_eq!(dates(&second), (0, 20, 20));
        assert_eq!(second.newest_field(), at(20));
        let third = listed(30, &[("tier", 1, &["free"]), ("score", 7, &[]), ("plan", 8, &[])]).following(Some(&second));
        assert_eq!(dates(&third), (0, 20, 20));
        assert_eq!(third.clone().following(Some(&third)), third, "twice is once");
    }

    #[test]
    fn a_field_that_takes_other_values_is_the_same_field_and_is_dated_as_changed() {
        let first = listed(10, &[("tier", 1, &["free"])]);
        let second = listed(20, &[("tier", 1, &["free", "pro"])]).following(Some(&first));
        assert_eq!((second.fields["tier"].since, second.fields["tier"].changed), (at(0), at(20)));
    }

    #[test]
    fn a_list_of_before_fields_had_numbers_makes_none_of_them_new() {
        let mut first = listed(10, &[("tier", 1, &[])]);
        first.fields.get_mut("tier").unwrap().id = None;
        let second = listed(20, &[("tier", 1, &[])]).following(Some(&first));
        assert_eq!(second.newest_field(), at(0));
    }
}
