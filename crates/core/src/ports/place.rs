//! A place in a list that is ordered by time.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// When something was noted, and a name that nothing else has. Things of one moment are in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimePlace {
    /// When it was noted, by Tandem's clock; to the microsecond.
    pub at: Timestamp,
    /// Its name: letters, digits and `-`.
    pub name: String,
}

impl TimePlace {
    /// Behind everything that was noted up to this moment.
    #[must_use]
    pub fn behind(at: Timestamp) -> Self {
        Self { at, name: "~".to_owned() }
    }

    /// Before everything that was noted at this moment or later.
    #[must_use]
    pub fn before(at: Timestamp) -> Self {
        Self { at, name: String::new() }
    }
}

impl fmt::Display for TimePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.at.as_microsecond(), self.name)
    }
}

/// A text that is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no place in the list")]
pub struct NoPlace;

impl FromStr for TimePlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (at, name) = text.split_once('_').ok_or(NoPlace)?;
        let at = at.parse().ok().and_then(|at| Timestamp::from_microsecond(at).ok()).ok_or(NoPlace)?;
        let sound = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if sound { Ok(Self { at, name: name.to_owned() }) } else { Err(NoPlace) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_anything_else_is_none() {
        let place =
            TimePlace { at: Timestamp::from_microsecond(1_764_000_000_000_001).unwrap(), name: "a-1".to_owned() };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "1", "_a", "x_a", "1_", "99999999999999999999_a", "1_a b", "1_é"] {
            assert_eq!(text.parse::<TimePlace>(), Err(NoPlace), "{text:?}");
        }
    }
}
