//! What a record is of: the application's side of a mapping. Closed: a platform's objects are named by its connector.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody.
    #[default]
    Person,
    /// A company, a club, an authority.
    Organisation,
    /// Something that is sold, or may be.
    Deal,
}

/// A text that names no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be person, organisation or deal")]
pub struct UnknownKind;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Person, Self::Organisation, Self::Deal];

    /// Its name in requests, files and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Organisation => "organisation",
            Self::Deal => "deal",
        }
    }

    /// Whether it is the kind that is meant when nothing is said.
    #[must_use]
    pub const fn is_person(&self) -> bool {
        matches!(self, Self::Person)
    }

    /// The application's id of a record, told apart from the same id of another kind. A person's is as it is; before others'
    /// stands the kind with a control character behind it, which no id holds.
    #[must_use]
    pub fn qualified(self, id: &str) -> Cow<'_, str> {
        match self {
            Self::Person => Cow::Borrowed(id),
            Self::Organisation | Self::Deal => Cow::Owned(format!("{self}\u{1f}{id}")),
        }
    }

    /// What [`Kind::qualified`] made, taken apart.
    #[must_use]
    pub fn of_qualified(text: &str) -> (Self, &str) {
        let apart = text.split_once('\u{1f}').and_then(|(kind, id)| Some((kind.parse().ok()?, id)));
        apart.unwrap_or((Self::Person, text))
    }

    /// The id as people are told it: a person's as it is, others' behind their kind.
    #[must_use]
    pub fn named(self, id: &str) -> Cow<'_, str> {
        match self {
            Self::Person => Cow::Borrowed(id),
            Self::Organisation | Self::Deal => Cow::Owned(format!("{self} {id}")),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text.trim()).ok_or(UnknownKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_of_several_kinds_is_several_ids_and_each_is_taken_apart_again() {
        let all = Kind::ALL.map(|kind| kind.qualified("7").into_owned());
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        for (kind, text) in Kind::ALL.into_iter().zip(&all) {
            assert_eq!(Kind::of_qualified(text), (kind, "7"));
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("firm".parse::<Kind>(), Err(UnknownKind));
    }
}
