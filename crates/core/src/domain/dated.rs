//! When the application said which of a record's values: a change of one field is no new word on the others.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A change that is older than this when another one comes is not told apart from those before it.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The most fields that are dated on their own.
const MOST: usize = 32;

/// The moments of an application's last changes, by its names of the fields. Nothing is kept of a record that it said once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    /// Fields that changed since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    changed: BTreeMap<String, Timestamp>,
    /// When all others were said, at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest: Option<Timestamp>,
}

impl Dated {
    /// Whether all fields are as old as the record's newest state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes that the application changed these fields at this moment; `before` is that of the state before.
    pub fn note<'a>(&mut self, changed: impl Iterator<Item = &'a String>, at: Timestamp, before: Timestamp) {
        self.rest.get_or_insert(before);
        self.changed.extend(changed.map(|name| (name.clone(), at)));
        let oldest_kept = at.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        while let Some((name, moment)) = self.oldest()
            && (moment < oldest_kept || self.changed.len() > MOST)
        {
            self.changed.remove(&name);
            self.rest = self.rest.max(Some(moment));
        }
    }

    /// When the application said the value that it has under the first of these names that changed of late; `None` when that was
    /// with the record's newest state.
    #[must_use]
    pub fn of<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<Timestamp> {
        names.filter_map(|name| self.changed.get(name)).max().copied().or(self.rest)
    }

    fn oldest(&self) -> Option<(String, Timestamp)> {
        self.changed.iter().min_by_key(|(_, at)| **at).map(|(name, at)| (name.clone(), *at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    fn note(dated: &mut Dated, names: &[&str], day: i64, before: i64) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        dated.note(names.iter(), at(day), at(before));
    }

    fn of(dated: &Dated, name: &str) -> Option<Timestamp> {
        dated.of(std::iter::once(name))
    }

    #[test]
    fn a_change_of_one_field_is_no_new_word_on_the_others() {
        let mut dated = Dated::default();
        assert_eq!((dated.is_empty(), of(&dated, "city")), (true, None));
        note(&mut dated, &["city"], 5, 1);
        note(&mut dated, &["state"], 7, 5);
        assert_eq!(["city", "state", "name"].map(|name| of(&dated, name)), [Some(at(5)), Some(at(7)), Some(at(1))]);
        note(&mut dated, &[], 9, 7);
        assert_eq!(of(&dated, "state"), Some(at(7)), "what is said again is no news");
    }

    #[test]
    fn what_changed_long_ago_or_before_many_others_is_as_old_as_the_rest() {
        let mut dated = Dated::default();
        note(&mut dated, &["city"], 5, 1);
        note(&mut dated, &["state"], 36, 5);
        assert_eq!(["city", "name"].map(|name| of(&dated, name)), [Some(at(5)); 2]);
        let many: Vec<String> = (0..40).map(|number| format!("f{number:02}")).collect();
        for (number, name) in (0..).zip(&many) {
            note(&mut dated, &[name], 37 + number / 10, 36);
        }
        assert_eq!(dated.changed.len(), MOST);
        assert_eq!(of(&dated, "f39"), Some(at(40)));
        assert!(of(&dated, "state") >= Some(at(36)));
    }

    #[test]
    fn the_stored_form_names_fields_with_their_moments_and_the_moment_of_the_rest() {
        let mut dated = Dated::default();
        note(&mut dated, &["city"], 1, 0);
        let stored = serde_json::json!({"changed": {"city": "1970-01-02T00:00:00Z"}, "rest": "1970-01-01T00:00:00Z"});
        assert_eq!(serde_json::to_value(&dated).unwrap(), stored);
        assert_eq!(serde_json::to_value(Dated::default()).unwrap(), serde_json::json!({}));
    }
}
