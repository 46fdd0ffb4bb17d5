//! The log of what was written to platforms.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::operation::WriteCall;
use crate::domain::scope::Scope;
use crate::error::Result;

/// Where a pack of calls stands in the log: when it was noted, and a name that no other one has. Packs of one moment are in the
/// order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackPlace {
    /// When it was noted, by Tandem's clock; to the microsecond.
    pub at: Timestamp,
    /// Its name: letters, digits and `-`.
    pub name: String,
}

impl PackPlace {
    /// Behind every pack that was noted up to this moment.
    #[must_use]
    pub fn behind(at: Timestamp) -> Self {
        Self { at, name: "~".to_owned() }
    }
}

impl fmt::Display for PackPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.at.as_microsecond(), self.name)
    }
}

/// A text that is no place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no place in the log")]
pub struct NoPlace;

impl FromStr for PackPlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (at, name) = text.split_once('_').ok_or(NoPlace)?;
        let at = at.parse().ok().and_then(|at| Timestamp::from_microsecond(at).ok()).ok_or(NoPlace)?;
        let sound = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if sound { Ok(Self { at, name: name.to_owned() }) } else { Err(NoPlace) }
    }
}

/// Calls that were noted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Where they stand.
    pub place: PackPlace,
    /// The calls, in the order in which they ended.
    pub calls: Vec<WriteCall>,
}

/// Keeps what was written to platforms, for 90 days.
#[async_trait]
pub trait OperationLog: Send + Sync {
    /// Keeps calls as a pack; keeping it twice is keeping it once. One write call; one more for each 350 KB that they come
    /// to packed, which is some 8,000 contacts.
    async fn keep(&self, scope: &Scope, pack: &Pack) -> Result<()>;
    /// Packs from this place down to those noted at `from`, the newest first, at most `limit`. One read call for a megabyte,
    /// and at least one for each month.
    async fn packs(&self, scope: &Scope, down_from: &PackPlace, from: Timestamp, limit: usize) -> Result<Vec<Pack>>;
}
