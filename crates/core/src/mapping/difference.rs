//! What has to be written: the difference between what is wanted and what was last sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::hash::canonical;
use super::map::Mapped;

/// Fields to write and to clear, by remote name.
#[derive(Clone, Default, PartialEq)]
pub struct Difference {
    /// Values to set.
    pub set: BTreeMap<String, Value>,
    /// Fields to clear.
    pub clear: BTreeSet<String>,
    /// Whether there is neither.
    pub unchanged: bool,
}

impl Difference {
    /// Notes in a snapshot that the difference was written. A cleared field stays there as `null`: so the next
    /// difference knows that it is clear already.
    pub fn note_in(&self, snapshot: &mut BTreeMap<String, Value>) {
        snapshot.extend(self.set.iter().map(|(name, value)| (name.clone(), value.clone())));
        snapshot.extend(self.clear.iter().map(|name| (name.clone(), Value::Null)));
    }
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Difference").field("set", &self.set.keys()).field("clear", &self.clear).finish_non_exhaustive()
    }
}

/// The wanted values that differ from what was sent. Numbers are compared as numbers.
///
/// What the platform echoes is no measure: it cuts seconds, rounds numbers and answers booleans as 1 and 0 (recording
/// `068-contact-custom-fields`).
#[must_use]
pub fn changed(wanted: &BTreeMap<String, Value>, sent: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    wanted
        .iter()
        .filter(|(name, value)| sent.get(*name).is_none_or(|sent| canonical(sent) != canonical(value)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Compares a mapped record with a snapshot of what was sent. A field that the record does not hold is left alone; one
/// never sent is cleared when that is asked for, as the platform may hold a value of its own. Fields whose rule says
/// `preserve_if_absent` are never among the cleared.
#[must_use]
pub fn difference(wanted: &Mapped, snapshot: &BTreeMap<String, Value>) -> Difference {
    let set = changed(&wanted.fields, snapshot);
    let clear: BTreeSet<String> =
        wanted.cleared.iter().filter(|name| snapshot.get(*name) != Some(&Value::Null)).cloned().collect();
    let unchanged = set.is_empty() && clear.is_empty();
    Difference { set, clear, unchanged }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn wanted(pairs: &[(&str, Value)], cleared: &[&str]) -> Mapped {
        let cleared = cleared.iter().map(|name| (*name).to_owned()).collect();
        Mapped { fields: values(pairs), cleared, ..Mapped::default() }
    }

    #[test]
    fn only_what_differs_from_what_was_sent_is_set() {
        let sent = values(&[("firstname", json!("Zoë")), ("total_orders", json!(3)), ("city", json!("Perth"))]);
        let wanted = wanted(&[("firstname", json!("Zoë")), ("total_orders", json!(0)), ("phone", json!("+61"))], &[]);
        let difference = difference(&wanted, &sent);
        assert_eq!(difference.set, values(&[("total_orders", json!(0)), ("phone", json!("+61"))]));
        assert!(difference.clear.is_empty() && !difference.unchanged);
    }

    #[test]
    fn the_same_number_written_otherwise_is_no_change() {
        let difference = difference(&wanted(&[("total", json!(12.0))], &[]), &values(&[("total", json!(12))]));
        assert!(difference.unchanged);
    }

    #[test]
    fn a_field_is_cleared_once() {
        let wanted = wanted(&[("firstname", json!("Zoë"))], &["city", "fax"]);
        let mut sent = values(&[("city", json!("Perth"))]);
        let first = difference(&wanted, &sent);
        assert_eq!(first.clear, ["city".to_owned(), "fax".to_owned()].into());
        first.note_in(&mut sent);
        assert!(difference(&wanted, &sent).unchanged);
        assert_eq!(sent.get("city"), Some(&Value::Null));
    }

    #[test]
    fn debug_output_holds_no_value() {
        let difference = difference(&wanted(&[("firstname", json!("Zoë"))], &[]), &BTreeMap::new());
        assert!(!format!("{difference:?}").contains("Zoë"));
    }
}
