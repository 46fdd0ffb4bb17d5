//! Who changed something on the platform.

use std::fmt;

/// Whoever made a change there, as the platform tells it.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Author {
    /// It is not told.
    #[default]
    Unknown,
    /// Nobody who was logged in: the person themself, by a link or a preference page.
    Person,
    /// A program, by its own credentials.
    Program(String),
    /// A user of the platform.
    User {
        /// The user's number there.
        id: u64,
        /// The user's name.
        name: String,
    },
}

impl Author {
    /// Who it was, for what is kept: a user by the number alone, for the name is a person's.
    #[must_use]
    pub fn unnamed(&self) -> String {
        match self {
            Self::User { id, .. } => format!("user {id}"),
            Self::Unknown | Self::Person | Self::Program(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("somebody"),
            Self::Person => f.write_str("the person"),
            Self::Program(name) => write!(f, "the program {name}"),
            Self::User { id, name } => write!(f, "{name} (user {id})"),
        }
    }
}

/// Without the name: it is a person's.
impl fmt::Debug for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("Unknown"),
            Self::Person => f.write_str("Person"),
            Self::Program(_) => f.write_str("Program"),
            Self::User { id, .. } => write!(f, "User({id})"),
        }
    }
}
