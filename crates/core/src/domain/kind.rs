//! What a record is of: the application's side of a mapping. Closed: a platform's objects are named by its connector.

use std::fmt;

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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "person",
            Self::Organisation => "organisation",
            Self::Deal => "deal",
        })
    }
}
