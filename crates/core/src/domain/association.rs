//! What a record's thing on a platform belongs to, apart from its values: lists that it is in, and things of other records.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::identity::RecordKey;
use super::link::RemoteId;

/// One thing that something on a platform belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Association {
    /// A campaign, by its id.
    Campaign(String),
    /// A segment, by its name.
    Segment(String),
    /// What another record is there.
    Related(Related),
}

/// A relationship as it stands on the platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Related {
    /// The other record.
    pub record: RecordKey,
    /// What the other record is on the platform.
    pub to: RemoteId,
    /// Whether it is the first of its kind: the organisation that a person works for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
}

/// Associations that are wanted, or held. Lists and relationships alike: the difference of the two is what has to be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Associations(BTreeSet<Association>);

impl Associations {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, one: &Association) -> bool {
        self.0.contains(one)
    }

    /// Notes that one is there.
    pub fn insert(&mut self, one: Association) {
        self.0.insert(one);
    }

    /// Notes that one is not there.
    pub fn remove(&mut self, one: &Association) {
        self.0.remove(one);
    }

    /// Forgets all: the thing that had them is no more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Those that are here and not there, in order.
    #[must_use]
    pub fn without(&self, others: &Self) -> Vec<Association> {
        self.0.difference(&others.0).cloned().collect()
    }

    /// The campaigns among them.
    pub fn campaigns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|one| match one {
            Association::Campaign(id) => Some(id.as_str()),
            Association::Segment(_) | Association::Related(_) => None,
        })
    }

    /// The segments among them.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|one| match one {
            Association::Segment(name) => Some(name.as_str()),
            Association::Campaign(_) | Association::Related(_) => None,
        })
    }

    /// The relationships among them.
    pub fn related(&self) -> impl Iterator<Item = &Related> {
        self.0.iter().filter_map(|one| match one {
            Association::Related(related) => Some(related),
            Association::Campaign(_) | Association::Segment(_) => None,
        })
    }
}

impl FromIterator<Association> for Associations {
    fn from_iter<T: IntoIterator<Item = Association>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Links are stored with them: older ones have to be read for good.
    #[test]
    fn stored_associations_have_this_form() {
        let (record, to) = (RecordKey::from_stored("o1".to_owned()), RemoteId("company/7".to_owned()));
        let all: Associations = [
            Association::Campaign("3".to_owned()),
            Association::Segment("VIP".to_owned()),
            Association::Related(Related { record, to, primary: true }),
        ]
        .into_iter()
        .collect();
        let stored = json!([
            {"campaign": "3"}, {"segment": "VIP"}, {"related": {"record": "o1", "to": "company/7", "primary": true}},
        ]);
        assert_eq!(serde_json::to_value(&all).unwrap(), stored);
        assert_eq!(serde_json::from_value::<Associations>(stored).unwrap(), all);
    }
}
